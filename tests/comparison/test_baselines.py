from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from napari_msiclust.comparison.baselines import (
    BASELINES,
    Baseline,
    median_thresholded,
    pixel_pearson,
    smoothed_pearson,
)
from napari_msiclust.errors import InputError

SIDE = 24
LEARNING_FREE = [baseline for baseline in BASELINES if not baseline.name.startswith("ImageNet")]


def _ions(per_class: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stack, mask and classes of ions in three corners of a square tissue."""
    rng = np.random.default_rng(0)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[2:-2, 2:-2] = True
    patterns = np.zeros((3, SIDE, SIDE))
    patterns[0, 3:10, 3:10] = patterns[1, 3:10, 14:21] = patterns[2, 14:21, 3:21] = 1
    classes = np.repeat(np.arange(3), per_class)
    stack = rng.poisson(8 * patterns[classes] + 0.5) * mask / 20
    return stack.astype(np.float32), mask, classes


@pytest.mark.parametrize("baseline", LEARNING_FREE, ids=lambda baseline: baseline.name)
def test_plain_classes_are_found(baseline: Baseline) -> None:
    stack, mask, classes = _ions()
    labels = baseline.cluster(stack, mask, 3, 0)
    assert adjusted_rand_score(classes, labels) > 0.9
    assert (baseline.cluster(stack, mask, 3, 0) == labels).all()
    assert set(labels) <= {0, 1, 2}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)
@pytest.mark.parametrize("case", ["three ions", "identical", "constant", "zero"])
def test_odd_ions(baseline: Baseline, case: str) -> None:
    stack, mask, _ = _ions(1 if case == "three ions" else 2)
    stack = np.zeros((len(stack), 32, 32), np.float32)
    mask = np.ones((32, 32), bool)
    if case == "three ions":
        stack[:, :, :] = np.random.default_rng(0).random(stack.shape)
    elif case == "identical":
        stack[:] = np.random.default_rng(0).random((32, 32))
    elif case == "constant":
        stack[:] = 0.5
    labels = baseline.cluster(stack, mask, 2, 0)
    assert labels.shape == (len(stack),)
    assert set(labels) <= {0, 1}


@pytest.mark.parametrize("baseline", LEARNING_FREE, ids=lambda baseline: baseline.name)
def test_more_clusters_than_ions_are_refused(baseline: Baseline) -> None:
    stack, mask, _ = _ions(1)
    with pytest.raises(InputError, match="at most 3"):
        baseline.cluster(stack, mask, 4, 0)


def test_what_ions_are_compared_by() -> None:
    stack, mask, _ = _ions(2)
    flat = stack[:, mask]
    pearson = pixel_pearson(stack, mask, 0)
    np.testing.assert_allclose(pearson @ pearson.T, np.corrcoef(flat), atol=1e-5)
    thresholded = median_thresholded(stack, mask, 0)
    kept = np.where(flat > np.median(flat, axis=1, keepdims=True), flat, 0)
    cosine = (kept[0] @ kept[1]) / np.linalg.norm(kept[0]) / np.linalg.norm(kept[1])
    assert thresholded[0] @ thresholded[1] == pytest.approx(cosine, abs=1e-5)


def test_smoothing_stays_within_the_mask() -> None:
    stack, mask, _ = _ions(2)
    beside = stack + np.where(mask, 0, 99).astype(np.float32)
    np.testing.assert_allclose(smoothed_pearson(beside, mask, 0), smoothed_pearson(stack, mask, 0), atol=1e-4)
