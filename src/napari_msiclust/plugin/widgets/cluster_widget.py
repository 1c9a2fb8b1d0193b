"""The widget: choose, run, watch, stop, and look at the ions."""

from __future__ import annotations

import time
from pathlib import Path

from napari.layers import Image, Layer
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from pydantic import ValidationError
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_msiclust.plugin.current_ion import follow_current_plane
from napari_msiclust.plugin.layers import KEY, ClusteredIons, IonDataset, contrast_limits, result_layers
from napari_msiclust.plugin.widgets.ion_table import IonTable
from napari_msiclust.plugin.widgets.loss_plot import LossPlot
from napari_msiclust.plugin.widgets.settings_form import SettingsForm
from napari_msiclust.plugin.worker import ClusteringRun, Failed, Report, StoppedByUser
from napari_msiclust.progress import Progress
from napari_msiclust.results.cluster_result import DOMINANT_MAP_MEANING, ClusterResult


class ClusterWidget(QWidget):
    """Settings, Run and Stop, progress, loss curve, ion table.

    Parameters
    ----------
    napari_viewer : Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.form = SettingsForm(self._ion_layers)
        self.run_button, self.stop_button = QPushButton("Run"), QPushButton("Stop")
        self.progress_bar, self.status = QProgressBar(), QLabel()
        self.loss_plot, self.table = LossPlot(), IonTable()
        self._run: ClusteringRun | None = None
        self._dataset: IonDataset | None = None
        self._clock = _StageClock()
        self._shown: ClusteredIons | None = None
        self._lay_out()
        self._connect()
        follow_current_plane(napari_viewer)
        self._set_running(running=False)
        self._layers_changed()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.stop_button)
        self.status.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addWidget(self.form.native)
        layout.addLayout(buttons)
        for part in (self.progress_bar, self.status, self.loss_plot):
            layout.addWidget(part)
        layout.addWidget(self.table, stretch=1)

    def _connect(self) -> None:
        self.run_button.clicked.connect(self.run)
        self.stop_button.clicked.connect(self.stop)
        self.table.ion_chosen.connect(self.show_ion)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._layers_changed)

    def run(self) -> None:
        """Start a clustering of the chosen layer."""
        layer = self.form.layer.value
        dataset = None if layer is None else layer.metadata.get(KEY)
        if not isinstance(dataset, IonDataset):
            show_info("Open an imzML file first, or one of the samples (File > Open Sample).")
            return
        try:
            config = self.form.config()
        except ValidationError as error:
            show_error(f"The settings do not fit: {error.errors()[0]['msg']}")
            return
        self._dataset = dataset
        self.loss_plot.clear()
        self._clock = _StageClock()
        self._run = ClusteringRun.prepare(dataset.images, config)
        self._run.worker.yielded.connect(self._receive)
        self._run.worker.finished.connect(self._finished)
        self.destroyed.connect(self._run.stop)
        self._set_running(running=True)
        self.status.setText("starting ...")
        self._run.start()

    def stop(self) -> None:
        """Ask the run to end; it does before its next batch."""
        if self._run is not None:
            self._run.stop()
            self.stop_button.setEnabled(False)
            self.status.setText("stopping after this batch ...")

    def _set_running(self, *, running: bool) -> None:
        self.run_button.setEnabled(not running)
        self.stop_button.setEnabled(running)
        self.form.enabled = not running
        self.progress_bar.setRange(0, 100)
        self.progress_bar.setValue(0)

    def _receive(self, report: Report) -> None:
        match report:
            case list():
                self._show_progress(report)
            case ClusterResult():
                self._show_result(report)
            case Failed(message):
                self.status.setText(message)
                show_error(message)
            case StoppedByUser():
                self.status.setText("Stopped. Nothing was changed.")

    def _finished(self) -> None:
        self._run = None
        self._set_running(running=False)

    def _show_progress(self, steps: list[Progress]) -> None:
        self.loss_plot.add(steps)
        for step in steps:
            if step.note:
                show_info(step.note)
        if self.stop_button.isEnabled():
            step = steps[-1]
            self.progress_bar.setRange(0, max(step.total, 1))
            self.progress_bar.setValue(step.step)
            self.status.setText(self._clock.describe(step))

    def _show_result(self, result: ClusterResult) -> None:
        if self._dataset is None:
            return
        means, dominant = (Layer.create(*layer) for layer in result_layers(result, self._dataset))
        for layer in (means, dominant):
            self.viewer.add_layer(layer)
        self.viewer.dims.set_point(self.viewer.dims.ndim - means.ndim, 0.0)
        seconds = result.provenance["seconds"]["total"]
        self.status.setText(
            f"{len(result.ions)} ions in {len(result.clusters)} clusters, {seconds:.0f} s. "
            + " ".join(result.evidence.sentences())
        )
        self.status.setToolTip(DOMINANT_MAP_MEANING)

    def _ion_layers(self) -> list[Image]:
        return [layer for layer in self.viewer.layers if isinstance(layer.metadata.get(KEY), IonDataset)]

    def _layers_changed(self, event: object = None) -> None:
        self.form.layer.reset_choices()
        results = [layer.metadata.get(KEY) for layer in self.viewer.layers]
        latest = next((entry for entry in reversed(results) if isinstance(entry, ClusteredIons)), None)
        if latest is not None and latest is not self._shown:
            self._shown = latest
            self.table.show_ions(latest.ions)

    def show_ion(self, row: int) -> None:
        """Show one ion of the table: move the slider to it and hide other stacks."""
        layer = self._stack_of_table()
        if layer is None:
            self.status.setText("Open the imzML file of this result to see its ion images.")
            return
        for other in self.viewer.layers:
            if isinstance(other, Image) and other.ndim == layer.ndim:
                other.visible = other is layer
        self.viewer.layers.move(self.viewer.layers.index(layer), len(self.viewer.layers))
        self.viewer.dims.set_point(self.viewer.dims.ndim - layer.ndim, float(row))
        layer.contrast_limits = contrast_limits(layer.metadata[KEY].images.image(row))

    def _stack_of_table(self) -> Image | None:
        """The stack of the very ions that the table lists, if it is open."""
        if self._shown is None:
            return None
        for layer in self._ion_layers():
            dataset = layer.metadata[KEY]
            same_file = dataset.path.resolve() == Path(self._shown.dataset_path).resolve()
            if same_file and dataset.images.mz.tolist() == self._shown.ions["mz"].tolist():
                return layer
        return None


class _StageClock:
    """Remaining time of a stage from the time its steps took."""

    def __init__(self) -> None:
        self._stage = ""
        self._first = (0, 0.0)

    def describe(self, step: Progress) -> str:
        """Stage, loss, confident fraction, remaining time."""
        now = time.monotonic()
        if step.stage != self._stage:
            self._stage, self._first = step.stage, (step.step, now)
        parts = [f"{step.stage}: {step.step} of {step.total}"]
        if step.loss is not None:
            parts.append(f"loss {step.loss:.3f}")
        if step.confident_fraction is not None:
            parts.append(f"confident {step.confident_fraction:.0%}")
        done = step.step - self._first[0]
        if done > 0:
            seconds = (now - self._first[1]) / done * (step.total - step.step)
            parts.append(f"about {_duration(seconds)} left")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
