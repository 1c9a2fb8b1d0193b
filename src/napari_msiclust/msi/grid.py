"""The pixel grid of an acquisition: from imzML positions to rows and columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import InputError
from napari_msiclust.msi.regions import find_regions

_GAP = 2  # pixels between the planes of a three-dimensional experiment


@dataclass(frozen=True, eq=False)
class PixelGrid:
    """Where the pixels of an experiment lie.

    Sections of a three-dimensional experiment (z planes) lie side by side in one image, with a gap;
    `unfold` lays them one above the other.

    Attributes
    ----------
    shape : tuple of int
        (H, W), rows and columns of the bounding box of all pixels of the file; of all planes together.
    rows, cols : ndarray of int32, shape (P,)
        0-based row and column of each pixel, in the order of the file.
    pixel_size_um : tuple of float
        (height, width) of a pixel in micrometres; (1, 1) if unknown.
    mask : ndarray of bool, shape (H, W)
        On-tissue pixels; every acquired pixel unless a mask was given.
    origin : tuple of int
        (y, x) of row 0 and column 0 in the 1-based coordinates of the file.
    pixel_size_known : bool
        False if the file gives no usable pixel size; then lengths are in pixels.
    planes : tuple of int
        z of each plane, ascending.
    plane_shape : tuple of int
        (h, w) of one plane; the shape itself if there is only one.
    """

    shape: tuple[int, int]
    rows: npt.NDArray[np.int32]
    cols: npt.NDArray[np.int32]
    pixel_size_um: tuple[float, float]
    mask: npt.NDArray[np.bool_]
    origin: tuple[int, int] = (1, 1)
    pixel_size_known: bool = True
    planes: tuple[int, ...] = (1,)
    plane_shape: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.plane_shape == (0, 0):
            object.__setattr__(self, "plane_shape", self.shape)

    @classmethod
    def from_positions(
        cls,
        positions: npt.NDArray[np.int32],
        pixel_size_um: tuple[float, float] | None,
        *,
        within: npt.NDArray[np.int32] | None = None,
    ) -> PixelGrid:
        """Grid of imzML positions.

        Parameters
        ----------
        positions : ndarray of int, shape (P, 2 or 3)
            1-based x, y (and z) of each pixel.
        pixel_size_um : tuple of float or None
            (height, width) in micrometres, if known.
        within : ndarray of int, shape (Q, 2 or 3), optional
            Positions whose bounding box the grid gets, such as those of both polarities; they include
            `positions`, which are taken by default.

        Raises
        ------
        InputError
            The bounding box is far larger than the number of pixels, as with damaged positions.
        """
        x, y, z = _columns(positions)
        every_x, every_y, every_z = _columns(positions if within is None else within)
        left, top = int(every_x.min()), int(every_y.min())
        planes = np.unique(every_z)
        plane = np.searchsorted(planes, z)
        height, width = int(every_y.max()) - top + 1, int(every_x.max()) - left + 1
        across = _tiles_across(len(planes), height, width)
        shape = _tiled(height, math.ceil(len(planes) / across)), _tiled(width, across)
        if shape[0] * shape[1] > max(10_000_000, 1_000 * len(every_x)):
            raise InputError(
                f"{len(every_x)} pixels are spread over {shape[0]} x {shape[1]} positions",
                fix="check the pixel positions of the file",
            )
        rows = (y - top + plane // across * (height + _GAP)).astype(np.int32)
        cols = (x - left + plane % across * (width + _GAP)).astype(np.int32)
        mask = np.zeros(shape, dtype=bool)
        mask[rows, cols] = True
        return cls(
            shape=shape,
            rows=rows,
            cols=cols,
            pixel_size_um=pixel_size_um or (1.0, 1.0),
            mask=mask,
            origin=(top, left),
            pixel_size_known=pixel_size_um is not None,
            planes=tuple(map(int, planes)),
            plane_shape=(height, width),
        )

    @property
    def _corners(self) -> list[tuple[int, int]]:
        """Row and column at which each plane begins."""
        height, width = self.plane_shape
        across = _tiles_across(len(self.planes), height, width)
        return [
            (number // across * (height + _GAP), number % across * (width + _GAP))
            for number in range(len(self.planes))
        ]

    def unfold(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An image with its planes one above the other.

        Parameters
        ----------
        image : ndarray of shape (..., H, W)

        Returns
        -------
        ndarray of shape (..., Z, h, w)
            The image itself, of shape (..., H, W), if there is only one plane.
        """
        if len(self.planes) == 1:
            return image
        height, width = self.plane_shape
        tiles = [image[..., top : top + height, left : left + width] for top, left in self._corners]
        return np.stack(tiles, axis=-3)

    @property
    def acquired(self) -> npt.NDArray[np.bool_]:
        """Pixels that hold a spectrum; bool, shape (H, W)."""
        acquired = np.zeros(self.shape, dtype=bool)
        acquired[self.rows, self.cols] = True
        return acquired

    @property
    def masked(self) -> bool:
        """Whether the mask leaves out pixels that hold a spectrum."""
        return not np.array_equal(self.mask, self.acquired)

    @property
    def _plane_numbers(self) -> npt.NDArray[np.int32]:
        """Which of `planes` each pixel (P,) lies in."""
        height, width = self.plane_shape
        across = _tiles_across(len(self.planes), height, width)
        return self.rows // (height + _GAP) * across + self.cols // (width + _GAP)

    @cached_property
    def regions(self) -> npt.NDArray[np.int32]:
        """Region of each pixel, in the order of the file; int32, shape (P,), from 1 on.

        Regions lie apart by more than two missing pixels, or in different planes (see `find_regions`).
        """
        return find_regions(self.rows, self.cols, self._plane_numbers)

    @property
    def physical_pixel_size_um(self) -> tuple[float, float] | None:
        """(height, width) of a pixel in micrometres; None if unknown."""
        return self.pixel_size_um if self.pixel_size_known else None

    @property
    def on_tissue(self) -> npt.NDArray[np.bool_]:
        """Which pixels, in the order of the file, lie in the mask; bool, shape (P,)."""
        inside: npt.NDArray[np.bool_] = self.mask[self.rows, self.cols]
        return inside

    def image(self, values: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Spread values over the grid.

        Parameters
        ----------
        values : array of shape (..., P)

        Returns
        -------
        ndarray of float32, shape (..., H, W)
            NaN where nothing was acquired.
        """
        flat = np.asarray(values, dtype=np.float32)
        image = np.full((*flat.shape[:-1], *self.shape), np.nan, dtype=np.float32)
        image[..., self.rows, self.cols] = flat
        return image

    def to_dict(self) -> dict[str, Any]:
        """The grid as plain JSON values (grid.json); rows and columns within each pixel's plane.

        `planes` and `plane` are there if there are several planes, `regions` if there are several regions.
        """
        height, width = self.plane_shape
        facts: dict[str, Any] = {
            "shape": [height, width],
            "rows": (self.rows % (height + _GAP)).tolist(),
            "cols": (self.cols % (width + _GAP)).tolist(),
            "pixel_size_um": list(self.pixel_size_um) if self.pixel_size_known else None,
            "origin": list(self.origin),
        }
        if len(self.planes) > 1:
            facts |= {"planes": list(self.planes), "plane": self._plane_numbers.tolist()}
        if self.regions.max() > 1:
            facts["regions"] = self.regions.tolist()
        return facts


def _columns(
    positions: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """x, y and z of positions; z is 1 where there is none."""
    z = positions[:, 2] if positions.shape[1] > 2 else np.ones(len(positions))
    return positions[:, 0].astype(np.int64), positions[:, 1].astype(np.int64), z.astype(np.int64)


def _tiles_across(planes: int, height: int, width: int) -> int:
    """How many planes lie side by side, so that all together are about as wide as high."""
    return max(1, min(planes, round(math.sqrt(planes * height / width))))


def _tiled(size: int, count: int) -> int:
    return size * count + _GAP * (count - 1)
