"""Live curves of training: loss, and the share of ions whose label is confident."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF

from napari_msiclust.plugin.workbench.views.plot_canvas import PlotCanvas, View
from napari_msiclust.progress import Progress

_LINES = ("#56B4E9", "#E69F00")
_CONFIDENT = "#009E73"

_HEADROOM = 1.3  # for the names of the stages, above the curves


class ProgressPlot(PlotCanvas):
    """Loss of every step, one colour after the other for the stages; the confident share is dashed."""

    def __init__(self) -> None:
        super().__init__("step", "loss")
        self.setFixedHeight(150)
        self.clear()

    def clear(self) -> None:
        """Forget all steps."""
        self.losses: list[float] = []
        self.confident: list[tuple[int, float]] = []
        self._stages: list[tuple[str, int]] = []
        self.set_view(View(0.0, 1.0, 0.0, 1.0))

    def add(self, steps: list[Progress]) -> None:
        """Add steps and draw."""
        for step in steps:
            if step.loss is None:
                continue
            if not self._stages or self._stages[-1][0] != step.stage:
                self._stages.append((step.stage, len(self.losses)))
            self.losses.append(float(step.loss))
            if step.confident_fraction is not None:
                self.confident.append((len(self.losses) - 1, step.confident_fraction))
        if self.losses:
            self.home = View(0.0, max(len(self.losses) - 1, 1), 0.0, max(self.losses) * _HEADROOM or 1.0)
            self.set_view(self.home)

    def draw(self, painter: QPainter) -> None:
        bounds = [*(start for _, start in self._stages), len(self.losses)]
        for number, (start, end) in enumerate(pairwise(bounds)):
            self._draw_line(painter, np.arange(start, end), self.losses[start:end], _LINES[number % 2])
            name = self._stages[number][0]
            at = self.to_pixels(start, 0)[0]
            painter.setPen(self.faint(150))
            room = self.frame.right() - painter.fontMetrics().horizontalAdvance(name)
            painter.drawText(QPointF(min(at + 4, room), self.frame.top() + 11 + 12 * (number % 2)), name)
        if self.confident:
            steps, shares = np.array(self.confident).T
            self._draw_line(
                painter, steps, shares * self.home.top / _HEADROOM, _CONFIDENT, Qt.PenStyle.DashLine
            )

    def _draw_line(
        self,
        painter: QPainter,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        color: str,
        style: Qt.PenStyle = Qt.PenStyle.SolidLine,
    ) -> None:
        painter.setPen(QPen(QColor(color), 1.4, style))
        painter.drawPolyline(QPolygonF([QPointF(*place) for place in self.to_pixels(x, y).tolist()]))
