"""Blended, checkerboard and contour views of a match."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from napari.layers import Image, Labels, Layer, Shapes
from napari.viewer import Viewer

from napari_msiclust.plugin.histology.groups import current_plane, place, placed
from napari_msiclust.plugin.histology.landmark_layers import LANDMARKS
from napari_msiclust.plugin.layers import KEY
from napari_msiclust.registration.preview import checkerboard, contour_lines, in_squares

ViewKind = Literal["as they are", "blended", "checkerboard", "contours", "histology only", "ions only"]
VIEWS: tuple[ViewKind, ...] = get_args(ViewKind)
_CONTOUR = "#0072B2"  # seen on pink and on white
PREVIEW = "preview of the match"


class MatchView:
    """Shows one layer of the ions against the histology.

    The previews lie on the grid of the ions and carry their affine, so they move along.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._preview: Layer | None = None
        self._kept: dict[Layer, tuple[bool, float]] = {}
        self.kind: ViewKind = "as they are"
        self._moving: Layer | None = None
        self._drawing = False
        viewer.dims.events.current_step.connect(self._plane_changed)

    def show(self, kind: ViewKind, fixed: Layer | None, moving: Layer | None, group: list[Layer]) -> None:
        """Change the view; 'as they are' brings back what was visible before."""
        self._restore()
        self.kind, self._moving = kind, moving
        if kind == "as they are" or moving is None or fixed is None:
            return
        self._kept = {layer: (layer.visible, layer.opacity) for layer in (*group, fixed)}
        for layer in group:
            layer.visible = layer is moving and kind in ("blended", "ions only")
        fixed.visible = kind != "ions only"
        if kind == "blended":
            moving.opacity = 0.5
        elif kind in ("checkerboard", "contours"):
            self._draw()
        self._raise(moving)

    def follow(self, matrix_layer: Layer | None) -> None:
        """Put the preview where the ions are."""
        if self._preview is not None and matrix_layer is not None:
            place([self._preview], placed(matrix_layer))

    def _raise(self, moving: Layer) -> None:
        """The ions above the histology, the landmarks above all."""
        layers = self._viewer.layers
        tops = [moving, *([self._preview] if self._preview is not None else [])]
        tops += [layer for layer in layers if layer.metadata.get(KEY) == LANDMARKS]
        for layer in tops:
            if layer in layers:
                layers.move(layers.index(layer), len(layers))

    def _draw(self) -> None:
        moving = self._moving
        if moving is None:
            return
        plane = current_plane(moving, self._viewer.dims.point)
        preview = self._checkerboard(moving, plane) if self.kind == "checkerboard" else self._contours(plane)
        if preview is None:
            return
        preview.name, preview.metadata = PREVIEW, {KEY: PREVIEW}
        preview.scale = moving.scale[-2:]
        preview.units = moving.units[-2:]
        preview.axis_labels = moving.axis_labels[-2:]
        self._drawing = True  # a new layer may move the slider
        try:
            self._remove_preview()
            selected = set(self._viewer.layers.selection)
            self._preview = self._viewer.add_layer(preview)
            self._viewer.layers.selection = selected
        finally:
            self._drawing = False
        self.follow(moving)

    def _checkerboard(self, moving: Layer, plane: Any) -> Layer:
        if isinstance(moving, Labels):
            squares = checkerboard((plane.shape[0], plane.shape[1]))
            return Labels(np.where(squares, 0, plane), colormap=moving.colormap, opacity=1)
        return Image(in_squares(plane), colormap=moving.colormap, contrast_limits=moving.contrast_limits)

    def _contours(self, plane: Any) -> Layer | None:
        lines = contour_lines(np.asarray(plane, dtype=np.float64))
        if not lines:
            return None
        layer = Shapes(ndim=2)
        layer.add_paths(lines, edge_color=_CONTOUR, edge_width=0.7)
        return layer

    def _plane_changed(self, event: Any) -> None:
        stack = self._moving is not None and self._moving.ndim > 2
        if self._preview is not None and stack and not self._drawing:
            self._draw()

    def _remove_preview(self) -> None:
        preview, self._preview = self._preview, None  # a layer that goes may move the slider
        if preview is not None and preview in self._viewer.layers:
            self._viewer.layers.remove(preview)

    def _restore(self) -> None:
        self._remove_preview()
        for layer, (visible, opacity) in self._kept.items():
            layer.visible, layer.opacity = visible, opacity
        self._kept = {}
