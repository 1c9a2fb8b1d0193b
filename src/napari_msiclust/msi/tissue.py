"""Where the tissue is, judged from the ion images alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_fill_holes, gaussian_filter, label
from skimage.filters import threshold_otsu

from napari_msiclust.msi.ion_images import IonImages

# Off the tissue there is far less signal than on it, and few pixels lie between the two. Where
# that is not so, as when only tissue was acquired, every acquired pixel counts as tissue.
_LARGEST_RATIO = 0.5  # of the square roots: a quarter of the signal
_MOST_BETWEEN = 0.15  # where all values are equally frequent it is 0.2
_SMALLEST_PART = 0.005


def estimate_tissue(
    images: IonImages, hotspot_quantile: float = 0.999, ions: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.bool_]:
    """On-tissue mask (H, W) of an experiment.

    Parameters
    ----------
    images : IonImages
    hotspot_quantile : float
    ions : ndarray of bool, shape (N,), optional
        The ions to judge by; all of them where none are given. Ions without spatial structure only
        add to what lies beside the tissue.

    Notes
    -----
    The mean of all scaled ion images, smoothed by one pixel, is split in two by Otsu's threshold on its
    square root, which leaves the dim parts of a tissue on its bright side. The brighter part is the
    tissue, holes in it are filled, and specks are dropped. If the two parts are not clearly apart,
    every acquired pixel is returned.
    """
    signal = np.zeros(images.values.shape[1], dtype=np.float64)
    chosen = np.ones(len(images), dtype=bool) if ions is None or not ions.any() else ions
    for first, block in images.scaled(hotspot_quantile):
        signal += block[chosen[first : first + len(block)]].sum(axis=0)
    acquired = images.grid.acquired
    filled = np.nan_to_num(images.grid.image(signal))
    smooth = gaussian_filter(filled, 1.0) / np.maximum(gaussian_filter(acquired.astype(float), 1.0), 1e-6)
    smooth = np.sqrt(np.maximum(smooth, 0))
    values = smooth[acquired]
    if np.ptp(values) <= 0:
        return acquired
    threshold = threshold_otsu(values)  # type: ignore[no-untyped-call]
    bright, dark = values[values > threshold].mean(), values[values <= threshold].mean()
    between = np.mean(np.abs(values - (bright + dark) / 2) < 0.2 * (bright - dark))
    if dark > _LARGEST_RATIO * bright or between > _MOST_BETWEEN:
        return acquired
    tissue = binary_fill_holes((smooth > threshold) & acquired) & acquired
    parts, _ = label(tissue)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    large: npt.NDArray[np.bool_] = (sizes >= _SMALLEST_PART * acquired.sum())[parts]
    return large if large.any() else acquired
