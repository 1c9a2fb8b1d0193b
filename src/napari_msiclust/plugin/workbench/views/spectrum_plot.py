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
_FAINT = 110  # of 255


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
        self._dragged: tuple[QPointF, QPointF] | None = None
        self.setAccessibleName("spectrum")

    def show_ions(self, mz: npt.NDArray[np.float64], colors: npt.NDArray[np.uint8]) -> None:
        """Show the peaks of other ions; mz (N,), colours (N, 3) in 0..255."""
        self._colors = [QColor(*color) for color in colors.tolist()]
        if not np.array_equal(mz, self.mz):
            self.mz, self.intensity = np.asarray(mz, float), np.zeros(len(mz))
            self.home = View.around(self.mz, [0.0, 1.0], 0.02)
            self.set_view(self.home)
        self.update()

    def show_spectrum(self, intensity: npt.NDArray[np.float64], title: str) -> None:
        """Show another spectrum of the same ions (N,)."""
        self.intensity, self.title = np.asarray(intensity, float), title
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

    def draw(self, painter: QPainter) -> None:
        tops = self.to_pixels(self.mz, self.intensity).tolist()
        floor = self.frame.bottom()
        strong = frozenset(self._selected)
        groups: dict[tuple[bool, int], list[QLineF]] = {}
        for ion, (x, y) in enumerate(tops):
            if self.view.left <= self.mz[ion] <= self.view.right:
                key = not strong or ion in strong, self._colors[ion].rgb()
                groups.setdefault(key, []).append(QLineF(x, floor, x, min(y, floor - 1)))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for (is_strong, rgb), lines in sorted(groups.items()):
            color = QColor.fromRgb(rgb)
            color.setAlpha(255 if is_strong else _FAINT)
            painter.setPen(QPen(color, 1))
            painter.drawLines(lines)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.ink, 2))
        for ion in self._selected if len(self._selected) <= _MOST_MARKED else ():
            x, y = tops[ion]
            painter.drawLine(QLineF(x, floor, x, min(y, floor - 1)))
            painter.drawEllipse(QPointF(x, min(y, floor - 3)), 2.5, 2.5)
        if len(self._selected) == 1:
            x, y = tops[self._selected[0]]
            label = f"{self.mz[self._selected[0]]:.4f}"
            left = min(max(x - 35, self.frame.left()), self.frame.right() - 70)
            above = max(y - 18, self.frame.top() + 12)
            painter.drawText(QRectF(left, above, 70, 14), Qt.AlignmentFlag.AlignCenter, label)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop
        painter.drawText(self.frame.adjusted(4, -1, -4, 0), right, self.title)
        if self._dragged is not None:
            start, end = self._dragged
            painter.fillRect(
                QRectF(start.x(), self.frame.top(), end.x() - start.x(), self.frame.height()), self.faint(50)
            )

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
