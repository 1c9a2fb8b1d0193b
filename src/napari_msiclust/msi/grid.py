"""The pixel grid of an acquisition: from imzML positions to rows and columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import InputError


@dataclass(frozen=True, eq=False)
class PixelGrid:
    """Where the pixels of an experiment lie.

    Attributes
    ----------
    shape : tuple of int
        (H, W), rows and columns of the bounding box of all acquired pixels.
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
    """

    shape: tuple[int, int]
    rows: npt.NDArray[np.int32]
    cols: npt.NDArray[np.int32]
    pixel_size_um: tuple[float, float]
    mask: npt.NDArray[np.bool_]
    origin: tuple[int, int] = (1, 1)
    pixel_size_known: bool = True

    @classmethod
    def from_positions(
        cls, positions: npt.NDArray[np.int32], pixel_size_um: tuple[float, float] | None
    ) -> PixelGrid:
        """Grid of imzML positions.

        Parameters
        ----------
        positions : ndarray of int, shape (P, 2 or 3)
            1-based x, y (and z) of each pixel.
        pixel_size_um : tuple of float or None
            (height, width) in micrometres, if known.

        Raises
        ------
        InputError
            The bounding box is far larger than the number of pixels, as with damaged positions.
        """
        x, y = positions[:, 0].astype(np.int64), positions[:, 1].astype(np.int64)
        height, width = int(y.max() - y.min() + 1), int(x.max() - x.min() + 1)
        if height * width > max(10_000_000, 1_000 * len(x)):
            raise InputError(
                f"{len(x)} pixels are spread over {height} x {width} positions",
                fix="check the pixel positions of the file",
            )
        rows = (y - y.min()).astype(np.int32)
        cols = (x - x.min()).astype(np.int32)
        mask = np.zeros((height, width), dtype=bool)
        mask[rows, cols] = True
        return cls(
            shape=(height, width),
            rows=rows,
            cols=cols,
            pixel_size_um=pixel_size_um or (1.0, 1.0),
            mask=mask,
            origin=(int(y.min()), int(x.min())),
            pixel_size_known=pixel_size_um is not None,
        )

    @property
    def acquired(self) -> npt.NDArray[np.bool_]:
        """Pixels that hold a spectrum; bool, shape (H, W)."""
        acquired = np.zeros(self.shape, dtype=bool)
        acquired[self.rows, self.cols] = True
        return acquired

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
        """The grid as plain JSON values (grid.json)."""
        return {
            "shape": list(self.shape),
            "rows": self.rows.tolist(),
            "cols": self.cols.tolist(),
            "pixel_size_um": list(self.pixel_size_um) if self.pixel_size_known else None,
            "origin": list(self.origin),
        }
