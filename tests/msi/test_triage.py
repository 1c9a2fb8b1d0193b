from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.generated import OUTLINES, Generated, Recipe, generate, sibling

from napari_msiclust.config import TriageConfig
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.spatial import structure_z
from napari_msiclust.msi.tissue import estimate_tissue
from napari_msiclust.msi.triage import COLUMNS, bin_counts, set_aside_empty, structure_scores, triage

BESIDE = {"structureless": 30, "off_tissue": 4, "sparse": 3, "duplicates": 3, "empty": 2}


def _images(values: np.ndarray, mask: np.ndarray | None = None, mz: np.ndarray | None = None) -> IonImages:
    """Ion images (N, H, W), every pixel acquired."""
    height, width = values.shape[1:]
    rows, cols = np.indices((height, width)).reshape(2, -1).astype(np.int32)
    everywhere = np.ones((height, width), dtype=bool)
    grid = PixelGrid((height, width), rows, cols, (1.0, 1.0), everywhere if mask is None else mask)
    mz = np.arange(len(values)) + 100.0 if mz is None else mz
    return IonImages(mz, values.reshape(len(values), -1).astype(np.float32), grid)


def _disc(size: int = 32) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return np.hypot(y, x) < 0.8


def test_structure_is_measured_against_shuffled_pixels() -> None:
    rng = np.random.default_rng(0)
    image = rng.gamma(1, size=(1, 24, 30)).astype(np.float32)  # skewed, as intensities are
    acquired = rng.random((24, 30)) < 0.8
    shuffled = np.zeros((4000, 24, 30), dtype=np.float32)
    shuffled[:, acquired] = rng.permuted(np.tile(image[0, acquired], (4000, 1)), axis=1)
    one_direction = structure_z(shuffled[:, :, :], acquired)
    # the smaller of two directions, the largest of three scales: near zero, seldom beyond 2.33
    assert abs(one_direction.mean()) < 0.6
    assert (one_direction > 2.33).mean() < 0.01


def test_lines_of_the_instrument_are_no_structure() -> None:
    rng = np.random.default_rng(0)
    noise = rng.poisson(5, (2, 40, 40)) * rng.lognormal(0, 0.4, (2, 40, 1))
    gradient = rng.poisson(np.linspace(1, 9, 40)[:, None] + np.linspace(0, 4, 40), (1, 40, 40))
    z = structure_z(np.concatenate([noise, gradient]).astype(np.float32), np.ones((40, 40), bool))
    assert (z[:2] < 2.33).all()
    assert z[2] > 5


def test_faint_but_broad_structure_counts() -> None:
    rng = np.random.default_rng(0)
    faint = rng.poisson(np.where(_disc(48), 0.5, 0.25), (20, 48, 48)).astype(np.float32)
    assert (structure_z(faint, np.ones((48, 48), bool)) > 2.33).mean() > 0.8


def test_images_too_small_to_judge_stay() -> None:
    images = _images(np.random.default_rng(0).random((4, 4, 5)))
    assert np.isnan(structure_scores(images)).all()
    assert (triage(images, TriageConfig())["bin"] == "").all()


def test_a_single_row_of_pixels_is_judged_along_it() -> None:
    rng = np.random.default_rng(0)
    values = np.stack([rng.random(200), np.sin(np.arange(200) / 20) + 0.1 * rng.random(200) + 1])
    found = triage(_images(values[:, None, :]), TriageConfig())
    assert found["bin"].tolist() == ["structureless", ""]


@pytest.mark.parametrize("shape", ["oval", "wedge"])
def test_what_belongs_in_no_cluster_finds_its_bin(shape: str) -> None:
    made = generate(Recipe(shape=shape, ions=80, classes=6, size=(64, 64), counts=6, seed=4, **BESIDE))
    found = triage(made.images, TriageConfig())
    assert list(found.columns) == list(COLUMNS)
    expected = {"structureless": "structureless", "off_tissue": "off-tissue", "empty": "empty"}
    for kind, name in expected.items():
        assert (found.loc[made.kinds == kind, "bin"] == name).mean() >= 0.9, kind
    assert (found.loc[made.kinds == "sparse", "bin"].isin(["sparse", "empty"])).all()
    assert (found["bin"] == "duplicate").sum() == BESIDE["duplicates"]
    named = found[found["bin"] != ""]
    assert (named["bin_reason"] != "").all()
    assert (found.loc[found["bin"] == "", "bin_reason"] == "").all()
    real = np.isin(made.kinds, ["ion", "duplicate"])
    assert (found.loc[real, "bin"].isin(["", "duplicate"])).mean() > 0.98


