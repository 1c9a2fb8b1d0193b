from __future__ import annotations

import numpy as np
import pytest

from napari_msiclust.registration.geometry import scaling, shifting, similarity
from napari_msiclust.registration.preview import checkerboard, contour_lines, in_squares
from napari_msiclust.registration.resample import resample, resample_like


def test_labels_onto_a_finer_grid_and_back() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, (12, 17)).astype(np.uint16)
    coarse = similarity(1, 0.5, (200, 200)) @ scaling((20, 20))
    fine = shifting((-60, -20)) @ scaling((2.5, 2.5))
    there = resample(labels, coarse, (300, 300), fine)
    assert there.dtype == np.uint16
    back = resample(there, fine, labels.shape, coarse)
    np.testing.assert_array_equal(back, labels)


def test_each_pixel_keeps_its_area() -> None:
    image = np.full((6, 6), np.nan, np.float32)
    image[2:4, 1:5] = np.arange(8).reshape(2, 4)
    fine = shifting((-4.5, -4.5)) @ scaling((1, 1))  # ten fine pixels for each, edges on edges
    there = resample(image, scaling((10, 10)), (60, 60), fine)
    np.testing.assert_array_equal(there, np.kron(image, np.ones((10, 10), np.float32)))


def test_linear_interpolation_is_exact_on_a_plane() -> None:
    y, x = np.mgrid[0:20, 0:30]
    image = (3 * y - 2 * x).astype(np.float64)
    target = shifting((3.3, 4.7)) @ scaling((0.7, 0.4))
    there = resample(image, np.eye(3), (10, 20), target, order=1)
    rows, cols = np.mgrid[0:10, 0:20]
    np.testing.assert_allclose(there, 3 * (3.3 + 0.7 * rows) - 2 * (4.7 + 0.4 * cols), atol=1e-9)


def test_shrinking_averages() -> None:
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 255, (80, 120, 3)).astype(np.uint8)
    grid = shifting((3.5, 3.5)) @ scaling((8, 8))
    small = resample_like(photo, np.eye(3), (10, 15), grid)
    assert small.dtype == np.uint8
    mean = photo.reshape(10, 8, 15, 8, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small, mean, atol=0.51)


def test_outside_is_empty() -> None:
    there = resample(np.ones((4, 4)), np.eye(3), (4, 4), shifting((100, 0)))
    assert np.isnan(there).all()
    black = resample_like(np.full((4, 4, 3), 200, np.uint8), np.eye(3), (4, 4), shifting((100, 0)))
    assert not black.any()


def test_previews() -> None:
    image = np.zeros((60, 90))
    image[20:40, 30:60] = 5
    squares = in_squares(image)
    dark = checkerboard((60, 90))
    assert np.isnan(squares[dark]).all()
    np.testing.assert_array_equal(squares[~dark], image[~dark])
    lines = contour_lines(image)
    assert lines
    for line in lines:
        assert line.min(axis=0) == pytest.approx((19.5, 29.5), abs=1.5)
        assert line.max(axis=0) == pytest.approx((39.5, 59.5), abs=1.5)
    assert contour_lines(np.full((9, 9), np.nan)) == []
    assert contour_lines(np.ones((9, 9))) == []
