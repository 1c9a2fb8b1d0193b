from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_msiclust.msi.mosaic import MARGIN, Mosaic
from tests.cohorts import block


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=7))
def test_each_section_keeps_its_pixels_and_touches_no_other(shapes: list[tuple[int, int]]) -> None:
    grids = [block([1.0], shape=shape).grid for shape in shapes]
    mosaic = Mosaic.of(grids)
    image = np.full(mosaic.grid.shape, -1)
    for number, grid in enumerate(grids):
        mosaic.part(image, number)[:] = number
        pixels = mosaic.pixels(number)
        rows, cols = mosaic.grid.rows[pixels], mosaic.grid.cols[pixels]
        assert (rows - mosaic.corners[number][0]).tolist() == grid.rows.tolist()
        assert (cols - mosaic.corners[number][1]).tolist() == grid.cols.tolist()
        assert (image[rows, cols] == number).all()
    assert (image >= 0).sum() == sum(height * width for height, width in shapes)
    top, left = np.array(mosaic.corners).T
    height, width = np.array(shapes).T
    for one in range(len(shapes)):
        for other in range(one):
            down = max(top[one], top[other]) - min(top[one] + height[one], top[other] + height[other])
            across = max(left[one], left[other]) - min(left[one] + width[one], left[other] + width[other])
            assert max(down, across) >= MARGIN


def test_the_mask_and_the_missing_pixel_size_are_kept() -> None:
    masked = block([1.0]).with_mask(np.eye(3, 4, dtype=bool)).grid
    mosaic = Mosaic.of([masked, block([1.0], pixel_size_um=None).grid])
    assert (mosaic.part(mosaic.grid.mask, 0) == np.eye(3, 4, dtype=bool)).all()
    assert mosaic.part(mosaic.grid.mask, 1).all()
    assert mosaic.grid.mask.sum() == 3 + 12
    assert not mosaic.grid.pixel_size_known


def test_many_sections_make_a_compact_picture() -> None:
    mosaic = Mosaic.of([block([1.0], shape=(20, 20)).grid] * 9)
    assert mosaic.grid.shape == (3 * 20 + 2 * MARGIN, 3 * 20 + 2 * MARGIN)
