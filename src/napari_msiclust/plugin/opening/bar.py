"""The bar at the foot of the window: files that are being opened, each with progress and Stop."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from napari.utils.notifications import show_error, show_warning
from napari.viewer import Viewer
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_msiclust.plugin.units import prepare_units
from napari_msiclust.plugin.worker import Failed, Run, StoppedByUser
from napari_msiclust.progress import Progress

if TYPE_CHECKING:
    from napari_msiclust.msi.damage import Damage
    from napari_msiclust.plugin.opening.steps import Opened

NAME = "Opening files"
_SHOWN_AFTER_MS = 1000  # a file that is there sooner needs no bar
_SECONDS_TO_DRAW = 2.0


def opening_bar(viewer: Viewer) -> OpeningBar:
    """The bar of a viewer's window; it is made when the first file is opened."""
    bar = viewer.window.dock_widgets.get(NAME)
    if isinstance(bar, OpeningBar):
        return bar
    bar = OpeningBar(viewer)
    dock = viewer.window.add_dock_widget(bar, name=NAME, area="bottom", add_vertical_stretch=False)
    dock.hide()
    return bar


class OpeningBar(QWidget):
    """One row for each file that is being opened; it shows itself if that takes long.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.rows: list[OpeningRow] = []
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(4, 0, 4, 0)
        self._patience = QTimer(self, singleShot=True, interval=_SHOWN_AFTER_MS)
        self._patience.timeout.connect(self._show_if_busy)

    def open(self, path: Path, *, damaged: bool = False) -> None:
        """Open a file in a thread; its layers come as soon as each is there."""
        row = OpeningRow(self.viewer, path, damaged=damaged)
        self.rows.append(row)
        self._layout.addWidget(row)
        row.ended.connect(self._remove)
        self.destroyed.connect(row.run.stop)
        self._patience.start()
        row.run.start()

    def _show_if_busy(self) -> None:
        self.parentWidget().setVisible(bool(self.rows))

    def _remove(self, row: OpeningRow) -> None:
        self.rows.remove(row)
        self._layout.removeWidget(row)
        row.deleteLater()
        if not self.rows:
            self.parentWidget().hide()
        if row.damage is not None:
            self._offer_rest(row.damage)

    def _offer_rest(self, damage: Damage) -> None:
        from napari_msiclust.plugin.opening.damage_dialog import DamageDialog

        dialog = DamageDialog(damage, self.window())
        dialog.chosen.connect(lambda: self.open(damage.path, damaged=True))
        dialog.show()


class OpeningRow(QWidget):
    """The opening of one file: its progress, and Stop.

    It ends early if the user stops it or removes what it has shown so far; layers that are there stay.
    `ended` emits the row; then `damage` says whether the file turned out damaged.

    Parameters
    ----------
    viewer : Viewer
    path : Path
    damaged : bool
        Open what can be read of a damaged file.
    """

    ended = Signal(object)

    def __init__(self, viewer: Viewer, path: Path, *, damaged: bool) -> None:
        super().__init__()
        self.viewer = viewer
        self.path = path
        self.damage: Damage | None = None
        self.label, self.progress_bar = QLabel(path.name), QProgressBar()
        self.progress_bar.setRange(0, 0)
        self.stop_button = QPushButton("Stop")
        self.stop_button.clicked.connect(self.stop)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addWidget(self.progress_bar, stretch=1)
        layout.addWidget(self.stop_button)
        self._tics: list[Layer] = []
        self._drawn = threading.Event()
        viewer.layers.events.removed.connect(self._layer_removed)
        self.run = Run.of(lambda stop: _steps(path, damaged, stop, self._drawn), f"opening {path}")
        self.run.worker.yielded.connect(self._receive)
        self.run.worker.finished.connect(self._finish)

    def stop(self) -> None:
        """Ask the run to end; it does before its next step."""
        self.run.stop()
        self.stop_button.setEnabled(False)
        self.label.setText(f"{self.path.name}: stopping ...")

    def _receive(self, report: Any) -> None:
        match report:
            case list():
                self._show_progress(report[-1])
            case Layer():
                self._add(report)
                QTimer.singleShot(0, self._drawn.set)
            case Failed(message):
                show_error(message)
            case StoppedByUser():
                self.viewer.status = f"{self.path.name}: stopped; its ion images were not read"
            case _:
                self._conclude(report)

    def _show_progress(self, step: Progress) -> None:
        if self.stop_button.isEnabled():
            self.label.setText(f"{self.path.name}: {step.stage}")
            self.progress_bar.setRange(0, step.total)
            self.progress_bar.setValue(step.step)

    def _add(self, layer: Layer) -> None:
        """Put a TIC image above all layers, and a stack below the TIC images of its file."""
        from napari_msiclust.plugin.current_ion import follow_current_plane
        from napari_msiclust.plugin.layers import KEY, TicImage

        follow_current_plane(self.viewer)
        layers = self.viewer.layers
        if isinstance(layer.metadata[KEY], TicImage):
            self.viewer.add_layer(layer)
            self._tics.append(layer)
        elif self._tics:
            layers.insert(min(layers.index(tic) for tic in self._tics), layer)

    def _layer_removed(self, event: Any) -> None:
        if event.value in self._tics:
            self._tics.remove(event.value)
            if not self._tics:
                self.stop()

    def _conclude(self, outcome: Opened | Damage) -> None:
        from napari_msiclust.plugin.opening.steps import Opened

        if isinstance(outcome, Opened):
            if outcome.warnings:
                show_warning(self._message(outcome.warnings))
            return
        self.damage = outcome
        show_error(self._message([finding.in_words() for finding in outcome.findings]))

    def _message(self, lines: Sequence[str]) -> str:
        """One notification; napari shows its first line until the user unfolds it."""
        return f"{self.path.name}: " + "\n".join(lines)

    def _finish(self) -> None:
        self.viewer.layers.events.removed.disconnect(self._layer_removed)
        self.ended.emit(self)


def _steps(
    path: Path, damaged: bool, stop: threading.Event, drawn: threading.Event
) -> Generator[Progress | Layer, None, Opened | Damage]:
    """The steps of opening, imported in the thread that reads, as that takes a second or two.

    Layers are made in it, too: a first one makes napari load much. After each, it waits until that is
    drawn, as reading would slow the window's thread down.
    """
    from napari_msiclust.plugin.opening.steps import opening_or_damage_steps

    steps = opening_or_damage_steps(path, damaged=damaged, stop=stop)
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            outcome: Opened | Damage = end.value
            return outcome
        if isinstance(step, Progress):
            yield step
            continue
        drawn.clear()
        prepare_units()
        yield Layer.create(*step)
        drawn.wait(_SECONDS_TO_DRAW)
