"""Docks that appear at once and are filled when what they need is imported."""

from __future__ import annotations

from collections.abc import Generator
from importlib import import_module
from typing import Any

from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_msiclust.plugin.event_loop import handles_events
from napari_msiclust.plugin.worker import Failed, Run

_WIDGET = ("napari_msiclust.plugin.workbench.dock", "Workbench")
_NEEDED_BY_RUN = "napari_msiclust.pipeline"  # and with it torch


class ClusterDock(QWidget):
    """Holds the widget that clusters ion images.

    Parameters
    ----------
    napari_viewer : Viewer

    Attributes
    ----------
    widget : QWidget or None
        The widget, once it is imported; in a script it is there from the start.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.widget: QWidget | None = None
        self.label = QLabel("Loading ...")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        if not handles_events():
            self._fill()
            return
        self._run = Run.of(lambda stop: _imports(), "importing")
        self._run.worker.yielded.connect(self._receive)
        self._run.start()

    def _receive(self, report: Any) -> None:
        if isinstance(report, Failed):
            self.label.setText(report.message)
            show_error(report.message)
        elif self.widget is None:
            self._fill()

    def _fill(self) -> None:
        home, name = _WIDGET
        self.widget = getattr(import_module(home), name)(self.viewer)
        self.label.hide()
        self.layout().addWidget(self.widget)


def _imports() -> Generator[str, None, str]:
    """Imports the widget, and then what its first run would wait for."""
    yield import_module(_WIDGET[0]).__name__
    return import_module(_NEEDED_BY_RUN).__name__
