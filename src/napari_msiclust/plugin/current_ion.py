"""The canvas tells which ion or cluster is shown."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer

from napari_msiclust.plugin.layers import KEY, ClusteredIons, IonDataset, TicImage

_followed: WeakSet[Viewer] = WeakSet()


def follow_current_plane(viewer: Viewer) -> None:
    """Keep the canvas text at the current ion or cluster, and show a scale bar; once per viewer.

    A TIC image lies above its ion images at first, and is hidden when the slider is moved.
    """
    viewer.canvas.overlays.scale_bar.visible = True
    if viewer in _followed:
        return
    _followed.add(viewer)

    def update(event: Any = None) -> None:
        tell_current_plane(viewer)

    gave_way: WeakSet[Layer] = WeakSet()

    shown = _ions_shown(viewer)

    def move(event: Any) -> None:
        nonlocal shown
        before, shown = shown, _ions_shown(viewer)
        if all(before.get(axis, point) == point for axis, point in shown.items()):
            update()
            return
        for layer in viewer.layers:
            if isinstance(layer.metadata.get(KEY), TicImage) and layer not in gave_way:
                gave_way.add(layer)
                layer.visible = False
        update()

    def watch(layer: Layer) -> None:
        layer.events.visible.connect(update)
        update()

    for layer in viewer.layers:
        watch(layer)
    viewer.dims.events.current_step.connect(move)
    viewer.layers.events.inserted.connect(lambda event: watch(event.value))
    viewer.layers.events.removed.connect(update)
    viewer.layers.events.reordered.connect(update)


def _ions_shown(viewer: Viewer) -> dict[int, float]:
    """Where the slider of each axis of ions is; axes are counted from the last."""
    axes = {-layer.ndim for layer in viewer.layers if isinstance(layer.metadata.get(KEY), IonDataset)}
    return {axis: viewer.dims.point[axis] for axis in axes}


def tell_current_plane(viewer: Viewer) -> None:
    """Set the canvas text to what is shown now."""
    text = plane_text(viewer)
    viewer.canvas.overlays.text.text = text
    viewer.canvas.overlays.text.visible = bool(text)


def plane_text(viewer: Viewer) -> str:
    """What the topmost visible layer shows: an ion, a cluster, the map, the TIC; or its own caption."""
    for layer in reversed(viewer.layers):
        if layer.visible and "caption" in layer.metadata:
            return str(layer.metadata["caption"])
        if layer.visible and isinstance(layer.metadata.get(KEY), TicImage):
            return "total ion current"
        if layer.visible and isinstance(layer, Labels) and isinstance(layer.metadata.get(KEY), ClusteredIons):
            return "dominant cluster map"
        if layer.visible and isinstance(layer, Image) and layer.ndim in (3, 4):
            plane = round(float(layer.world_to_data(viewer.dims.point[-layer.ndim :])[0]))
            text = _describe(layer, plane)
            if text:
                return text
    return ""


def _describe(layer: Layer, plane: int) -> str:
    dataset = layer.metadata.get(KEY)
    if isinstance(dataset, IonDataset) and 0 <= plane < len(dataset.images):
        name = dataset.images.names[plane]
        return f"m/z {dataset.images.mz[plane]:.4f}" + (f"  {name}" if name else "")
    channels = layer.metadata.get("channels") or []
    return str(channels[plane]) if 0 <= plane < len(channels) else ""
