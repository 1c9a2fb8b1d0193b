from __future__ import annotations

import json
from pathlib import Path

import pytest
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from typer.testing import CliRunner

from napari_msiclust.cli import app
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.workbench.dock import Workbench
from napari_msiclust.plugin.workbench.saving import save_result
from napari_msiclust.reading import ReadingSettings
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import describe_source, write_result
from tests.plugin.conftest import PLUGIN
from tests.plugin.workbench.conftest import SECONDS, User


@pytest.mark.usefixtures("quick")
def test_a_run_of_the_dock_is_replayed_identically(
    qtbot: QtBot, opened: Viewer, dock: Workbench, tmp_path: Path
) -> None:
    user = User(qtbot, opened, dock)
    listed = tmp_path / "mz.csv"
    listed.write_text("mz\n" + "\n".join(map(str, dock.workspace.dataset.images.mz[4:])))
    step = dock.images_step
    step.mz_list.value, step.tolerance.value, step.normalization.value = listed, 33, "median"
    user.click(step.make)
    user.wait(lambda: dock.data_box.count() == 2, SECONDS)
    user.wait(lambda: "of 20 ion images" in step.counts.text(), SECONDS)
    step.least_pixels.value = 1.5
    user.click(dock.run_button)
    user.wait(lambda: dock.run_button.isEnabled() and dock.workspace.session is not None, SECONDS)
    user.wait_idle()
    user.click_row(dock.results_step.ions.table, 2)
    user.click(dock.results_step.aside)
    user.wait_idle()
    history = user.session.history
    out = save_result(history, user.session.dataset, tmp_path / "result")
    source = json.loads((out / "run.json").read_text())["input"]
    assert source["mz"] == str(listed)
    assert (source["tolerance_ppm"], source["normalization"]) == (33, "median")
    settings = json.loads((out / "run.json").read_text())["config"]
    assert settings["triage"]["min_pixel_fraction"] == pytest.approx(0.015)
    done = CliRunner().invoke(app, ["replay", str(out / "run.json")])
    assert done.exit_code == 0, done.output
    assert "identical" in done.stdout


def test_a_result_that_was_opened_again_is_saved_and_replayed(
    qtbot: QtBot, opened: Viewer, tissue: Path, tissue_images: IonImages, tissue_result: ClusterResult,
    tmp_path: Path,
) -> None:  # fmt: skip
    source = describe_source(tissue, tissue.with_suffix(".ibd"), **ReadingSettings().settings())
    first = write_result(tissue_result, tissue_images, tmp_path / "first", source)
    docked = opened.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    opened.open(str(first), plugin=PLUGIN)
    user = User(qtbot, opened, docked)
    user.wait(lambda: docked.workspace.session is not None, SECONDS)
    user.wait_idle()
    assert user.session.result.config == tissue_result.config
    assert user.session.basis is not None
    assert user.session.basis.features.any()
    user.click_row(docked.results_step.ions.table, 2)
    user.click(docked.results_step.aside)
    user.wait_idle()
    out = save_result(user.session.history, user.session.dataset, tmp_path / "second")
    run = json.loads((out / "run.json").read_text())
    assert run["weights"] == tissue_result.provenance["weights"]
    assert (out / "network.safetensors").exists() == (first / "network.safetensors").exists()
    done = CliRunner().invoke(app, ["replay", str(out / "run.json")])
    assert "identical" in done.stdout, done.output
