from __future__ import annotations

import pytest
from napari.utils.notifications import notification_manager
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt, QThreadPool, QTimer
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

from napari_msiclust.plugin import docks
from napari_msiclust.plugin.docks import ClusterDock
from napari_msiclust.plugin.workbench.dock import Workbench
from tests.plugin.canvas_mouse import CanvasMouse
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


def _corners_in_sight(viewer: Viewer, mouse: CanvasMouse) -> bool:
    canvas = viewer.window._qt_viewer.canvas.native
    corners = [mouse.where(tuple(corner[-2:])) for corner in viewer.layers.extent.world]
    return all(canvas.rect().contains(corner) for corner in corners)


def test_all_stays_in_sight_beside_the_dock(qtbot: QtBot, opened: Viewer) -> None:
    mouse = CanvasMouse(qtbot, opened)
    opened.window.resize(1280, 800)
    qtbot.wait(200)
    opened.reset_view()
    wide = opened.scene.camera.zoom
    dock = _open(qtbot, opened)
    qtbot.waitUntil(lambda: dock.widget is not None and opened.scene.camera.zoom < wide, timeout=MS)
    qtbot.waitUntil(lambda: _corners_in_sight(opened, mouse), timeout=MS)
    _wait_for_threads(qtbot)


def test_a_view_that_was_chosen_stays(qtbot: QtBot, opened: Viewer) -> None:
    opened.window.resize(1280, 800)
    qtbot.wait(200)
    canvas = opened.window._qt_viewer.canvas.native
    middle = canvas.rect().center()
    for _ in range(5):
        wheel = QWheelEvent(
            QPointF(middle), QPointF(canvas.mapToGlobal(middle)), QPoint(), QPoint(0, 120),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(canvas, wheel)
    qtbot.wait(200)
    before = opened.scene.camera.zoom, opened.scene.camera.center
    dock = _open(qtbot, opened)
    qtbot.waitUntil(lambda: dock.widget is not None and dock.widget.isVisible(), timeout=MS)
    qtbot.wait(200)
    assert (opened.scene.camera.zoom, opened.scene.camera.center) == before
    _wait_for_threads(qtbot)


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
