"""A live plot of the training loss."""

from __future__ import annotations

from itertools import pairwise

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from qtpy.QtWidgets import QSizePolicy

from napari_msiclust.progress import Progress

_LINE, _OTHER_LINE = "#56B4E9", "#E69F00"
_TEXT = "#8f8f8f"  # readable in the dark and in the light theme
_HEIGHT = 150


class LossPlot(FigureCanvasQTAgg):
    """Loss of every step, one line per stage."""

    def __init__(self) -> None:
        super().__init__(Figure(layout="constrained"))
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(160)
        self._axes = self.figure.add_subplot()
        self.clear()

    def clear(self) -> None:
        """Forget all steps."""
        self._losses: list[float] = []
        self._stages: list[tuple[str, int]] = []
        self._draw()

    def add(self, steps: list[Progress]) -> None:
        """Add steps and draw."""
        fresh = [step for step in steps if step.loss is not None]
        for step in fresh:
            if not self._stages or self._stages[-1][0] != step.stage:
                self._stages.append((step.stage, len(self._losses)))
            self._losses.append(float(step.loss or 0.0))
        if fresh:
            self._draw()

    def _draw(self) -> None:
        self.figure.set_facecolor("none")
        self.setStyleSheet("background: transparent")
        axes = self._axes
        axes.clear()
        axes.set_facecolor("none")
        bounds = [*(start for _, start in self._stages), len(self._losses)]
        for number, (start, end) in enumerate(pairwise(bounds)):
            color = (_LINE, _OTHER_LINE)[number % 2]
            axes.plot(range(start, end), self._losses[start:end], lw=1.2, color=color)
        for start in bounds[1:-1]:
            axes.axvline(start, color=_TEXT, lw=0.5, ls=":")
        axes.set_xlabel("step", color=_TEXT, fontsize=8)
        axes.set_ylabel("loss", color=_TEXT, fontsize=8)
        axes.tick_params(colors=_TEXT, labelsize=7)
        for spine in axes.spines.values():
            spine.set_color(_TEXT)
        self.draw_idle()
