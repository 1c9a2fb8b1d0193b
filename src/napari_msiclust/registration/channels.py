"""What is compared: components of the ion images, optical densities of the stain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_fill_holes, gaussian_filter
from skimage.filters import threshold_otsu

from napari_msiclust.errors import InputError
from napari_msiclust.msi.ion_images import IonImages, resampling_matrix

_COMPONENTS = 6
_STAIN_COMPONENTS = 2
_HOTSPOT_QUANTILE = 0.999
_LONGEST_STAIN = 1400  # pixels; more show nothing that the ion images could

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Channels:
    """Images of one field.

    Attributes
    ----------
    values : ndarray of float64, shape (C, H, W)
        NaN where nothing was acquired.
    pixel_size_um : tuple of float
        (height, width).
    """

    values: FloatArray
    pixel_size_um: tuple[float, float]

    @property
    def extent_um(self) -> tuple[float, float]:
        """(height, width) of the field."""
        height, width = self.values.shape[1:]
        return height * self.pixel_size_um[0], width * self.pixel_size_um[1]

    def at(self, pixel_um: float) -> Channels:
        """The same field with square pixels of about this size; area averages, never enlarged."""
        target = [
            max(1, min(length, round(extent / pixel_um)))
            for length, extent in zip(self.values.shape[1:], self.extent_um, strict=True)
        ]
        down, across = (
            resampling_matrix(source, size).astype(np.float64)
            for source, size in zip(self.values.shape[1:], target, strict=True)
        )
        acquired = np.isfinite(self.values[0])
        weight = down @ acquired @ across.T
        total = down @ np.where(acquired, self.values, 0.0) @ across.T
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(weight >= 0.5, total / weight, np.nan)
        height, width = (extent / size for extent, size in zip(self.extent_um, target, strict=True))
        return Channels(values, (height, width))


def ion_channels(images: IonImages, count: int = _COMPONENTS) -> Channels:
    """Principal components of the ion images: where the ions differ most, whatever the ions are.

    Intensities are clipped at hotspots and square-rooted, which evens out counting noise.
    """
    blocks = [np.sqrt(block) for _, block in images.scaled(_HOTSPOT_QUANTILE)]
    values = np.concatenate(blocks).astype(np.float64)
    return Channels(
        images.grid.image(_principal(values, count)).astype(np.float64), images.grid.pixel_size_um
    )


def image_channels(stack: npt.ArrayLike, pixel_size_um: tuple[float, float]) -> Channels:
    """Components of a few images, such as mean ion images or a total ion current.

    Parameters
    ----------
    stack : array of shape (C, H, W) or (H, W)
        NaN where nothing was acquired.

    Raises
    ------
    InputError
        No image varies.
    """
    images = np.atleast_3d(np.asarray(stack, dtype=np.float64).T).T
    acquired = np.isfinite(images).all(axis=0)
    parts = _principal(images[:, acquired], min(_COMPONENTS, len(images)))
    values = np.full((len(parts), *images.shape[1:]), np.nan)
    values[:, acquired] = parts
    return Channels(values, pixel_size_um)


def stain_channels(image: npt.ArrayLike, pixel_size_um: tuple[float, float]) -> Channels:
    """Optical densities of a brightfield image, or the intensities of another one, and its tissue.

    Parameters
    ----------
    image : array of shape (H, W) or (H, W, 3 or 4)
        Three or four channels are taken for red, green, blue on a bright background.

    Returns
    -------
    Channels
        Two whitened components and the tissue mask; zero stands for the empty background.
    """
    given, pixel_size_um = _reduced(np.asarray(image), pixel_size_um)
    densities = optical_density(given) if given.ndim == 3 else _above_background(given)
    tissue = tissue_of(densities)
    parts = _principal(densities.reshape(len(densities), -1), _STAIN_COMPONENTS)
    parts = parts.reshape(-1, *densities.shape[1:])
    empty = np.median(parts[:, ~tissue], axis=1) if (~tissue).any() else np.zeros(len(parts))
    return Channels(np.concatenate([parts - empty[:, None, None], tissue[None]]), pixel_size_um)


def optical_density(rgb: npt.ArrayLike) -> FloatArray:
    """Optical densities (3, H, W), zero on the background even where the lamp is uneven.

    Density is -log10 of the transmitted light. The background is a quadratic surface fitted to
    the pixels without tissue.
    """
    light = np.asarray(rgb)[..., :3].astype(np.float64)
    light = (light + 1) / (np.quantile(light, 0.99) + 1)
    density = -np.log10(np.moveaxis(light, -1, 0).clip(1e-4))
    return np.stack([channel - _background(channel, ~tissue_of(density)) for channel in density])


def tissue_of(densities: FloatArray) -> npt.NDArray[np.bool_]:
    """Tissue (H, W) of densities (C, H, W): the denser side of Otsu's threshold, holes filled."""
    density = gaussian_filter(densities.max(axis=0), max(1.0, max(densities.shape[1:]) / 400))
    if np.ptp(density) <= 0:
        return np.ones(density.shape, dtype=bool)
    filled: npt.NDArray[np.bool_] = binary_fill_holes(density > threshold_otsu(density))  # type: ignore[no-untyped-call]
    return filled


def _reduced(
    image: npt.NDArray[Any], pixel_size_um: tuple[float, float]
) -> tuple[npt.NDArray[Any], tuple[float, float]]:
    """Means over square blocks of pixels, if there are too many pixels."""
    factor = max(1, max(image.shape[:2]) // _LONGEST_STAIN)
    if factor == 1:
        return image, pixel_size_um
    rows, cols = (length // factor for length in image.shape[:2])
    blocks = image[: rows * factor, : cols * factor].reshape(rows, factor, cols, factor, *image.shape[2:])
    return blocks.mean(axis=(1, 3)), (pixel_size_um[0] * factor, pixel_size_um[1] * factor)


def _above_background(image: npt.NDArray[Any]) -> FloatArray:
    values = image.astype(np.float64)
    low, high = np.quantile(values, [0.01, 0.999])
    brightness: FloatArray = np.sqrt(((values - low) / max(high - low, 1e-12)).clip(0, 1))[None]
    return brightness


def _background(image: FloatArray, empty: npt.NDArray[np.bool_]) -> FloatArray:
    """A quadratic surface through the empty pixels."""
    height, width = image.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * y, x**2, y**2])
    if empty.sum() < 100:
        return np.full(image.shape, np.quantile(image, 0.01))
    step = max(1, int(empty.sum()) // 20_000)
    weights, *_ = np.linalg.lstsq(terms[:, empty][:, ::step].T, image[empty][::step], rcond=None)
    surface: FloatArray = np.tensordot(weights, terms, 1)
    return surface


def _principal(rows: FloatArray, count: int) -> FloatArray:
    """Leading principal components (k, P) of rows (C, P), each with unit variance.

    Raises
    ------
    InputError
        No row varies.
    """
    spread = rows.std(axis=1)
    varied = rows[spread > 1e-12]
    if not len(varied):
        raise InputError("the image is the same everywhere", fix="choose an image with structure")
    scaled = (varied - varied.mean(axis=1, keepdims=True)) / varied.std(axis=1, keepdims=True)
    variance, vectors = np.linalg.eigh(scaled @ scaled.T / scaled.shape[1])
    order = np.argsort(-variance)[: min(count, len(varied))]
    order = order[variance[order] > 1e-9 * variance.max()]
    parts: FloatArray = vectors[:, order].T @ scaled / np.sqrt(variance[order])[:, None]
    return parts
