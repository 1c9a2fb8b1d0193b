from __future__ import annotations

import numpy as np

from napari_msiclust.learning.calibration import calibrated


def test_confidence_rises_with_standing_and_with_what_is_found_again() -> None:
    standing = np.linspace(0, 1, 11)
    by_tissue = np.stack([calibrated(standing, repeated) for repeated in (0.3, 0.6, 0.95)])
    assert (np.diff(by_tissue, axis=1) > 0).all()
    assert (np.diff(by_tissue[:, -4:], axis=0) > 0).all()  # of ions that stand well
    assert ((by_tissue >= 0) & (by_tissue <= 1)).all()


def test_an_ordinary_member_of_clear_clusters_is_almost_certain_and_one_of_vague_ones_is_not() -> None:
    clear, vague = (float(calibrated(np.array([1.0]), repeated)[0]) for repeated in (0.98, 0.5))
    assert clear > 0.95
    assert vague < 0.85


def test_more_than_ordinary_standing_counts_as_ordinary() -> None:
    assert calibrated(np.array([3.0]), 0.9) == calibrated(np.array([1.0]), 0.9)
