"""Find the interval of an axis that each of many values lies in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BUCKETS = 1 << 20
_SMALLEST_SPAN = 1e-200  # below, numbers are too small to scale

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]


class Intervals:
    """The intervals between ascending edges: interval k begins at edge k - 1 and ends before edge k.

    A table of equal buckets says how many edges lie below each; few buckets hold an edge, and only
    there is anything searched for. That is many times as fast as `numpy.searchsorted`, and needs no
    order of the values.

    Parameters
    ----------
    edges : ndarray of float64, shape (E,)
        Ascending; the first and last may be infinite.
    codes : ndarray of int32, shape (E + 1,), optional
        What `locate` gives for each interval; the number of the interval by default.
    """

    def __init__(self, edges: FloatArray, codes: IntArray | None = None) -> None:
        self._edges = np.ascontiguousarray(edges, dtype=np.float64)
        self.count = len(edges) + 1
        self._codes = np.arange(self.count, dtype=np.int32) if codes is None else codes.astype(np.int32)
        finite = np.isfinite(edges)
        inner = edges[finite] if finite.any() else np.zeros(1)
        span = float(inner[-1] - inner[0])
        self._scale = _BUCKETS / span if span > _SMALLEST_SPAN else 0.0
        self._shift = 1.0 - float(inner[0]) * self._scale
        # Bucket 0 lies below all finite edges, the last one holds the highest. Rounding may put a value
        # into a neighbouring bucket, but always into the same one as an edge of the same value.
        places = np.array(edges, dtype=np.float64)
        places[finite] = inner * self._scale + self._shift if finite.any() else 0.0
        held = np.bincount(np.clip(places, 0, _BUCKETS + 1).astype(np.int64), minlength=_BUCKETS + 2)
        self._before = np.concatenate(([0], np.cumsum(held))).astype(np.int32)

    def locate(self, values: FloatArray) -> IntArray:
        """Code of the interval of each value (V,); the first one's for what is not a number."""
        from napari_msiclust.msi import kernels

        found = np.empty(len(values), np.int32)
        kernels.locate(values, self._edges, self._before, self._codes, self._scale, self._shift, found)
        return found
