"""Ion images on the optical grid, and the optical image on the grid of the ions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform

from napari_msiclust.registration.geometry import Matrix


def resample(
    image: npt.NDArray[Any],
    to_world: Matrix,
    target_shape: tuple[int, int],
    target_to_world: Matrix,
    *,
    order: int = 0,
) -> npt.NDArray[Any]:
    """An image on another grid.

    Where the target's pixels are larger, values are averaged over them.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (H, W, C)
    to_world, target_to_world : ndarray of shape (3, 3)
        From pixels (row, column, 1), centres at whole numbers, to a common world.
    target_shape : tuple of int
        Rows and columns.
    order : {0, 1}
        0 keeps measured values and labels as they are; 1 interpolates linearly.

    Returns
    -------
    ndarray of shape (*target_shape) or (*target_shape, C)
        Of the image's type. Outside of the image: NaN for floats, else 0.
    """
    if image.ndim == 3:
        channels = [
            resample(image[..., channel], to_world, target_shape, target_to_world, order=order)
            for channel in range(image.shape[-1])
        ]
        return np.stack(channels, axis=-1)
    floating = np.issubdtype(image.dtype, np.floating)
    to_image = np.linalg.inv(to_world) @ target_to_world
    if order == 1:
        image, to_image = _averaged(image.astype(np.float64), to_image)
    known = np.isfinite(image)
    values = _sampled(np.where(known, image, 0), to_image, target_shape, order)
    if floating or order == 1:
        weight = _sampled(known.astype(np.float64), to_image, target_shape, order)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(weight >= 0.5, values / weight, np.nan)
    return values


def resample_like(
    image: npt.NDArray[Any],
    to_world: Matrix,
    target_shape: tuple[int, int],
    target_to_world: Matrix,
) -> npt.NDArray[Any]:
    """A photograph on another grid, averaged and interpolated, in its own type; black outside."""
    values = resample(image, to_world, target_shape, target_to_world, order=1)
    if np.issubdtype(image.dtype, np.floating):
        return values.astype(image.dtype)
    rounded: npt.NDArray[Any] = np.nan_to_num(values).round().astype(image.dtype)
    return rounded


def _sampled(
    image: npt.NDArray[Any], to_image: Matrix, shape: tuple[int, int], order: int
) -> npt.NDArray[Any]:
    sampled: npt.NDArray[Any] = affine_transform(
        image, to_image[:2, :2], to_image[:2, 2], output_shape=shape, order=order, mode="grid-constant"
    )
    return sampled


def _averaged(image: npt.NDArray[np.float64], to_image: Matrix) -> tuple[npt.NDArray[np.float64], Matrix]:
    """The image shrunk by whole factors until its pixels are no smaller than half the target's."""
    lengths = np.linalg.norm(to_image[:2, :2], axis=1)
    factors = np.maximum(1, np.floor(lengths).astype(int))
    if (factors == 1).all():
        return image, to_image
    height, width = (-(-length // factor) for length, factor in zip(image.shape, factors, strict=True))
    padded = np.full((height * factors[0], width * factors[1]), np.nan)
    padded[: image.shape[0], : image.shape[1]] = image
    blocks = padded.reshape(height, factors[0], width, factors[1])
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, np.where(known, blocks, 0).sum(axis=(1, 3)) / count, np.nan)
    shrink = np.diag([1 / factors[0], 1 / factors[1], 1.0])
    shrink[:2, 2] = (1 / factors - 1) / 2
    return mean, shrink @ to_image
