"""Outlines of the parts of a mask, along the edges of its pixels."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

Ring = npt.NDArray[np.float64]
_Edge = tuple[int, int, int]  # row and column of the corner where it begins, direction
_RIGHT, _DOWN, _LEFT, _UP = range(4)
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def outlines(mask: npt.NDArray[np.bool_]) -> list[list[Ring]]:
    """Polygons that cover exactly the pixels of a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)

    Returns
    -------
    list of list of ndarray, shape (V, 2)
        One polygon for each part connected by pixel sides: its outer ring, then its holes. Corners
        are (row, column) with pixel centres at whole numbers; the last differs from the first.
    """
    parts, _ = label(np.pad(mask, 1))
    polygons = []
    for part, edges in _edges(parts).items():
        if part:
            rings = sorted(_rings(edges), key=lambda ring: -abs(signed_area(ring)))
            polygons.append(rings)
    return polygons


def signed_area(ring: Ring) -> float:
    """Area within a ring; positive if it runs clockwise with rows pointing down."""
    y, x = ring[:, 0], ring[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _edges(parts: npt.NDArray[np.int32]) -> dict[int, set[_Edge]]:
    """Per part its pixel sides, running clockwise around it."""
    edges: dict[int, set[_Edge]] = defaultdict(set)
    for row, col in zip(*(found.tolist() for found in np.nonzero(parts[1:] != parts[:-1])), strict=True):
        edges[int(parts[row + 1, col])].add((row + 1, col, _RIGHT))
        edges[int(parts[row, col])].add((row + 1, col + 1, _LEFT))
    beside = parts[:, 1:] != parts[:, :-1]
    for row, col in zip(*(found.tolist() for found in np.nonzero(beside)), strict=True):
        edges[int(parts[row, col])].add((row, col + 1, _DOWN))
        edges[int(parts[row, col + 1])].add((row + 1, col + 1, _UP))
    return edges


def _rings(edges: set[_Edge]) -> list[Ring]:
    """The closed ways along the edges; where two ways touch, each keeps to its right."""
    rings = []
    for first in sorted(edges):
        if first not in edges:
            continue
        way = [first]
        while (edge := _after(way[-1], edges)) != first:
            way.append(edge)
        edges.difference_update(way)
        corners = [
            edge[:2] for before, edge in zip([way[-1], *way], way, strict=False) if before[2] != edge[2]
        ]
        rings.append(np.array(corners, dtype=np.float64) - 1.5)  # the padding, and from corner to centre
    return rings


def _after(edge: _Edge, edges: set[_Edge]) -> _Edge:
    row, col, direction = edge
    down, across = _STEPS[direction]
    for turn in (1, 0, 3):
        following = (row + down, col + across, (direction + turn) % 4)
        if following in edges:
            return following
    raise AssertionError("an outline does not close")
