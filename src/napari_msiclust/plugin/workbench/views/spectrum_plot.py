"""A spectrum as sticks in the colours of the clusters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QLineF, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen

from napari_msiclust.plugin.workbench.views.plot_canvas import PlotCanvas, View

_NEAR = 8.0
_CLICK = 4.0
_MOST_MARKED = 3
_FAINT, _GROUND = 110, 200  # of 255


class SpectrumPlot(PlotCanvas):
    """Intensity over m/z; a click on a peak chooses its ion.

    Wheel zooms in m/z, dragging with the left button zooms to a range, the right button moves, a
    double click shows all.
    """

    ions_chosen = Signal(tuple, bool)

    def __init__(self) -> None:
        super().__init__("m/z", only_x=True)
        self.mz = np.zeros(0)
        self.intensity = np.zeros(0)
        self.title = ""
        self._colors: list[QColor] = []
        self._selected: tuple[int, ...] = ()
        self._sticks: dict[int, list[QLineF]] = {}
        self._drawn_for: tuple[View, QRectF] | None = None
        self._dragged: tuple[QPointF, QPointF] | None = None
        self.setAccessibleName("spectrum")

    def show_ions(self, mz: npt.NDArray[np.float64], colors: npt.NDArray[np.uint8]) -> None:
        """Show the peaks of other ions; mz (N,), colours (N, 3) in 0..255."""
        self._colors, self._drawn_for = [QColor(*color) for color in colors.tolist()], None
        if not np.array_equal(mz, self.mz):
            self.mz, self.intensity = np.asarray(mz, float), np.zeros(len(mz))
            self.home = View.around(self.mz, [0.0, 1.0], 0.02)
            self.set_view(self.home)
        self.update()

    def show_spectrum(self, intensity: npt.NDArray[np.float64], title: str) -> None:
        """Show another spectrum of the same ions (N,)."""
        self.intensity, self.title, self._drawn_for = np.asarray(intensity, float), title, None
        self.set_view(self.view)

    def select(self, ions: tuple[int, ...]) -> None:
        """Mark peaks."""
        self._selected = ions
        self.update()

    def fit_y(self, view: View) -> View:
        """From zero to the largest peak in sight."""
        inside = (self.mz >= view.left) & (self.mz <= view.right)
        top = float(self.intensity[inside].max(initial=0.0)) * 1.12
        return View(view.left, view.right, 0.0, top or 1.0)

    def place_of(self, ion: int) -> QPointF:
        """Where the top of a peak is drawn."""
        x, y = self.to_pixels(self.mz[ion], self.intensity[ion]).tolist()
        return QPointF(x, y)

    def _in_sight(self) -> dict[int, list[QLineF]]:
        """Sticks of all ions in sight, by their colour; kept until something else is to be seen."""
        if self._drawn_for == (self.view, self.frame):
            return self._sticks
        shown = np.flatnonzero((self.mz >= self.view.left) & (self.mz <= self.view.right))
        tops = self.to_pixels(self.mz[shown], self.intensity[shown]).tolist()
        self._sticks, self._drawn_for = {}, (self.view, self.frame)
        for ion, top in zip(shown.tolist(), tops, strict=True):
            self._sticks.setdefault(self._colors[ion].rgb(), []).append(self._stick(*top))
        return self._sticks

    def _stick(self, x: float, y: float) -> QLineF:
        floor = self.frame.bottom()
        return QLineF(x, floor, x, min(y, floor - 1))

    def draw(self, painter: QPainter) -> None:
        selected = np.array(self._selected, dtype=np.intp)
        tops = self.to_pixels(self.mz[selected], self.intensity[selected]).tolist()
        floor = self.frame.bottom()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for rgb, lines in sorted(self._in_sight().items()):
            color = QColor.fromRgb(rgb)
            color.setAlpha(_FAINT if self._selected else 255)
            painter.setPen(QPen(color, 1))
            painter.drawLines(lines)
        for ion, top in zip(self._selected, tops, strict=True):
            painter.setPen(QPen(self._colors[ion], 1))
            painter.drawLine(self._stick(*top))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.ink, 2))
        for x, y in tops if len(tops) <= _MOST_MARKED else ():
            painter.drawLine(self._stick(x, y))
            painter.drawEllipse(QPointF(x, min(y, floor - 3)), 2.5, 2.5)
        if len(tops) == 1:
            x, y = tops[0]
            label = f"{self.mz[self._selected[0]]:.4f}"
            left = min(max(x - 35, self.frame.left()), self.frame.right() - 70)
            above = max(y - 18, self.frame.top() + 12)
            painter.drawText(QRectF(left, above, 70, 14), Qt.AlignmentFlag.AlignCenter, label)
        self._draw_title(painter)
        if self._dragged is not None:
            start, end = self._dragged
            painter.fillRect(
                QRectF(start.x(), self.frame.top(), end.x() - start.x(), self.frame.height()), self.faint(50)
            )

    def _draw_title(self, painter: QPainter) -> None:
        """In the right upper corner, on a ground of its own: peaks may reach as high."""
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop
        box = self.frame.adjusted(4, -1, -4, 0)
        ground = self.palette().window().color()
        ground.setAlpha(_GROUND)
        painter.fillRect(painter.boundingRect(box, right, self.title), ground)
        painter.drawText(box, right, self.title)

    # -- mouse ---------------------------------------------------------------------------------

    def mousePressEvent(self, event: object) -> None:
        place = event.position()  # type: ignore[attr-defined]
        if event.button() == Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            self._dragged = (place, place)
        else:
            self.grab_view(place)

    def mouseMoveEvent(self, event: object) -> None:
        place = event.position()  # type: ignore[attr-defined]
        if self._dragged is not None:
            self._dragged = (self._dragged[0], place)
            self.update()
        else:
            self.drag_view(place)

    def mouseReleaseEvent(self, event: object) -> None:
        if event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            self.release_view()
            return
        dragged, self._dragged = self._dragged, None
        self.update()
        if dragged is None:
            return
        start, end = dragged
        if abs(end.x() - start.x()) > _CLICK:
            low, high = sorted((self.to_data(start)[0], self.to_data(end)[0]))
            self.set_view(View(low, high, 0.0, 1.0))
            return
        ion = self._peak_at(end)
        if ion is not None:
            add = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)  # type: ignore[attr-defined]
            self.ions_chosen.emit((ion,), add)

    def mouseDoubleClickEvent(self, event: object) -> None:
        self._dragged = None
        self.show_all()

    def _peak_at(self, place: QPointF) -> int | None:
        """The peak at a place: of those near in m/z, the one whose stick is nearest."""
        if not len(self.mz):
            return None
        tops = self.to_pixels(self.mz, self.intensity)
        across = np.abs(tops[:, 0] - place.x())
        above = np.clip(tops[:, 1] - place.y(), 0, None)  # how far the place is above the top
        distance = np.hypot(across, above)
        nearest = int(distance.argmin())
        return nearest if distance[nearest] <= _NEAR else None
