"""What is co-localized with this? And: several data sets, several docks, results from files."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_msiclust.config import TriageConfig
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.workbench.dock import Workbench
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import describe_source, read_result, write_result
from napari_msiclust.results.ome_zarr import write_ome_zarr
from tests.plugin.conftest import PLUGIN
from tests.plugin.workbench.conftest import SECONDS, User


def _ask(user: User, source: str = "") -> pd.DataFrame:
    panel = user.dock.results_step.query
    if source:
        user.choose(panel.source, source)
    user.click(panel.find)
    user.wait(lambda: panel.find.isEnabled() and panel.table.rowCount() > 0)
    rows = range(panel.table.rowCount())
    texts = [[panel.table.item(row, column).text() for column in range(5)] for row in rows]
    return pd.DataFrame(texts, columns=["mz", "cluster", "cosine", "learned", "annotation"])


def test_ions_like_an_ion_go_to_a_layer_and_to_a_file(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = user.dock.results_step.query
    user.open_tab("Query")
    user.click(panel.find)
    assert "Select an ion first" in user.dock.status.text()
    user.open_tab("Ions")
    user.click_row(user.dock.results_step.ions.table, 5)
    user.open_tab("Query")
    table = _ask(user)
    assert len(table) == 23
    assert f"m/z {table['mz'][0]}" in user.dock.status.text()
    assert "23 ions ranked" in user.dock.status.text()
    cosine = table["cosine"].astype(float)
    assert cosine.is_monotonic_decreasing
    user.click_row(panel.table, 2)
    (chosen,) = user.session.selection.ions
    assert f"{user.session.ions['mz'][chosen]:.4f}" == table["mz"][2]
    user.wait(lambda: table["mz"][2] in user.viewer.canvas.overlays.text.text)
    user.click(panel.to_layer)
    user.wait(lambda: any(layer.name.startswith("like m/z") for layer in user.viewer.layers))
    stack = next(layer for layer in user.viewer.layers if layer.name.startswith("like m/z"))
    assert stack.data.shape[0] == 12
    assert f"12 ion images are in the layer {stack.name!r}" in user.dock.status.text()
    assert stack.metadata["channels"][0] == f"m/z {table['mz'][0]}"
    assert user.viewer.canvas.overlays.text.text == f"m/z {table['mz'][0]}"
    _ask(user)
    assert not panel.table.selectedItems()  # what was picked among the last answers is none of these
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "like.csv"), ""))
    user.click(panel.to_csv)
    user.wait(lambda: "Saved" in user.dock.status.text())
    saved = pd.read_csv(tmp_path / "like.csv")
    assert list(saved.columns) == ["mz", "annotation", "cluster", "cosine", "learned"]
    assert len(saved) == 23


def test_ions_like_a_painted_region(user: User) -> None:
    images = user.session.dataset.images
    ion = 7
    image = np.nan_to_num(images.image(ion))
    painted = (image > np.quantile(image, 0.85)).astype(int)
    scale = user.viewer.layers["dominant cluster map"].scale
    user.viewer.add_labels(painted, name="painted", scale=scale)
    user.open_tab("Query")
    table = _ask(user, "region: painted")
    at = table.index[table["mz"] == f"{images.mz[ion]:.4f}"][0]
    assert at < 6
    user.viewer.layers["painted"].data = np.zeros_like(painted)
    user.click(user.dock.results_step.query.find)
    user.wait(lambda: "covers no pixel" in user.dock.status.text())


def test_ions_like_a_channel_of_a_finer_image(user: User) -> None:
    images = user.session.dataset.images
    ion = 3
    image = np.nan_to_num(images.image(ion))
    red = np.kron(image / image.max(), np.ones((3, 3)))
    colors = np.stack([red, np.zeros_like(red), np.zeros_like(red)], axis=-1).astype(np.float32)
    scale = user.viewer.layers["dominant cluster map"].scale / 3
    shift = -scale  # the centres of the first pixels differ
    user.viewer.add_image(colors, rgb=True, name="stain", scale=scale, translate=shift)
    panel = user.dock.results_step.query
    user.open_tab("Query")
    user.choose(panel.source, "image: stain")
    assert panel.channel.isVisible()
    user.choose(panel.channel, "red")
    table = _ask(user)
    assert table["mz"][0] == f"{images.mz[ion]:.4f}"
    assert float(table["cosine"][0]) > 0.97


def test_two_data_sets_keep_their_results_apart(user: User, tissue_images: IonImages, tmp_path: Path) -> None:
    from napari.layers import Layer

    from napari_msiclust.plugin.layers import ion_layers

    first = user.session
    for data, settings, kind in ion_layers(tissue_images, tmp_path / "other.imzML"):
        user.viewer.add_layer(Layer.create(data, settings, kind))
    box = user.dock.data_box
    assert [box.itemText(at) for at in range(box.count())] == ["tissue ions", "other ions"]
    assert user.dock.workspace.session is first
    user.choose(box, "other")
    box.activated.emit(1)
    assert user.dock.workspace.session is None
    assert user.dock.results_step.note.isVisibleTo(user.dock)
    user.click(user.dock.run_button)
    user.wait(lambda: user.dock.workspace.session is not None)
    assert user.session is not first
    user.choose(box, "tissue")
    box.activated.emit(0)
    assert user.session is first


def test_two_docks_show_the_same(user: User) -> None:
    second = Workbench(user.viewer)
    user.bot.addWidget(second)
    assert second.workspace is user.dock.workspace
    user.click_row(user.dock.results_step.ions.table, 4)
    user.click(user.dock.results_step.aside)
    user.wait_idle()
    assert second.results_step.session is user.session
    shown = second.results_step.ions.table.ion_model
    assert shown.index(int(shown.places((4,))[0]), 1).data() == "0"
    second.deleteLater()
    QApplication.processEvents()
    user.click_row(user.dock.results_step.ions.table, 5)
    assert user.session.selection.ions == (5,)


def test_keys_work_with_two_docks_in_the_window(user: User) -> None:
    second = Workbench(user.viewer)
    user.viewer.window.add_dock_widget(second, area="left")
    user.wait(second.results_step.isVisible)
    table = user.dock.results_step.ions.table
    user.click_row(table, 4)
    for ion in (5, 6):
        user.bot.keyClick(table, Qt.Key.Key_J, Qt.KeyboardModifier.AltModifier)
        assert user.session.selection.ions == (ion,)


@pytest.fixture
def saved(tissue: Path, tissue_images: IonImages, tissue_result: ClusterResult, tmp_path: Path) -> Path:
    source = describe_source(tissue, tissue.with_suffix(".ibd"))
    return write_result(tissue_result, tissue_images, tmp_path / "saved", source)


def test_a_saved_result_opens_with_its_file(qtbot: QtBot, opened: Viewer, saved: Path) -> None:
    dock = opened.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    opened.open(str(saved), plugin=PLUGIN)
    qtbot.waitUntil(lambda: dock.workspace.session is not None, timeout=SECONDS)
    user = User(qtbot, opened, dock)
    user.wait_idle()
    assert dock.steps.tabText(dock.steps.currentIndex()) == "4 Results"
    user.click_row(dock.results_step.ions.table, 6)
    user.wait(lambda: int(opened.dims.current_step[0]) == 6)
    user.click(dock.results_step.aside)
    user.wait_idle()
    assert user.session.cluster_of(6) == 0


def test_an_ome_zarr_of_a_result_opens_with_its_file(
    qtbot: QtBot, opened: Viewer, saved: Path, tmp_path: Path, tissue_result: ClusterResult
) -> None:
    result = read_result(saved)
    image, labels = (result.with_table(one) for one in (result.mean_images, result.dominant_map))
    folder = write_ome_zarr(tmp_path / "x.ome.zarr", image, [labels])
    dock = opened.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    opened.open(str(folder), plugin=PLUGIN)
    qtbot.waitUntil(lambda: dock.workspace.session is not None, timeout=SECONDS)
    user = User(qtbot, opened, dock)
    user.wait_idle()
    assert user.session.cluster_of(6) == tissue_result.ions["cluster"][6]


def test_a_saved_result_without_its_file_shows_its_table(qtbot: QtBot, viewer: Viewer, saved: Path) -> None:
    viewer.open(str(saved), plugin=PLUGIN)
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    assert dock.results_step.ions.table.model().rowCount() == 24
    assert "Open" in dock.results_step.note.text()
    assert not dock.results_step.merge.isEnabled()
    panel, user = dock.results_step.ions, User(qtbot, viewer, dock)
    user.choose(panel.cluster_box, "cluster 2")
    table = pd.read_csv(saved / "ions.csv")
    assert panel.table.model().rowCount() == int((table["cluster"] == 2).sum())
    assert panel.count.text() == f"{panel.table.model().rowCount()} of 24 ions"


def test_a_run_goes_on_while_another_file_opens(
    qtbot: QtBot, opened: Viewer, dock: Workbench, quick: None, tissue: Path
) -> None:
    user = User(qtbot, opened, dock)
    user.click(dock.run_button)
    opened.open(str(tissue), plugin=PLUGIN)
    qtbot.waitUntil(dock.run_button.isEnabled, timeout=SECONDS)
    assert "24 ions in" in dock.status.text()


def test_pause_and_resume(qtbot: QtBot, opened: Viewer, dock: Workbench) -> None:
    user = User(qtbot, opened, dock)
    dock.cluster_step.preset.value = "paper"
    user.click(dock.run_button)
    user.wait(lambda: len(dock.cluster_step.curves.losses) > 0, SECONDS)
    begun, before = time.monotonic(), len(dock.cluster_step.curves.losses)
    user.wait(lambda: len(dock.cluster_step.curves.losses) >= before + 2, SECONDS)
    step = (time.monotonic() - begun) / (len(dock.cluster_step.curves.losses) - before)
    user.click(dock.pause_button)
    assert dock.pause_button.text() == "Resume"
    stood = len(dock.cluster_step.curves.losses) + 1  # the step that is under way still arrives
    qtbot.wait(round(4_000 * step))
    assert len(dock.cluster_step.curves.losses) <= stood
    user.click(dock.pause_button)
    user.wait(lambda: len(dock.cluster_step.curves.losses) > stood, SECONDS)
    for _ in range(5):
        user.click(dock.pause_button)  # at once back and forth
    assert dock.pause_button.text() == "Resume"
    user.click(dock.stop_button)  # ends a run that waits, too
    qtbot.waitUntil(dock.run_button.isEnabled, timeout=SECONDS)


def test_the_first_steps_tell_of_the_file(qtbot: QtBot, opened: Viewer, dock: Workbench) -> None:
    user = User(qtbot, opened, dock)
    user.wait(lambda: "can be clustered" in dock.file_step.report.text())
    bar = dock.steps.tabBar()
    user.click(bar, bar.tabRect(1).center())
    assert "24 ion images" in dock.images_step.summary.text()
    user.wait(lambda: "24 of 24 ion images take part" in dock.images_step.counts.text())
    dock.images_step.normalization.value = "tic"
    user.click(dock.images_step.make)
    user.wait(lambda: dock.data_box.count() == 2)
    assert dock.workspace.dataset is dock.data_box.currentData()
    sums = dock.workspace.dataset.images.values.sum(axis=0)
    np.testing.assert_allclose(sums, sums[0], rtol=1e-3)


def test_the_regions_that_count_for_a_cluster(user: User) -> None:
    user.open_tab("Tree")
    user.click(user.dock.results_step.tree.explain)
    user.wait(lambda: "regions that count" in user.viewer.layers)
    layer = user.viewer.layers["regions that count"]
    clusters = user.session.clusters  # type: ignore[union-attr]
    assert layer.data.shape[0] == (clusters["ions"] > 0).sum()
    assert layer.metadata["channels"][0] == "cluster 1"
    low, high = layer.contrast_limits
    assert low == -high
    assert np.nanmax(np.abs(layer.data)) > 0
    tissue = user.session.result.grid.mask  # type: ignore[union-attr]
    assert np.isnan(layer.data[:, ~tissue]).all()
    user.wait_idle()


def test_bins_follow_thresholds_and_switches(qtbot: QtBot, opened: Viewer, dock: Workbench) -> None:
    user, step = User(qtbot, opened, dock), dock.images_step
    user.click(dock.steps.tabBar(), dock.steps.tabBar().tabRect(1).center())
    user.wait(lambda: "24 of 24" in step.counts.text())
    step.least_pixels.value = 100
    assert "24 sparse" in step.counts.text()
    assert step.bins["sparse"].text() == "sparse: 24"
    box = step.bins["sparse"]
    user.click(box, QPoint(8, box.height() // 2))
    assert "24 of 24 ion images take part" in step.counts.text()
    assert step.settings()["triage"].sparse is False


def test_what_a_duplicate_is_can_be_set(qtbot: QtBot, opened: Viewer, dock: Workbench) -> None:
    user, step = User(qtbot, opened, dock), dock.images_step
    user.wait(lambda: "24 of 24" in step.counts.text())
    step.duplicate_ppm.value = 5000
    step.duplicate_correlation.value = 0.01
    assert step.settings()["triage"] == TriageConfig(duplicate_ppm=5000, duplicate_correlation=0.01)
    user.wait(lambda: "duplicate" in step.counts.text())


def test_the_tissue_can_be_painted(qtbot: QtBot, opened: Viewer, dock: Workbench) -> None:
    user, step = User(qtbot, opened, dock), dock.images_step
    layer = dock.workspace.dataset_layer
    assert layer is not None
    painted = np.zeros(layer.data.shape[-2:], np.uint8)
    opened.add_labels(painted, name="tissue", scale=layer.scale[-2:], units=layer.units[-2:])
    region = opened.layers["tissue"]
    step.tissue.value = region
    user.wait(lambda: "tissue covers no pixel" in step.counts.text())
    user.click(dock.run_button)
    user.wait(lambda: dock.run_button.isEnabled() and "tissue covers no pixel" in dock.status.text())
    assert dock.workspace.session is None
    half = painted.copy()
    half[:, : half.shape[1] // 2] = 1
    region.data = half
    make = step.images()
    assert make is not None
    images = make()
    assert images.grid.mask.sum() == (images.grid.acquired & (half > 0)).sum()
    assert step.settings()["tissue"] == "acquired"
    opened.layers.remove("tissue")
    assert step.tissue.value == "estimate"
    user.wait(lambda: "of 24" in step.counts.text())
