"""Which values of a spectrum belong to which ion: windows of m/z, and of mobility where there is one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

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


class WindowSums:
    """Sums the intensities within windows, for blocks of spectra.

    The ends of all windows cut the plane of m/z and mobility into cells. Each value of a spectrum is
    put into its cell, and the cells of each window are added up.

    Parameters
    ----------
    windows : Windows
    axis : ndarray of float64, shape (M,), optional
        The m/z of all spectra, where they share them.
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
        self._count = len(windows)
        every = np.concatenate(cells) if cells else np.empty(0, np.int64)
        owner = np.repeat(np.arange(len(cells)), [len(own) for own in cells])
        used, number = np.unique(every, return_inverse=True)
        column = np.full((len(mz_edges) + 1) * across, len(used), np.int32)  # the last takes the rest
        column[used] = np.arange(len(used), dtype=np.int32)
        self._columns = len(used) + 1
        self._column = column
        self._mz = Intervals(mz_edges, column if self._mobility is None else None)
        # Most windows are one cell; where windows overlap, further cells are added, rank by rank.
        rank = np.concatenate([np.arange(len(own)) for own in cells]) if cells else np.empty(0, np.int64)
        self._ranks = [
            (owner[rank == level], number[rank == level]) for level in range(int(rank.max(initial=-1)) + 1)
        ]

    def __call__(self, block: SpectrumBlock) -> npt.NDArray[np.float32]:
        """Sums of a block's spectra; shape (N, n)."""
        mz = block.mz if self._axis is None else np.tile(self._axis, len(block))
        column = self._mz.locate(mz)
        if self._mobility is not None and block.mobility is not None:
            place = column * self._mobility.count + self._mobility.locate(block.mobility)
            column = self._column.take(place)
        starts = block.starts.astype(np.int32)
        sparse = csr_matrix((block.intensity, column, starts), shape=(len(block), self._columns))
        cells = sparse.toarray(order="F").T
        images = np.zeros((self._count, len(block)), block.intensity.dtype)
        for window, cell in self._ranks:
            if len(window) == self._count:
                images = cells[cell]
            else:
                images[window] += cells[cell]
        return images.astype(np.float32, copy=False)


def _cut(low: FloatArray, high: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The edges at which windows cut an axis, and the first and past-last interval of each window."""
    behind = np.nextafter(high, np.inf)
    edges = np.unique(np.concatenate([low, behind]))
    return edges, np.searchsorted(edges, low) + 1, np.searchsorted(edges, behind) + 1


def shared_axis_members(axis: FloatArray, windows: Windows) -> csr_matrix:
    """For an axis (M,) that all pixels share: which values belong to which window; (N, M) of 0 and 1."""
    order = np.argsort(axis, kind="stable")
    first = np.searchsorted(axis[order], windows.low)
    last = np.searchsorted(axis[order], windows.high, "right")
    columns = [order[begin:end] for begin, end in zip(first, last, strict=True)]
    owner = np.repeat(np.arange(len(columns)), [len(own) for own in columns])
    every = np.concatenate(columns) if columns else np.empty(0, np.intp)
    return csr_matrix((np.ones(len(every)), (owner, every)), shape=(len(columns), len(axis)))
