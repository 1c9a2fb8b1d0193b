"""Compiled loops over the values of spectra; they let go of the interpreter: threads run side by side.

Importing this takes 0.3 s, and a second more where the machine code is not on disk yet. So it is imported
where it is first needed, not with the package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

_GROUP = 8  # spectra that are added up side by side: one cache line of each cell

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(*signatures: str) -> Callable[[_Function], _Function]:
    """Compile for these types, and keep the machine code on disk where there is a folder for it."""

    def decorate(function: _Function) -> _Function:
        try:
            compiled = numba.njit(list(signatures), nogil=True, cache=True)(function)
        except RuntimeError:  # neither beside this module nor in the user's cache can anything be written
            compiled = numba.njit(list(signatures), nogil=True)(function)
        return cast(_Function, compiled)

    return decorate


@_compiled("void(f8[::1], f8[::1], i4[::1], i4[::1], f8, f8, i4[::1])")
def locate(
    values: Float64, edges: Float64, before: Int32, codes: Int32, scale: float, shift: float, found: Int32
) -> None:
    """Code of the interval that each value lies in.

    Parameters
    ----------
    values : ndarray of float64, shape (V,)
    edges : ndarray of float64, shape (E,)
        Ascending; interval k begins at edge k - 1.
    before : ndarray of int32, shape (B + 1,)
        How many edges lie in lower buckets; the bucket of a value is `value * scale + shift`.
    codes : ndarray of int32, shape (E + 1,)
        Code of each interval.
    scale, shift : float
    found : ndarray of int32, shape (V,)
        Filled.
    """
    buckets = float(len(before) - 1)
    for k in range(len(values)):
        value = values[k]
        place = value * scale + shift
        low, high = 0, len(edges)
        if 0.0 <= place < buckets:
            bucket = np.uint32(place)
            low, high = before[bucket], before[bucket + np.uint32(1)]
        while low < high:
            middle = (low + high) >> 1
            if edges[middle] <= value:
                low = middle + 1
            else:
                high = middle
        found[k] = codes[low]


@_compiled(*(f"void(i4[::1], {kind}[::1], i8[::1], i4, i8[::1], i4[::1], f4[:, :])" for kind in ("f4", "f8")))
def sum_cells(
    cell: Int32, intensity: Floats, starts: Int64, cells: int, first: Int64, members: Int32, images: Float32
) -> None:
    """Add up the intensities of each spectrum by cell, then the cells of each window.

    Parameters
    ----------
    cell : ndarray of int32, shape (V,)
        Of each intensity.
    intensity : ndarray of float32 or float64, shape (V,)
    starts : ndarray of int64, shape (n + 1,)
        Spectrum k is the slice `starts[k]:starts[k + 1]`.
    cells : int
        How many there are.
    first : ndarray of int64, shape (N + 1,)
        Window k has the cells `members[first[k]:first[k + 1]]`, at least one.
    members : ndarray of int32
    images : ndarray of float32, shape (N, n)
        Filled.
    """
    sums = np.empty((cells, _GROUP))
    for begin in range(0, len(starts) - 1, _GROUP):
        pixels = min(_GROUP, len(starts) - 1 - begin)
        sums[:] = 0.0
        for pixel in range(pixels):
            for k in range(starts[begin + pixel], starts[begin + pixel + 1]):
                sums[np.uint32(cell[k]), np.uint32(pixel)] += intensity[k]
        for window in range(len(first) - 1):
            own = sums[np.uint32(members[first[window]])]
            for pixel in range(pixels):
                images[window, begin + pixel] = own[np.uint32(pixel)]
            for k in range(first[window] + 1, first[window + 1]):
                more = sums[np.uint32(members[k])]
                for pixel in range(pixels):
                    images[window, begin + pixel] += more[np.uint32(pixel)]


@_compiled(*(f"void({kind}[:, ::1], i8[::1], i4[::1], f4[:, :])" for kind in ("f4", "f8")))
def sum_columns(values: Floats, first: Int64, members: Int32, images: Float32) -> None:
    """Add up the columns of each window, for spectra that share an axis.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n, M)
    first : ndarray of int64, shape (N + 1,)
        Window k has the columns `members[first[k]:first[k + 1]]`, or none.
    members : ndarray of int32
    images : ndarray of float32, shape (N, n)
        Filled.
    """
    for window in range(len(first) - 1):
        for pixel in range(len(values)):
            total = 0.0
            for k in range(first[window], first[window + 1]):
                total += values[pixel, np.uint32(members[k])]
            images[window, pixel] = total
