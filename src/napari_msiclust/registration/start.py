"""From images as they are to an automatic registration."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import InputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.tissue import estimate_tissue
from napari_msiclust.progress import Progress
from napari_msiclust.registration.automatic import (
    AutomaticRegistration,
    automatic_steps,
    between_pixel_centres,
    expected_scale,
)
from napari_msiclust.registration.channels import Channels, image_channels, ion_channels, stain_channels
from napari_msiclust.registration.landmarks import TransformKind

_NEAR, _FAR = 1.25, 1.8  # how far the scale may be from 1, and from the ratio of the tissues


@dataclass(frozen=True, eq=False)
class MovingImages:
    """What is laid onto the optical image.

    Attributes
    ----------
    images : IonImages or ndarray of shape (C, H, W) or (H, W)
        All ion images, or a few images with NaN where nothing was acquired.
    pixel_size_um : tuple of float
        (height, width).
    size_known : bool
        Whether that is a length, not a mere 1.
    """

    images: IonImages | npt.NDArray[Any]
    pixel_size_um: tuple[float, float]
    size_known: bool

    def channels(self) -> Channels:
        """Components to compare."""
        if isinstance(self.images, IonImages):
            return ion_channels(self.images)
        return image_channels(self.images, self.pixel_size_um)

    def tissue(self, channels: Channels) -> npt.NDArray[np.bool_]:
        """On-tissue pixels (H, W), or all acquired ones where that cannot be told."""
        if isinstance(self.images, IonImages):
            return estimate_tissue(self.images)
        acquired: npt.NDArray[np.bool_] = np.isfinite(channels.values[0])
        return acquired


@dataclass(frozen=True, eq=False)
class FixedImage:
    """The optical image.

    Attributes
    ----------
    pixels : array of shape (H, W) or (H, W, 3 or 4)
        Possibly a smaller level of a pyramid; read when the search begins.
    pixel_size_um : tuple of float
        (height, width) of these pixels.
    full_pixel_size_um : tuple of float
        Of the full-resolution image.
    size_known : bool
    """

    pixels: Any
    pixel_size_um: tuple[float, float]
    full_pixel_size_um: tuple[float, float]
    size_known: bool


def start_steps(
    moving: MovingImages,
    fixed: FixedImage,
    kind: TransformKind = "similarity",
    stop: threading.Event | None = None,
) -> Generator[Progress, None, AutomaticRegistration]:
    """Register ion images to an optical image without landmarks.

    Where a pixel size is unknown, or the tissues' areas contradict it, the scale is sought around
    the ratio of the areas.

    Returns
    -------
    AutomaticRegistration
        Its matrix is between the centres of the first pixels.

    Raises
    ------
    InputError
        An image has too few pixels or no structure.
    Stopped
        The event was set.
    """
    yield Progress("looking at the images", 0, 2)
    ions = moving.channels()
    yield Progress("looking at the images", 1, 2)
    stain = stain_channels(np.asarray(fixed.pixels), fixed.pixel_size_um)
    for channels in (ions, stain):
        if min(channels.values.shape[1:]) < 8:
            raise InputError("an image is smaller than 8 pixels", fix="place landmarks instead")
    ratio = expected_scale(ions, moving.tissue(ions), stain)
    known = moving.size_known and fixed.size_known
    scale, reach = 1.0, _NEAR
    if kind != "rigid" and (not known or not 1 / _FAR < ratio < _FAR):
        scale, reach = ratio, _FAR
    found = yield from automatic_steps(ions, stain, kind, scale=scale, scale_range=reach, stop=stop)
    matrix = between_pixel_centres(found.matrix, moving.pixel_size_um, fixed.full_pixel_size_um)
    return replace(found, matrix=matrix)
