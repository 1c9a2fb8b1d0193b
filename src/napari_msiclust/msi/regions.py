"""Regions of a file: groups of pixels that lie apart, such as several sections on one slide."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import grey_dilation, label
from scipy.spatial import cKDTree

MISSING_BETWEEN = 2  # pixels; a dropped line or two does not part a region
_SAMPLE = 1_000

IntArray = npt.NDArray[np.int32]


def find_regions(
    rows: IntArray, cols: IntArray, planes: IntArray, missing_between: int = MISSING_BETWEEN
) -> IntArray:
    """Region of each pixel.

    Two pixels of one plane belong together if at most `missing_between` pixels are missing between
    them, along rows, columns or both; where only every second or third position was acquired, that
    many acquired ones.

    Parameters
    ----------
    rows, cols, planes : ndarray of int32, shape (P,)
    missing_between : int

    Returns
    -------
    ndarray of int32, shape (P,)
        From 1 on, by plane and then from top to bottom.
    """
    regions = np.zeros(len(rows), np.int32)
    found = 0
    for plane in np.unique(planes):
        own = np.flatnonzero(planes == plane)
        places = np.stack([rows[own] - rows[own].min(), cols[own] - cols[own].min()], axis=1)
        reach = (missing_between + 1) * _spacing(places)
        regions[own] = found + _connected(places, reach)
        found = int(regions.max())
    return regions


def _spacing(places: IntArray) -> int:
    """Usual distance of a pixel to the nearest other one."""
    if len(places) < 2:
        return 1
    chosen = places[np.unique(np.linspace(0, len(places) - 1, _SAMPLE).astype(int))]
    distance, _ = cKDTree(places).query(chosen, k=2, p=np.inf)
    return max(1, round(float(np.median(distance[:, 1]))))


def _connected(places: IntArray, reach: int) -> IntArray:
    """Label of each place; two places no farther apart than `reach` along both axes share one."""
    # Squares of that side around all places touch just if the places are that near.
    acquired = np.zeros(places.max(axis=0) + 1 + 2 * reach, np.uint8)
    acquired[places[:, 0] + reach, places[:, 1] + reach] = 1
    grown = grey_dilation(acquired, size=(reach, reach))
    labels, _ = label(grown, np.ones((3, 3), bool))
    own: IntArray = labels[places[:, 0] + reach, places[:, 1] + reach].astype(np.int32)
    return own
