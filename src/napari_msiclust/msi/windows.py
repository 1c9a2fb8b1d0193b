"""Which values of a spectrum belong to which ion: windows of m/z, and of mobility where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.intervals import Intervals
from napari_msiclust.msi.spectra import SpectrumBlock

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of N ions; both ends belong to a window.

    Attributes
    ----------
    low, high : ndarray of float64, shape (N,)
        m/z.
    mobility_low, mobility_high : ndarray of float64, shape (N,), or None
    """

    low: FloatArray
    high: FloatArray
    mobility_low: FloatArray | None = None
    mobility_high: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.low)

    def to_bytes(self) -> bytes:
        """The windows as bytes, to tell them from others."""
        parts = (self.low, self.high, self.mobility_low, self.mobility_high)
        return b"|".join(b"" if part is None else part.tobytes() for part in parts)


@dataclass(frozen=True, eq=False)
class _Members:
    """Which numbered things belong to each of N windows: window k has `numbers[first[k]:first[k + 1]]`."""

    first: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int32]

    @classmethod
    def of(cls, members: list[npt.NDArray[np.intp]]) -> Self:
        """Members given as one array for each window."""
        first = np.zeros(len(members) + 1, np.int64)
        np.cumsum([len(own) for own in members], out=first[1:])
        numbers = np.concatenate(members) if members else np.empty(0)
        return cls(first, numbers.astype(np.int32))


class CellSums:
    """Sums the intensities within windows, for spectra that each have their own m/z.

    The ends of all windows cut the plane of m/z and mobility into cells. Each value of a spectrum is
    put into its cell, and the cells of each window are added up.

    Parameters
    ----------
    windows : Windows
    axis : ndarray of float64, shape (M,), optional
        The m/z of all spectra, where they share them and only mobility differs.
    """

    def __init__(self, windows: Windows, axis: FloatArray | None = None) -> None:
        self._axis = axis
        mz_edges, first, last = _cut(windows.low, windows.high)
        cells = [np.arange(begin, end) for begin, end in zip(first, last, strict=True)]
        self._mobility: Intervals | None = None
        across = 1
        if windows.mobility_low is not None and windows.mobility_high is not None:
            edges, lower, upper = _cut(windows.mobility_low, windows.mobility_high)
            self._mobility = Intervals(edges)
            across = self._mobility.count
            cells = [
                (own[:, None] * across + np.arange(begin, end)).ravel()
                for own, begin, end in zip(cells, lower, upper, strict=True)
            ]
        members = _Members.of(cells)
        used, number = np.unique(members.numbers, return_inverse=True)
        self._members = _Members(members.first, number.astype(np.int32))
        self._cells = len(used) + 1  # the last takes the rest
        self._number = np.full((len(mz_edges) + 1) * across, len(used), np.int32)
        self._number[used] = np.arange(len(used), dtype=np.int32)
        self._mz = Intervals(mz_edges, self._number if self._mobility is None else None)

    def __call__(self, block: SpectrumBlock, images: npt.NDArray[np.float32]) -> None:
        """Fill the images (N, n) of a block's spectra."""
        from napari_msiclust.msi import kernels

        mz = block.mz if self._axis is None else np.tile(self._axis, len(block))
        cell = self._mz.locate(mz)
        if self._mobility is not None and block.mobility is not None:
            place = cell * self._mobility.count + self._mobility.locate(block.mobility)
            cell = self._number.take(place)
        members = self._members
        kernels.sum_cells(
            cell, block.intensity, block.starts, self._cells, members.first, members.numbers, images
        )


def _cut(low: FloatArray, high: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The edges at which windows cut an axis, and the first and past-last interval of each window."""
    behind = np.nextafter(high, np.inf)
    edges = np.unique(np.concatenate([low, behind]))
    return edges, np.searchsorted(edges, low) + 1, np.searchsorted(edges, behind) + 1


class ColumnSums:
    """Sums the intensities within windows, for spectra that share an axis.

    Parameters
    ----------
    windows : Windows
        Of m/z.
    axis : ndarray of float64, shape (M,)
        In any order.
    """

    def __init__(self, windows: Windows, axis: FloatArray) -> None:
        order = np.argsort(axis, kind="stable")
        first = np.searchsorted(axis[order], windows.low)
        last = np.searchsorted(axis[order], windows.high, "right")
        self._members = _Members.of([order[begin:end] for begin, end in zip(first, last, strict=True)])

    def __call__(self, block: SpectrumBlock, images: npt.NDArray[np.float32]) -> None:
        """Fill the images (N, n) of a block's spectra."""
        from napari_msiclust.msi import kernels

        values = block.intensity.reshape(len(block), -1)
        kernels.sum_columns(values, self._members.first, self._members.numbers, images)
