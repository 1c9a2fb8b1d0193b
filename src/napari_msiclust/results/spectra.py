"""Spectra of parts of an experiment, from its ion images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.ion_images import IonImages

FloatArray = npt.NDArray[np.float64]


def mean_spectrum(images: IonImages) -> FloatArray:
    """Mean intensity of every ion over the on-tissue pixels; shape (N,)."""
    return region_spectrum(images, images.grid.mask)


def pixel_spectrum(images: IonImages, pixel: int) -> FloatArray:
    """Intensity of every ion in one pixel, in the file's order; shape (N,)."""
    values: FloatArray = np.asarray(images.values[:, pixel], dtype=np.float64)
    return np.nan_to_num(values)


def region_spectrum(images: IonImages, region: npt.NDArray[np.bool_]) -> FloatArray:
    """Mean intensity of every ion over the pixels of a region (H, W); zeros if it holds none. Shape (N,)."""
    inside = np.flatnonzero(region[images.grid.rows, images.grid.cols])
    if not len(inside):
        return np.zeros(len(images))
    means = np.empty(len(images))
    for ion in range(len(images)):
        means[ion] = np.nan_to_num(images.values[ion][inside]).mean(dtype=np.float64)
    return means


def pixel_at(images: IonImages, row: int, col: int) -> int | None:
    """Index of the pixel at a row and a column; None if nothing was acquired there."""
    found = np.flatnonzero((images.grid.rows == row) & (images.grid.cols == col))
    return int(found[0]) if len(found) else None
