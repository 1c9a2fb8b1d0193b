"""A small plot: axes with ticks, zoom with the wheel, moving with the right button, theme colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 8, 8, 30
_ZOOM_STEP = 1.2
_TICKS = 5
_FONT_PIXELS = 11

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """The part of the plane that is shown."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def around(cls, x: npt.ArrayLike, y: npt.ArrayLike, margin: float = 0.05) -> View:
        """A view that holds all points."""
        sides = []
        for values in (np.asarray(x, float), np.asarray(y, float)):
            low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
            room = (high - low) * margin or 0.5
            sides += [low - room, high + room]
        return cls(*sides)

    def zoomed(self, factor: float, x: float, y: float, *, only_x: bool) -> View:
        """The view with its sides nearer to (x, y) by a factor."""
        left, right = x - (x - self.left) / factor, x + (self.right - x) / factor
        if only_x:
            return View(left, right, self.bottom, self.top)
        return View(left, right, y - (y - self.bottom) / factor, y + (self.top - y) / factor)

    def moved(self, dx: float, dy: float) -> View:
        """The view shifted."""
        return View(self.left + dx, self.right + dx, self.bottom + dy, self.top + dy)


class PlotCanvas(QWidget):
    """Base of the plots; a plot fills in `draw`.

    Parameters
    ----------
    x_label, y_label : str
    only_x : bool
        Zoom and move along x alone; y follows through `fit_y`.
    """

    def __init__(self, x_label: str = "", y_label: str = "", *, only_x: bool = False) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(180, 110)
        self.setMouseTracking(True)
        self.x_label, self.y_label, self._only_x = x_label, y_label, only_x
        self.home = self.view = View(0.0, 1.0, 0.0, 1.0)
        self._grabbed: tuple[QPointF, View] | None = None

    # -- geometry ------------------------------------------------------------------------------

    @property
    def frame(self) -> QRectF:
        """Where the data are drawn."""
        return QRectF(
            _LEFT, _TOP, max(self.width() - _LEFT - _RIGHT, 1), max(self.height() - _TOP - _BOTTOM, 1)
        )

    def to_pixels(self, x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
        """Places in the widget (n, 2) of points."""
        frame, view = self.frame, self.view
        across = frame.left() + (np.asarray(x, float) - view.left) / (view.right - view.left) * frame.width()
        down = (
            frame.bottom() - (np.asarray(y, float) - view.bottom) / (view.top - view.bottom) * frame.height()
        )
        return np.stack(np.broadcast_arrays(across, down), axis=-1)

    def to_data(self, place: QPointF) -> tuple[float, float]:
        """The point at a place in the widget."""
        frame, view = self.frame, self.view
        x = view.left + (place.x() - frame.left()) / frame.width() * (view.right - view.left)
        y = view.bottom + (frame.bottom() - place.y()) / frame.height() * (view.top - view.bottom)
        return x, y

    def show_all(self) -> None:
        """Back to the whole."""
        self.set_view(self.home)

    def set_view(self, view: View) -> None:
        """Show another part."""
        self.view = self.fit_y(view) if self._only_x else view
        self.update()

    def fit_y(self, view: View) -> View:
        """The view with the y range that suits its x range."""
        return view

    # -- drawing -------------------------------------------------------------------------------

    def draw(self, painter: QPainter) -> None:
        """Draw the data; the frame is the clip."""
        raise NotImplementedError

    @property
    def ink(self) -> QColor:
        """Colour of text and axes, from the theme."""
        return self.palette().windowText().color()

    def faint(self, alpha: int = 90) -> QColor:
        """The ink, lighter."""
        color = QColor(self.ink)
        color.setAlpha(alpha)
        return color

    def paintEvent(self, event: object) -> None:
        painter = QPainter(self)
        font = painter.font()
        font.setPixelSize(_FONT_PIXELS)
        painter.setFont(font)
        self._draw_axes(painter)
        painter.setClipRect(self.frame)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.draw(painter)
        painter.end()

    def _draw_axes(self, painter: QPainter) -> None:
        frame, view = self.frame, self.view
        painter.setPen(QPen(self.faint(), 1))
        painter.drawLine(frame.bottomLeft(), frame.bottomRight())
        painter.drawLine(frame.topLeft(), frame.bottomLeft())
        painter.setPen(self.ink)
        for tick in ticks(view.left, view.right):
            at = self.to_pixels(tick, view.bottom)[0]
            painter.drawText(
                QRectF(at - 40, frame.bottom() + 1, 80, 14), Qt.AlignmentFlag.AlignCenter, f"{tick:g}"
            )
        for tick in ticks(view.bottom, view.top, 3):
            at = self.to_pixels(view.left, tick)[1]
            right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(0, at - 7, _LEFT - 4, 14), right, short_number(tick))
        bottom = QRectF(frame.left(), self.height() - 15, frame.width(), 14)
        painter.drawText(bottom, Qt.AlignmentFlag.AlignCenter, self.x_label)
        if self.y_label:
            painter.save()
            painter.translate(9, frame.center().y())
            painter.rotate(-90)
            painter.drawText(QRectF(-80, -9, 160, 14), Qt.AlignmentFlag.AlignCenter, self.y_label)
            painter.restore()

    # -- mouse ---------------------------------------------------------------------------------

    def wheelEvent(self, event: object) -> None:
        factor = _ZOOM_STEP ** (event.angleDelta().y() / 120)  # type: ignore[attr-defined]
        x, y = self.to_data(event.position())  # type: ignore[attr-defined]
        self.set_view(self.view.zoomed(factor, x, y, only_x=self._only_x))
        event.accept()  # type: ignore[attr-defined]

    def grab_view(self, place: QPointF) -> None:
        """Begin to move the view."""
        self._grabbed = (place, self.view)

    def drag_view(self, place: QPointF) -> bool:
        """Move the view with the mouse; whether it was grabbed."""
        if self._grabbed is None:
            return False
        start, view = self._grabbed
        frame = self.frame
        dx = (start.x() - place.x()) / frame.width() * (view.right - view.left)
        dy = 0.0 if self._only_x else (place.y() - start.y()) / frame.height() * (view.top - view.bottom)
        self.set_view(view.moved(dx, dy))
        return True

    def release_view(self) -> None:
        """End moving."""
        self._grabbed = None


def ticks(low: float, high: float, most: int = _TICKS) -> list[float]:
    """Round numbers between two bounds."""
    from matplotlib.ticker import MaxNLocator

    if not np.isfinite([low, high]).all() or high <= low:
        return []
    return [float(tick) for tick in MaxNLocator(most).tick_values(low, high) if low <= tick <= high]


def short_number(value: float) -> str:
    """A number in few letters."""
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{letter}"
    return f"{value:.3g}"
