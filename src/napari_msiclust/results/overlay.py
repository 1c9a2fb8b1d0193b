"""Clusters laid over the histology, as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_msiclust.registration.geometry import Matrix, scaling
from napari_msiclust.registration.resample import resample, resample_like
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.colors import colors_of

_LONGER_SIDE = 900
_OPACITY = 0.55


@dataclass(frozen=True, eq=False)
class Histology:
    """An optical image and how the ions lie on it.

    Attributes
    ----------
    pixels : ndarray, shape (H, W) or (H, W, 3 or 4)
    pixel_size_um : tuple of float
        (height, width).
    matrix : ndarray of float64, shape (3, 3)
        From the ion images to the optical image: (y, x, 1) in um.
    name : str
    rms_um : float or None
        Error of the landmarks.
    """

    pixels: npt.NDArray[Any]
    pixel_size_um: tuple[float, float]
    matrix: Matrix
    name: str = ""
    rms_um: float | None = None


def overlay_pictures(
    result: ClusterResult, histology: Histology
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """The optical image, the same with the dominant cluster map over it, and their width in um.

    Both are RGB (h, w, 3), 0..1, with square pixels, and no larger than a report needs.
    """
    height_um, width_um = (
        length * size
        for length, size in zip(histology.pixels.shape[:2], histology.pixel_size_um, strict=True)
    )
    step = max(height_um, width_um) / _LONGER_SIDE
    shape = max(1, round(height_um / step)), max(1, round(width_um / step))
    to_world = scaling((step, step))
    photograph = _resampled(histology, shape, to_world)
    ions_to_world = histology.matrix @ scaling(result.grid.pixel_size_um)
    numbers = resample(result.dominant_cluster_map, ions_to_world, shape, to_world, order=0).astype(np.intp)
    palette = np.vstack((np.zeros((1, 4)), colors_of(result.clusters)))
    opacity = np.where(numbers > 0, _OPACITY, 0.0)[..., None]
    return photograph, photograph * (1 - opacity) + palette[numbers, :3] * opacity, width_um


def _resampled(histology: Histology, shape: tuple[int, int], to_world: Matrix) -> npt.NDArray[np.float64]:
    pixels = np.asarray(histology.pixels)
    small = resample_like(pixels, scaling(histology.pixel_size_um), shape, to_world).astype(np.float64)
    if np.issubdtype(pixels.dtype, np.integer):
        small /= np.iinfo(pixels.dtype).max if pixels.ndim == 3 else max(float(small.max()), 1.0)
    elif small.max(initial=0.0) > 1:
        small /= small.max()
    if small.ndim == 2:
        small = np.repeat(small[..., None], 3, axis=2)
    rgb: npt.NDArray[np.float64] = small[..., :3].clip(0, 1)
    return rgb
