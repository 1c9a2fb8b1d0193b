"""The whole way on real tissue, as a user goes it: drop, run, look, correct, ask, save."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit

from tests.plugin.conftest import PLUGIN
from tests.plugin.workbench.conftest import SECONDS, User

CTRL = Qt.KeyboardModifier.ControlModifier


def _drop(viewer: Viewer, path: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(100, 100),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    viewer.window._qt_viewer.dropEvent(event)


@pytest.mark.usefixtures("quick")
def test_from_a_dropped_file_to_a_corrected_table(
    shared_data: Path, qtbot: QtBot, viewer: Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer.window.resize(1280, 800)
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    QApplication.setActiveWindow(dock.window())
    user = User(qtbot, viewer, dock)
    step = dock.results_step

    _drop(viewer, shared_data / "msight" / "prostate_example.imzML")
    user.wait(lambda: dock.data_box.count() == 1, SECONDS)
    dock.cluster_step.preset.value = "fast"
    dock.cluster_step.auto.value = False
    dock.cluster_step.clusters.value = 8
    user.click(dock.run_button)
    user.wait(lambda: dock.run_button.isEnabled(), 3 * SECONDS)
    user.wait(lambda: dock.workspace.session is not None)
    user.wait_idle()
    learned = user.session.ions["cluster"].tolist()
    assert dock.steps.tabText(dock.steps.currentIndex()) == "4 Results"
    assert re.match(r"420 of 422 ions in \d clusters", dock.status.text())

    first, second = step.clusters.numbers[:2]
    user.pick_cluster(first)
    assert set(user.session.selection.ions) == set(user.session.members(first).tolist())

    user.open_tab("Plot")
    plot = step.embedding.plot
    user.wait(lambda: len(plot.points) == 422)
    frame = plot.frame
    middle = frame.center()
    corners = [frame.topLeft(), QPointF(middle.x(), frame.top()), QPointF(middle.x(), frame.bottom())]
    user.drag(plot, [*corners, frame.bottomLeft(), frame.topLeft()])
    lassoed = user.session.selection.ions
    assert 0 < len(lassoed) < 422

    user.pick_cluster(first)
    user.pick_cluster(second, keys=CTRL)
    user.click(step.merge)
    user.wait_idle()
    assert second not in step.clusters.numbers
    user.click(step.undo)
    user.wait_idle()
    assert user.session.ions["cluster"].tolist() == learned
    user.click(step.redo)
    user.wait_idle()

    clusters = step.clusters
    row = clusters.numbers.index(first)
    place = clusters.visualRect(clusters.model().index(row, 0)).center()
    user.click(clusters.viewport(), place)
    qtbot.mouseDClick(clusters.viewport(), Qt.MouseButton.LeftButton, pos=place)
    editor = clusters.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "stroma")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    user.wait(lambda: "stroma" in user.session.clusters["name"].tolist())

    user.open_tab("Ions")
    user.click_row(step.ions.table, 10)
    ion = user.session.selection.ions[0]
    user.open_tab("Query")
    user.click(step.query.find)
    user.wait(lambda: step.query.table.rowCount() == 421)
    best = float(step.query.table.item(0, 2).text())
    assert best >= float(step.query.table.item(420, 2).text())

    answers = iter([str(tmp_path / "like.csv"), str(tmp_path / "result")])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (next(answers), ""))
    user.click(step.query.to_csv)
    user.wait(lambda: (tmp_path / "like.csv").exists())
    user.click(step.save)
    user.choose_in_menu("Result folder with report…")
    user.wait(lambda: (tmp_path / "result" / "report.html").exists(), SECONDS)
    table = pd.read_csv(tmp_path / "result" / "ions.csv")
    merged = [first if cluster == second else cluster for cluster in learned]
    assert table["cluster"].tolist() == merged
    assert (table["label_origin"] == "manual").sum() == learned.count(second)
    assert f"{user.session.ions['mz'][ion]:.4f}" in step.query.title.text()
    run = json.loads((tmp_path / "result" / "run.json").read_text())
    assert [entry["edit"] for entry in run["corrections"]["edits"]] == ["Merge", "Rename"]
    assert "(stroma)" in (tmp_path / "result" / "report.html").read_text()
