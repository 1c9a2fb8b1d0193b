from __future__ import annotations

import pytest
from napari.utils.notifications import notification_manager
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QThreadPool, QTimer

from napari_msiclust.plugin import docks
from napari_msiclust.plugin.docks import ClusterDock
from napari_msiclust.plugin.workbench.dock import Workbench
from tests.plugin.conftest import PLUGIN

MS = 60_000


def _open(qtbot: QtBot, viewer: Viewer) -> ClusterDock:
    """The dock as the Plugins menu opens it, while events are handled."""
    found: list[ClusterDock] = []

    def act() -> None:
        found.append(viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1])
        assert found[0].widget is None  # it is there before what it needs is imported

    QTimer.singleShot(0, act)
    qtbot.waitUntil(lambda: bool(found), timeout=MS)
    return found[0]


def _wait_for_threads(qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=MS)


def test_the_dock_is_filled_when_all_is_imported(qtbot: QtBot, viewer: Viewer) -> None:
    dock = _open(qtbot, viewer)
    qtbot.waitUntil(lambda: dock.widget is not None, timeout=MS)
    assert isinstance(dock.widget, Workbench)
    qtbot.waitUntil(dock.widget.isVisible, timeout=MS)
    assert not dock.label.isVisible()
    qtbot.waitUntil(lambda: dock.widget.height() == dock.height() > 0, timeout=MS)  # no gap above or below
    assert dock.sizeHint().width() >= dock.widget.minimumSizeHint().width()
    _wait_for_threads(qtbot)


def test_the_dock_takes_the_whole_height(qtbot: QtBot, viewer: Viewer) -> None:
    viewer.window.resize(1280, 800)
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1]
    for number in range(dock.widget.steps.count()):
        dock.widget.steps.setCurrentIndex(number)
        qtbot.wait(100)
        assert dock.widget.height() == dock.height()


def test_a_dock_closed_meanwhile_does_no_harm(qtbot: QtBot, viewer: Viewer) -> None:
    _open(qtbot, viewer)
    viewer.close()
    _wait_for_threads(qtbot)


def test_what_cannot_be_imported_is_said(
    qtbot: QtBot, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docks, "_WIDGET", ("napari_msiclust.plugin.missing", "ClusterWidget"))
    heard: list[str] = []
    with notification_manager:
        notification_manager.notification_ready.connect(lambda note: heard.append(str(note.message)))
        dock = _open(qtbot, viewer)
        qtbot.waitUntil(lambda: "ModuleNotFoundError" in dock.label.text(), timeout=MS)
        _wait_for_threads(qtbot)
    assert len(heard) == 1


def test_a_script_has_the_widget_at_once(viewer: Viewer) -> None:
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")
    assert isinstance(dock.widget, Workbench)
