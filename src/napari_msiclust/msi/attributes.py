"""Named spatial attributes of ion images: where an ion is, in words a histologist would use."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import distance_transform_edt

from napari_msiclust.msi.ion_images import IonImages

_RIM = 0.2  # of the largest depth
_PRESENT = 0.1  # of the brightest pixels
_REGIONS = (
    ("at the top left", "at the top", "at the top right"),
    ("at the left", "in the centre", "at the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)


def spatial_attributes(images: IonImages, hotspot_quantile: float = 0.999) -> pd.DataFrame:
    """Attributes of each ion on its tissue.

    Returns
    -------
    DataFrame
        N rows. covered fraction: share of the tissue brighter than a tenth of the maximum. unevenness:
        standard deviation over mean. smoothness: Moran's I, 1 for smooth patterns, 0 for noise. intensity
        on the rim: mean within the outer fifth of the depth, relative to the tissue's mean; deep inside: the
        same of the inner half. height, width of the centre of mass: 0 at the top or left of the tissue, 1 at
        its bottom or right. spread: root mean square distance to the centre of mass, relative to that of
        an even distribution. The rest are mean intensities in nine regions of the tissue's bounding box
        relative to the tissue's mean; regions without tissue are left out.
    """
    grid = images.grid
    on_tissue = grid.on_tissue
    rows, cols = grid.rows[on_tissue], grid.cols[on_tissue]
    height, width = _position(rows), _position(cols)
    depth = distance_transform_edt(np.pad(grid.mask, 1))[1:-1, 1:-1][rows, cols]
    depth = depth / depth.max()
    parts = {"intensity on the rim": depth <= _RIM, "intensity deep inside": depth > 0.5} | {
        f"intensity {name}": (np.minimum(height * 3, 2).astype(int) == row)
        & (np.minimum(width * 3, 2).astype(int) == col)
        for row, names in enumerate(_REGIONS)
        for col, name in enumerate(names)
    }
    neighbors = _neighbors(grid.mask, rows, cols)
    even = np.sqrt(height.var() + width.var())
    blocks = []
    for _, block in images.scaled(hotspot_quantile):
        inside = block[:, on_tissue].astype(np.float64)
        mean = np.maximum(inside.mean(axis=1), 1e-12)
        share = inside / (mean[:, None] * inside.shape[1])
        down, across = share @ height, share @ width
        variance = share @ height**2 - down**2 + share @ width**2 - across**2
        columns = {
            "covered fraction": (inside > _PRESENT).mean(axis=1),
            "unevenness": inside.std(axis=1) / mean,
            "smoothness": _morans_i(inside, neighbors),
            "height of the centre of mass": down,
            "width of the centre of mass": across,
            "spread": np.sqrt(np.maximum(variance, 0)) / max(even, 1e-12),
        } | {name: inside[:, part].mean(axis=1) / mean for name, part in parts.items() if part.any()}
        blocks.append(pd.DataFrame(columns))
    return pd.concat(blocks, ignore_index=True)


def _position(lines: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Rows or columns as 0..1 over the tissue."""
    first, last = int(lines.min()), int(lines.max())
    return (lines - first + 0.5) / (last - first + 1)


def _neighbors(
    mask: npt.NDArray[np.bool_], rows: npt.NDArray[np.int32], cols: npt.NDArray[np.int32]
) -> npt.NDArray[np.intp]:
    """Pairs (2, n) of on-tissue pixels that share an edge."""
    place = np.full((mask.shape[0] + 1, mask.shape[1] + 1), -1)
    place[rows, cols] = np.arange(len(rows))
    below, beside = place[rows + 1, cols], place[rows, cols + 1]
    first = np.concatenate([np.flatnonzero(below >= 0), np.flatnonzero(beside >= 0)])
    return np.stack([first, np.concatenate([below[below >= 0], beside[beside >= 0]])])


def _morans_i(inside: npt.NDArray[np.float64], neighbors: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Moran's I of images (n, pixels); 0 for constant ones."""
    centred = (inside - inside.mean(axis=1, keepdims=True)).astype(np.float32)
    variance = np.square(centred).mean(axis=1, dtype=np.float64)
    if not neighbors.shape[1]:
        return np.zeros(len(inside))
    covariance = (
        np.einsum("np,np->n", centred[:, neighbors[0]], centred[:, neighbors[1]]) / neighbors.shape[1]
    )
    correlation: npt.NDArray[np.float64] = covariance / np.where(variance > 1e-12, variance, np.inf)
    return correlation
