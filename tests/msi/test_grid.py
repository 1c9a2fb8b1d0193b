from __future__ import annotations

import json

import numpy as np
import pytest

from napari_msiclust.errors import InputError
from napari_msiclust.msi.grid import PixelGrid


def test_positions_become_rows_and_columns() -> None:
    grid = PixelGrid.from_positions(np.array([[5, 3, 1], [6, 3, 1], [5, 4, 1]]), (20.0, 10.0))
    assert grid.shape == (2, 2)
    assert grid.origin == (3, 5)
    assert grid.rows.tolist() == [0, 0, 1]
    assert grid.cols.tolist() == [0, 1, 0]
    assert grid.acquired.tolist() == [[True, True], [True, False]]


def test_missing_pixels_are_not_zeros() -> None:
    grid = PixelGrid.from_positions(np.array([[1, 1], [2, 2]]), (1.0, 1.0))
    image = grid.image([0.0, 5.0])
    assert image[0, 0] == 0
    assert image[1, 1] == 5
    assert np.isnan(image[0, 1])
    assert grid.image(np.ones((3, 2))).shape == (3, 2, 2)


def test_damaged_positions_do_not_take_all_memory() -> None:
    with pytest.raises(InputError, match="2 pixels are spread over"):
        PixelGrid.from_positions(np.array([[1, 1], [2**30, 2**30]]), (1.0, 1.0))


def test_the_grid_is_plain_json() -> None:
    grid = PixelGrid.from_positions(np.array([[1, 1], [2, 2]]), (20.0, 10.0))
    again = json.loads(json.dumps(grid.to_dict()))
    assert again["shape"] == [2, 2]
    assert again["rows"] == [0, 1]
    assert again["pixel_size_um"] == [20.0, 10.0]


def test_an_unknown_pixel_size_is_not_a_micrometre() -> None:
    grid = PixelGrid.from_positions(np.array([[1, 1], [2, 2]]), None)
    assert grid.physical_pixel_size_um is None
    assert grid.pixel_size_um == (1.0, 1.0)
    assert grid.to_dict()["pixel_size_um"] is None
