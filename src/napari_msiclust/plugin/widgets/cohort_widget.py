"""The widget: several sections of one study clustered jointly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from pydantic import ValidationError
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_msiclust.plugin.workbench.cluster_step import ClusterStep
from napari_msiclust.plugin.workbench.stage_clock import StageClock
from napari_msiclust.plugin.worker import Failed, Run, StoppedByUser, Study, study_run

PLUGIN = "napari-msiclust"
_FILES = "Sections (*.imzML *.imzml *.hdr)"
_LEAST = 2
_BEGIN = "Add the files of two or more sections."


class CohortWidget(QWidget):
    """Files, a folder for the result, settings, Run and Stop; then each section to open.

    Parameters
    ----------
    napari_viewer : Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.files, self.folder, self.settings = QListWidget(), QLineEdit(), ClusterStep()
        self.add_button, self.remove_button = QPushButton("Add files…"), QPushButton("Remove")
        self.folder_button = QPushButton("Folder…")
        self.run_button, self.stop_button = QPushButton("Run"), QPushButton("Stop")
        self.open_button = QPushButton("Open this section")
        self.progress, self.status = QProgressBar(), QLabel(_BEGIN)
        self._run: Run | None = None
        self._clock = StageClock()
        self._study: Study | None = None
        self._lay_out()
        self.add_button.clicked.connect(self._ask_files)
        self.remove_button.clicked.connect(self._remove)
        self.folder_button.clicked.connect(self._ask_folder)
        self.run_button.clicked.connect(self.run)
        self.stop_button.clicked.connect(self.stop)
        self.open_button.clicked.connect(self._open_section)
        self.files.currentRowChanged.connect(lambda _: self._show_state())
        self._show_state()

    def _lay_out(self) -> None:
        self.files.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.files.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.files.setMinimumHeight(70)
        self.files.setToolTip("the sections; ions are matched by m/z, and keep one cluster in all of them")
        self.folder.setPlaceholderText("folder for the result")
        self.folder.setToolTip("new, empty, or an earlier result of a study")
        self.open_button.setToolTip("ion images and clusters of the section that is selected above")
        self.run_button.setToolTip("cluster all sections together and write the result to the folder")
        self.stop_button.setToolTip("end the run; nothing is written")
        self.progress.setTextVisible(False)
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel("sections"))
        layout.addWidget(self.files, stretch=1)
        layout.addLayout(_row(self.add_button, self.remove_button, self.open_button))
        where = _row(self.folder, self.folder_button)
        where.setStretch(0, 3)
        layout.addLayout(where)
        layout.addWidget(self.settings)
        layout.addLayout(_row(self.run_button, self.stop_button, self.progress))
        layout.addWidget(self.status)

    # -- sections ------------------------------------------------------------------------------

    def paths(self) -> list[Path]:
        """The files of the sections."""
        return [Path(self.files.item(row).text()) for row in range(self.files.count())]

    def add_files(self, paths: list[str]) -> None:
        """Add sections; a file that is listed is not listed again."""
        listed = {str(path) for path in self.paths()}
        self.files.addItems([path for path in dict.fromkeys(paths) if path not in listed])
        if paths and not self.folder.text():
            self.folder.setText(str(Path(paths[0]).parent / "study"))
        ready = self.files.count() >= _LEAST
        self.status.setText(
            f"{self.files.count()} sections. Run clusters them together." if ready else _BEGIN
        )
        self._show_state()

    def _ask_files(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Sections of one study", "", _FILES)
        self.add_files(paths)

    def _remove(self) -> None:
        self.files.takeItem(self.files.currentRow())
        self._show_state()

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder for the result", self.folder.text())
        if path:
            self.folder.setText(path)

    # -- run -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Cluster the sections."""
        if not self.folder.text().strip():
            show_info("Choose a folder for the result first.")
            return
        try:
            config = self.settings.config()
        except ValidationError as error:
            show_error(f"The settings do not fit: {error.errors()[0]['msg']}")
            return
        self._clock, self._study = StageClock(), None
        self._run = study_run(self.paths(), Path(self.folder.text().strip()), config)
        self._run.worker.yielded.connect(self._receive)
        self._run.worker.finished.connect(self._finished)
        self.settings.begin()
        self.status.setText("starting …")
        self._show_state()
        self._run.start()

    def stop(self) -> None:
        """Ask the run to end."""
        if self._run is not None:
            self.stop_button.setEnabled(False)
            self.status.setText("stopping …")
            self._run.stop()

    def _receive(self, report: Any) -> None:
        if isinstance(report, Failed):
            self.status.setText(report.message)
            show_error(report.message)
        elif isinstance(report, StoppedByUser):
            self.status.setText("Stopped. Nothing was written.")
        elif isinstance(report, Study):
            self._study = report
            self.status.setText(report.summary)
            self.viewer.open(str(report.folder), plugin=PLUGIN)
        elif report:
            self.settings.add(report)
            self.progress.setRange(0, max(report[-1].total, 1))
            self.progress.setValue(report[-1].step)
            if self.stop_button.isEnabled():
                self.status.setText(self._clock.describe(report[-1]))

    def _finished(self) -> None:
        self._run = None
        self.settings.end()
        self.progress.setRange(0, 1)
        self.progress.setValue(0)
        self._show_state()

    def _open_section(self) -> None:
        """Show a section: its ion images, and the clusters in it."""
        if self._study is not None:
            path = Path(self.files.currentItem().text())
            self.viewer.open(str(path), plugin=PLUGIN)
            self.viewer.open(str(self._study.sections[path]), plugin=PLUGIN)

    def _show_state(self) -> None:
        running = self._run is not None
        chosen = self.files.currentRow() >= 0
        for widget in (self.files, self.add_button, self.folder, self.folder_button):
            widget.setEnabled(not running)
        self.remove_button.setEnabled(chosen and not running)
        self.run_button.setEnabled(self.files.count() >= _LEAST and not running)
        self.stop_button.setEnabled(running)
        known = {} if self._study is None else self._study.sections
        self.open_button.setEnabled(chosen and Path(self.files.currentItem().text()) in known)


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, stretch=1)
    return row
