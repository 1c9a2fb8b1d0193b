"""Which ions may be 13C isotopes of others, by mass and intensity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CARBON_13_STEP = 1.0033548
_TOLERANCE_DA = 0.01
_RARITY = 0.0108  # of 13C among carbon atoms
_DALTONS_PER_CARBON = 12.0  # a molecule of carbon alone: no molecule has more
_MARGIN = 1.5
_LEAST_SHARE = 0.1  # of what a molecule of carbon alone would show

FloatArray = npt.NDArray[np.float64]


def isotope_of(mz: FloatArray, intensity: FloatArray) -> FloatArray:
    """m/z of the ion whose first 13C isotope each ion may be; NaN if there is none.

    The ion one 13C step (1.00335 Da, charge 1) lighter must be there, and the ratio of the
    intensities must be one that carbon can explain: at most 1.08 % for each 12 Da, with a margin.
    Distributions are not compared: these flags may be held against clusters.

    Parameters
    ----------
    mz : ndarray of shape (N,)
        Ascending.
    intensity : ndarray of shape (N,)
        Mean over the pixels.
    """
    lighter = np.full(len(mz), np.nan)
    for ion, target in enumerate(mz - CARBON_13_STEP):
        begin, end = np.searchsorted(mz, (target - _TOLERANCE_DA, target + _TOLERANCE_DA))
        if begin == end:
            continue
        nearest = begin + int(np.argmin(np.abs(mz[begin:end] - target)))
        most = _RARITY * mz[nearest] / _DALTONS_PER_CARBON * _MARGIN
        ratio = intensity[ion] / intensity[nearest] if intensity[nearest] > 0 else np.inf
        if _LEAST_SHARE * most <= ratio <= most:
            lighter[ion] = mz[nearest]
    return lighter
