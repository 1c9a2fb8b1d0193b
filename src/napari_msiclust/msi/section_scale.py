"""Intensities of several sections on one scale."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_POLISHES = 20
_LARGEST_GAIN = 3.0  # of an ion in a section; one that is farther off is rather missing there

Floats = npt.NDArray[np.float64]


def section_scale(
    rows: npt.NDArray[np.intp], roots: Sequence[Floats], neighbours: npt.NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """What to divide the intensities of sections by, and on top of that those of their ions.

    Sections are measured with different gains, and so are their ions (matrix, salts, suppression). Left
    alone, that makes ions alike which only share a gain. Logarithms of intensities are a section's level plus
    an ion's, found by median polish (Tukey 1977) so that ions which really differ do not move a section.
    What is left over of an ion is biology where the ions that lie like it inside the sections have it too,
    and its own gain where they do not, as far as that is no more than threefold.

    Parameters
    ----------
    rows : ndarray of int, shape (S, N)
        Row of each ion in each section, -1 where the section lacks it.
    roots : sequence of ndarray, length S
        Mean square root of the on-tissue intensities of each ion of a section.
    neighbours : ndarray of int, shape (N, K)
        The ions that lie most like each ion inside the sections (`nearest_inside`).

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
    rest = np.full(rows.shape, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # medians of sections whose shared ions are all empty
        for _ in range(_POLISHES):
            ion = np.nanmedian(level[:, shared] - section[:, None], axis=0)
            section = np.nan_to_num(np.nanmedian(level[:, shared] - ion, axis=1))
        rest[:, shared] = level[:, shared] - section[:, None] - ion
        common = np.nan_to_num(np.nanmedian(rest[:, neighbours], axis=2))
    limit = np.log(_LARGEST_GAIN)
    scale: Floats = np.exp(section - section.mean())
    gain: Floats = np.exp(np.nan_to_num(rest - common).clip(-limit, limit))
    return scale, gain


def nearest_inside(
    rows: npt.NDArray[np.intp], stacks: Sequence[npt.NDArray[np.float32]], most: int = 11
) -> npt.NDArray[np.intp]:
    """Each ion and those that lie most like it inside the sections, by correlation of square roots.

    Parameters
    ----------
    rows : ndarray of int, shape (S, N)
        Row of each ion in each section, -1 where the section lacks it.
    stacks : sequence of ndarray, length S
        On-tissue values of the ions of each section, of shape (n, pixels).
    most : int, optional
        How many at most.

    Returns
    -------
    ndarray of int, shape (N, K)
        Itself first, then the nearest; K is N where that is less than `most`.
    """
    count = rows.shape[1]
    like, pairs = np.zeros((count, count), np.float32), np.zeros((count, count), np.float32)
    for own, stack in zip(rows, stacks, strict=True):
        held = np.flatnonzero(own >= 0)
        centred = np.sqrt(stack[own[held]])
        centred -= centred.mean(axis=1, keepdims=True)
        centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.float32(1e-9))
        like[np.ix_(held, held)] += centred @ centred.T
        pairs[np.ix_(held, held)] += 1
    like = np.where(pairs > 0, like / np.maximum(pairs, 1), np.float32(-1))
    np.fill_diagonal(like, np.inf)
    order: npt.NDArray[np.intp] = np.argsort(-like, axis=1, kind="stable")[:, :most]
    return order
