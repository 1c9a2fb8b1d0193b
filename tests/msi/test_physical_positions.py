from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.physical_positions import grid_positions


@given(
    columns=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    step=st.sampled_from([50.0, 0.05, 33.3]),
    origin=st.floats(-1e4, 1e4),
)
def test_columns_stay_apart_and_in_order_however_few_were_measured(
    columns: list[int], step: float, origin: float
) -> None:
    physical = np.zeros((len(columns), 3))
    physical[:, 0] = origin + step * np.array(columns)
    places = grid_positions(physical, Path("few.imzML"))[:, 0]
    np.testing.assert_array_equal(
        np.unique(places, return_inverse=True)[1], np.unique(columns, return_inverse=True)[1]
    )
    assert len(columns) == 1 or np.ptp(places) <= 30


def test_a_stage_that_trembles_keeps_its_grid() -> None:
    rng = np.random.default_rng(0)
    columns, rows = np.tile(np.arange(40), 30), np.repeat(np.arange(30), 40)
    physical = np.zeros((columns.size, 3))
    physical[:, :2] = 50.0 * np.column_stack([columns, rows]) + rng.normal(0, 0.5, (columns.size, 2))
    places = grid_positions(physical, Path("trembling.imzML"))
    np.testing.assert_array_equal(places, np.column_stack([columns + 1, rows + 1, np.ones_like(rows)]))


def test_an_endless_position_is_a_fault() -> None:
    with pytest.raises(FileFormatError, match="not a finite number"):
        grid_positions(np.array([[0.0, np.inf, 0.0]]), Path("endless.imzML"))
