"""Find the interval of an axis that each of many values lies in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_BUCKETS = 1 << 20

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]


class Intervals:
    """The intervals between ascending edges: interval k begins at edge k - 1 and ends before edge k.

    A table of equal buckets names the interval of each bucket without an edge in it, which is nearly
    all; values in other buckets are searched for. That is several times as fast as
    `numpy.searchsorted`, and needs no order of the values.

    Parameters
    ----------
    edges : ndarray of float64, shape (E,)
        Ascending; the first and last may be infinite.
    codes : ndarray of int32, shape (E + 1,), optional
        What `locate` gives for each interval, from 0 on; the number of the interval by default.
    """

    def __init__(self, edges: FloatArray, codes: IntArray | None = None) -> None:
        self._edges = edges
        self.count = len(edges) + 1
        self._codes = np.arange(self.count, dtype=np.int32) if codes is None else codes.astype(np.int32)
        inner = edges[np.isfinite(edges)]
        span = float(inner[-1] - inner[0]) if len(inner) else 0.0
        self._scale = _BUCKETS / span if span > 0 else 0.0
        self._shift = 1.0 - (float(inner[0]) * self._scale if len(inner) else 0.0)
        # Bucket 0 lies below all finite edges. Rounding may put a value into a neighbouring bucket of
        # its own, but always into the same one as an edge of the same value.
        per_bucket = np.bincount(np.maximum(self._bucket(edges), 0), minlength=_BUCKETS + 2)
        before = np.cumsum(per_bucket) - per_bucket
        self._table = np.where(per_bucket == 0, self._codes[before], -1).astype(np.int32)
        self._table[0] = -1

    def _bucket(self, values: FloatArray) -> IntArray:
        with np.errstate(invalid="ignore", over="ignore"):
            place = values * self._scale
            place += self._shift
            np.minimum(place, _BUCKETS + 1.0, out=place)
            # What is not a number, or far below, becomes a negative integer; `take` clips it to 0.
            return place.astype(np.int32)

    def locate(self, values: FloatArray) -> IntArray:
        """Code of the interval of each value (V,); the first one's for what is not a number."""
        code = self._table.take(self._bucket(values), mode="clip")
        open_question = np.flatnonzero(code < 0)
        if len(open_question):
            some = values[open_question]
            place = np.searchsorted(self._edges, some, "right")
            place[np.isnan(some)] = 0
            code[open_question] = self._codes[place]
        return code
