"""Small pictures of ion images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import resampling_matrix
from napari_msiclust.results.ion_basis import IonBasis

_COLORMAP = "inferno"
_NOWHERE = 0


def color_table() -> npt.NDArray[np.uint8]:
    """RGBA of the values 0..255 of a thumbnail; 0 is where nothing was acquired. Shape (256, 4)."""
    from matplotlib import colormaps

    table = (colormaps[_COLORMAP](np.linspace(0, 1, 255)) * 255).round().astype(np.uint8)
    return np.vstack((np.zeros((1, 4), np.uint8), table))


class Thumbnails:
    """Thumbnails of the ions of a result.

    Parameters
    ----------
    basis : IonBasis
    side : int
        Longer side in pixels.
    """

    def __init__(self, basis: IonBasis, side: int = 72) -> None:
        self._basis = basis
        grid: PixelGrid = basis.images.grid
        height, width = (length * size for length, size in zip(grid.shape, grid.pixel_size_um, strict=True))
        scale = side / max(height, width)
        self.shape = max(1, round(height * scale)), max(1, round(width * scale))
        self._down, self._across = (
            resampling_matrix(length, target) for length, target in zip(grid.shape, self.shape, strict=True)
        )
        self._weight = self._down @ grid.acquired.astype(np.float32) @ self._across.T

    def render(self, ions: list[int]) -> npt.NDArray[np.uint8]:
        """Thumbnails (n, h, w) of ions: 1..255 for intensity, 0 where nothing was acquired."""
        grid = self._basis.images.grid
        full = np.zeros((len(ions), *grid.shape), dtype=np.float32)
        full[:, grid.rows, grid.cols] = self._basis.scaled(ions)
        small = (self._down @ full @ self._across.T) / np.maximum(self._weight, 1e-6)
        top = small.max(axis=(1, 2), keepdims=True)
        small = small / np.where(top > 0, top, 1)
        pictures = 1 + (small.clip(0, 1) * 254).round()
        return np.where(self._weight > 0.3, pictures, _NOWHERE).astype(np.uint8)
