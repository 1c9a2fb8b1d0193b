"""Spectra from an index and the binary file, one at a time or in blocks."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.data_file import DataFile
from napari_msiclust.msi.index import ArrayIndex, SpectrumIndex

BLOCK_BYTES = 1 << 20
_MOST_PIXELS = 4096
_LEAST_USED = 0.5
_DOUBLE = np.dtype(np.float64)

FloatArray = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class SpectrumBlock:
    """Spectra of the pixels `first` to `last` (exclusive), laid end to end.

    Attributes
    ----------
    starts : ndarray of int64, shape (n + 1,)
        Spectrum k of the block is the slice `starts[k]:starts[k + 1]`.
    mz : ndarray of float64, shape (V,)
        Empty if all pixels share an axis.
    intensity : ndarray of float32 or float64, shape (V,)
        What is not finite is zero: it would spread to other ions.
    mobility : ndarray of float64, shape (V,), or None
    repaired : bool
        Whether an intensity was not finite.
    """

    first: int
    last: int
    starts: npt.NDArray[np.int64]
    mz: FloatArray
    intensity: npt.NDArray[np.floating]
    mobility: FloatArray | None
    repaired: bool = False

    def __len__(self) -> int:
        return self.last - self.first

    def sums(self, values: npt.NDArray[np.floating] | None = None) -> FloatArray:
        """Sum of each spectrum (n,), of the intensities or of other values (V,)."""
        values = self.intensity if values is None else values
        total = np.zeros(len(self))
        filled = self.starts[1:] > self.starts[:-1]
        if filled.any():
            total[filled] = np.add.reduceat(values, self.starts[:-1][filled], dtype=np.float64)
        return total


@dataclass(frozen=True)
class _Stored:
    """One of the arrays of every spectrum, and the file it lies in."""

    index: ArrayIndex
    source: DataFile
    dtype: np.dtype[np.floating]


class SpectrumReader:
    """Reads the arrays that an index names.

    Parameters
    ----------
    index : SpectrumIndex
    data, mz_data : DataFile
        Where intensities and mobilities, and where m/z lie.
    shared_axis : bool
        Whether all pixels have the m/z of the first.
    skip_damaged : bool
        Give an array that cannot be decoded as zeros.

    Attributes
    ----------
    undecodable : set of int
        Pixels that were read and given as zeros.
    """

    def __init__(
        self,
        index: SpectrumIndex,
        data: DataFile,
        mz_data: DataFile,
        *,
        shared_axis: bool,
        skip_damaged: bool = False,
    ) -> None:
        self.index = index
        self.shared_axis = shared_axis
        self.skip_damaged = skip_damaged
        self.undecodable: set[int] = set()
        small = all(kind.dtype.itemsize < 4 or kind.dtype == "<f4" for kind in index.intensity.kinds)
        self._intensity = _Stored(index.intensity, data, np.dtype(np.float32 if small else np.float64))
        self._mz = _Stored(index.mz, mz_data, _DOUBLE)
        self._mobility = None if index.mobility is None else _Stored(index.mobility, data, _DOUBLE)

    def axis(self) -> FloatArray:
        """The m/z of the first pixel (M,)."""
        return self._one(self._mz, 0)

    def spectrum(self, pixel: int) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """m/z, intensity and mobility of one pixel, as they are in the file."""
        mobility = None if self._mobility is None else self._one(self._mobility, pixel)
        return self._one(self._mz, pixel), self._one(self._intensity, pixel), mobility

    def _one(self, part: _Stored, pixel: int) -> FloatArray:
        start = int(part.index.offsets[pixel])
        raw = part.source.read(start, int(part.index.encoded_lengths[pixel]))
        return self._decode(part, pixel, raw, start).astype(np.float64)

    def block_edges(self, block_bytes: int = BLOCK_BYTES) -> list[int]:
        """Pixels at which blocks of about so many bytes begin, and the number of pixels."""
        weight = np.zeros(len(self.index), np.int64)
        for part in self._parts():
            sizes = np.array([kind.dtype.itemsize for kind in part.index.kinds])[part.index.kind]
            weight += np.maximum(part.index.encoded_lengths, part.index.lengths * sizes)
        behind = np.cumsum(weight)
        edges = [0]
        while edges[-1] < len(behind):
            first = edges[-1]
            reached = behind[first - 1] if first else 0
            last = int(np.searchsorted(behind, reached + block_bytes, side="right"))
            edges.append(min(max(last, first + 1), first + _MOST_PIXELS, len(behind)))
        return edges

    def _parts(self) -> list[_Stored]:
        parts = [self._intensity]
        if not self.shared_axis:
            parts.append(self._mz)
        if self._mobility is not None:
            parts.append(self._mobility)
        return parts

    def blocks(self) -> Iterator[SpectrumBlock]:
        """All spectra in blocks of bounded size."""
        edges = self.block_edges()
        for first, last in itertools.pairwise(edges):
            yield self.block(first, last)

    def block(self, first: int, last: int) -> SpectrumBlock:
        """The spectra of some neighbouring pixels.

        Raises
        ------
        FileFormatError
            The data of a spectrum are damaged.
        """
        starts = np.zeros(last - first + 1, np.int64)
        np.cumsum(self.index.intensity.lengths[first:last], out=starts[1:])
        raw: dict[DataFile, tuple[int, Bytes] | None] = {}
        for source in {part.source for part in self._parts()}:
            raw[source] = _span([part for part in self._parts() if part.source is source], first, last)
        intensity = self._run(self._intensity, first, last, raw[self._intensity.source])
        with np.errstate(invalid="ignore", over="ignore"):
            doubtful = not np.isfinite(intensity.sum())
        repaired = doubtful and not np.isfinite(intensity).all()
        if repaired:
            intensity = np.nan_to_num(intensity, posinf=0.0, neginf=0.0)
        return SpectrumBlock(
            first,
            last,
            starts,
            np.empty(0) if self.shared_axis else self._run(self._mz, first, last, raw[self._mz.source]),
            intensity,
            None
            if self._mobility is None
            else self._run(self._mobility, first, last, raw[self._mobility.source]),
            bool(repaired),
        )

    def _run(self, part: _Stored, first: int, last: int, span: tuple[int, Bytes] | None) -> npt.NDArray[Any]:
        """The arrays of neighbouring pixels, joined."""
        span = span or _span([part], first, last)
        if span is None:  # they lie far apart
            joined: npt.NDArray[Any] | None = np.concatenate([self._one(part, k) for k in range(first, last)])
        elif (joined := _joined(part.index, first, last, *span)) is None:
            joined = np.concatenate([self._decode(part, k, span[1], span[0]) for k in range(first, last)])
        with np.errstate(invalid="ignore", over="ignore"):
            return np.require(joined, part.dtype, ("C", "ALIGNED", "WRITEABLE"))

    def _decode(self, part: _Stored, pixel: int, raw: Bytes, start: int) -> npt.NDArray[np.generic]:
        """One array from bytes that begin at `start` in the file."""
        index = part.index
        kind, length = index.kinds[index.kind[pixel]], int(index.lengths[pixel])
        if not length:
            return np.empty(0, kind.dtype)
        begin = int(index.offsets[pixel]) - start
        try:
            if not kind.zlib:
                return np.frombuffer(raw, kind.dtype, length, begin)
            packed = raw.data[begin : begin + int(index.encoded_lengths[pixel])]
            unpacked = zlib.decompressobj().decompress(packed, length * kind.dtype.itemsize)
            return np.frombuffer(unpacked, kind.dtype, length)
        except (ValueError, zlib.error) as error:
            if self.skip_damaged:
                self.undecodable.add(pixel)
                return np.zeros(length, kind.dtype)
            raise FileFormatError(
                f"the data of spectrum {pixel + 1} are damaged or cut off",
                fix="copy or export the file again",
                path=part.source.path,
            ) from error


def _span(parts: list[_Stored], first: int, last: int) -> tuple[int, Bytes] | None:
    """The bytes that hold all arrays of neighbouring pixels; None if these lie far apart."""
    run = slice(first, last)
    low = min(int(part.index.offsets[run].min()) for part in parts)
    high = max(int((part.index.offsets[run] + part.index.encoded_lengths[run]).max()) for part in parts)
    used = sum(int(part.index.encoded_lengths[run].sum()) for part in parts)
    if used < _LEAST_USED * (high - low):
        return None
    return low, parts[0].source.read(low, high - low)


def _joined(
    index: ArrayIndex, first: int, last: int, start: int, raw: Bytes
) -> npt.NDArray[np.generic] | None:
    """Uncompressed arrays of one kind, end to end, from bytes that begin at `start`; None for others.

    They are a view on the bytes where they follow each other without a gap.
    """
    run = slice(first, last)
    kind = index.kinds[index.kind[first]]
    begins, lengths = index.offsets[run] - start, index.lengths[run]
    ends = begins + lengths * kind.dtype.itemsize
    if kind.zlib or (index.kind[run] != index.kind[first]).any() or ends.max() > len(raw):
        return None
    if not lengths.any():
        return np.empty(0, kind.dtype)
    if (begins[1:] == ends[:-1]).all():
        return np.frombuffer(raw, kind.dtype, int(lengths.sum()), int(begins[0]))
    filled = np.flatnonzero(lengths)
    places = zip(lengths[filled].tolist(), begins[filled].tolist(), strict=True)
    return np.concatenate([np.frombuffer(raw, kind.dtype, *place) for place in places])
