from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.preflight import examine
from napari_msiclust.msi.regions import find_regions
from tests.conftest import WriteImzml


def _block(top: int, left: int, height: int, width: int, step: int = 1) -> list[tuple[int, int]]:
    return [(top + step * y, left + step * x) for y in range(height) for x in range(width)]


def _regions(places: list[tuple[int, int]]) -> npt.NDArray[np.int32]:
    rows, cols = np.array(places, np.int32).T
    return find_regions(rows, cols, np.zeros(len(rows), np.int32))


@settings(deadline=None, max_examples=100)
@given(st.sets(st.tuples(st.integers(0, 25), st.integers(0, 25)), min_size=1, max_size=60), st.integers(0, 3))
def test_regions_are_what_hangs_together_by_the_definition(
    chosen: set[tuple[int, int]], missing_between: int
) -> None:
    places = np.array(sorted(chosen), np.int32)
    distance = cdist(places, places, "chebyshev")
    np.fill_diagonal(distance, np.inf)
    usual = max(1, round(float(np.median(distance.min(axis=1))))) if len(places) > 1 else 1
    count, expected = connected_components(distance <= (missing_between + 1) * usual, directed=False)
    found = find_regions(places[:, 0], places[:, 1], np.zeros(len(places), np.int32), missing_between)
    assert set(found.tolist()) == set(range(1, count + 1))
    assert len(set(zip(found.tolist(), expected.tolist(), strict=True))) == count  # the same, but for names


def test_a_dropped_line_parts_no_region_but_a_wide_gap_does() -> None:
    one = _block(0, 0, 10, 10)
    without_lines = [place for place in one if place[0] not in (4, 5)]
    assert set(_regions(without_lines).tolist()) == {1}
    two = [*one, *_block(0, 13, 10, 10)]
    assert np.bincount(_regions(two)).tolist() == [0, 100, 100]


def test_a_raster_of_every_third_position_is_one_region() -> None:
    assert set(_regions(_block(0, 0, 12, 12, step=3)).tolist()) == {1}


def test_planes_are_regions_of_their_own() -> None:
    positions = np.array([(x, y, z) for z in (1, 2) for y in range(1, 5) for x in range(1, 5)])
    grid = PixelGrid.from_positions(positions, None)
    assert grid.regions.tolist() == [1] * 16 + [2] * 16
    assert grid.to_dict()["regions"] == grid.regions.tolist()


def test_info_names_the_sizes_of_regions(write_imzml: WriteImzml) -> None:
    places = [(x, y) for x, y in _block(1, 1, 4, 4) + _block(1, 21, 3, 4)]
    path = write_imzml([([100.0], [1.0])] * len(places), [(x, y) for y, x in places])
    report = examine(path)
    assert report.facts["regions"] == 2
    notes = [finding.fault for finding in report.findings if finding.severity == "note"]
    assert "2 regions lie apart, of 16, 12 pixels" in notes
