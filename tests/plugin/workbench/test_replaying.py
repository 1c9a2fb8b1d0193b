from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
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
from napari_msiclust.results.corrections import History
from napari_msiclust.results.edits import Move, Rename
from napari_msiclust.results.exports import describe_source, write_result
from napari_msiclust.results.ion_basis import IonBasis
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


def test_a_result_that_was_opened_again_keeps_its_evidence(
    qtbot: QtBot, opened: Viewer, tissue_images: IonImages, tissue_result: ClusterResult, tissue: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    evidence = replace(tissue_result.evidence, stability=0.75, runs=2)
    result = replace(tissue_result, evidence=evidence)
    history = History.begin(result, IonBasis.of(result, tissue_images)).applied(Move((0, 1), 2))
    saved = history.with_evidence()
    source = describe_source(tissue, tissue.with_suffix(".ibd"), **ReadingSettings().settings())
    first = write_result(saved, tissue_images, tmp_path / "first", source)
    docked = opened.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    opened.open(str(first), plugin=PLUGIN)
    user = User(qtbot, opened, docked)
    user.wait(lambda: docked.workspace.session is not None, SECONDS)
    user.wait_idle()
    assert user.session.evidence == saved.evidence
    assert "correlate" in docked.results_step.log.evidence.text()
    again = save_result(user.session.history, user.session.dataset, tmp_path / "second")
    records = [json.loads((folder / "run.json").read_text()) for folder in (first, again)]
    assert records[0]["evidence"] == records[1]["evidence"]
    assert (again / "ions.csv").read_bytes() == (first / "ions.csv").read_bytes()
    user.session.do(Rename(3, "rim"))
    user.wait_idle()
    now = user.session.evidence
    assert (now.stability, now.pairs_by_hand) == (0.75, saved.evidence.pairs_by_hand)
    assert now.pairs == saved.evidence.pairs


@pytest.mark.usefixtures("quick")
def test_a_run_on_painted_tissue_is_replayed_and_opened_on_the_same_tissue(
    qtbot: QtBot, opened: Viewer, dock: Workbench, tmp_path: Path
) -> None:
    user, layer = User(qtbot, opened, dock), dock.workspace.dataset_layer
    painted = np.zeros(layer.data.shape[-2:], np.uint8)
    painted[:, : painted.shape[1] // 2] = 1
    opened.add_labels(painted, name="tissue", scale=layer.scale[-2:], units=layer.units[-2:])
    dock.images_step.tissue.value = opened.layers["tissue"]
    user.wait(lambda: "of 24" in dock.images_step.counts.text())
    user.click(dock.run_button)
    user.wait(lambda: dock.run_button.isEnabled() and dock.workspace.session is not None, SECONDS)
    user.wait_idle()
    first = user.session
    mask = first.result.grid.mask
    assert 0 < mask.sum() < first.result.grid.acquired.sum()
    out = save_result(first.history, first.dataset, tmp_path / "first")
    done = CliRunner().invoke(app, ["replay", str(out / "run.json")])
    assert "identical" in done.stdout, done.output
    opened.open(str(out), plugin=PLUGIN)
    user.wait(lambda: user.session is not first)
    user.wait_idle()
    np.testing.assert_array_equal(user.session.result.grid.mask, mask)
    user.click_row(dock.results_step.ions.table, 2)
    user.click(dock.results_step.aside)
    user.wait_idle()
    again = save_result(user.session.history, user.session.dataset, tmp_path / "second")
    done = CliRunner().invoke(app, ["replay", str(again / "run.json")])
    assert "identical" in done.stdout, done.output
