"""A dock with a result, and hands to work with it as a user would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QApplication, QComboBox, QMenu, QWidget

from napari_msiclust.config import ClusterConfig
from napari_msiclust.plugin.workbench.dock import Workbench
from napari_msiclust.plugin.workbench.session import Session
from tests.plugin.conftest import PLUGIN

SECONDS = 120_000
LEFT = Qt.MouseButton.LeftButton


def shown_color(icon: QIcon) -> str:
    """The colour of a patch, which is the same where its row is selected."""
    normal, selected = (
        icon.pixmap(16, mode).toImage().pixelColor(8, 8).name().upper()
        for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected)
    )
    assert normal == selected
    return normal


@dataclass
class User:
    """Mouse and keys on a dock."""

    bot: QtBot
    viewer: Viewer
    dock: Workbench

    @property
    def session(self) -> Session:
        session = self.dock.workspace.session
        assert session is not None
        return session

    def click(self, widget: QWidget, place: QPoint | QPointF | None = None, keys: object = None) -> None:
        target = place.toPoint() if isinstance(place, QPointF) else place
        modifier = keys or Qt.KeyboardModifier.NoModifier
        if target is None:
            self.bot.mouseClick(widget, LEFT, modifier)
        else:
            self.bot.mouseClick(widget, LEFT, modifier, target)

    def drag(self, widget: QWidget, places: list[QPointF]) -> None:
        points = [place.toPoint() for place in places]
        self.bot.mousePress(widget, LEFT, pos=points[0])
        for point in points[1:]:
            self.bot.mouseMove(widget, point)
            QApplication.processEvents()
        self.bot.mouseRelease(widget, LEFT, pos=points[-1])

    def open_tab(self, name: str) -> None:
        tabs = self.dock.results_step.tabs
        at = next(number for number in range(tabs.count()) if tabs.tabText(number) == name)
        self.click(tabs.tabBar(), tabs.tabBar().tabRect(at).center())
        assert tabs.currentIndex() == at

    def click_row(self, table: object, row: int, column: int = 0, keys: object = None) -> None:
        index = table.model().index(row, column)  # type: ignore[attr-defined]
        table.scrollTo(index)  # type: ignore[attr-defined]
        self.click(table.viewport(), table.visualRect(index).center(), keys)  # type: ignore[attr-defined]

    def pick_cluster(self, cluster: int, keys: object = None) -> None:
        clusters = self.dock.results_step.clusters
        self.click_row(clusters, clusters.numbers.index(cluster), 1, keys)

    def choose(self, box: QComboBox, text: str) -> None:
        """Go to an entry of a combo box with the keyboard."""
        at = next(number for number in range(box.count()) if box.itemText(number).startswith(text))
        self.bot.keyClick(box, Qt.Key.Key_Home)
        for _ in range(at):
            self.bot.keyClick(box, Qt.Key.Key_Down)
        assert box.currentIndex() == at

    def choose_in_menu(self, text: str) -> None:
        """Click an entry of the menu that is open."""
        self.bot.waitUntil(lambda: isinstance(QApplication.activePopupWidget(), QMenu), timeout=5_000)
        menu = QApplication.activePopupWidget()
        action = next(action for action in menu.actions() if action.text() == text)
        self.click(menu, menu.actionGeometry(action).center())

    def wait(self, condition: Callable[[], bool], timeout: int = 20_000) -> None:
        self.bot.waitUntil(condition, timeout=timeout)

    def wait_idle(self) -> None:
        """Until nothing is worked on."""
        self.wait(lambda: not self.session.busy and self.session.background.idle)
        QApplication.processEvents()


@pytest.fixture
def dock(opened: Viewer) -> Workbench:
    """The dock as the Plugins menu opens it, set to something quick."""
    opened.window.resize(1280, 800)
    docked = opened.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    docked.cluster_step.auto.value = False
    docked.cluster_step.clusters.value = 4
    docked.cluster_step.device.value = "cpu"
    return docked


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every preset ends after an epoch."""
    original = ClusterConfig.from_preset.__func__  # type: ignore[attr-defined]

    def shortened(cls: type[ClusterConfig], preset: str, **changes: object) -> ClusterConfig:
        return original(cls, preset, image_size=32, **changes).with_epochs(1)

    monkeypatch.setattr(ClusterConfig, "from_preset", classmethod(shortened))


@pytest.fixture
def user(qtbot: QtBot, opened: Viewer, dock: Workbench, tissue_result: object, monkeypatch: object) -> User:
    """Someone in front of a finished result."""

    def finished(*_: object, **__: object) -> object:
        yield from ()
        return tissue_result

    monkeypatch.setattr("napari_msiclust.pipeline.clustering_steps", finished)  # type: ignore[attr-defined]
    someone = User(qtbot, opened, dock)
    QApplication.setActiveWindow(dock.window())  # there is no window manager that would
    someone.click(dock.run_button)
    someone.wait(lambda: dock.run_button.isEnabled() and dock.workspace.session is not None)
    someone.wait_idle()
    return someone
