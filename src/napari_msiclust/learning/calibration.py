"""What the standing of an ion is worth: the share of ions that were right with such a standing.

Measured by benchmarks/calibration.py on hard generated tissues whose classes are known: on an ordinary
measurement more ions are right than the confidence says.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_STANDING = (0.0, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_RIGHT = (0.0, 0.147, 0.273, 0.289, 0.394, 0.493, 0.556, 0.724, 0.747, 0.917)  # isotonic fit


def calibrated(standing: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Probability (N,) that an ion is in its right cluster.

    Parameters
    ----------
    standing : ndarray of shape (N,)
        How well it stands in its cluster (`consensus.standing`).
    """
    found: npt.NDArray[np.float64] = np.interp(standing, _STANDING, _RIGHT)
    return found
