"""Several ion images in one: their mean, or a colour composite of two or three."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.ion_basis import take_ions

FloatArray = npt.NDArray[np.float32]

MOST_COLORS = 3
_IONS_PER_BLOCK = 64
# Two ions in magenta and green, which colour-blind readers tell apart; three in red, green and blue.
_COLORS = {
    1: np.array([[1, 1, 1]], np.float32),
    2: np.array([[1, 0, 1], [0, 1, 0]], np.float32),
    3: np.eye(3, dtype=np.float32),
}


def mean_of_ions(images: IonImages, ions: Sequence[int], hotspot_quantile: float = 0.999) -> FloatArray:
    """Mean of the scaled images of ions; (H, W), NaN where nothing was acquired."""
    total = np.zeros(images.values.shape[1], dtype=np.float64)
    for first in range(0, len(ions), _IONS_PER_BLOCK):
        some = take_ions(images, ions[first : first + _IONS_PER_BLOCK])
        for _, block in some.scaled(hotspot_quantile):
            total += block.sum(axis=0)
    return images.grid.image(total / max(len(ions), 1))


def color_composite(images: IonImages, ions: Sequence[int], hotspot_quantile: float = 0.999) -> FloatArray:
    """Up to three scaled ion images as colours (H, W, 3) in 0..1; black where nothing was acquired."""
    chosen = list(ions[:MOST_COLORS])
    scaled = np.concatenate([block for _, block in take_ions(images, chosen).scaled(hotspot_quantile)])
    pixels = scaled.T @ _COLORS[len(chosen)]
    picture = np.zeros((*images.grid.shape, 3), dtype=np.float32)
    picture[images.grid.rows, images.grid.cols] = pixels.clip(0, 1)
    return picture


def stack_of_ions(images: IonImages, ions: Sequence[int], hotspot_quantile: float = 0.999) -> FloatArray:
    """Scaled images of ions (n, H, W), NaN where nothing was acquired."""
    blocks = [block for _, block in take_ions(images, ions).scaled(hotspot_quantile)]
    return images.grid.image(np.concatenate(blocks))
