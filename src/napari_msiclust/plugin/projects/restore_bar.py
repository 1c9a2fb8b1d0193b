"""Offers the last state of a session that was not saved."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_msiclust.plugin.projects.opening import open_project
from napari_msiclust.plugin.workbench.workspace import Workspace
from napari_msiclust.results.project.autosave import autosaved, discard


class RestoreBar(QWidget):
    """One line, shown while there is something to restore for the chosen data, and no result of them.

    Parameters
    ----------
    viewer : Viewer
    workspace : Workspace
    """

    def __init__(self, viewer: Viewer, workspace: Workspace) -> None:
        super().__init__()
        self._viewer, self._workspace = viewer, workspace
        self._file: Path | None = None
        self.label, self.restore, self.discard = QLabel(), QPushButton("Restore"), QPushButton("Discard")
        self.label.setWordWrap(True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, stretch=1)
        for button in (self.restore, self.discard):
            layout.addWidget(button)
        self.restore.setToolTip("the result and its corrections as they were last")
        self.discard.setToolTip("delete them")
        self.restore.clicked.connect(self._restore)
        self.discard.clicked.connect(self._discard)
        workspace.data_changed.connect(self.refresh)
        workspace.session_changed.connect(self.refresh)
        workspace.run_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Look whether there is something to offer."""
        dataset = self._workspace.dataset
        self._file = None
        if dataset is not None and self._workspace.session is None and not self._workspace.running:
            kept = autosaved(dataset.path)
            if kept.is_file():
                self._file = kept
                time = datetime.fromtimestamp(kept.stat().st_mtime)
                self.label.setText(f"A result of {dataset.path.name} of {time:%d %b %H:%M} was not saved.")
        self.setVisible(self._file is not None)

    def _restore(self) -> None:
        if self._file is not None:
            self.hide()
            open_project(self._viewer, self._file, onto=self._workspace.dataset)

    def _discard(self) -> None:
        dataset = self._workspace.dataset
        if dataset is not None:
            discard(dataset.path)
        self.refresh()
