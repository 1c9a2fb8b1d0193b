from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.generated import OUTLINES, Recipe, generate, sibling

from napari_msiclust import extract_ion_images, open_imzml

SMALL = Recipe(
    size=(40, 48), classes=4, ions=30, structureless=5, off_tissue=2, sparse=2, duplicates=2, empty=1
)


@pytest.mark.parametrize("shape", OUTLINES)
def test_every_outline_holds_its_ions(shape: str) -> None:
    made = generate(Recipe(shape=shape, size=(48, 48), classes=5, ions=20))
    assert made.images.values.shape == (20, 48 * 48)
    assert np.isfinite(made.images.values).all()
    assert 0.2 < made.images.grid.mask.mean() < 0.8
    assert (made.kinds == "ion").all()


def test_the_truth_names_what_belongs_in_no_cluster() -> None:
    made = generate(SMALL)
    kinds, counts = np.unique(made.kinds, return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {
        "ion": 30, "structureless": 5, "off_tissue": 2, "sparse": 2, "duplicate": 2, "empty": 1,
    }  # fmt: skip
    assert ((made.labels >= 0) == (made.kinds == "ion")).all()
    assert (np.diff(made.images.mz) >= 0).all()
    values, on_tissue = made.images.values, made.images.grid.on_tissue
    assert not values[made.kinds == "empty"].any()
    matrix = values[made.kinds == "off_tissue"]
    assert (matrix[:, ~on_tissue].mean(axis=1) > 2 * matrix[:, on_tissue].mean(axis=1)).all()


def test_structureless_ions_have_the_histogram_of_a_real_one() -> None:
    made = generate(SMALL)
    real = {tuple(np.sort(row)) for row in made.images.values[made.kinds == "ion"]}
    assert all(tuple(np.sort(row)) in real for row in made.images.values[made.kinds == "structureless"])


def test_ions_of_a_class_are_alike_and_seeds_differ() -> None:
    made = generate(SMALL)
    real = made.kinds == "ion"
    inside = made.images.values[real][:, made.images.grid.on_tissue]
    alike = np.corrcoef(np.minimum(inside, np.quantile(inside, 0.99, axis=1, keepdims=True)))
    same = made.labels[real][:, None] == made.labels[real][None, :]
    np.fill_diagonal(alike, np.nan)
    assert np.nanmean(alike[same]) > np.nanmean(alike[~same]) + 0.2
    assert (generate(SMALL).images.values == made.images.values).all()


def test_isotopes_and_adducts_share_the_class_of_their_molecule() -> None:
    made = generate(Recipe(size=(40, 40), classes=4, ions=120))
    table = made.images.columns.assign(label=made.labels, mz=made.images.mz)
    sodium = table[table["adduct"] == "+Na"].merge(table[table["adduct"] == "+H"], on="molecule")
    assert len(sodium) > 5
    np.testing.assert_allclose(sodium["mz_x"] - sodium["mz_y"], 21.98194, atol=0.02)
    assert (table.groupby("molecule")["label"].nunique() == 1).mean() > 0.95


def test_a_file_written_is_read_back(tmp_path: Path) -> None:
    made = generate(SMALL)
    made.write(tmp_path / "made.imzML")
    with open_imzml(tmp_path / "made.imzML") as file:
        read = extract_ion_images(file, cache=False)
    np.testing.assert_allclose(read.values, made.images.values, rtol=1e-6)
    assert pd.read_csv(tmp_path / "made.csv")["label"].tolist() == made.labels.tolist()


def test_a_sibling_has_the_mz_and_classes_of_its_model(shared_data: Path) -> None:
    made = sibling(
        shared_data / "uterus13" / "uterus13.imzML", Recipe(size=(64, 64), structureless=4, seed=5)
    )
    truth = pd.read_csv(shared_data / "uterus13" / "uterus13.csv").sort_values("mz", kind="stable")
    assert made.labels[made.kinds == "ion"].tolist() == truth["label"].tolist()
    assert made.images.grid.shape == (64, 64)
