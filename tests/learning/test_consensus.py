from __future__ import annotations

import threading

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from napari_msiclust.config import ConsensusConfig
from napari_msiclust.errors import Stopped
from napari_msiclust.learning.cluster_count import choose_count
from napari_msiclust.learning.consensus import (
    AgreementTree,
    agreement,
    between_groups,
    cluster_range,
    coassociation,
    embedding_runs,
    membership,
    pixel_runs,
    standing,
)
from napari_msiclust.learning.pixel_similarity import (
    PixelFeatures,
    held_out_scores,
    pixel_features,
    unit_rows,
)
from napari_msiclust.progress import drain

FEW = ConsensusConfig(runs=12)


def groups_of_ions(sizes: list[int], pixels: int = 900, noise: float = 0.5, seed: int = 0):
    rng = np.random.default_rng(seed)
    patterns = rng.gamma(2, 1, (len(sizes), pixels))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    values = patterns[labels] + noise * rng.normal(size=(len(labels), pixels))
    return values.clip(min=0).astype(np.float32), labels


def unsmoothed(values: np.ndarray) -> PixelFeatures:
    return PixelFeatures(values, 0.0, {}, values, np.ones((1, values.shape[1]), dtype=bool))


def test_ions_of_one_pattern_agree_and_the_number_is_found() -> None:
    values, truth = groups_of_ions([30, 25, 12, 9, 6])
    runs = drain(
        pixel_runs(unsmoothed(values), cluster_range(len(truth), None), FEW, stage="runs", seed=0), None
    )
    count = choose_count(runs, runs)
    assert count.clusters == 5
    assert "5 clusters" in count.reason
    assert list(count.curves.columns) == ["clusters", "silhouette", "stability", "eigengap", "chosen"]
    assert count.curves.loc[count.curves["chosen"], "clusters"].tolist() == [5]
    np.testing.assert_array_equal(count.cuts[5 - 2], AgreementTree.of(runs).cut(5))
    labels = AgreementTree.of(runs).cut(count.clusters)
    assert adjusted_rand_score(truth, labels) == 1


def test_ions_that_agree_with_nobody_take_no_cluster() -> None:
    classes = np.repeat(np.arange(4), 9)
    merged = np.minimum(classes, 2)  # half of the runs see three clusters only
    runs = np.concatenate([np.stack([merged, classes] * 3), np.full((6, 1), 9)], axis=1)
    runs[0, -1] = classes[0]
    labels = AgreementTree.of(runs).cut(4)
    assert adjusted_rand_score(classes, labels[:-1]) == 1
    assert labels[-1] == labels[0]  # the one it was with once


def test_few_ions_may_be_clusters_of_one() -> None:
    runs = np.array([[0, 0, 0, 1, 2], [0, 0, 0, 1, 2]])
    assert sorted(np.bincount(AgreementTree.of(runs).cut(3))) == [1, 1, 3]


def test_runs_of_an_embedding_repeat_with_the_seed_and_stop() -> None:
    values, _ = groups_of_ions([8, 8, 8], pixels=20)
    one, again, other = (
        drain(embedding_runs(values, (3, 4), FEW, stage="runs", seed=seed), None) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        drain(embedding_runs(values, (3, 4), FEW, stage="runs", seed=1, stop=stop), None)


def test_coassociation_and_membership_by_hand() -> None:
    runs = np.array([[0, 0, 1, 1], [0, 0, 0, 1]])
    together = coassociation(runs)
    np.testing.assert_allclose(together[2], [0.5, 0.5, 1, 0.5])
    shares = membership(together, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares[0], [1 / 1.25, 0.25 / 1.25])  # itself left out
    np.testing.assert_allclose(shares[2], [0.5, 0.5])


def test_an_ion_between_two_clusters_stands_badly_but_not_between_halves_of_one() -> None:
    shares = np.array([[0.9, 0.1]] * 4 + [[0.2, 0.8]] * 4 + [[0.5, 0.5]], np.float32)
    stand = standing(shares, np.array([0] * 4 + [1] * 4 + [0]))
    np.testing.assert_allclose(stand[:8], 1)
    assert stand[8] < 0.6
    halves = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0.4, 0.5, 0.1], [0, 0.1, 0.9]], np.float32)
    np.testing.assert_allclose(standing(halves, np.array([0, 0, 1, 2])), 1)


