"""Intensities of several sections on one scale."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_POLISHES = 20
_LARGEST_GAIN = 3.0  # of an ion in a section; one that is farther off is rather missing there

Floats = npt.NDArray[np.float64]


def section_scale(rows: npt.NDArray[np.intp], roots: Sequence[Floats]) -> tuple[Floats, Floats]:
    """What to divide the intensities of sections by, and on top of that those of their ions.

    Sections are measured with different gains, and so are their ions (matrix, salts, suppression). Left
    alone, that makes ions alike which only share a gain. Logarithms of intensities are a section's level plus
    an ion's, found by median polish (Tukey 1977) so that ions which really differ do not move a section;
    what is left over is the gain of an ion in a section, as far as it is no more than threefold.

    Parameters
    ----------
    rows : ndarray of int, shape (S, N)
        Row of each ion in each section, -1 where the section lacks it.
    roots : sequence of ndarray, length S
        Mean square root of the on-tissue intensities of each ion of a section.

    Returns
    -------
    scale : ndarray of shape (S,)
        Geometric mean 1.
    gain : ndarray of shape (S, N)
        1 where a section lacks an ion, or it has no signal there.
    """
    level = np.full(rows.shape, np.nan)
    for number, (own, root) in enumerate(zip(rows, roots, strict=True)):
        with np.errstate(divide="ignore"):
            level[number, own >= 0] = 2 * np.log(root[own[own >= 0]])
    level[~np.isfinite(level)] = np.nan
    shared = np.isfinite(level).sum(axis=0) > 1
    section = np.zeros(len(rows))
    rest = np.zeros(rows.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # medians of sections whose shared ions are all empty
        for _ in range(_POLISHES):
            ion = np.nanmedian(level[:, shared] - section[:, None], axis=0)
            section = np.nan_to_num(np.nanmedian(level[:, shared] - ion, axis=1))
    rest[:, shared] = np.nan_to_num(level[:, shared] - section[:, None] - ion)
    limit = np.log(_LARGEST_GAIN)
    scale: Floats = np.exp(section - section.mean())
    gain: Floats = np.exp(rest.clip(-limit, limit))
    return scale, gain
