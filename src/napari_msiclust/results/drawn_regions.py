"""Regions on the pixel grid, from what is drawn elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

STAIN_CHANNELS = ("darkness", "hematoxylin", "eosin", "red", "green", "blue")


def polygon_mask(polygons: Sequence[FloatArray], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Pixels of a grid (H, W) whose centres lie in any of the polygons.

    Parameters
    ----------
    polygons : sequence of ndarray of shape (n, 2)
        Rows and columns of the corners; the centre of a pixel has whole numbers.
    """
    from skimage.draw import polygon2mask

    mask = np.zeros(shape, dtype=bool)
    for corners in polygons:
        if len(corners) > 2:
            mask |= polygon2mask(shape, corners)  # type: ignore[no-untyped-call]
    return mask


def ellipse_corners(box: FloatArray, points: int = 64) -> FloatArray:
    """Polygon (points, 2) of the ellipse in a box given by its four corners (4, 2)."""
    centre = box.mean(axis=0)
    one, other = (box[1] - box[0]) / 2, (box[3] - box[0]) / 2
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    corners: FloatArray = centre + np.cos(angle)[:, None] * one + np.sin(angle)[:, None] * other
    return corners


def stain_channel(image: npt.ArrayLike, channel: str) -> npt.NDArray[np.float32]:
    """One channel of a colour image (h, w, 3 or 4), large where there is much of it.

    Hematoxylin and eosin are unmixed as by Ruifrok and Johnston, Anal. Quant. Cytol. Histol. 2001, 23, 291.
    """
    pixels = np.asarray(image)[..., :3]
    top = 255.0 if pixels.dtype == np.uint8 else max(float(pixels.max()), 1e-9)
    colors = (pixels / top).astype(np.float32)
    if channel == "darkness":
        dark: npt.NDArray[np.float32] = 1 - colors.mean(axis=-1)
        return dark
    if channel in ("hematoxylin", "eosin"):
        from skimage.color import rgb2hed

        unmixed: npt.NDArray[np.float32] = rgb2hed(colors)[..., ("hematoxylin", "eosin").index(channel)]
        return unmixed.clip(min=0).astype(np.float32)
    return np.ascontiguousarray(colors[..., ("red", "green", "blue").index(channel)])
