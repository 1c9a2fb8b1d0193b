"""The canvas as a view of a session: shows what is selected, and what is clicked there becomes selected."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Image, Layer
from napari.utils.colormaps import DirectLabelColormap
from napari.viewer import Viewer
from qtpy.QtCore import QObject, QTimer, Signal

from napari_msiclust.plugin.current_ion import tell_current_plane
from napari_msiclust.plugin.layers import (
    KEY,
    ClusteredIons,
    compact_labels,
    label_features,
)
from napari_msiclust.plugin.workbench.geometry import pixel_under
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.results.colors import colors_of
from napari_msiclust.results.composite import MOST_COLORS, color_composite, mean_of_ions
from napari_msiclust.results.scaled_image import contrast_limits

_FAINT = 0.25
_SOLID = ("translucent", "translucent_no_depth", "opaque")
_NO_STACK = "Open the imzML file of this result to see its ion images."


class LayerView(QObject):
    """Layers of a session in a viewer; layers that the user deleted or renamed are no trouble.

    Parameters
    ----------
    viewer : Viewer
    session : Session
    means : Image
        Stack of mean ion images.
    dominant : Labels
        Dominant cluster map.
    """

    said = Signal(str)

    def __init__(self, viewer: Viewer, session: Session, means: Layer, dominant: Layer) -> None:
        super().__init__(session)
        self._viewer, self._session = viewer, session
        self.means, self.dominant = means, dominant
        self._composite: ref[Layer] | None = None
        self.in_color = False
        self._colored: tuple[int, bytes] | None = None
        self._last_plane: tuple[object, int] | None = None
        self._from_map = self._acting = False
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._show_selection)
        session.changed.connect(self._show_result)
        session.selection.ions_changed.connect(self._later.start)
        session.selection.cluster_changed.connect(self._later.start)
        viewer.dims.events.current_step.connect(self._plane_moved)
        viewer.mouse_drag_callbacks.append(self._pressed)
        viewer.mouse_move_callbacks.append(self._hovered)

    def close(self) -> None:
        """Take everything back that was hung on the viewer."""
        self._viewer.dims.events.current_step.disconnect(self._plane_moved)
        self._viewer.mouse_drag_callbacks.remove(self._pressed)
        self._viewer.mouse_move_callbacks.remove(self._hovered)
        self._later.stop()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers of the result, whether the viewer still has them or not."""
        return (self.means, self.dominant)

    @property
    def grid_layer(self) -> Layer:
        """A layer whose rows and columns are those of the pixel grid."""
        return self.dominant

    @property
    def point(self) -> tuple[float, ...]:
        """World position of the viewer's sliders."""
        return tuple(self._viewer.dims.point)

    def stack(self) -> Image | None:
        """The layer of the ion images."""
        for layer in self._viewer.layers:
            if layer.metadata.get(KEY) is self._session.dataset:
                return layer
        return None

    def show_in_color(self, *, in_color: bool) -> None:
        """Whether two or three selected ions are shown as colours, or as their mean."""
        self.in_color = in_color
        self._later.start()

    def restore_layers(self) -> None:
        """Put the layers of the result back that the user deleted."""
        for layer in self.layers:
            if layer not in self._viewer.layers:
                self._viewer.add_layer(layer)

    # -- from the session to the canvas ----------------------------------------------------------

    def _show_result(self) -> None:
        result = self._session.result
        clustered = ClusteredIons(result.ions, str(self._session.dataset.path))
        self.means.data = result.mean_images
        self.dominant.data = compact_labels(result.dominant_cluster_map)
        names = [str(name) for name in result.clusters["name"]] if "name" in result.clusters else []
        self.means.metadata = {**self.means.metadata, KEY: clustered, "channels": names}
        self.dominant.metadata = {**self.dominant.metadata, KEY: clustered}
        self.dominant.features = label_features(
            {str(name): list(result.clusters[name]) for name in result.clusters}, len(result.clusters)
        )
        self._color_map()

    def _color_map(self) -> None:
        """Colours of the clusters; all but the selected one are faint."""
        colors = colors_of(self._session.clusters)
        selected = self._session.selection.cluster
        shown = (selected, colors.tobytes())
        if shown == self._colored:
            return
        self._colored = shown
        table: dict[int | None, Any] = {None: np.zeros(4), 0: np.zeros(4)}
        for number, color in enumerate(colors, start=1):
            table[number] = color if selected in (0, number) else np.array([*color[:3], _FAINT])
        self.dominant.colormap = DirectLabelColormap(color_dict=table)

    def _show_selection(self) -> None:
        selection = self._session.selection
        from_map, self._from_map = self._from_map, False
        self._color_map()
        if not selection.ions:
            return
        if self._is_whole_cluster():
            self._show_plane(self.means, selection.cluster - 1, raise_it=not from_map)
        elif len(selection.ions) == 1:
            self._show_ion(selection.ions[0])
        else:
            self._show_several(selection.ions)

    def _is_whole_cluster(self) -> bool:
        selection = self._session.selection
        if not selection.cluster or len(selection.ions) < 2:
            return False
        return set(selection.ions) == set(self._session.members(selection.cluster).tolist())

    def _show_ion(self, ion: int) -> None:
        stack = self.stack()
        if stack is None:
            self.said.emit(_NO_STACK)
            return
        self._show_plane(stack, ion)
        stack.contrast_limits = contrast_limits(self._session.dataset.images.image(ion))

    def _show_plane(self, layer: Layer, plane: int, *, raise_it: bool = True) -> None:
        """Move the slider to a plane of a stack, and hide the other stacks."""
        if layer not in self._viewer.layers:
            return
        self._acting = True
        self._last_plane = layer.unique_id, plane
        for other in self._viewer.layers:
            if isinstance(other, Image) and (other.ndim > 2 or other is self._shown_composite()):
                _show_or_hide(other, visible=other is layer)
        self._viewer.dims.set_point(self._viewer.dims.ndim - layer.ndim, float(plane))
        _show_or_hide(layer, visible=True)
        if raise_it:
            self._raise(layer)
        self._acting = False

    def _raise(self, layer: Layer) -> None:
        at = self._viewer.layers.index(layer)
        if at != len(self._viewer.layers) - 1:
            self._viewer.layers.move(at, len(self._viewer.layers))

    def _shown_composite(self) -> Layer | None:
        layer = None if self._composite is None else self._composite()
        return layer if layer is not None and layer in self._viewer.layers else None

    def _show_several(self, ions: Sequence[int]) -> None:
        images, quantile = self._session.dataset.images, self._session.result.config.hotspot_quantile
        colored = self.in_color and len(ions) <= MOST_COLORS
        make = color_composite if colored else mean_of_ions
        if colored:
            title = " + ".join(f"{images.mz[ion]:.2f}" for ion in ions)
        else:
            title = f"mean of {len(ions)} ions"
        self._session.background.run(
            "composite",
            lambda: make(images, ions, quantile),
            lambda picture: self._show_composite(picture, title, rgb=colored),
            self.said.emit,
        )

    def _show_composite(self, picture: Any, title: str, *, rgb: bool) -> None:
        if self.stack() is None and self.dominant not in self._viewer.layers:
            return  # the viewer was closed or cleared meanwhile
        layer = self._shown_composite()
        if layer is not None and layer.rgb != rgb:
            self._viewer.layers.remove(layer)
            layer = None
        if layer is None:
            plane = {
                "scale": self.dominant.scale,
                "units": self.dominant.units,
                "affine": self.dominant.affine,
            }
            settings = {"colormap": "inferno", "contrast_limits": (0, 1)} if not rgb else {"rgb": True}
            layer = Image(picture, name="selected ions", **plane, **settings)
            self._composite = ref(layer)
            self._viewer.add_layer(layer)
        else:
            layer.data = picture
        layer.name = f"selected ions: {title}"
        layer.metadata = {**layer.metadata, "caption": title}
        _show_or_hide(layer, visible=True)
        if not rgb:
            layer.contrast_limits = contrast_limits(picture)
        self._raise(layer)
        tell_current_plane(self._viewer)

    def add_stack(self, stack: Any, title: str, names: list[str]) -> None:
        """Add images (n, H, W) on the pixel grid as a layer whose planes have names, and show the first."""
        plane = self.dominant
        self._viewer.add_image(
            stack,
            name=title,
            scale=(1, *plane.scale),
            units=("pixel", *plane.units),
            axis_labels=("ion", *plane.axis_labels),
            colormap="inferno",
            contrast_limits=(0, 1),
            metadata={"channels": names},
        )
        self._viewer.dims.set_point(self._viewer.dims.ndim - stack.ndim, 0.0)

    # -- from the canvas to the session ----------------------------------------------------------

    def _plane_moved(self, event: object = None) -> None:
        """The user moved the slider of a stack."""
        if self._acting:
            return
        for layer in reversed(self._viewer.layers):
            if not (layer.visible and isinstance(layer, Image) and layer.ndim in (3, 4)):
                continue
            plane = round(float(layer.world_to_data(self._viewer.dims.point[-layer.ndim :])[0]))
            if (layer.unique_id, plane) == self._last_plane:  # other layers came or went
                return
            self._last_plane = layer.unique_id, plane
            if layer is self.means and 0 <= plane < len(self._session.clusters):
                self._session.select_cluster(plane + 1)
            elif layer is self.stack() and 0 <= plane < len(self._session.ions):
                self._session.select_ions([plane])
            return

    def _pixel(self, position: tuple[float, ...]) -> tuple[int, int] | None:
        row, col = pixel_under(self.grid_layer, position)
        height, width = self._session.result.grid.shape
        return (row, col) if 0 <= row < height and 0 <= col < width else None

    def _hovered(self, viewer: Viewer, event: Any) -> None:
        self._session.selection.hover(self._pixel(event.position))

    def _map_is_seen(self) -> bool:
        layers = list(self._viewer.layers)
        if self.dominant not in layers or not self.dominant.visible:
            return False
        return not any(_hides(layer) for layer in layers[layers.index(self.dominant) + 1 :])

    def _pressed(self, viewer: Viewer, event: Any) -> Generator[None, None, None]:
        """A click (no drag) on the cluster map, where it is seen, selects the cluster there."""
        active = viewer.layers.selection.active
        if active is not None and active.mode != "pan_zoom":
            return
        if not self._map_is_seen():
            return
        yield
        if event.type == "mouse_move":
            return
        pixel = self._pixel(event.position)
        if pixel is not None:
            self._from_map = True
            self._session.select_cluster(int(self.dominant.data[pixel]))


def _hides(layer: Layer) -> bool:
    """Whether nothing below an image shines through."""
    return isinstance(layer, Image) and layer.visible and layer.opacity == 1 and layer.blending in _SOLID


def _show_or_hide(layer: Layer, *, visible: bool) -> None:
    """Set what is not so yet; napari draws anew in any case."""
    if layer.visible != visible:
        layer.visible = visible
