from __future__ import annotations

import numpy as np
import pytest
from benchmarks.generated import Recipe, generate

from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.tissue import estimate_tissue


def _disk(size: int = 60) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2 + 0.5
    return np.hypot(y, x) < size * 0.35


def _images(rates: np.ndarray) -> IonImages:
    """Poisson counts of ions with the given rates (N, H, W)."""
    counts = np.random.default_rng(0).poisson(rates)
    rows, cols = np.indices(rates.shape[1:]).reshape(2, -1)
    grid = PixelGrid.from_positions(np.stack((cols + 1, rows + 1), axis=1), (1.0, 1.0))
    return IonImages(
        np.arange(1.0, len(counts) + 1), counts.reshape(len(counts), -1).astype(np.float32), grid
    )


def test_tissue_on_a_dark_slide_is_found() -> None:
    disk = _disk()
    mask = estimate_tissue(_images(np.where(disk, 8.0, 0.3) * np.ones((30, 1, 1))))
    assert (mask & disk).sum() / (mask | disk).sum() > 0.9


def test_a_hole_and_a_speck_do_not_matter() -> None:
    disk = _disk()
    rates = np.where(disk, 8.0, 0.3)
    rates[28:32, 28:32] = 0
    rates[2, 2] = 50
    mask = estimate_tissue(_images(rates * np.ones((30, 1, 1))))
    assert mask[28:32, 28:32].all()
    assert not mask[:5, :5].any()


def test_where_only_tissue_was_acquired_all_of_it_counts() -> None:
    uneven = 5 + 4 * np.sin(np.linspace(0, 9, 60))[None, :] * np.ones((60, 1))
    assert estimate_tissue(_images(uneven * np.ones((30, 1, 1)))).all()
    assert estimate_tissue(_images(np.zeros((3, 20, 20)))).all()


@pytest.mark.parametrize(
    ("shape", "overlap"), [("oval", 0.95), ("kidney", 0.93), ("wedge", 0.95), ("sections", 0.85)]
)
def test_the_tissue_is_found_among_matrix_ions(shape: str, overlap: float) -> None:
    made = generate(Recipe(shape=shape, ions=150, counts=3, off_tissue=3, seed=2))
    found, true = estimate_tissue(made.without_mask()), made.images.grid.mask
    assert (found & true).sum() / (found | true).sum() > overlap
