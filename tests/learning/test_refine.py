from __future__ import annotations

import numpy as np

from napari_msiclust.learning.refine import refine_labels


def _blobs(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = np.repeat([1, 2, 3], 30)
    centres = random.normal(size=(4, 20)) * 3
    return (centres[truth] + random.normal(size=(90, 20))).astype(np.float32), truth


def test_wrong_labels_are_put_right() -> None:
    features, truth = _blobs()
    labels = truth.copy()
    labels[[0, 1, 40, 80]] = [2, 3, 1, 1]
    found, confidence = refine_labels(features, labels, np.zeros(90, bool))
    np.testing.assert_array_equal(found, truth)
    assert ((confidence > 0) & (confidence <= 1)).all()


def test_fixed_ions_stay_and_pull_others() -> None:
    features, truth = _blobs()
    labels, fixed = truth.copy(), np.zeros(90, bool)
    labels[:12] = 4
    fixed[:12] = True
    features[:20, 5] += 12
    found, confidence = refine_labels(features, labels, fixed)
    assert (found[:12] == 4).all()
    assert (confidence[:12] == 1).all()
    assert (found[12:20] == 4).all()
    assert (found[20:] == truth[20:]).all()


def test_the_same_seed_gives_the_same_labels() -> None:
    features, truth = _blobs(1)
    labels = np.where(np.arange(90) % 7 == 0, 1, truth)
    one, other = (refine_labels(features, labels, np.zeros(90, bool), seed=3) for _ in range(2))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_one_cluster_stays_as_it_is() -> None:
    features, _ = _blobs()
    found, _ = refine_labels(features, np.ones(90, np.int64), np.zeros(90, bool))
    assert (found == 1).all()


def test_small_clusters_do_not_vanish() -> None:
    features, truth = _blobs()
    labels = truth.copy()
    labels[:2] = 7
    found, _ = refine_labels(features, labels, np.zeros(90, bool))
    assert (found[:2] == 7).all()
