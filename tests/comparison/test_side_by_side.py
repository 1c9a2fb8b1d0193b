from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.generated import Recipe, generate

from napari_msiclust.comparison.memory import MemoryWatch
from napari_msiclust.comparison.side_by_side import Comparison, Settings, comparison_steps
from napari_msiclust.comparison.tables import as_text, write_comparison
from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError, OutputError, Stopped
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.progress import drain
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import is_result_folder, read_result, write_result
from napari_msiclust.results.metrics import Truth, agreement, read_truth

SOURCE = {"path": "x.imzML", "sha256": {"imzml": "a", "ibd": "b"}}


@pytest.fixture(scope="module")
def truth(tissue: Path, tissue_images: IonImages) -> Truth:
    return read_truth(tissue.with_name("tissue_classes.csv"), tissue_images.mz)


@pytest.fixture(scope="module")
def comparison(tissue_images: IonImages, truth: Truth) -> Comparison:
    settings = Settings((6, 90), seeds=(0, 1), presets=("fast",), epochs=0, device="cpu")
    return drain(comparison_steps(tissue_images, settings, truth))


def test_every_method_has_a_row(comparison: Comparison) -> None:
    summary = comparison.summary
    assert len(summary) == 2 * 14
    assert len(comparison.runs) == 4 * 14
    assert summary["method"].iloc[0] == "preset fast"
    fine = summary[summary["asked"] == 6]
    assert (fine["fault"] == "").all()
    assert fine[["purity", "ari", "seconds", "peak_memory_bytes", "stability"]].notna().all().all()
    assert (fine["ions_in_clusters"] == 1).all()
    pearson = fine.set_index("method").loc["pixel Pearson, Ward"]
    assert pearson["ari"] > 0.8
    assert pearson["isotope_kappa"] > 0.8


def test_a_method_that_cannot_run_says_why(comparison: Comparison) -> None:
    too_many = comparison.summary[comparison.summary["asked"] == 90]
    assert too_many["fault"].str.contains("90 clusters").all()
    assert too_many["purity"].isna().all()
    assert "90 clusters" in as_text(comparison)


def test_means_and_spreads_are_those_of_the_runs(comparison: Comparison) -> None:
    for _, row in comparison.summary[comparison.summary["asked"] == 6].iterrows():
        runs = comparison.runs[(comparison.runs["method"] == row["method"]) & (comparison.runs["asked"] == 6)]
        assert row["ari"] == pytest.approx(runs["ari"].mean())
        assert row["ari_spread"] == pytest.approx(np.ptp(runs["ari"]))


def test_it_is_plain_json(comparison: Comparison) -> None:
    again = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert again["clusters"] == [6, 90]
    assert again["methods"][1]["ari"] == pytest.approx(comparison.summary["ari"].iloc[1], abs=1e-5)
    assert again["methods"][-1]["ari"] is None


def test_it_can_be_stopped(tissue_images: IonImages) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        drain(comparison_steps(tissue_images, Settings((3,), presets=()), stop=stop))


def test_simple_methods_take_the_number_that_a_preset_chooses(tissue_images: IonImages) -> None:
    settings = Settings(("auto",), presets=("fast",), epochs=0, device="cpu")
    found = drain(comparison_steps(tissue_images, settings)).summary
    assert found["asked"].iloc[0] == "auto"
    chosen = round(found["clusters"].iloc[0])
    assert set(found["asked"].iloc[1:]) == {chosen}
    again = Settings(("auto", chosen), presets=("fast",), epochs=0, device="cpu")
    assert not drain(comparison_steps(tissue_images, again)).summary[["method", "asked"]].duplicated().any()
    with pytest.raises(InputError, match="no preset could choose"):
        drain(comparison_steps(tissue_images, Settings(("auto",), presets=())))


def test_what_kept_a_preset_from_choosing_is_said(tissue_images: IonImages) -> None:
    absent = Settings(("auto",), presets=("fast",), epochs=0, device="mps")
    with pytest.raises(InputError, match=r"no preset could choose .*mps"):
        drain(comparison_steps(tissue_images, absent))


