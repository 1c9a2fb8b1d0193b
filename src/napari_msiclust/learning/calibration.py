"""What the standing of an ion is worth: how likely it is to be in its right cluster.

Two things tell: the standing of the ion in its cluster, and whether clusterings of separate pixels agree on
this tissue. A logistic regression on both, fitted by benchmarks/calibration.py on generated tissues, easy
and hard, whose classes are known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_WEIGHTS = (2.4, 0.49, 4.66)
_CONSTANT = -3.57

FloatArray = npt.NDArray[np.float64]


def telling(standing: npt.NDArray[np.floating], repeated: float) -> FloatArray:
    """What the regression goes by, (N, 3): standing up to 1, agreement of separate pixels, their product."""
    own = np.clip(np.asarray(standing, np.float64), 0, 1)
    return np.stack([own, np.full_like(own, repeated), own * repeated], axis=1)


def calibrated(standing: npt.NDArray[np.floating], repeated: float) -> FloatArray:
    """Probability (N,) that an ion is in its right cluster.

    Parameters
    ----------
    standing : ndarray of shape (N,)
        How well it stands in its cluster (`consensus.standing`).
    repeated : float
        How far clusterings of separate pixels agree (`Votes.repeated`).
    """
    logit = telling(standing, repeated) @ np.array(_WEIGHTS) + _CONSTANT
    found: FloatArray = 1 / (1 + np.exp(-logit))
    return found
