"""The ions in two dimensions: colour, hover, lasso."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QToolTip

from napari_msiclust.plugin.workbench.views.plot_canvas import PlotCanvas, View
from napari_msiclust.results.projection import inside_polygon

_RADIUS = 3.5
_NEAR = 9.0
_LEAST_LASSO = 6.0


class EmbeddingPlot(PlotCanvas):
    """Points that are ions.

    Left button: click an ion, or draw a lasso around ions; with Shift they are added to the
    selection. Wheel zooms, right button moves, a double click shows all.

    Parameters
    ----------
    thumbnail : callable
        Gives the thumbnail of an ion, or None while there is none.
    describe : callable
        Gives a line about an ion.
    """

    ions_chosen = Signal(tuple, bool)

    def __init__(self, thumbnail: Callable[[int], QImage | None], describe: Callable[[int], str]) -> None:
        super().__init__()
        self._thumbnail, self._describe = thumbnail, describe
        self.points = np.zeros((0, 2))
        self._colors: list[QColor] = []
        self._selected: frozenset[int] = frozenset()
        self._hovered: int | None = None
        self._lasso: list[QPointF] = []
        self.setAccessibleName("embedding of the ions")

    def show_points(self, points: npt.NDArray[np.float32], x_label: str, y_label: str) -> None:
        """Show other points (N, 2)."""
        self.points = np.asarray(points, float)
        self.x_label, self.y_label = x_label, y_label
        self.home = View.around(self.points[:, 0], self.points[:, 1])
        self.set_view(self.home)

    def color_by(self, colors: npt.NDArray[np.uint8]) -> None:
        """Colour the ions; (N, 3) in 0..255."""
        made: dict[tuple[int, ...], QColor] = {}
        self._colors = [made.setdefault(tuple(color), QColor(*color)) for color in colors.tolist()]
        self.update()

    def select(self, ions: tuple[int, ...]) -> None:
        """Mark ions."""
        self._selected = frozenset(ions)
        self.update()

    @property
    def hovered(self) -> int | None:
        """The ion under the cursor."""
        return self._hovered

    def place_of(self, ion: int) -> QPointF:
        """Where an ion is drawn."""
        x, y = self.to_pixels(*self.points[ion]).tolist()
        return QPointF(x, y)

    def draw(self, painter: QPainter) -> None:
        places = self.to_pixels(self.points[:, 0], self.points[:, 1])
        painter.setPen(Qt.PenStyle.NoPen)
        for color, rows in self._by_color().items():
            painter.setBrush(QColor(*color))
            for x, y in places[rows].tolist():
                painter.drawEllipse(QPointF(x, y), _RADIUS, _RADIUS)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.ink, 1.6))
        for ion in self._selected:
            painter.drawEllipse(QPointF(*places[ion].tolist()), _RADIUS + 2, _RADIUS + 2)
        if self._lasso:
            painter.setPen(QPen(self.ink, 1, Qt.PenStyle.DashLine))
            painter.drawPolygon(QPolygonF(self._lasso))
        if self._hovered is not None and not self._lasso:
            self._draw_hint(painter, self._hovered)

    def _by_color(self) -> dict[tuple[int, int, int], list[int]]:
        groups: dict[tuple[int, int, int], list[int]] = {}
        for ion, color in enumerate(self._colors[: len(self.points)]):
            groups.setdefault((color.red(), color.green(), color.blue()), []).append(ion)
        return groups

    def _draw_hint(self, painter: QPainter, ion: int) -> None:
        text, picture = self._describe(ion), self._thumbnail(ion)
        width = max(painter.fontMetrics().horizontalAdvance(text) + 12, 84)
        height = 20 + (picture.height() + 4 if picture is not None else 0)
        place, frame = self.place_of(ion), self.frame
        left = min(max(place.x() + 10, frame.left()), frame.right() - width)
        top = place.y() + 10 if place.y() + 10 + height < frame.bottom() else place.y() - 10 - height
        box = QRectF(left, max(top, frame.top()), width, height)
        painter.setPen(QPen(self.faint(), 1))
        painter.setBrush(self.palette().window())
        painter.drawRoundedRect(box, 3, 3)
        painter.setPen(self.ink)
        painter.drawText(QRectF(box.left(), box.top() + 2, width, 16), Qt.AlignmentFlag.AlignCenter, text)
        if picture is not None:
            painter.drawImage(QPointF(box.center().x() - picture.width() / 2, box.top() + 20), picture)

    # -- mouse ---------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """As for any widget; but on an ion, its thumbnail is not covered by the tooltip."""
        if event.type() == QEvent.Type.ToolTip and self._hovered is not None:
            QToolTip.hideText()
            return True
        return bool(super().event(event))

    def _ion_at(self, place: QPointF) -> int | None:
        if not len(self.points):
            return None
        places = self.to_pixels(self.points[:, 0], self.points[:, 1])
        distance = np.hypot(places[:, 0] - place.x(), places[:, 1] - place.y())
        nearest = int(distance.argmin())
        return nearest if distance[nearest] <= _NEAR else None

    def mousePressEvent(self, event: object) -> None:
        place = event.position()  # type: ignore[attr-defined]
        if event.button() == Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            self._lasso = [place]
        else:
            self.grab_view(place)

    def mouseMoveEvent(self, event: object) -> None:
        place = event.position()  # type: ignore[attr-defined]
        if self._lasso:
            self._lasso.append(place)
            self.update()
        elif not self.drag_view(place):
            hovered = self._ion_at(place)
            if hovered != self._hovered:
                self._hovered = hovered
                self.update()

    def mouseReleaseEvent(self, event: object) -> None:
        if event.button() != Qt.MouseButton.LeftButton:  # type: ignore[attr-defined]
            self.release_view()
            return
        lasso, self._lasso = self._lasso, []
        if not lasso:
            return
        add = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)  # type: ignore[attr-defined]
        outline = np.array([(place.x(), place.y()) for place in lasso])
        if np.ptp(outline, axis=0).max() < _LEAST_LASSO:
            ion = self._ion_at(lasso[0])
            chosen: tuple[int, ...] = () if ion is None else (ion,)
        else:
            places = self.to_pixels(self.points[:, 0], self.points[:, 1])
            chosen = tuple(np.flatnonzero(inside_polygon(places, outline)).tolist())
        self.update()
        if chosen:
            self.ions_chosen.emit(chosen, add)

    def mouseDoubleClickEvent(self, event: object) -> None:
        self._lasso = []
        self.show_all()

    def leaveEvent(self, event: object) -> None:
        self._hovered = None
        self.update()
