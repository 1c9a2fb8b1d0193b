"""Pixel positions of files that give only lengths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import FileFormatError

_WHOLE = 0.25  # how far, in steps, a place may be from the middle of its pixel
_PARTS = 64  # of the smallest distance: a step is not looked for below that
_FEW = 16  # pixels that do not show whether a stage trembles
_TREMBLE = 10.0  # a step is at least so many times the distances within a trembling column

_Lengths = npt.NDArray[np.float64]


def grid_positions(physical: _Lengths, path: Path) -> npt.NDArray[np.int32]:
    """1-based x, y, z of positions (P, 3) that are given as lengths.

    The step of an axis is the median of the distances between neighbouring values that are not much
    larger than the smallest one. Where few columns or rows were measured their smallest distance may
    be several steps: the step is then a whole part of it. Where hardly two pixels share an x or a y the
    stage trembled, and distances far smaller than the others count as none.

    Raises
    ------
    FileFormatError
        A position is no finite number, or the positions do not lie on a grid.
    """
    if not np.isfinite(physical).all():
        raise FileFormatError(
            "a pixel position is not a finite number", fix="export the file again", path=path
        )
    tremble = _tremble(physical)
    positions = np.ones(physical.shape, np.int32)
    for axis in range(3):
        values = _columns(physical[:, axis], tremble)
        steps = np.diff(np.unique(values))
        steps = steps[steps > 1e-3 * np.ptp(values) / max(1.0, np.sqrt(len(values)))]
        if not len(steps):
            continue
        places = _places(values - values.min(), steps)
        if places.max() > 1e6:
            raise FileFormatError(
                "the pixel positions do not lie on a grid", fix="export the file again", path=path
            )
        positions[:, axis] = np.rint(places).astype(np.int32) + 1
        positions[:, axis] -= positions[:, axis].min() - 1
    return positions


def _tremble(physical: _Lengths) -> float:
    """Distance in x and y up to which two values are one; 0 for a stage that does not tremble."""
    columns = [np.unique(physical[:, axis]) for axis in (0, 1)]
    if len(physical) < _FEW or min(map(len, columns)) < len(physical) / 2:
        return 0.0
    gaps = np.sort(np.concatenate([np.diff(values) for values in columns]))
    gaps = gaps[-_FEW * int(np.sqrt(len(physical))) :]  # of a section there are far fewer columns than pixels
    ratios = gaps[1:] / gaps[:-1]
    return float(gaps[ratios.argmax()]) if ratios.max() > _TREMBLE else 0.0


def _columns(values: _Lengths, tremble: float) -> _Lengths:
    """Each value as the mean of its column."""
    order = np.argsort(values)
    column = np.empty(len(values), np.intp)
    column[order] = np.cumsum(np.diff(values[order], prepend=values[order[0]]) > tremble)
    means: _Lengths = np.bincount(column, values) / np.bincount(column)
    return means[column]


def _places(lengths: _Lengths, steps: _Lengths) -> _Lengths:
    """Lengths in steps: the usual step, or a whole part of the smallest one in which all are whole."""
    usual = float(np.median(steps[steps <= 1.5 * steps.min()]))
    for step in (usual, *(steps.min() / parts for parts in range(1, _PARTS + 1))):
        places: _Lengths = lengths / step
        if np.abs(places - np.rint(places)).max() < _WHOLE:
            break
    else:
        places = lengths / usual
    return places
