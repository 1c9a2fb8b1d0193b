"""Spatial structure of ion images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import InputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages

_IONS_PER_BLOCK = 64
_SCALES = (1, 2, 4)  # sides of the squares of pixels that are averaged
_FEWEST_PIXELS = 60  # below, the normal law is no fair description of Moran's I under shuffling


def morans_i(values: npt.NDArray[np.float32], grid: PixelGrid) -> npt.NDArray[np.float64]:
    """Moran's I of ion images: correlation of neighbouring pixels.

    Parameters
    ----------
    values : ndarray of shape (N, P)
    grid : PixelGrid

    Returns
    -------
    ndarray of shape (N,)
        About 0 for noise, near 1 for smooth images; 0 for constant ones. Neighbours share an edge;
        only acquired pixels count. Moran, Biometrika 1950, 37, 17.
    """
    place = np.full((grid.shape[0] + 1, grid.shape[1] + 1), -1)
    place[grid.rows, grid.cols] = np.arange(len(grid.rows))
    pairs = []
    for neighbour in (place[grid.rows + 1, grid.cols], place[grid.rows, grid.cols + 1]):
        there = np.flatnonzero(neighbour >= 0)
        pairs.append(np.stack([there, neighbour[there]]))
    one, other = np.concatenate(pairs, axis=1)
    found = np.zeros(len(values))
    for first in range(0, len(values), _IONS_PER_BLOCK):
        block = np.asarray(values[first : first + _IONS_PER_BLOCK], dtype=np.float64)
        centred = block - block.mean(axis=1, keepdims=True)
        variance = (centred**2).mean(axis=1)
        covariance = (centred[:, one] * centred[:, other]).mean(axis=1) if len(one) else np.zeros(len(block))
        found[first : first + len(block)] = np.divide(
            covariance, variance, out=np.zeros(len(block)), where=variance > 1e-30
        )
    return found


def structure_z(images: npt.NDArray[np.float32], acquired: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How far Moran's I of ion images lies above that of the same pixels shuffled, in standard deviations.

    Parameters
    ----------
    images : ndarray of shape (N, H, W)
        Finite where acquired.
    acquired : ndarray of bool, shape (H, W)

    Returns
    -------
    ndarray of shape (N,)
        Mean and variance under shuffling are the exact ones (Cliff and Ord, Spatial Processes, 1981).
        Neighbours across rows and along rows are judged apart and the smaller value counts, so that
        lines of an instrument are no structure; single pixels, squares of 2 x 2 and of 4 x 4 are, and
        the largest value counts, so that faint but broad structure is. NaN where there are too
        few pixels to tell.
    """
    best = np.full(len(images), -np.inf)
    for side in _SCALES:
        coarse, present = _averaged(images, acquired, side)
        by_direction = [_moran_z(*pair) for pair in _directions(coarse, present)]
        judged = [z for z in by_direction if z is not None]
        if judged:
            best = np.fmax(best, np.min(judged, axis=0))
    return np.where(np.isfinite(best), best, np.nan)


def _averaged(
    images: npt.NDArray[np.float32], acquired: npt.NDArray[np.bool_], side: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Means over squares of pixels, and which squares are at least half acquired."""
    height, width = (length // side * side for length in acquired.shape)

    def total(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        cut = pixels[..., :height, :width]
        squares = cut.reshape(*cut.shape[:-2], height // side, side, width // side, side)
        summed: npt.NDArray[np.float32] = squares.sum(axis=(-3, -1))
        return summed

    count = total(acquired.astype(np.float32))
    present = count >= max(1.0, side * side / 2)
    mean = total(np.where(acquired, images, np.float32(0))) / np.maximum(count, np.float32(1))
    return mean.astype(np.float32), present


_Pair = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]


def _directions(images: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]) -> tuple[_Pair, _Pair]:
    """The images as they are and transposed: neighbours always share a row."""
    return (images, present), (images.swapaxes(-1, -2), present.T)


def _moran_z(
    images: npt.NDArray[np.float32], present: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64] | None:
    """Deviations (N,) of Moran's I over neighbours along rows; None where there are too few."""
    both = present[:, 1:] & present[:, :-1]
    count, pairs = float(present.sum()), float(both.sum())
    if count < _FEWEST_PIXELS or pairs < _FEWEST_PIXELS / 2:
        return None
    mean = images.sum(axis=(1, 2), where=present, dtype=np.float64) / count
    centred = np.where(present, images - mean[:, None, None].astype(np.float32), np.float32(0))
    square = centred**2
    variance = square.sum(axis=(1, 2), dtype=np.float64) / count
    divisor = np.where(variance > 1e-30, variance, np.inf)
    peaked = (square**2).sum(axis=(1, 2), dtype=np.float64) / count / divisor**2
    product = (centred[:, :, 1:] * centred[:, :, :-1]).sum(axis=(1, 2), dtype=np.float64)
    degree = np.zeros(present.shape)
    degree[:, 1:] += both
    degree[:, :-1] += both
    s0, s1, s2 = 2 * pairs, 4 * pairs, float(4 * (degree**2).sum())
    first = count * ((count**2 - 3 * count + 3) * s1 - count * s2 + 3 * s0**2)
    second = peaked * ((count**2 - count) * s1 - 2 * count * s2 + 6 * s0**2)
    expected = -1 / (count - 1)
    spread = (first - second) / ((count - 1) * (count - 2) * (count - 3) * s0**2) - expected**2
    z: npt.NDArray[np.float64] = (product / pairs / divisor - expected) / np.sqrt(np.maximum(spread, 1e-18))
    return np.where(variance > 1e-30, z, 0.0)


def keep_structured(images: IonImages, least: float) -> IonImages:
    """The ion images whose Moran's I is at least `least`; it is added as the column `morans_i`.

    A note tells how many are left out.

    Raises
    ------
    InputError
        None is left.
    """
    structure = morans_i(images.values, images.grid)
    kept = np.flatnonzero(structure >= least)
    if not len(kept):
        raise InputError(f"no ion image has a Moran's I of {least} or more", fix="give a smaller value")
    columns = images.columns.iloc[kept].reset_index(drop=True)
    columns["morans_i"] = structure[kept].round(4)
    left_out = len(images) - len(kept)
    note = (
        f"{left_out} of {len(images)} ion images have a Moran's I under {least:g} and were left out; "
        "a smaller --min-structure keeps them"
    )
    return replace(
        images,
        mz=images.mz[kept],
        values=np.asarray(images.values[kept]),
        names=tuple(images.names[ion] for ion in kept),
        columns=columns,
        notes=(*images.notes, note) if left_out else images.notes,
    )
