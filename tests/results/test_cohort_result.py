from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.tissue_halves import agreement, halves

from napari_msiclust.assignment import assignment_steps
from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError, OutputError
from napari_msiclust.msi.cohort import Section, cohort_of
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.pipeline import cluster_ions, cohort_steps
from napari_msiclust.progress import drain
from napari_msiclust.results.cohort_exports import SECTIONS, TABLE, section_folders, write_cohort
from napari_msiclust.results.cohort_result import COHORT_MZ, CohortResult
from napari_msiclust.results.exports import read_result
from tests.cohorts import without

LACKING = [3, 10]


@pytest.fixture(scope="session")
def result(tissue_images: IonImages, tiny_config: ClusterConfig) -> CohortResult:
    """Two sections; the second lacks two ions, is a little off in m/z, and three times as bright."""
    other = without(tissue_images, LACKING)
    other = replace(other, mz=other.mz * (1 + 4e-6), values=np.asarray(other.values) * np.float32(3))
    sections = [Section("one", tissue_images), Section("two/2", other)]
    return drain(cohort_steps(cohort_of(sections, tiny_config), tiny_config))


def test_a_cluster_is_the_same_in_every_section(result: CohortResult) -> None:
    assert len(result.joint.ions) == 24
    for section in result.sections:
        joint = result.joint.ions.set_index("mz").loc[section.ions[COHORT_MZ]]
        assert section.ions["cluster"].tolist() == joint["cluster"].tolist()
        assert section.ions["confidence"].tolist() == joint["confidence"].tolist()
        assert section.clusters["cluster"].tolist() == result.joint.clusters["cluster"].tolist()


def test_a_section_lists_its_own_ions(result: CohortResult) -> None:
    for section, own in zip(result.cohort.sections, result.sections, strict=True):
        assert own.ions["mz"].tolist() == section.images.mz.tolist()
        assert own.grid.shape == section.images.grid.shape
        assert own.mean_images.shape == (len(own.clusters), *own.grid.shape)
        assert own.dominant_cluster_map.shape == own.grid.shape
        assert np.isnan(own.mean_images[:, ~own.grid.acquired]).all()


def test_the_same_section_twice_looks_the_same_twice(
    tissue_images: IonImages, tiny_config: ClusterConfig
) -> None:
    brighter = replace(tissue_images, values=np.asarray(tissue_images.values) * np.float32(3))
    sections = [Section("one", tissue_images), Section("two", brighter)]
    one, two = drain(cohort_steps(cohort_of(sections, tiny_config), tiny_config)).sections
    np.testing.assert_allclose(one.mean_images, two.mean_images, atol=1e-5)
    assert (one.dominant_cluster_map == two.dominant_cluster_map).mean() > 0.99
    np.testing.assert_allclose(one.ions["centrality"], two.ions["centrality"], atol=1e-4)


def test_a_mean_image_is_that_of_the_ions_which_the_section_holds(result: CohortResult) -> None:
    labels = result.joint.ions["cluster"].to_numpy()
    scaled = np.concatenate([block for _, block in result.cohort.images.scaled(0.999)])
    for number, section in enumerate(result.sections):
        pixels = result.cohort.mosaic.pixels(number)
        for cluster in section.clusters["cluster"]:
            members = (labels == cluster) & result.cohort.held[number]
            expected = scaled[members][:, pixels].mean(axis=0) if members.any() else 0
            rows, cols = section.grid.rows, section.grid.cols
            np.testing.assert_allclose(section.mean_images[cluster - 1][rows, cols], expected, atol=1e-5)


def test_the_table_has_one_row_per_ion_and_section(result: CohortResult, tissue_images: IonImages) -> None:
    table = result.table()
    assert len(table) == 2 * 24
    assert table["section"].tolist() == ["one"] * 24 + ["two/2"] * 24
    one, two = (part.reset_index(drop=True) for _, part in table.groupby("section"))
    assert one["cluster"].tolist() == two["cluster"].tolist()
    assert np.flatnonzero(~two["held"]).tolist() == LACKING
    numbers = ["section_mz", "centrality", "pixel_fraction", "structure_z", "mean_intensity"]
    assert (two.loc[~two["held"], numbers].isna()).all(axis=None)
    assert (table.loc[table["held"], numbers].notna()).all(axis=None)
    np.testing.assert_allclose(two["mean_intensity"][0], 3 * one["mean_intensity"][0], rtol=1e-5)
    expected = np.asarray(tissue_images.values)[:, result.sections[0].grid.on_tissue].mean(axis=1)
    np.testing.assert_allclose(one["mean_intensity"], expected, rtol=1e-5)
    np.testing.assert_allclose(two["section_mz"][0], one["section_mz"][0] * (1 + 4e-6), rtol=1e-9)