def _shares(made: Generated) -> tuple[float, float]:
    """Shares of structureless and of real ions that are set aside, the tissue being estimated."""
    images = made.without_mask()
    structure = structure_scores(images)
    images = images.with_mask(estimate_tissue(images, ions=structure > 2.33))
    binned = (triage(images, TriageConfig(), structure=structure)["bin"] != "").to_numpy()
    return float(binned[made.kinds == "structureless"].mean()), float(binned[made.kinds == "ion"].mean())


@pytest.mark.parametrize(("seed", "counts", "side"), [(1, 12.0, 96), (2, 3.0, 96), (3, 3.0, 128)])
def test_siblings_of_the_labelled_tissue(shared_data: Path, seed: int, counts: float, side: int) -> None:
    recipe = Recipe(seed=seed, counts=counts, size=(side, side), structureless=60)
    noise, real = _shares(sibling(shared_data / "uterus13" / "uterus13.imzML", recipe))
    assert noise >= 0.8
    assert real < 0.02


@pytest.mark.parametrize("shape", OUTLINES)
def test_generated_tissues(shape: str) -> None:
    noise, real = _shares(generate(Recipe(shape=shape, counts=3, ions=150, structureless=60, seed=7)))
    assert noise >= 0.8
    assert real < 0.02


def test_real_tissue_loses_few_ions(shared_data: Path) -> None:
    with open_imzml(shared_data / "msight" / "prostate_example.imzML") as file:
        images = extract_ion_images(file)
    assert (triage(images, TriageConfig())["bin"] != "").mean() < 0.15


def test_every_bin_can_be_switched_off() -> None:
    made = generate(Recipe(ions=40, classes=4, size=(48, 48), seed=1, **BESIDE))
    usual = triage(made.images, TriageConfig())
    for field, name in (
        ("structureless", "structureless"),
        ("off_tissue", "off-tissue"),
        ("sparse", "sparse"),
        ("duplicate", "duplicate"),
    ):
        assert (usual["bin"] == name).any()
        without = triage(made.images, TriageConfig(**{field: False}))
        assert not (without["bin"] == name).any()
        assert without["structure_z"].equals(usual["structure_z"])


def test_duplicates_are_images_of_one_peak_only() -> None:
    rng = np.random.default_rng(0)
    pattern = np.where(_disc(), 9.0, 1.0) * rng.random((32, 32))
    values = np.stack([pattern, 2 * pattern, pattern, np.where(_disc(), 1.0, 5.0) * rng.random((32, 32))])
    mz = np.array([500.0, 500.001, 600.0, 600.001])  # the third is co-localized, not a duplicate
    found = triage(_images(values, mz=mz), TriageConfig())
    assert found["bin"].tolist() == ["duplicate", "", "", ""]
    assert found["duplicate_of"].iloc[0] == 500.001  # the brighter one stays


def test_identical_images_of_different_ions_may_all_train() -> None:
    pattern = np.where(_disc(), 5.0, 0.0)
    assert (triage(_images(np.stack([pattern] * 5)), TriageConfig())["bin"] == "").all()


def test_matrix_ions_need_pixels_beside_the_tissue_to_be_seen() -> None:
    rng = np.random.default_rng(0)
    tissue = _disc()
    matrix = np.where(tissue, 1.0, 9.0) * rng.random((32, 32))
    ion = np.where(tissue, 9.0, 1.0) * rng.random((32, 32))
    found = triage(_images(np.stack([matrix, ion])), TriageConfig(), tissue)
    assert found["bin"].tolist() == ["off-tissue", ""]
    blind = triage(_images(np.stack([matrix, ion])), TriageConfig())
    assert blind["tissue_contrast"].isna().all()
    assert (blind["bin"] == "").all()


@pytest.mark.filterwarnings("error")
def test_values_that_are_no_numbers() -> None:
    pattern = np.where(_disc(), 5.0, 0.5)
    values = np.stack([pattern, np.full_like(pattern, np.nan), np.zeros_like(pattern), np.ones_like(pattern)])
    values = np.concatenate([values, values[:1], values[:1]])
    values[4, 3, :5] = np.inf
    values[5, 4, :5] = np.nan
    found = triage(_images(values), TriageConfig(), _disc())
    assert found["bin"].tolist() == ["", "empty", "empty", "structureless", "", ""]
    assert np.isfinite(found[["pixel_fraction", "structure_z", "tissue_contrast"]].to_numpy()).all()


def test_counts_in_words_and_ions_lost_on_the_way() -> None:
    found = triage(_images(np.stack([np.where(_disc(), 5.0, 0.5)] * 3)), TriageConfig())
    assert bin_counts(found) == "none"
    lost = set_aside_empty(found, np.array([True, False, True]))
    assert bin_counts(lost) == "1 empty"
    assert lost["bin_reason"].tolist() == ["", "no signal on the tissue", ""]