def test_ions_left_out_are_counted_to_their_nearest_cluster() -> None:
    noisy = generate(Recipe(size=(40, 40), classes=5, ions=80, counts=0.5, mixing=0.9, seed=1)).without_mask()
    settings = Settings((5,), presets=("default",), epochs=1, baselines=False, device="cpu")
    (row,) = drain(comparison_steps(noisy, settings)).summary.to_dict("records")
    assert row["ions_in_clusters"] < 1
    assert row["isotope_kappa_all_ions"] < row["isotope_kappa"]


def test_without_truth_there_is_evidence(tissue_images: IonImages) -> None:
    found = drain(comparison_steps(tissue_images, Settings((6,), presets=())))
    assert found.summary["purity"].isna().all()
    assert found.summary["isotope_kappa"].notna().all()
    assert "purity" not in as_text(found)


def test_a_new_folder_gets_the_table(comparison: Comparison, tmp_path: Path) -> None:
    page = write_comparison(comparison, tmp_path / "new", SOURCE)
    assert "pixel Pearson, spectral" in page.read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "new" / "benchmark.csv")
    assert len(table) == len(comparison.summary)
    write_comparison(comparison, tmp_path / "new", SOURCE)  # again, over itself
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match=r"mine\.txt"):
        write_comparison(comparison, tmp_path / "other", SOURCE)


def test_a_result_gets_the_table_into_its_report(
    comparison: Comparison, tissue_result: ClusterResult, tissue_images: IonImages, tmp_path: Path
) -> None:
    out = write_result(tissue_result, tissue_images, tmp_path / "result", SOURCE)
    before = (out / "report.html").read_text(encoding="utf-8")
    for _ in range(2):  # an earlier table is replaced
        write_comparison(comparison, out, SOURCE)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("pixel Pearson, spectral</td>") == 2  # one per number of clusters
    assert len(page) > len(before)
    assert json.loads((out / "benchmark.json").read_text())["input"] == SOURCE
    assert is_result_folder(out)
    read_result(out)
    write_result(tissue_result, tissue_images, out, SOURCE)  # still an earlier result, to be replaced
    assert not list(out.glob(".*"))


def test_a_result_of_another_file_is_left_alone(
    comparison: Comparison, tissue_result: ClusterResult, tissue_images: IonImages, tmp_path: Path
) -> None:
    out = write_result(tissue_result, tissue_images, tmp_path / "result", SOURCE)
    other = {**SOURCE, "sha256": {"imzml": "a", "ibd": "c"}}
    with pytest.raises(InputError, match="another file"):
        write_comparison(comparison, out, other)
    assert not (out / "benchmark.json").exists()


def test_truth_is_matched_by_mz(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("mz,label\n300,1\n100,0\n200,-1\n900,1\n")
    truth = read_truth(tmp_path / "truth.csv", np.array([100.0002, 150.0, 200.0, 300.0]))
    assert (truth.classes.tolist(), truth.rows.tolist(), truth.unmatched) == ([0, 1], [0, 3], 1)
    assert truth.score(np.array([5, 1, 1, 7])) == agreement(np.array([0, 1]), np.array([5, 7]), unmatched=1)


def test_the_memory_watch_sees_what_is_allocated() -> None:
    with MemoryWatch() as watch:
        before = watch.peak_bytes
        held = np.ones(12_000_000)
        threading.Event().wait(0.2)
    assert watch.peak_bytes - before > 0.8 * held.nbytes


def test_the_presets_run_as_configured(tissue_images: IonImages) -> None:
    settings = Settings((3,), presets=("fast",), epochs=0, baselines=False, device="cpu")
    found = drain(comparison_steps(tissue_images, settings))
    assert found.summary["method"].tolist() == ["preset fast"]
    assert found.summary["clusters"].iloc[0] <= 3
    assert ClusterConfig.from_preset("fast").with_epochs(0).self_labeling.epochs == 0
