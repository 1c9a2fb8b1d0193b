"""Which ions of several sections are the same ion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.ion_list import MOBILITY, Tolerance

_ROUNDING = 1 + 1e-9

IntArray = npt.NDArray[np.intp]


def match_ions(sections: Sequence[IonImages], tolerance: Tolerance) -> IntArray:
    """Ions of several sections by m/z, the nearest ones first.

    The members of an ion lie no farther apart than the tolerance, and no two are of one section. Ions that
    are told apart by mobility match at the same mobility only.

    Parameters
    ----------
    sections : sequence of IonImages
    tolerance : Tolerance

    Returns
    -------
    ndarray of int, shape (S, N)
        For each section and ion the row in that section, -1 where the section lacks it; ions by mean m/z.
    """
    pooled = pd.concat([_listed(number, images) for number, images in enumerate(sections)], ignore_index=True)
    pooled["twin"] = pooled.groupby(["section", "mobility", "mz"]).cumcount()  # of the very same m/z
    pooled = pooled.sort_values(["mobility", "mz", "twin", "section"], ignore_index=True)
    group = _groups(pooled, tolerance)
    mean = pooled["mz"].groupby(group).mean().to_numpy()
    place = np.argsort(np.argsort(mean, kind="stable"))
    rows = np.full((len(sections), len(mean)), -1, np.intp)
    rows[pooled["section"], place[group]] = pooled["row"]
    return rows


def _listed(number: int, images: IonImages) -> pd.DataFrame:
    """Ions of one section; mobility is -1 where there is none."""
    mobility = (
        images.columns[MOBILITY] if MOBILITY in images.columns else pd.Series(np.nan, range(len(images)))
    )
    return pd.DataFrame(
        {
            "section": number,
            "row": np.arange(len(images)),
            "mz": images.mz,
            "mobility": mobility.to_numpy(np.float64, na_value=np.nan),
        }
    ).fillna({"mobility": -1.0})


def _groups(pooled: pd.DataFrame, tolerance: Tolerance) -> IntArray:
    """A number for each group of neighbours in a sorted list; the smallest gaps close first."""
    mz, section = pooled["mz"].to_numpy(), pooled["section"].to_numpy()
    mobility = pooled["mobility"].to_numpy()
    reach = tolerance.reach(mz) * _ROUNDING
    first, last = np.arange(len(mz)), np.arange(len(mz))  # of the group that ends, or begins, here
    members = [{number} for number in section.tolist()]  # kept where a group begins
    gaps = np.diff(mz)
    open_gaps = np.flatnonzero((gaps <= reach[:-1]) & (mobility[:-1] == mobility[1:]))
    for gap in open_gaps[np.argsort(gaps[open_gaps], kind="stable")]:
        low, high = first[gap], last[gap + 1]
        if mz[high] - mz[low] <= reach[low] and members[low].isdisjoint(members[gap + 1]):
            members[low] |= members[gap + 1]
            first[high], last[low] = low, high
    begins = np.zeros(len(mz), np.intp)
    place = 0
    while place < len(mz):
        begins[place] = 1
        place = last[place] + 1
    groups: IntArray = begins.cumsum() - 1
    return groups
