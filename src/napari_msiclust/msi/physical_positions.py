"""Pixel positions of files that give only lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import FileFormatError


def grid_positions(physical: npt.NDArray[np.float64], path: Path) -> npt.NDArray[np.int32]:
    """1-based x, y, z of positions (P, 3) that are given as lengths.

    The step of an axis is the median of the distances between neighbouring values that are not much
    larger than the smallest one; far smaller distances count as none.

    Raises
    ------
    FileFormatError
        A position is no finite number, or the positions do not lie on a grid.
    """
    if not np.isfinite(physical).all():
        raise FileFormatError(
            "a pixel position is not a finite number", fix="export the file again", path=path
        )
    positions = np.ones(physical.shape, np.int32)
    for axis in range(3):
        values = physical[:, axis]
        steps = np.diff(np.unique(values))
        steps = steps[steps > 1e-3 * np.ptp(values) / max(1.0, np.sqrt(len(values)))]
        if not len(steps):
            continue
        places = (values - values.min()) / np.median(steps[steps <= 1.5 * steps.min()])
        if places.max() > 1e6:
            raise FileFormatError(
                "the pixel positions do not lie on a grid", fix="export the file again", path=path
            )
        positions[:, axis] = np.rint(places).astype(np.int32) + 1
    return positions
