"""Ion images of one experiment, and the square stack that a network reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.errors import InputError
from napari_msiclust.msi.grid import PixelGrid

_IONS_PER_BLOCK = 32

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class IonImages:
    """Intensities of N ions over P pixels.

    Attributes
    ----------
    mz : ndarray of float64, shape (N,)
        Ascending.
    values : ndarray of float32, shape (N, P)
        Intensities, pixels in the order of the file; possibly memory-mapped, never written to.
    grid : PixelGrid
    names : tuple of str, length N
        Annotation of each ion; empty strings where there is none.
    columns : DataFrame
        N rows of what else is known of the ions: mobility, formula, adduct, pixel frequency, ...
    polarity : {'positive', 'negative'} or None
        None if unknown.
    notes : tuple of str
        What a user should know of how they came about.
    """

    mz: npt.NDArray[np.float64]
    values: FloatArray
    grid: PixelGrid
    names: tuple[str, ...] = ()
    columns: pd.DataFrame = field(default_factory=pd.DataFrame)
    polarity: Literal["positive", "negative"] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.mz), len(self.grid.rows)):
            raise InputError(
                f"values have the shape {self.values.shape}, not (ions, pixels) = "
                f"({len(self.mz)}, {len(self.grid.rows)})"
            )
        if not self.names:
            object.__setattr__(self, "names", ("",) * len(self.mz))
        if len(self.columns) != len(self.mz):
            object.__setattr__(self, "columns", pd.DataFrame(index=range(len(self.mz))))

    def __len__(self) -> int:
        return len(self.mz)

    def image(self, ion: int) -> FloatArray:
        """One ion image (H, W), NaN where nothing was acquired."""
        return self.grid.image(self.values[ion])

    def with_mask(self, mask: npt.NDArray[np.bool_]) -> Self:
        """The same ion images with another on-tissue mask (H, W)."""
        if mask.shape != self.grid.shape or not mask[self.grid.rows, self.grid.cols].any():
            raise InputError(
                f"the mask has the shape {mask.shape} and must cover pixels of {self.grid.shape}"
            )
        return replace(self, grid=replace(self.grid, mask=mask & self.grid.acquired))

    def with_tissue(self, on_tissue: npt.NDArray[np.bool_]) -> Self:
        """The same ion images with another on-tissue mask, given for each pixel (P,)."""
        grid = self.grid
        if on_tissue.shape != grid.rows.shape:
            raise InputError(f"the mask is of {len(on_tissue)} pixels, the ion images of {len(grid.rows)}")
        mask = np.zeros(grid.shape, dtype=bool)
        mask[grid.rows, grid.cols] = on_tissue
        return self.with_mask(mask)

    def tic(self) -> FloatArray:
        """Sum over all ions for each pixel (P,)."""
        total = np.zeros(self.values.shape[1], dtype=np.float64)
        for _, block in self._blocks():
            total += block.sum(axis=0, dtype=np.float64)
        return total.astype(np.float32)

    def mean_intensity(self) -> npt.NDArray[np.float64]:
        """Mean over all pixels of each ion (N,)."""
        return np.concatenate([block.mean(axis=1, dtype=np.float64) for _, block in self._blocks()])

    def scaled(self, hotspot_quantile: float = 0.999) -> Iterator[tuple[int, FloatArray]]:
        """Blocks of ions clipped at a quantile of their on-tissue pixels and scaled to 0..1.

        Infinite and missing intensities count as zero; an ion that is zero up to the quantile is
        scaled by its maximum.

        Yields
        ------
        first : int
            Index of the block's first ion.
        block : ndarray of float32, shape (ions, P)
        """
        on_tissue = self.grid.on_tissue
        for first, block in self._blocks():
            clean = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
            inside = clean[:, on_tissue]
            top = np.quantile(inside, hotspot_quantile, axis=1).astype(np.float32)
            top = np.where(top > 0, top, inside.max(axis=1))
            top = np.where(top > 0, top, np.float32(1))
            yield first, np.minimum(clean / top[:, None], np.float32(1))

    def _blocks(self) -> Iterator[tuple[int, FloatArray]]:
        for first in range(0, len(self), _IONS_PER_BLOCK):
            yield first, np.asarray(self.values[first : first + _IONS_PER_BLOCK], dtype=np.float32)

    def training_stack(
        self, size: int = 96, hotspot_quantile: float = 0.999
    ) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Square images for a network: the tissue's bounding box, aspect ratio kept, padded.

        Shrinking averages over area, weighted by the on-tissue pixels; enlarging interpolates.

        Returns
        -------
        stack : ndarray of float32, shape (N, size, size)
            0..1, zero off the tissue.
        mask : ndarray of bool, shape (size, size)
            On-tissue pixels of the stack.
        """
        box, place = _square_layout(self.grid.mask, size)
        mask = self.grid.mask[box]
        (height, width), (inner_height, inner_width) = mask.shape, (_length(side) for side in place[1:])
        down, across = resampling_matrix(height, inner_height), resampling_matrix(width, inner_width)
        weight = down @ mask.astype(np.float32) @ across.T
        stack = np.zeros((len(self), size, size), dtype=np.float32)
        covered = weight >= 0.5 * np.quantile(weight[weight > 0], 0.9)  # sparse rasters have small weights
        divisor = np.where(covered, weight, np.inf)
        for first, block in self.scaled(hotspot_quantile):
            image = np.zeros((len(block), *self.grid.shape), dtype=np.float32)
            image[:, self.grid.rows, self.grid.cols] = block
            image = image[(slice(None), *box)] * mask
            stack[first : first + len(block)][place] = (down @ image @ across.T) / divisor
        square = np.zeros((size, size), dtype=bool)
        square[place[1:]] = covered
        return stack, square


_Slices = tuple[slice, ...]


def _square_layout(mask: npt.NDArray[np.bool_], size: int) -> tuple[_Slices, _Slices]:
    """Where the tissue lies in the grid (rows, columns), and in a stack of squares (ions, rows, columns)."""
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
    height, width = _length(box[0]), _length(box[1])
    scale = size / max(height, width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    top, left = (size - inner[0]) // 2, (size - inner[1]) // 2
    return box, (slice(None), slice(top, top + inner[0]), slice(left, left + inner[1]))


def _length(side: slice) -> int:
    return int(side.stop - side.start)


def squares_to_grid(squares: FloatArray, mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Maps made on training images, (n, S, S), back on the grid, (n, H, W); NaN off the tissue.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        The on-tissue mask that the training images were made with.
    """
    box, place = _square_layout(mask, squares.shape[-1])
    inner = squares[place]
    down = resampling_matrix(inner.shape[1], _length(box[0]))
    across = resampling_matrix(inner.shape[2], _length(box[1]))
    maps = np.full((len(squares), *mask.shape), np.nan, dtype=np.float32)
    maps[(slice(None), *box)] = down @ inner @ across.T
    maps[:, ~mask] = np.nan
    return maps


def resampling_matrix(source: int, target: int) -> FloatArray:
    """Linear map (target, source) that resamples one axis; rows sum to one.

    Area average when shrinking, linear interpolation between pixel centres when enlarging.
    """
    if target >= source:
        centre = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        distance = np.abs(centre[:, None] - np.arange(source)[None, :])
        matrix = np.clip(1 - distance, 0, None)
    else:
        edges = np.arange(target + 1) * source / target
        low, high = edges[:-1, None], edges[1:, None]
        pixel = np.arange(source)[None, :]
        matrix = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    weights: FloatArray = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
    return weights
