"""The dock: four steps, and below them Run, Stop and how far it is."""

from __future__ import annotations

from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from pydantic import ValidationError
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_msiclust.plugin.current_ion import follow_current_plane
from napari_msiclust.plugin.layers import KEY
from napari_msiclust.plugin.projects.restore_bar import RestoreBar
from napari_msiclust.plugin.workbench.cluster_step import ClusterStep
from napari_msiclust.plugin.workbench.file_step import FileStep
from napari_msiclust.plugin.workbench.images_step import ImagesStep
from napari_msiclust.plugin.workbench.results_step import ResultsStep
from napari_msiclust.plugin.workbench.stage_clock import StageClock
from napari_msiclust.plugin.workbench.workspace import Workspace
from napari_msiclust.progress import Progress
from napari_msiclust.results.cluster_result import DOMINANT_MAP_MEANING, ClusterResult

STEPS = ("1 File", "2 Ion images", "3 Cluster", "4 Results")
_RESULTS = STEPS.index("4 Results")
_OPEN_FIRST = "Open an imzML file first, or one of the samples (File > Open Sample)."


class Workbench(QWidget):
    """From a file to corrected clusters.

    Parameters
    ----------
    napari_viewer : Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.workspace = Workspace.of(napari_viewer)
        self.data_box, self.steps = QComboBox(), QTabWidget()
        self.file_step, self.images_step = FileStep(self.workspace), ImagesStep(self.workspace)
        self.cluster_step = ClusterStep()
        self.results_step = ResultsStep(napari_viewer, self.workspace)
        self.run_button, self.pause_button, self.stop_button = (
            QPushButton("Run"), QPushButton("Pause"), QPushButton("Stop")
        )  # fmt: skip
        self.progress_bar, self.status = QProgressBar(), QLabel()
        self.restore_bar = RestoreBar(napari_viewer, self.workspace)
        self._clock = StageClock()
        self._lay_out()
        self._connect()
        follow_current_plane(napari_viewer)
        self.workspace.enter(self)
        self._data_changed()
        self._run_changed()
        if self.workspace.session is not None:
            self.steps.setCurrentIndex(_RESULTS)

    def _lay_out(self) -> None:
        top, bottom = QHBoxLayout(), QHBoxLayout()
        self.data_box.setToolTip("the ion images that all steps are about")
        self.data_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.data_box.setMinimumContentsLength(12)
        top.addWidget(QLabel("data"))
        top.addWidget(self.data_box, stretch=1)
        parts = (self.file_step, self.images_step, self.cluster_step)
        for name, part in zip(STEPS, (*map(_scrolled, parts), self.results_step), strict=True):
            self.steps.addTab(part, name)
        self.steps.setUsesScrollButtons(False)
        self.run_button.setToolTip("cluster the ion images with the settings of steps 2 and 3")
        self.pause_button.setToolTip("let the run wait, to free the computer for a while")
        self.stop_button.setToolTip("end the run before its next batch; nothing is changed")
        for button in (self.run_button, self.pause_button, self.stop_button):
            bottom.addWidget(button)
        bottom.addWidget(self.progress_bar, stretch=1)
        self.progress_bar.setTextVisible(False)
        self.status.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addWidget(self.restore_bar)
        layout.addWidget(self.steps, stretch=1)
        layout.addLayout(bottom)
        layout.addWidget(self.status)

    def _connect(self) -> None:
        self.run_button.clicked.connect(self.run)
        self.pause_button.clicked.connect(self._pause_or_resume)
        self.stop_button.clicked.connect(self.stop)
        self.data_box.activated.connect(self._choose_data)
        workspace = self.workspace
        workspace.layers_changed.connect(self._list_data)
        workspace.data_changed.connect(self._data_changed)
        workspace.session_changed.connect(self._session_changed)
        workspace.progressed.connect(self._show_progress)
        workspace.run_changed.connect(self._run_changed)
        for source in (workspace, self.file_step, self.images_step, self.results_step):
            source.said.connect(self._say)

    # -- data ----------------------------------------------------------------------------------

    def _list_data(self) -> None:
        self.data_box.clear()
        for layer in self.workspace.ion_layers():
            self.data_box.addItem(layer.name, layer.metadata[KEY])
            if layer.metadata[KEY] is self.workspace.dataset:
                self.data_box.setCurrentIndex(self.data_box.count() - 1)

    def _data_changed(self) -> None:
        self._list_data()
        self.file_step.refresh()
        self.images_step.refresh()

    def _choose_data(self) -> None:
        self.workspace.choose(self.data_box.currentData())

    def _session_changed(self) -> None:
        before = self.results_step.session
        self.results_step.show_session()
        session = self.results_step.session
        if session is not None and session is not before:
            self.steps.setCurrentIndex(_RESULTS)
            result = session.result
            reason = result.provenance.get("cluster_reason")
            text = " ".join([f"{reason}."] * bool(reason) + result.evidence.sentences())
            self.cluster_step.evidence.setText(text)
            seconds = result.provenance.get("seconds", {}).get("total", 0.0)
            self.status.setText(f"{counted(result)}, {seconds:.0f} s.")
            self.status.setToolTip(f"{text} {DOMINANT_MAP_MEANING}")

    # -- run -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Cluster the chosen data."""
        try:
            config = self.cluster_step.config(**self.images_step.settings())
        except ValidationError as error:
            show_error(f"The settings do not fit: {error.errors()[0]['msg']}")
            return
        images = self.images_step.images()
        if images is None:
            show_info(_OPEN_FIRST)
            self._say(_OPEN_FIRST)
            return
        self._clock = StageClock()
        self.steps.setCurrentWidget(self.steps.widget(STEPS.index("3 Cluster")))
        self.status.setText("starting …")
        self.workspace.start(images, config)

    def stop(self) -> None:
        """Ask the run to end; it does before its next batch."""
        self.stop_button.setEnabled(False)
        self.status.setText("stopping after this batch …")
        self.workspace.stop()

    def _pause_or_resume(self) -> None:
        if self.workspace.paused:
            self.workspace.resume()
        else:
            self.workspace.pause()
            self.status.setText("paused; Resume goes on where it stopped")

    def _run_changed(self) -> None:
        running = self.workspace.running
        began = running and not self.stop_button.isEnabled()
        self.run_button.setEnabled(not running)
        self.stop_button.setEnabled(running)
        self.pause_button.setEnabled(running)
        self.pause_button.setText("Resume" if self.workspace.paused else "Pause")
        if began:
            self.cluster_step.begin()
        if not running:
            self.cluster_step.end()
            self.progress_bar.setRange(0, 100)
            self.progress_bar.setValue(0)

    def _show_progress(self, steps: list[Progress]) -> None:
        self.cluster_step.add(steps)
        for step in steps:
            if step.note:
                show_info(step.note)
        if steps and self.stop_button.isEnabled() and not self.workspace.paused:
            step = steps[-1]
            self.progress_bar.setRange(0, max(step.total, 1))
            self.progress_bar.setValue(step.step)
            self.status.setText(self._clock.describe(step))

    def _say(self, message: str) -> None:
        self.status.setText(message)


def counted(result: ClusterResult) -> str:
    """How many ions are in how many clusters, in words."""
    clustered = int((result.ions["cluster"] > 0).sum())
    ions = f"{clustered} ions" if clustered == len(result.ions) else f"{clustered} of {len(result.ions)} ions"
    return f"{ions} in {int((result.clusters['ions'] > 0).sum())} clusters"


def _scrolled(part: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setWidget(part)
    return area
