"""All layers stay in sight when the canvas gets narrower, as beside a dock that opens."""

from __future__ import annotations

from typing import Any

from napari.viewer import Viewer
from qtpy.QtCore import QObject

_View = tuple[float, ...]


class FittedView:
    """Fits the view again when the size of the canvas changes; a view that the user chose is left alone.

    Parameters
    ----------
    viewer : Viewer
    owner : QObject
        When it is gone, the view is left alone again.
    """

    def __init__(self, viewer: Viewer, owner: QObject) -> None:
        self._viewer = viewer
        self._fitted = self._view() if _is_fitted(viewer) else None
        viewer.events.reset_view.connect(self._was_fitted)
        viewer.canvas.events.size.connect(self._resized)
        owner.destroyed.connect(self._leave)

    def _view(self) -> _View:
        return _view_of(self._viewer)

    def _was_fitted(self, event: Any = None) -> None:
        self._fitted = self._view()

    def _resized(self, event: Any = None) -> None:
        if self._view() == self._fitted and self._viewer.dims.ndisplay == 2:
            self._viewer.fit_to_view()

    def _leave(self) -> None:
        self._viewer.events.reset_view.disconnect(self._was_fitted)
        self._viewer.canvas.events.size.disconnect(self._resized)


def _view_of(viewer: Viewer) -> _View:
    camera = viewer.scene.camera
    return (*camera.center, camera.zoom)


def _is_fitted(viewer: Viewer) -> bool:
    """Whether the view is what fitting it would give."""
    camera = viewer.scene.camera
    center, zoom, before = camera.center, camera.zoom, _view_of(viewer)
    viewer.fit_to_view()
    if _view_of(viewer) == before:
        return True
    camera.center, camera.zoom = center, zoom
    return False
