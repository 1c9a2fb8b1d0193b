from __future__ import annotations

import numpy as np
import pytest

from napari_msiclust.results.evidence import collect_evidence, isotope_pairs, pearson


def test_isotope_pairs_are_one_carbon_13_apart() -> None:
    mz = np.array([500.0, 501.0, 501.003, 502.007, 600.0])
    first, second = isotope_pairs(mz)
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    assert pairs == {(0, 1), (0, 2), (1, 3), (2, 3)}


def test_kappa_corrects_for_chance() -> None:
    mz = np.array([100.0, 101.00335, 200.0, 201.00335])
    images = np.random.default_rng(0).random((4, 50), dtype=np.float32)
    together = collect_evidence(mz, np.array([1, 1, 2, 2]), images)
    assert (together.isotope_pairs, together.isotope_agreement, together.isotope_kappa) == (2, 1.0, 1.0)
    half = collect_evidence(mz, np.array([1, 1, 1, 2]), images)
    chance = 0.75**2 + 0.25**2
    assert half.isotope_agreement == 0.5
    assert half.isotope_kappa == pytest.approx((0.5 - chance) / (1 - chance), abs=1e-6)


def test_colocalization_within_and_between() -> None:
    rng = np.random.default_rng(0)
    base = rng.random((2, 500))
    images = (base[[0, 0, 1, 1]] + rng.normal(0, 0.01, (4, 500))).astype(np.float32)
    evidence = collect_evidence(np.array([1.0, 10.0, 20.0, 30.0]), np.array([1, 1, 2, 2]), images)
    assert evidence.colocalization_within == pytest.approx(1, abs=0.01)
    assert evidence.colocalization_between == pytest.approx(np.corrcoef(base)[0, 1], abs=0.01)
    assert evidence.isotope_agreement is None
    assert any("No two ions differ by one 13C" in sentence for sentence in evidence.sentences())


def test_one_cluster_has_nothing_between() -> None:
    evidence = collect_evidence(np.array([1.0, 2.00335]), np.array([1, 1]), np.ones((2, 9), dtype=np.float32))
    assert evidence.isotope_kappa is None
    assert evidence.colocalization_between is None
    assert evidence.sentences()


def test_pearson_is_numpys_and_zero_for_constants() -> None:
    rows = np.random.default_rng(0).random((3, 40), dtype=np.float32)
    np.testing.assert_allclose(pearson(rows, rows), np.corrcoef(rows), atol=1e-5)
    assert pearson(np.ones((1, 40), dtype=np.float32), rows).tolist() == [[0, 0, 0]]
