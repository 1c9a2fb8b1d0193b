from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt, QThreadPool

from napari_msiclust import pipeline
from napari_msiclust.errors import InputError
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.layers import KEY, ion_layers
from napari_msiclust.plugin.workbench.cluster_step import ClusterStep
from napari_msiclust.plugin.workbench.dock import Workbench, counted
from napari_msiclust.results.cluster_result import ClusterResult
from tests.plugin.conftest import PLUGIN
from tests.plugin.workbench.conftest import SECONDS


def _click(qtbot: QtBot, button: object) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def _wait_for_end(qtbot: QtBot, dock: Workbench) -> None:
    qtbot.waitUntil(dock.run_button.isEnabled, timeout=SECONDS)


@pytest.mark.usefixtures("quick")
def test_run_gives_layers_and_a_table(qtbot: QtBot, opened: Viewer, dock: Workbench) -> None:
    assert dock.run_button.isEnabled()
    assert not dock.stop_button.isEnabled()
    _click(qtbot, dock.run_button)
    assert not dock.run_button.isEnabled()
    _wait_for_end(qtbot, dock)
    means, dominant = opened.layers["mean ion images"], opened.layers["dominant cluster map"]
    assert isinstance(means, Image)
    assert isinstance(dominant, Labels)
    assert len(means.data) == dominant.data.max()
    assert dock.results_step.ions.table.model().rowCount() == 24
    assert "24 ions in" in dock.status.text()
    assert dock.cluster_step.curves.losses


@pytest.mark.usefixtures("quick")
def test_a_click_in_the_table_shows_that_ion(qtbot: QtBot, opened: Viewer, dock: Workbench) -> None:
    _click(qtbot, dock.run_button)
    _wait_for_end(qtbot, dock)
    table = dock.results_step.ions.table
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    index = table.model().index(5, 0)
    table.scrollTo(index)
    place = table.visualRect(index).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place))
    shown_mz = float(index.data())
    stack = opened.layers["tissue ions"]
    mz = stack.metadata[KEY].images.mz
    qtbot.waitUntil(lambda: abs(mz[int(opened.dims.current_step[0])] - shown_mz) < 1e-4)
    assert stack.visible
    assert not opened.layers["mean ion images"].visible
    assert f"m/z {shown_mz:.4f}" in opened.canvas.overlays.text.text


def test_a_preset_brings_its_number_of_clusters_unless_another_was_set(
    opened: Viewer, dock: Workbench
) -> None:
    step = ClusterStep()
    assert step.config().clusters == "auto"
    step.preset.value = "paper"
    assert step.config().clusters == 20
    step.preset.value = "default"
    assert step.config().clusters == "auto"
    step.auto.value = False
    step.clusters.value = 7
    step.preset.value = "fast"
    assert step.config().clusters == 7


def test_stop_ends_training_and_adds_nothing(qtbot: QtBot, opened: Viewer, dock: Workbench) -> None:
    dock.cluster_step.preset.value = "paper"
    _click(qtbot, dock.run_button)
    qtbot.waitUntil(lambda: "contrastive" in dock.status.text(), timeout=SECONDS)
    _click(qtbot, dock.stop_button)
    assert "stopping" in dock.status.text()
    _wait_for_end(qtbot, dock)
    assert "Stopped" in dock.status.text()
    assert [layer.name for layer in opened.layers] == ["tissue ions", "tissue TIC"]


