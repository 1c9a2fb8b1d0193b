"""A mouse on the canvas of a real viewer."""

from __future__ import annotations

import numpy as np
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication

_LEFT = Qt.MouseButton.LeftButton


class CanvasMouse:
    """Clicks and drags at places of the world (y, x)."""

    def __init__(self, qtbot: QtBot, viewer: Viewer) -> None:
        self._qtbot = qtbot
        self._canvas = viewer.window._qt_viewer.canvas

    def where(self, place: tuple[float, float]) -> QPoint:
        """The spot on the canvas that shows a place of the world."""
        QApplication.processEvents()
        view = self._canvas.view
        transform = view.transform * view.scene.transform
        x, y = transform.map([place[1], place[0]])[:2]
        return QPoint(round(float(x)), round(float(y)))

    def world(self, spot: QPoint) -> np.ndarray:
        """The place of the world that a spot on the canvas shows: a whole pixel of the screen."""
        view = self._canvas.view
        transform = view.transform * view.scene.transform
        return np.asarray(transform.imap([spot.x(), spot.y()])[:2][::-1], dtype=float)

    def pixel(self) -> float:
        """Length in the world that a pixel of the screen shows."""
        return float(np.linalg.norm(self.world(QPoint(1, 0)) - self.world(QPoint(0, 0))))

    def click(self, place: tuple[float, float]) -> np.ndarray:
        """Click, and tell the place of the world that was hit."""
        spot = self.where(place)
        self._qtbot.mouseMove(self._canvas.native, spot)
        self._qtbot.mouseClick(self._canvas.native, _LEFT, pos=spot)
        QApplication.processEvents()
        return self.world(spot)

    def press(self, place: tuple[float, float]) -> None:
        """Press the button."""
        spot = self.where(place)
        self._qtbot.mouseMove(self._canvas.native, spot)
        self._qtbot.mousePress(self._canvas.native, _LEFT, pos=spot)
        QApplication.processEvents()

    def drag(self, place: tuple[float, float]) -> np.ndarray:
        """Move with the button pressed."""
        spot = self.where(place)
        self._qtbot.mouseMove(self._canvas.native, spot)
        QApplication.processEvents()
        return self.world(spot)

    def release(self, place: tuple[float, float]) -> None:
        """Let the button go."""
        self._qtbot.mouseRelease(self._canvas.native, _LEFT, pos=self.where(place))
        QApplication.processEvents()
