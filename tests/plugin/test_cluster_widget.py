from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt, QThreadPool

from napari_msiclust import pipeline
from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.layers import KEY, ion_layers
from napari_msiclust.plugin.widgets.cluster_widget import ClusterWidget
from tests.plugin.conftest import PLUGIN

SECONDS = 120_000


@pytest.fixture
def widget(opened: Viewer) -> ClusterWidget:
    """The widget as the Plugins menu opens it, set to something quick."""
    _, dock = opened.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")
    dock.widget.form.clusters.value = 4
    dock.widget.form.device.value = "cpu"
    return dock.widget


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every preset ends after an epoch."""
    original = ClusterConfig.from_preset.__func__  # type: ignore[attr-defined]

    def shortened(cls: type[ClusterConfig], preset: str, **changes: object) -> ClusterConfig:
        return original(cls, preset, image_size=32, **changes).with_epochs(1)

    monkeypatch.setattr(ClusterConfig, "from_preset", classmethod(shortened))


def _click(qtbot: QtBot, button: object) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def _wait_for_end(qtbot: QtBot, widget: ClusterWidget) -> None:
    qtbot.waitUntil(widget.run_button.isEnabled, timeout=SECONDS)


@pytest.mark.usefixtures("quick")
def test_run_gives_layers_and_a_table(qtbot: QtBot, opened: Viewer, widget: ClusterWidget) -> None:
    assert widget.run_button.isEnabled()
    assert not widget.stop_button.isEnabled()
    _click(qtbot, widget.run_button)
    assert not widget.run_button.isEnabled()
    _wait_for_end(qtbot, widget)
    means, dominant = opened.layers["mean ion images"], opened.layers["dominant cluster map"]
    assert isinstance(means, Image)
    assert isinstance(dominant, Labels)
    assert len(means.data) == dominant.data.max()
    assert widget.table.model().rowCount() == 24
    assert "24 ions in" in widget.status.text()
    assert widget.loss_plot.figure.axes[0].lines


@pytest.mark.usefixtures("quick")
def test_a_click_in_the_table_shows_that_ion(qtbot: QtBot, opened: Viewer, widget: ClusterWidget) -> None:
    _click(qtbot, widget.run_button)
    _wait_for_end(qtbot, widget)
    table = widget.table
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    index = table.model().index(5, 0)
    table.scrollTo(index)
    place = table.visualRect(index).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place))
    shown_mz = float(index.data())
    stack = opened.layers["tissue ions"]
    ion = int(opened.dims.current_step[0])
    assert stack.metadata[KEY].images.mz[ion] == pytest.approx(shown_mz, abs=1e-4)
    assert stack.visible
    assert not opened.layers["mean ion images"].visible
    assert f"m/z {shown_mz:.4f}" in opened.canvas.overlays.text.text


def test_stop_ends_training_and_adds_nothing(qtbot: QtBot, opened: Viewer, widget: ClusterWidget) -> None:
    widget.form.preset.value = "paper"
    _click(qtbot, widget.run_button)
    qtbot.waitUntil(lambda: "contrastive" in widget.status.text(), timeout=SECONDS)
    _click(qtbot, widget.stop_button)
    assert "stopping" in widget.status.text()
    _wait_for_end(qtbot, widget)
    assert "Stopped" in widget.status.text()
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
    qtbot: QtBot, widget: ClusterWidget, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(pipeline, "clustering_steps", _raise(error))
    heard: list[str] = []
    with notification_manager:
        notification_manager.notification_ready.connect(lambda note: heard.append(str(note.message)))
        _click(qtbot, widget.run_button)
        _wait_for_end(qtbot, widget)
    assert said in widget.status.text()
    assert any(said in message for message in heard)


def test_too_many_clusters_is_said_in_words(qtbot: QtBot, widget: ClusterWidget) -> None:
    widget.form.clusters.value = 30
    _click(qtbot, widget.run_button)
    _wait_for_end(qtbot, widget)
    assert "30 clusters were asked of 24 ions" in widget.status.text()


def test_closing_the_viewer_stops_training(qtbot: QtBot, opened: Viewer, widget: ClusterWidget) -> None:
    widget.form.preset.value = "paper"
    ended = threading.Event()
    _click(qtbot, widget.run_button)
    widget._run.worker.finished.connect(ended.set)  # type: ignore[union-attr]
    qtbot.waitUntil(lambda: "contrastive" in widget.status.text(), timeout=SECONDS)
    opened.close()
    qtbot.waitUntil(ended.is_set, timeout=30_000)
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=30_000)


def test_without_ion_images_the_widget_says_what_to_do(
    qtbot: QtBot, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")
    docked = dock.widget
    heard: list[str] = []
    monkeypatch.setattr("napari_msiclust.plugin.widgets.cluster_widget.show_info", heard.append)
    _click(qtbot, docked.run_button)
    assert any("Open an imzML file" in message for message in heard)
    assert docked.run_button.isEnabled()


def test_layers_come_and_go(opened: Viewer, widget: ClusterWidget) -> None:
    assert [layer.name for layer in widget.form.layer.choices] == ["tissue ions"]
    opened.layers.clear()
    assert list(widget.form.layer.choices) == []


def test_the_form_becomes_a_config(widget: ClusterWidget) -> None:
    widget.form.auto.value = True
    widget.form.seed.value = 9
    assert not widget.form.clusters.enabled
    config = widget.form.config()
    assert (config.preset, config.clusters, config.device, config.seed) == ("fast", "auto", "cpu", 9)


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
    docked.form.clusters.value = 6
    _click(qtbot, docked.run_button)
    _wait_for_end(qtbot, docked)
    assert len(viewer.layers) == 4
    assert docked.table.model().rowCount() == len(crop)