def _raise(error: Exception) -> Callable[..., object]:
    def steps(*_: object, **__: object) -> object:
        raise error
        yield

    return steps


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("too few ions", fix="add some"), "too few ions; add some"),
        (RuntimeError("CUDA error: device-side assert"), "RuntimeError: CUDA error"),
        (MemoryError(), "memory ran out"),
    ],
)
def test_an_error_reaches_the_user(
    qtbot: QtBot, dock: Workbench, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(pipeline, "clustering_steps", _raise(error))
    heard: list[str] = []
    with notification_manager:
        notification_manager.notification_ready.connect(lambda note: heard.append(str(note.message)))
        _click(qtbot, dock.run_button)
        _wait_for_end(qtbot, dock)
    assert said in dock.status.text()
    assert any(said in message for message in heard)


def test_too_many_clusters_is_said_in_words(qtbot: QtBot, dock: Workbench) -> None:
    dock.cluster_step.clusters.value = 30
    _click(qtbot, dock.run_button)
    _wait_for_end(qtbot, dock)
    assert "30 clusters were asked of 24 ions" in dock.status.text()


def test_closing_the_viewer_stops_training(qtbot: QtBot, opened: Viewer, dock: Workbench) -> None:
    dock.cluster_step.preset.value = "paper"
    ended = threading.Event()
    _click(qtbot, dock.run_button)
    dock.workspace._run.worker.finished.connect(ended.set)  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: "contrastive" in dock.status.text(), timeout=SECONDS)
    opened.close()
    qtbot.waitUntil(ended.is_set, timeout=30_000)
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=30_000)


def test_without_ion_images_the_widget_says_what_to_do(
    qtbot: QtBot, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")
    docked = dock.widget
    heard: list[str] = []
    monkeypatch.setattr("napari_msiclust.plugin.workbench.dock.show_info", heard.append)
    _click(qtbot, docked.run_button)
    assert any("Open an imzML file" in message for message in heard)
    assert docked.run_button.isEnabled()


def test_layers_come_and_go(opened: Viewer, dock: Workbench) -> None:
    assert [dock.data_box.itemText(at) for at in range(dock.data_box.count())] == ["tissue ions"]
    opened.layers.clear()
    assert dock.data_box.count() == 0


def test_the_form_becomes_a_config(dock: Workbench) -> None:
    dock.cluster_step.auto.value = True
    dock.cluster_step.seed.value = 9
    assert not dock.cluster_step.clusters.enabled
    config = dock.cluster_step.config()
    assert (config.preset, config.clusters, config.device, config.seed) == ("default", "auto", "cpu", 9)


@pytest.mark.usefixtures("quick")
def test_a_crop_of_real_tissue_goes_all_the_way(
    shared_data: Path,  # comes first: a test that skips opens no viewer
    qtbot: QtBot,
    viewer: Viewer,
) -> None:
    path = shared_data / "msight" / "prostate_example.imzML"
    with open_imzml(path) as file:
        whole = extract_ion_images(file, cache=False)
    inside = (whole.grid.rows < 60) & (whole.grid.cols < 110)
    positions = np.stack((whole.grid.cols[inside] + 1, whole.grid.rows[inside] + 1), axis=1)
    grid = PixelGrid.from_positions(positions, whole.grid.pixel_size_um)
    crop = IonImages(whole.mz[::8], np.ascontiguousarray(whole.values[::8][:, inside]), grid)
    for data, settings, _ in ion_layers(crop, path):
        viewer.add_image(data, **settings)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")
    docked = dock.widget
    assert docked.cluster_step.auto.value
    _click(qtbot, docked.run_button)
    _wait_for_end(qtbot, docked)
    assert len(viewer.layers) == 4
    assert docked.results_step.ions.table.model().rowCount() == len(crop)
    assert "the largest product of two" in docked.cluster_step.evidence.text()


def test_the_status_counts_what_is_in_a_cluster(tissue_result: ClusterResult) -> None:
    ions, clusters = tissue_result.ions.copy(), tissue_result.clusters.copy()
    assert counted(tissue_result) == f"{len(ions)} ions in {len(clusters)} clusters"
    aside = ions["cluster"] == 1
    ions.loc[aside, "cluster"] = 0
    clusters.loc[clusters["cluster"] == 1, "ions"] = 0
    fewer = replace(tissue_result, ions=ions, clusters=clusters)
    left = len(ions) - aside.sum()
    assert counted(fewer) == f"{left} of {len(ions)} ions in {len(clusters) - 1} clusters"
