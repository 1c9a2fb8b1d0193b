"""Channels of the image of a stain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STAIN_CHANNELS = ("darkness", "hematoxylin", "eosin", "red", "green", "blue")


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