def test_halves_of_a_tissue_get_the_clusters_of_the_whole(tissue_images: IonImages) -> None:
    config = ClusterConfig(clusters=6, device="cpu").with_epochs(1)
    config = config.model_copy(update={"consensus": config.consensus.model_copy(update={"runs": 12})})
    whole = cluster_ions(tissue_images, config).ions["cluster"].to_numpy()
    parts = halves(tissue_images, 7.3)
    assert parts[1].images.grid.shape[0] < parts[1].images.grid.shape[1]  # 24 x 16 turned
    joint = drain(cohort_steps(cohort_of(parts, config), config)).joint.ions["cluster"].to_numpy()
    of_both, _, count = agreement(whole, joint)
    assert count >= 20
    assert of_both >= 0.95


def test_the_folder_holds_results_that_open(result: CohortResult, tmp_path: Path) -> None:
    out = write_cohort(
        result,
        tmp_path / "out",
        [{"path": "a.imzML", "sha256": {"ibd": "x"}}, {"path": "b.imzML", "sha256": {"ibd": "y"}}],
    )
    joint, one, two = (read_result(path) for path in (out, out / SECTIONS / "one", out / SECTIONS / "two_2"))
    assert len(joint.ions) == len(one.ions) == 24
    assert len(two.ions) == 22
    assert (joint.source, one.source, two.source) == ("", "a.imzML", "b.imzML")
    assert np.asarray(two.mean_images.pixels).shape[1:] == result.sections[1].grid.shape
    assert joint.run["cohort"]["sections"] == ["one", "two/2"]
    assert joint.run["cohort"]["sources"][1]["path"] == "b.imzML"
    assert two.run["cohort"]["section"] == "two/2"
    table = pd.read_csv(out / TABLE)
    assert len(table) == 48
    assert "one, two/2" in (out / "report.html").read_text(encoding="utf-8")


def test_a_cohort_replaces_an_earlier_one_but_nothing_else(result: CohortResult, tmp_path: Path) -> None:
    out = write_cohort(result, tmp_path / "out")
    (out / TABLE).write_text("old")
    write_cohort(result, out)
    assert len(pd.read_csv(out / TABLE)) == 48
    kept = out / SECTIONS / "one" / "notes.txt"
    kept.write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        write_cohort(result, out)
    assert kept.read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_nothing(
    result: CohortResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: CohortResult) -> pd.DataFrame:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(CohortResult, "table", full)
    with pytest.raises(OutputError, match="No space left"):
        write_cohort(result, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_folder_names_are_plain_and_differ() -> None:
    assert section_folders(["a", "A", "../x", "..", "b/c:d"]) == ["a", "A (2)", "_x", "section", "b_c_d"]


def test_nothing_is_assigned_from_a_cohort(
    result: CohortResult, tissue_images: IonImages, tmp_path: Path
) -> None:
    out = write_cohort(result, tmp_path / "out")
    for folder in (out, out / SECTIONS / "one"):
        assert json.loads((folder / "run.json").read_text())["cohort"]["sections"] == ["one", "two/2"]
        with pytest.raises(InputError, match="several sections"):
            drain(assignment_steps(folder, tissue_images))


def test_a_section_none_of_whose_ions_is_in_a_cluster(
    tissue_images: IonImages, tiny_config: ClusterConfig, tmp_path: Path
) -> None:
    values = np.asarray(tissue_images.values).copy()
    values[0] = np.random.default_rng(0).permutation(values[0])
    noisy = replace(tissue_images, values=values)
    poor = without(noisy, list(range(1, 24)))
    sections = [Section("one", noisy), Section("poor", poor)]
    result = drain(cohort_steps(cohort_of(sections, tiny_config), tiny_config))
    assert result.joint.ions["bin"][0] == "structureless"
    assert result.sections[1].ions["cluster"].tolist() == [0]
    assert (result.sections[1].dominant_cluster_map == 0).all()
    out = write_cohort(result, tmp_path / "out")
    assert len(read_result(out / SECTIONS / "poor").ions) == 1
