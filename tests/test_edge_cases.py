"""Odd sets of ions through the whole pipeline: an answer or one clear line, never a crash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_msiclust.config import ClusterConfig, TriageConfig
from napari_msiclust.errors import InputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.training_set import training_set
from napari_msiclust.pipeline import cluster_ions
from napari_msiclust.results.exports import write_result

SIDE = 24
QUICK = ClusterConfig.from_preset("fast", clusters=2, image_size=32, device="cpu").with_epochs(1)
DEFAULT = ClusterConfig(image_size=32, device="cpu").with_epochs(1)


def _images(values: np.ndarray) -> IonImages:
    rows, cols = np.indices((SIDE, SIDE)).reshape(2, -1).astype(np.int32)
    grid = PixelGrid((SIDE, SIDE), rows, cols, (1.0, 1.0), np.ones((SIDE, SIDE), bool))
    return IonImages(np.arange(len(values)) + 200.0, values.reshape(len(values), -1).astype(np.float32), grid)


def _blobs(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    centres = rng.uniform(6, 18, (2, 2))[np.arange(count) % 2]
    return rng.poisson(
        20 * np.exp(-((y - centres[:, :1, None]) ** 2 + (x - centres[:, 1:, None]) ** 2) / 40) + 1
    )


@pytest.mark.parametrize("config", [QUICK, DEFAULT], ids=["fast", "default"])
@pytest.mark.parametrize("case", ["three", "identical", "numbers missing", "some constant"])
def test_odd_ions_are_clustered(case: str, config: ClusterConfig, tmp_path: Path) -> None:
    values = _blobs(3 if case == "three" else 8).astype(float)
    if case == "identical":
        values[:] = values[0]
    elif case == "numbers missing":
        values[:, 0, 0] = np.nan
        values[2, 5, 5] = np.inf
        values[3] = np.nan
    elif case == "some constant":
        values[:2], values[2] = 7, 0
    images = _images(values)
    result = cluster_ions(images, config)
    write_result(result, images, tmp_path / "result")
    assert len(result.ions) == len(values)
    assert ((result.ions["cluster"] > 0) == (result.ions["bin"] == "")).all()
    aside = {
        "numbers missing": {3: "empty"},
        "some constant": {0: "structureless", 1: "structureless", 2: "empty"},
    }
    found = result.ions["bin"]
    assert found[~found.isin(["", "unassigned"])].to_dict() == aside.get(case, {})


@pytest.mark.parametrize(("count", "classes"), [(2, [1, 2]), (3, [1, 2, 1]), (5, [1, 2, 1, 2, 1])])
def test_a_handful_of_ions_falls_into_its_classes(count: int, classes: list[int]) -> None:
    config = DEFAULT.model_copy(update={"clusters": 2})
    assert cluster_ions(_images(_blobs(count)), config).ions["cluster"].tolist() == classes
    with pytest.raises(InputError, match=f"choose at most {count} clusters"):
        cluster_ions(_images(_blobs(count)), config.model_copy(update={"clusters": count + 1}))


def test_identical_ions_are_one_cluster_and_that_is_said() -> None:
    result = cluster_ions(_images(np.repeat(_blobs(1), 12, axis=0)), DEFAULT)
    assert (result.ions["cluster"] == 1).all()
    assert "all ions are alike" in result.provenance["cluster_reason"]
    assert result.evidence.stability is None


def test_ions_in_a_cluster_that_no_pixels_repeat_are_not_sure_of_it() -> None:
    noise = np.random.default_rng(0).poisson(3, (30, SIDE, SIDE))
    wanted = DEFAULT.model_copy(update={"triage": TriageConfig(structureless=False)})
    ions = cluster_ions(_images(noise), wanted).ions
    assert (ions["cluster"] <= 1).all()
    assert ions["confidence"].max() < 0.5


def test_one_giant_cluster_is_not_cut_along_its_noise(tmp_path: Path) -> None:
    many = _blobs(240)[::2]
    result = cluster_ions(_images(many), DEFAULT)
    assert (result.ions["cluster"] == 1).all()
    assert "do not find the same ones" in result.provenance["cluster_reason"]
    assert result.evidence.stability is None
    assert "1 cluster:" in (
        write_result(result, _images(many), tmp_path / "result") / "report.html"
    ).read_text(encoding="utf-8")


def test_a_giant_cluster_leaves_room_for_a_small_one() -> None:
    ions = np.concatenate([_blobs(160)[::2], _blobs(10)[1::2]])
    found = cluster_ions(_images(ions), DEFAULT).ions["cluster"]
    assert (found[:80] == 1).all()
    assert (found[80:] == 2).all()


@pytest.mark.parametrize(("value", "name"), [(0.0, "8 empty"), (7.0, "8 structureless"), (np.nan, "8 empty")])
def test_nothing_to_cluster_is_said_so(value: float, name: str) -> None:
    with pytest.raises(InputError, match=f"0 of 8 ion images .*{name}"):
        cluster_ions(_images(np.full((8, SIDE, SIDE), value)), QUICK)


def test_noise_alone_is_clustered_on_demand() -> None:
    noise = _images(np.random.default_rng(0).random((8, SIDE, SIDE)))
    with pytest.raises(InputError, match="switch bins of the triage off"):
        cluster_ions(noise, QUICK)
    wanted = QUICK.model_copy(update={"triage": TriageConfig(structureless=False)})
    assert (cluster_ions(noise, wanted).ions["cluster"] > 0).all()


def test_five_thousand_ions_are_prepared_block_by_block() -> None:
    values = np.random.default_rng(0).poisson(3, (5000, SIDE, SIDE)).astype(np.float32)
    values[:2500, 4:12, 4:12] += 6
    prepared = training_set(_images(values), QUICK)
    assert len(prepared.bins) == 5000
    assert (prepared.bins["bin"][:2500] == "").all()
    assert (prepared.bins["bin"][2500:] == "structureless").mean() > 0.97
