"""Several sections side by side in one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.grid import PixelGrid

MARGIN = 6  # pixels between two sections: three times the widest smoothing


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Where the sections lie in one image.

    Attributes
    ----------
    grids : tuple of PixelGrid, length S
        Of the sections, each with its on-tissue mask.
    corners : tuple of (int, int), length S
        Row and column at which each section begins.
    grid : PixelGrid
        All pixels, section after section.
    """

    grids: tuple[PixelGrid, ...]
    corners: tuple[tuple[int, int], ...]
    grid: PixelGrid

    @classmethod
    def of(cls, grids: Sequence[PixelGrid]) -> Mosaic:
        """Lay sections on shelves, in their order, so that all together are about as wide as high."""
        heights, widths = zip(*(grid.shape for grid in grids), strict=True)
        layouts = [_shelves(heights, widths, across) for across in range(1, len(grids) + 1)]
        corners = min(layouts, key=lambda corners: max(_extent(corners, heights, widths)))
        shape = _extent(corners, heights, widths)
        mask = np.zeros(shape, dtype=bool)
        for grid, (top, left) in zip(grids, corners, strict=True):
            mask[top : top + grid.shape[0], left : left + grid.shape[1]] = grid.mask
        joint = PixelGrid(
            shape=shape,
            rows=np.concatenate([grid.rows + top for grid, (top, _) in zip(grids, corners, strict=True)]),
            cols=np.concatenate([grid.cols + left for grid, (_, left) in zip(grids, corners, strict=True)]),
            pixel_size_um=grids[0].pixel_size_um,
            mask=mask,
            pixel_size_known=all(grid.pixel_size_known for grid in grids),
        )
        return cls(tuple(grids), tuple(corners), joint)

    def part(self, image: npt.NDArray[Any], section: int) -> npt.NDArray[Any]:
        """What of an image (..., H, W) is a section's; shape (..., h, w)."""
        (top, left), (height, width) = self.corners[section], self.grids[section].shape
        return image[..., top : top + height, left : left + width]

    def pixels(self, section: int) -> slice:
        """Which of the pixels (P,) are a section's."""
        counts = [len(grid.rows) for grid in self.grids]
        return slice(sum(counts[:section]), sum(counts[: section + 1]))


_Lengths = Sequence[int]
_Corners = list[tuple[int, int]]


def _shelves(heights: _Lengths, widths: _Lengths, across: int) -> _Corners:
    """Corners of sections, so many of them on each shelf."""
    corners: _Corners = []
    top = 0
    for first in range(0, len(heights), across):
        left = 0
        for width in widths[first : first + across]:
            corners.append((top, left))
            left += width + MARGIN
        top += max(heights[first : first + across]) + MARGIN
    return corners


def _extent(corners: _Corners, heights: _Lengths, widths: _Lengths) -> tuple[int, int]:
    """Height and width of all sections together."""
    return (
        max(top + height for (top, _), height in zip(corners, heights, strict=True)),
        max(left + width for (_, left), width in zip(corners, widths, strict=True)),
    )
