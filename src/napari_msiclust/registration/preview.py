"""Ways to see how well two images match."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_multiotsu
from skimage.measure import find_contours

_SQUARES = 12
_LEVELS = 2
_SHORTEST = 8  # corners; shorter contours are noise


def checkerboard(shape: tuple[int, int], squares: int = _SQUARES) -> npt.NDArray[np.bool_]:
    """Which pixels (H, W) lie in the dark squares of a board with so many squares along the longer side."""
    side = max(1, round(max(shape) / squares))
    rows, cols = np.indices(shape) // side
    dark: npt.NDArray[np.bool_] = (rows + cols) % 2 == 0
    return dark


def in_squares(image: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """An image with NaN in the dark squares, where what lies below is seen."""
    return np.where(checkerboard((image.shape[0], image.shape[1])), np.nan, image).astype(np.float32)


def contour_lines(image: npt.NDArray[np.floating]) -> list[npt.NDArray[np.float64]]:
    """Lines (V, 2) in pixels between the darker and brighter parts of an image; NaN counts as darkest.

    The image is smoothed by a pixel, or counting noise would draw lines of its own.
    """
    finite = np.isfinite(image)
    if not finite.any() or np.ptp(image[finite]) <= 0:
        return []
    top = np.quantile(image[finite], 0.995)
    filled = gaussian_filter(np.where(finite, image, image[finite].min()).clip(max=top), 1.0)
    try:
        levels = threshold_multiotsu(filled[finite], classes=_LEVELS + 1)  # type: ignore[no-untyped-call]
    except ValueError:  # fewer grey values than levels
        levels = [float(filled.mean())]
    padded = np.pad(filled, 1, constant_values=filled.min())
    lines = [line - 1 for level in levels for line in find_contours(padded, level)]  # type: ignore[no-untyped-call]
    return [line for line in lines if len(line) >= _SHORTEST]
