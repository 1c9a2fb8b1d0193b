"""Spatial structure of ion images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import InputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages

_IONS_PER_BLOCK = 64


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


def keep_structured(images: IonImages, least: float) -> IonImages:
    """The ion images whose Moran's I is at least `least`; it is added as the column `morans_i`.

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
    return replace(
        images,
        mz=images.mz[kept],
        values=np.asarray(images.values[kept]),
        names=tuple(images.names[ion] for ion in kept),
        columns=columns,
    )