def test_the_agreement_of_groups_by_hand() -> None:
    together = np.full((4, 4), 0.2, np.float32)
    together[:2, :2], together[2:, 2:] = 0.8, 0.6
    labels = np.array([0, 0, 1, 1])
    np.testing.assert_allclose(
        between_groups(agreement(together, labels), labels), [[0.8, 0.2], [0.2, 0.6]], rtol=1e-5
    )


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_a_handful_of_ions(count: int) -> None:
    values, _ = groups_of_ions([1] * count, pixels=50)
    runs = drain(pixel_runs(unsmoothed(values), cluster_range(count, None), FEW, stage="runs", seed=0), None)
    assert 1 <= choose_count(runs, runs).clusters <= count


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 2.0])
def test_halves_of_the_pixels_do_not_agree_on_noise(smoothing: float) -> None:
    noise = np.random.default_rng(0).poisson(1, (60, 40, 40)).astype(np.float32)
    pixels = pixel_features(noise, np.ones((40, 40), dtype=bool), smoothing, 0)
    runs, apart = (
        drain(pixel_runs(pixels, cluster_range(60, None), FEW, stage="runs", seed=0, separate=separate), None)
        for separate in (False, True)
    )
    count = choose_count(runs, apart)
    assert count.clusters == 1
    assert count.curves["stability"].max() < 0.1


def test_what_half_of_the_pixels_show_has_nothing_of_the_others() -> None:
    rng = np.random.default_rng(0)
    images, mask = rng.random((3, 20, 20), dtype=np.float32), np.ones((20, 20), dtype=bool)
    half = rng.random(400) < 0.5
    changed = images.copy()
    changed[:, ~half.reshape(20, 20)] = 9
    one, other = (pixel_features(stack, mask, 1.0, 0).seen_by(half) for stack in (images, changed))
    np.testing.assert_array_equal(one, other)
    everything = pixel_features(images, mask, 1.0, 0)
    np.testing.assert_allclose(everything.seen_by(np.ones(400, dtype=bool)), everything.values, rtol=1e-5)


def test_identical_and_constant_ions_do_no_harm() -> None:
    values = np.ones((12, 40), np.float32)
    runs = drain(pixel_runs(unsmoothed(values), cluster_range(12, None), FEW, stage="runs", seed=0), None)
    assert runs.shape == (12, 12)
    assert np.isfinite(coassociation(runs)).all()


def test_noise_asks_for_smoothing_and_fine_structure_does_not() -> None:
    rng = np.random.default_rng(0)
    rows, cols = np.mgrid[:40, :40]
    broad = np.stack(
        [
            np.exp(-((rows - 20 - 12 * np.cos(a)) ** 2 + (cols - 20 - 12 * np.sin(a)) ** 2) / 90)
            for a in np.arange(0, 6.2, 0.7)
        ]
    )
    noisy = rng.poisson(np.repeat(broad, 8, axis=0) * 0.4).astype(np.float32)
    stripes = np.stack([(rng.random((40, 40)) < 0.5) for _ in range(9)]).astype(np.float32)
    fine = np.repeat(stripes, 8, axis=0) + 0.05 * rng.random((72, 40, 40)).astype(np.float32)
    mask = np.ones((40, 40), bool)
    assert pixel_features(noisy, mask, None, 0).sigma >= 1
    assert pixel_features(fine, mask, None, 0).sigma == 0
    scores = held_out_scores(np.sqrt(noisy), mask, 0)
    assert scores[1.5] > scores[0.0]


def test_constant_rows_correlate_with_nothing() -> None:
    rows = unit_rows(np.array([[1, 1, 1], [1, 2, 3]], np.float32))
    np.testing.assert_array_equal(rows[0], 0)
    np.testing.assert_allclose(np.linalg.norm(rows[1]), 1, rtol=1e-6)
