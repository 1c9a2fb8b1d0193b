"""Correcting clusters as a user does: buttons, menus, keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QColorDialog, QFileDialog, QLineEdit

from napari_msiclust.plugin.layers import KEY
from tests.plugin.workbench.conftest import User, shown_color

CTRL = Qt.KeyboardModifier.ControlModifier
ALT = Qt.KeyboardModifier.AltModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def _clusters(user: User) -> list[int]:
    return user.session.ions["cluster"].tolist()


def test_moving_ions_to_another_cluster_and_back(user: User) -> None:
    step = user.dock.results_step
    ion = int(user.session.members(1)[0])
    table = step.ions.table
    user.click_row(table, int(table.ion_model.places((ion,))[0]))
    assert not step.undo.isEnabled()
    user.click(step.move)
    user.choose_in_menu("cluster 3")
    user.wait_idle()
    assert _clusters(user)[ion] == 3
    at = table.ion_model.places((ion,))[0]
    assert table.ion_model.index(int(at), 1).data() == "3"
    assert user.session.ions["label_origin"][ion] == "manual"
    means = user.viewer.layers["mean ion images"]
    np.testing.assert_array_equal(np.nan_to_num(means.data), np.nan_to_num(user.session.result.mean_images))
    assert means.metadata[KEY].ions["cluster"][ion] == 3
    user.click(step.undo)
    user.wait_idle()
    assert _clusters(user)[ion] == 1
    user.click(step.redo)
    user.wait_idle()
    assert _clusters(user)[ion] == 3
    user.click(step.back)
    user.wait_idle()
    assert (_clusters(user)[ion], user.session.ions["label_origin"][ion]) == (1, "learned")


def test_accepting_and_setting_aside(user: User) -> None:
    step = user.dock.results_step
    user.click_row(step.ions.table, 2)
    user.click_row(step.ions.table, 4, keys=SHIFT)
    user.click(step.accept)
    user.wait_idle()
    assert np.flatnonzero(user.session.ions["pinned"]).tolist() == [2, 3, 4]
    assert step.accept.text() == "Unpin"
    user.click_row(step.ions.table, 3)
    user.click(step.accept)
    user.wait_idle()
    assert np.flatnonzero(user.session.ions["pinned"]).tolist() == [2, 4]
    assert step.accept.text() == "Accept"
    user.click_row(step.ions.table, 2)
    user.click_row(step.ions.table, 4, keys=SHIFT)
    assert step.accept.text() == "Accept"  # one of the three is not
    user.click(step.aside)
    user.wait_idle()
    assert [_clusters(user)[ion] for ion in (2, 3, 4)] == [0, 0, 0]
    user.choose(step.ions.cluster_box, "bin: set aside")
    assert step.ions.table.model().rowCount() == 3


def test_merging_two_clusters_and_undoing_it(user: User) -> None:
    step, before = user.dock.results_step, _clusters(user)
    user.pick_cluster(1)
    assert not step.merge.isEnabled()
    user.pick_cluster(3, keys=CTRL)
    assert step.clusters.selected == (1, 3)
    user.click(step.merge)
    user.wait_idle()
    assert _clusters(user) == [1 if cluster == 3 else cluster for cluster in before]
    assert step.clusters.numbers == [1, 2, 4]
    assert set(user.session.selection.ions) == set(user.session.members(1).tolist())  # all that is one now
    assert (user.viewer.layers["dominant cluster map"].data != 3).all()
    user.click(step.undo)
    user.wait_idle()
    assert _clusters(user) == before
    assert step.clusters.numbers == [1, 2, 3, 4]


def test_merging_from_the_tree(user: User) -> None:
    step = user.dock.results_step
    user.open_tab("Tree")
    user.wait(lambda: len(step.tree.view.tree.leaves) == 4)
    node = step.tree.view.tree.nodes[0]
    user.click(step.tree.view, step.tree.view.place_of(node))
    assert set(step.clusters.selected) == set(node.clusters)
    user.click(step.merge)
    user.wait_idle()
    assert len(step.clusters.numbers) == 3
    user.wait(lambda: len(step.tree.view.tree.leaves) == 3)


def test_splitting_a_cluster(user: User) -> None:
    step = user.dock.results_step
    user.pick_cluster(1)
    user.click(step.split)
    user.wait_idle()
    assert step.clusters.numbers == [1, 2, 3, 4, 5]
    means = user.viewer.layers["mean ion images"]
    assert len(means.data) == 5
    user.click(step.undo)
    user.wait_idle()
    assert len(means.data) == 4


def test_renaming_by_double_click(user: User) -> None:
    clusters = user.dock.results_step.clusters
    place = clusters.visualRect(clusters.model().index(1, 0)).center()
    user.click(clusters.viewport(), place)
    user.bot.mouseDClick(clusters.viewport(), Qt.MouseButton.LeftButton, pos=place)
    editor = clusters.findChild(QLineEdit)
    editor.selectAll()
    user.bot.keyClicks(editor, "epithelium")
    user.bot.keyClick(editor, Qt.Key.Key_Return)
    user.wait(lambda: user.session.clusters["name"][1] == "epithelium")
    assert clusters.item(1, 0).text() == "epithelium"
    assert "epithelium" in user.viewer.layers["mean ion images"].metadata["channels"]
    filters = user.dock.results_step.ions.cluster_box
    assert "epithelium" in [filters.itemText(at) for at in range(filters.count())]


def test_recolouring(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QColorDialog, "getColor", lambda *_: QColor("#102030"))
    step = user.dock.results_step
    user.pick_cluster(2)
    user.click(step.recolor)
    user.wait_idle()
    assert user.session.clusters["color"][1] == "#102030"
    assert shown_color(step.clusters.item(1, 0).data(Qt.ItemDataRole.DecorationRole)) == "#102030"
    shown = user.viewer.layers["dominant cluster map"].colormap.color_dict[2]
    np.testing.assert_allclose(shown[:3], np.array([16, 32, 48]) / 255, atol=1e-3)


def test_keys_step_accept_and_undo(user: User) -> None:
    step, session = user.dock.results_step, user.session
    table = step.ions.table
    user.click_row(table, 3)
    user.bot.keyClick(table, Qt.Key.Key_J, ALT)
    assert session.selection.ions == (4,)
    user.bot.keyClick(table, Qt.Key.Key_K, ALT)
    user.bot.keyClick(table, Qt.Key.Key_K, ALT)
    assert session.selection.ions == (2,)
    user.bot.keyClick(table, Qt.Key.Key_A, ALT)
    user.wait_idle()
    assert session.ions["pinned"].tolist() == [ion == 2 for ion in range(24)]
    assert session.selection.ions == (3,)
    user.bot.keyClick(table, Qt.Key.Key_B, ALT)
    user.wait_idle()
    assert session.cluster_of(3) == 0
    user.bot.keyClick(table, Qt.Key.Key_Z, ALT)
    user.bot.keyClick(table, Qt.Key.Key_Z, ALT)
    user.wait_idle()
    assert session.cluster_of(3) > 0
    assert not session.ions["pinned"].any()
    user.bot.keyClick(table, Qt.Key.Key_Z, ALT | SHIFT)
    user.wait_idle()
    assert session.ions["pinned"][2]
    user.pick_cluster(2)
    user.bot.keyClick(table, Qt.Key.Key_J, ALT | SHIFT)
    assert session.selection.cluster == 3
    user.bot.keyClick(table, Qt.Key.Key_K, ALT | SHIFT)
    user.bot.keyClick(table, Qt.Key.Key_K, ALT | SHIFT)
    assert session.selection.cluster == 1
    user.bot.keyClick(table, Qt.Key.Key_M, ALT)
    user.choose_in_menu("cluster 4")
    user.wait_idle()
    assert 1 not in _clusters(user)


def test_the_log_tells_every_step(user: User) -> None:
    step = user.dock.results_step
    assert "No corrections yet" in step.log.steps.item(0).text()
    user.click_row(step.ions.table, 0)
    user.click(step.accept)
    user.pick_cluster(1)
    user.click(step.split)
    user.wait_idle()
    user.click(step.undo)
    user.wait_idle()
    user.open_tab("Log")
    told = [step.log.steps.item(at).text() for at in range(step.log.steps.count())]
    assert told == ["1. accept 1 ion", "2. split cluster 1 in 2 (undone)"]
    assert "13C" in step.log.evidence.text()


def test_learning_again_spares_pinned_ions(user: User) -> None:
    step = user.dock.results_step
    wrong = int(user.session.members(1)[0])
    table = step.ions.table
    user.click_row(table, int(table.ion_model.places((wrong,))[0]))
    user.click(step.move)
    user.choose_in_menu("cluster 4")
    user.wait_idle()
    user.open_tab("Log")
    features = user.session.basis.features  # type: ignore[union-attr]
    user.click(step.log.relearn)
    user.wait(lambda: not user.dock.run_button.isEnabled())
    user.wait(user.dock.run_button.isEnabled)
    user.wait_idle()
    assert _clusters(user)[wrong] == 4
    last = user.session.history.steps()[-1]  # type: ignore[union-attr]
    assert last.startswith("learn again")
    assert not np.array_equal(features, user.session.basis.features)  # type: ignore[union-attr]
    user.click(step.undo)
    user.wait_idle()
    np.testing.assert_array_equal(features, user.session.basis.features)  # type: ignore[union-attr]


def test_isotopes_are_put_together_and_said_when_they_are(user: User) -> None:
    step, table = user.dock.results_step, user.dock.results_step.ions.table
    ions = user.session.ions
    isotope = int(np.flatnonzero(ions["isotope_of"].notna())[0])
    parent = int((ions["mz"] - ions["isotope_of"][isotope]).abs().argmin())
    elsewhere = next(number for number in (1, 2, 3, 4) if number != user.session.cluster_of(parent))
    user.click_row(table, int(table.ion_model.places((isotope,))[0]))
    user.click(step.move)
    user.choose_in_menu(f"cluster {elsewhere}")
    user.wait_idle()
    user.open_tab("Log")
    user.click(step.log.link)
    user.wait_idle()
    linked = user.session.ions
    parents = [int((linked["mz"] - mz).abs().argmin()) for mz in linked["isotope_of"].dropna()]
    isotopes = np.flatnonzero(linked["isotope_of"].notna())
    assert isotope in isotopes
    assert linked["cluster"][isotopes].tolist() == linked["cluster"][parents].tolist()
    assert linked["pinned"][isotope]
    user.click(step.log.link)
    user.wait_idle()
    assert "nothing is left to do" in user.dock.status.text()
    user.click(step.undo)
    user.wait_idle()
    assert user.session.cluster_of(isotope) == elsewhere


def test_saving_the_table_and_the_folder(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = user.dock.results_step
    user.click_row(step.ions.table, 0)
    user.click(step.aside)
    user.wait_idle()
    answers = iter([str(tmp_path / "ions.csv"), str(tmp_path / "result"), str(tmp_path / "no" / "ions.csv")])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (next(answers), ""))
    user.click(step.save)
    user.choose_in_menu("Ion table (CSV)…")
    user.wait(lambda: "Saved" in user.dock.status.text())
    table = pd.read_csv(tmp_path / "ions.csv")
    assert table["label_origin"].value_counts().to_dict() == {"learned": 23, "manual": 1}
    user.click(step.save)
    user.choose_in_menu("Result folder with report…")
    user.wait(lambda: (tmp_path / "result" / "run.json").exists())
    assert '"SetAside"' in (tmp_path / "result" / "run.json").read_text()
    user.click(step.save)
    user.choose_in_menu("Ion table (CSV)…")
    user.wait(lambda: "cannot be written" in user.dock.status.text())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["ions.csv", "result"]


def test_a_lasso_and_a_move_work_together(user: User) -> None:
    step = user.dock.results_step
    plot = step.embedding.plot
    user.open_tab("Plot")
    user.wait(lambda: len(plot.points) == 24)
    middle = plot.place_of(0)
    ring = [middle + QPointF(12 * np.cos(angle), 12 * np.sin(angle)) for angle in np.linspace(0, 6.28, 12)]
    user.drag(plot, ring)
    chosen = user.session.selection.ions
    assert 0 in chosen
    user.click(step.move)
    user.choose_in_menu("cluster 4")
    user.wait_idle()
    assert {_clusters(user)[ion] for ion in chosen} == {4}
