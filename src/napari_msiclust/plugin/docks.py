"""Docks that appear at once and are filled when what they need is imported."""

from __future__ import annotations

import threading
from collections.abc import Generator
from importlib import import_module
from typing import Any

from napari.utils.notifications import show_error
from napari.viewer import Viewer
from npe2 import PluginManager
from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_msiclust.plugin.event_loop import handles_events
from napari_msiclust.plugin.fitted_view import FittedView
from napari_msiclust.plugin.units import prepare_units
from napari_msiclust.plugin.worker import Failed, Run

_PLUGIN, _TITLE = "napari-msiclust", "Cluster ion images"
_WIDGET = ("napari_msiclust.plugin.workbench.dock", "Workbench")
_NEEDED_BY_RUN = "napari_msiclust.pipeline"  # and with it torch
_SECONDS_TO_DRAW = 2.0


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
        self._fitted_view = FittedView(napari_viewer, self)
        # With another policy napari adds a stretch below, which takes half of the height.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        if not handles_events():
            self._fill()
            return
        self._drawn = threading.Event()
        self._run = Run.of(lambda stop: _imports(self._drawn), "importing")
        self._run.worker.yielded.connect(self._receive)
        self._run.start()

    def sizeHint(self) -> QSize:
        """As wide as what it will hold: wide enough for a table beside a canvas on a small screen."""
        return QSize(430, 640)

    def _receive(self, report: Any) -> None:
        if isinstance(report, Failed):
            self.label.setText(report.message)
            show_error(report.message)
        elif self.widget is None:
            self._fill()
            QTimer.singleShot(0, self._drawn.set)

    def _fill(self) -> None:
        home, name = _WIDGET
        self.widget = getattr(import_module(home), name)(self.viewer)
        self.label.hide()
        self.layout().addWidget(self.widget)


def open_cluster_dock(viewer: Viewer) -> None:
    """Bring the dock into sight; the Plugins menu knows it by the same name, so that there is one."""
    title = f"{_TITLE} ({PluginManager.instance().get_manifest(_PLUGIN).display_name})"
    for dock in viewer.window.dock_widgets.values():
        if isinstance(dock, ClusterDock):
            dock.parentWidget().show()
            dock.parentWidget().raise_()
            return
    viewer.window.add_dock_widget(ClusterDock(viewer), name=title)


def _imports(drawn: threading.Event) -> Generator[str, None, str]:
    """Imports the widget, and when that is drawn what its first run would wait for."""
    module = import_module(_WIDGET[0]).__name__
    prepare_units()  # for the scale bar
    yield module
    drawn.wait(_SECONDS_TO_DRAW)
    return import_module(_NEEDED_BY_RUN).__name__
