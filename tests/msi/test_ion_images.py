from __future__ import annotations

import numpy as np
import pytest

from napari_msiclust.errors import InputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages, resampling_matrix


def _images(values: list[list[float]], shape: tuple[int, int]) -> IonImages:
    rows, cols = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    grid = PixelGrid.from_positions(np.stack((cols + 1, rows + 1), axis=1), (1.0, 1.0))
    return IonImages(np.arange(1.0, len(values) + 1), np.array(values, dtype=np.float32), grid)


def test_hotspots_are_clipped_on_tissue_pixels_only() -> None:
    values = np.ones(100)
    values[:10] = 1000  # off the tissue
    values[50] = 50  # a hotspot on it
    images = _images([values.tolist()], (10, 10))
    mask = np.ones((10, 10), dtype=bool)
    mask[0] = False
    _, block = next(iter(images.with_mask(mask).scaled(0.9)))
    assert block[0, 50] == 1
    assert block[0, 60] == 1  # the quantile is an ordinary pixel


def test_sparse_zero_and_broken_ions_do_not_divide_by_zero() -> None:
    sparse = np.zeros(2000)
    sparse[3] = 7
    broken = np.full(2000, np.nan)
    broken[0] = np.inf
    images = _images([sparse.tolist(), np.zeros(2000).tolist(), broken.tolist()], (40, 50))
    _, block = next(iter(images.scaled(0.999)))
    assert np.isfinite(block).all()
    assert block[0, 3] == 1
    assert not block[1:].any()


def test_the_source_values_are_left_alone() -> None:
    images = _images([[1.0, 5.0, 9.0, 2.0]], (2, 2))
    before = images.values.copy()
    images.training_stack(32)
    np.testing.assert_array_equal(images.values, before)


def test_the_training_stack_keeps_the_aspect_ratio() -> None:
    images = _images([np.ones(80 * 40).tolist()], (80, 40))
    stack, mask = images.training_stack(32)
    assert stack.shape == (1, 32, 32)
    assert mask.sum() == 32 * 16
    assert mask[:, 8:24].all()
    np.testing.assert_allclose(stack[0][mask], 1, rtol=1e-6)
    assert not stack[0][~mask].any()


def test_missing_pixels_do_not_darken_their_neighbours() -> None:
    rows, cols = np.nonzero(np.add.outer(np.arange(64), np.arange(64)) % 3 > 0)
    grid = PixelGrid.from_positions(np.stack((cols + 1, rows + 1), axis=1), (1.0, 1.0))
    images = IonImages(np.array([1.0]), np.full((1, len(rows)), 4, dtype=np.float32), grid)
    stack, mask = images.training_stack(32)
    np.testing.assert_allclose(stack[0][mask], 1, rtol=1e-5)


def test_the_stack_shows_the_box_of_the_mask() -> None:
    images = _images([np.ones(64 * 64).tolist()], (64, 64))
    mask = np.zeros((64, 64), dtype=bool)
    mask[10:42, 20:52] = True
    stack, square = images.with_mask(mask).training_stack(32)
    assert square.all()
    np.testing.assert_allclose(stack, 1, rtol=1e-6)


@pytest.mark.parametrize(("source", "target"), [(10, 4), (4, 10), (7, 7), (100, 96), (1, 5), (5, 1)])
def test_resampling_keeps_constants_and_means(source: int, target: int) -> None:
    matrix = resampling_matrix(source, target)
    assert matrix.shape == (target, source)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-6)
    if source == target:
        np.testing.assert_allclose(matrix, np.eye(source), atol=1e-6)
    if target < source:  # area average: every source pixel weighs the same
        np.testing.assert_allclose(matrix.sum(axis=0), target / source, rtol=1e-5)


def test_the_tic_is_the_sum() -> None:
    images = _images([[1.0, 2.0], [3.0, 4.0]], (1, 2))
    assert images.tic().tolist() == [4.0, 6.0]


def test_shapes_are_checked() -> None:
    grid = PixelGrid.from_positions(np.array([[1, 1], [2, 1]]), (1.0, 1.0))
    with pytest.raises(InputError, match=r"\(2, 3\)"):
        IonImages(np.array([1.0, 2.0]), np.zeros((2, 3), dtype=np.float32), grid)
    with pytest.raises(InputError, match="mask"):
        _images([[1.0, 2.0]], (1, 2)).with_mask(np.zeros((3, 3), dtype=bool))


@pytest.mark.parametrize("steps", [(2, 1), (2, 2), (3, 3)])
def test_a_sparse_raster_is_not_empty(steps: tuple[int, int]) -> None:
    rows, cols = (axis.ravel() for axis in np.mgrid[0 : 200 : steps[0], 0 : 200 : steps[1]])
    grid = PixelGrid.from_positions(np.stack((cols + 1, rows + 1), axis=1), (1.0, 1.0))
    images = IonImages(np.array([1.0]), np.full((1, len(rows)), 4, dtype=np.float32), grid)
    stack, mask = images.training_stack(96)
    assert mask.mean() > 0.4
    np.testing.assert_allclose(stack[0][mask], 1, rtol=1e-4)
