from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_msiclust.msi.ion_list import Tolerance
from napari_msiclust.msi.ion_matching import match_ions
from tests.cohorts import block

TENTH = Tolerance(0.1, "Da")


def test_ions_match_within_the_tolerance() -> None:
    rows = match_ions([block([100, 200, 300]), block([100.1, 200.11, 300])], TENTH)
    assert rows.T.tolist() == [[0, 0], [1, -1], [-1, 1], [2, 2]]


def test_ppm_grow_with_the_mass() -> None:
    rows = match_ions([block([100, 1000]), block([100.01, 1000.01])], Tolerance(20, "ppm"))
    assert rows.T.tolist() == [[0, -1], [-1, 0], [1, 1]]


def test_the_nearest_ions_match_first() -> None:
    rows = match_ions([block([100.0, 100.1]), block([100.06])], TENTH)
    assert rows.T.tolist() == [[0, -1], [1, 0]]


def test_two_ions_of_one_section_never_become_one() -> None:
    rows = match_ions([block([100.0, 100.01]), block([100.0, 100.01])], TENTH)
    assert rows.T.tolist() == [[0, 0], [1, 1]]


def test_ions_of_the_very_same_mz_match_one_by_one() -> None:
    rows = match_ions([block([100.0, 100.0, 100.0]), block([100.0, 100.0])], TENTH)
    assert rows.T.tolist() == [[0, 0], [1, 1], [2, -1]]


def test_matches_do_not_chain() -> None:
    rows = match_ions([block([100.0]), block([100.07]), block([100.15])], TENTH)
    assert rows.T.tolist() == [[0, 0, -1], [-1, -1, 0]]


def test_ions_told_apart_by_mobility_match_at_their_mobility() -> None:
    one = block([100.0, 100.0], columns=pd.DataFrame({"mobility": [0.8, 1.2]}))
    other = block([100.01], columns=pd.DataFrame({"mobility": [1.2]}))
    assert sorted(match_ions([one, other], TENTH).T.tolist()) == [[0, -1], [1, 0]]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=12), min_size=1, max_size=4))
def test_every_ion_is_in_one_place_and_no_group_is_wider_than_the_tolerance(steps: list[list[int]]) -> None:
    sections = [block(100 + 0.03 * np.sort(own)) for own in steps]
    rows = match_ions(sections, TENTH)
    for own, images in zip(rows, sections, strict=True):
        assert sorted(own[own >= 0]) == list(range(len(images)))
    means = []
    for ion in rows.T:
        mz = [images.mz[row] for row, images in zip(ion, sections, strict=True) if row >= 0]
        assert np.ptp(mz) <= 0.1 + 1e-9
        means.append(np.mean(mz))
    assert (np.diff(means) >= -1e-9).all()
