from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.msi.attributes import spatial_attributes
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.corrections import History
from napari_msiclust.results.edits import SetAside
from napari_msiclust.results.explanation import reason
from napari_msiclust.results.surrogate import fit_surrogate


def _images(values: np.ndarray, mask: np.ndarray) -> IonImages:
    rows, cols = np.indices(mask.shape).reshape(2, -1).astype(np.int32)
    grid = PixelGrid(mask.shape, rows, cols, (1.0, 1.0), mask)
    return IonImages(np.arange(len(values)) + 100.0, values.reshape(len(values), -1).astype(np.float32), grid)


def _tissue(side: int = 31) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    return np.hypot(y, x) < 0.95


def test_attributes_say_where_an_ion_is() -> None:
    tissue = _tissue()
    y, x = np.mgrid[0:31, 0:31]
    rim = tissue & (np.hypot(y - 15, x - 15) > 11.5)
    left, top = tissue & (x < 8), tissue & (y < 8)
    noise = np.random.default_rng(0).random((31, 31)) * tissue
    table = spatial_attributes(_images(np.stack([rim, left, top, tissue, noise]).astype(float), tissue))
    assert table["intensity on the rim"].idxmax() == 0
    assert table.loc[0, "intensity deep inside"] < 0.1
    assert table["intensity at the left"].idxmax() == 1
    assert table.loc[1, "width of the centre of mass"] < 0.25
    assert table["intensity at the top"].idxmax() == 2
    assert table.loc[2, "height of the centre of mass"] < 0.25
    assert table.loc[3, "covered fraction"] == 1
    assert table.loc[3, "unevenness"] == pytest.approx(0, abs=1e-5)
    assert table.loc[3, "spread"] == pytest.approx(1, abs=1e-4)
    assert abs(table.loc[4, "smoothness"]) < 0.1
    assert table.loc[1, "smoothness"] > 0.8


@pytest.mark.filterwarnings("error")
def test_attributes_of_odd_ions_are_numbers() -> None:
    values = np.zeros((3, 5, 6))
    values[1] = 2
    values[2, 1, 1] = np.nan
    values[2, 2, 2] = np.inf
    assert np.isfinite(spatial_attributes(_images(values, np.ones((5, 6), bool))).to_numpy()).all()
    assert np.isfinite(
        spatial_attributes(_images(np.ones((2, 1, 6)), np.ones((1, 6), bool))).to_numpy()
    ).all()
    one_pixel = spatial_attributes(_images(np.ones((2, 1, 1)), np.ones((1, 1), bool)))
    assert np.isfinite(one_pixel.to_numpy()).all()


def _attributes(count: int = 90) -> tuple[pd.DataFrame, np.ndarray]:
    """Three clusters that two attributes tell apart, and one attribute of noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 4, count)
    table = pd.DataFrame(
        {
            "rim": np.where(labels == 1, 2.0, 0.5) + rng.normal(0, 0.1, count),
            "left": np.where(labels == 2, 2.0, 0.5) + rng.normal(0, 0.1, count),
            "smoothness": rng.random(count),
        }
    )
    return table, labels


def test_clusters_that_attributes_explain_are_put_into_words() -> None:
    attributes, labels = _attributes()
    surrogate = fit_surrogate(attributes, labels)
    assert surrogate.fidelity is not None
    assert surrogate.fidelity > 0.95
    assert surrogate.chance == pytest.approx(np.bincount(labels).max() / len(labels))
    assert set(surrogate.rules) == {1, 2, 3}
    rule = surrogate.rules[1]
    assert "rim over 1." in rule.sentence().lower()
    assert (rule.ions, rule.in_cluster, rule.members) == (rule.members,) * 3
    words = surrogate.reason(int(np.flatnonzero(labels == 1)[0])).lower()
    assert "rim over 1." in words
    assert f"cluster 1, says a decision tree that foretells {surrogate.fidelity:.0%}" in words
    assert "%" in surrogate.sentence()


def test_clusters_that_they_do_not_explain_have_a_low_fidelity() -> None:
    attributes, labels = _attributes()
    shuffled = np.random.default_rng(1).permutation(labels)
    surrogate = fit_surrogate(attributes, shuffled)
    assert surrogate.fidelity is not None
    assert surrogate.fidelity < 0.5


def test_ions_in_no_cluster_take_no_part() -> None:
    attributes, labels = _attributes()
    labels[::2] = 0
    surrogate = fit_surrogate(attributes, labels)
    assert sum(rule.members for rule in surrogate.rules.values()) == (labels > 0).sum()
    assert 0 not in surrogate.rules


def test_an_ion_gets_its_reason(history: History) -> None:
    ions = history.current.result.ions
    clustered = int(np.flatnonzero(ions["cluster"] > 0)[0])
    words = reason(history, clustered)
    assert words.startswith(f"m/z {ions['mz'][clustered]:.4f} is in cluster {ions['cluster'][clustered]}. ")
    assert "says a decision tree" in words
    aside = history.applied(SetAside((clustered,), "matrix"))
    assert reason(aside, clustered).startswith(f"m/z {ions['mz'][clustered]:.4f} is in no cluster: ")
    assert "matrix" in reason(aside, clustered)


@pytest.mark.parametrize("labels", [[1, 1, 1], [1, 2, 3], [0, 0, 0], [1, 0, 2]])
def test_few_ions(labels: list[int]) -> None:
    attributes, _ = _attributes(3)
    surrogate = fit_surrogate(attributes, np.array(labels))
    assert surrogate.fidelity is None
    assert "too few" in surrogate.sentence()
    assert "too few" in surrogate.reason(0)
    assert set(surrogate.rules) == set(labels) - {0}
    json.dumps([rule.sentence() for rule in surrogate.rules.values()])
