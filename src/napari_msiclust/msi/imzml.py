"""Open imzML files: typed metadata, spectra read lazily."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.faults import find_faults
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.index import ArrayIndex, SpectrumIndex, read_index
from napari_msiclust.msi.metadata import read_metadata

_BLOCK_BYTES = 32 << 20

Spectrum = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


class ImzmlFile:
    """An open imzML file; use it as a context manager.

    Made by `open_imzml`. Reading from several threads is safe.

    Attributes
    ----------
    path, ibd_path : Path
    metadata : ImzmlMetadata
    grid : PixelGrid
    index : SpectrumIndex
    warnings : tuple of str
        Faults that do not keep the file from being used.
    """

    def __init__(
        self, path: Path, ibd_path: Path, index: SpectrumIndex, warnings: tuple[str, ...] = ()
    ) -> None:
        self.path = path
        self.ibd_path = ibd_path
        self.index = index
        self.warnings = warnings
        self.metadata = read_metadata(index)
        self.grid = PixelGrid.from_positions(
            index.positions, self.metadata.pixel_size_um if self.metadata.pixel_size_known else None
        )
        self._lock = threading.Lock()
        self._ibd = ibd_path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the .ibd file."""
        self._ibd.close()

    def __len__(self) -> int:
        return len(self.index.positions)

    def shared_mz(self) -> npt.NDArray[np.float64] | None:
        """The m/z axis (M,) that all pixels share, in the file's order; None if they do not."""
        if self.metadata.mode != "continuous":
            return None
        return self._read(self.index.mz, 0)

    def spectrum(self, pixel: int) -> Spectrum:
        """m/z (M,) and intensity (M,) of one pixel, in the file's order.

        Raises
        ------
        IndexError
            There is no such pixel.
        FileFormatError
            The data of the pixel are damaged.
        """
        if not 0 <= pixel < len(self):
            raise IndexError(f"pixel {pixel} of {len(self)}")
        return self._read(self.index.mz, pixel), self._read(self.index.intensity, pixel)

    def spectra(self) -> Iterator[Spectrum]:
        """m/z and intensity of every pixel in the file's order, in blocks of bounded size.

        Intensities that are not finite are given as zero; `spectrum` gives them as they are.
        """
        mz, intensity = self.index.mz, self.index.intensity
        shared = self.shared_mz()
        low, high = self._bounds
        for first, last in self._blocks():
            if shared is None and high[first] - low[first] > _BLOCK_BYTES:
                mz_own, own_intensity = self.spectrum(first)  # its arrays lie far apart
                yield mz_own, _finite(own_intensity)
                continue
            start, block = self._read_span(first, last, with_mz=shared is None)
            for pixel in range(first, last):
                own = shared if shared is not None else self._decode(mz, pixel, block, start)
                yield own, _finite(self._decode(intensity, pixel, block, start))

    def intensity_blocks(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """For a shared m/z axis: first pixel and intensities (pixels, M) of each block."""
        intensity = self.index.intensity
        for first, last in self._blocks():
            start, block = self._read_span(first, last, with_mz=False)
            rows = [_finite(self._decode(intensity, pixel, block, start)) for pixel in range(first, last)]
            yield first, np.asarray(rows, dtype=np.float32)

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Runs of pixels whose data span at most a block; a pixel that spans more stands alone."""
        low, high = self._bounds
        first = 0
        while first < len(low):
            top = np.maximum.accumulate(high[first : first + 4096])
            bottom = np.minimum.accumulate(low[first : first + 4096])
            fits = int(np.searchsorted(top - bottom, _BLOCK_BYTES, side="right"))
            last = first + max(fits, 1)
            yield first, last
            first = last

    @property
    def _bounds(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """First and past-last byte of each pixel's data."""
        parts = [self.index.intensity]
        if self.metadata.mode != "continuous":
            parts.append(self.index.mz)
        low = np.min([part.offsets for part in parts], axis=0)
        high = np.max([part.offsets + part.encoded_lengths for part in parts], axis=0)
        return low, high

    def _read_span(self, first: int, last: int, *, with_mz: bool) -> tuple[int, bytes]:
        parts = [self.index.intensity, self.index.mz] if with_mz else [self.index.intensity]
        run = slice(first, last)
        start = min(int(part.offsets[run].min()) for part in parts)
        stop = max(int((part.offsets[run] + part.encoded_lengths[run]).max()) for part in parts)
        return start, self._bytes(start, stop - start)

    def _bytes(self, offset: int, size: int) -> bytes:
        with self._lock:
            self._ibd.seek(offset)
            return self._ibd.read(size)

    def _read(self, part: ArrayIndex, pixel: int) -> npt.NDArray[np.float64]:
        offset = int(part.offsets[pixel])
        return self._decode(part, pixel, self._bytes(offset, int(part.encoded_lengths[pixel])), offset)

    def _decode(self, part: ArrayIndex, pixel: int, block: bytes, start: int) -> npt.NDArray[np.float64]:
        kind = part.kinds[part.kind[pixel]]
        begin, length = int(part.offsets[pixel]) - start, int(part.lengths[pixel])
        if length == 0:
            return np.empty(0)
        try:
            if kind.zlib:
                packed = memoryview(block)[begin : begin + int(part.encoded_lengths[pixel])]
                limit = length * kind.dtype.itemsize
                raw = zlib.decompressobj().decompress(packed, limit)
                values = np.frombuffer(raw, kind.dtype, length)
            else:
                values = np.frombuffer(block, kind.dtype, length, begin)
        except (ValueError, zlib.error) as error:
            raise FileFormatError(
                f"the data of spectrum {pixel + 1} are damaged or cut off",
                fix="copy or export the file again",
                path=self.ibd_path,
            ) from error
        return values.astype(np.float64)


def _finite(intensity: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Intensities with what is not a number, or infinite, as zero: it would spread to other ions."""
    return intensity if np.isfinite(intensity).all() else np.nan_to_num(intensity, posinf=0.0, neginf=0.0)


def open_imzml(path: str | Path) -> ImzmlFile:
    """Open an imzML file and its .ibd.

    Parameters
    ----------
    path : path
        The .imzML file; the .ibd is found beside it in any letter case.

    Returns
    -------
    ImzmlFile
        Use it in a `with` statement.

    Raises
    ------
    FileFormatError
        A file is missing, is not imzML, or has a fault that would give wrong data.
    """
    path = Path(path)
    index = read_index(path)
    ibd_path = find_ibd(path)
    findings = find_faults(index, ibd_path)
    for finding in findings:
        if finding.severity == "error":
            raise FileFormatError(finding.fault, fix=finding.fix, path=finding.path or path)
    warnings = (finding for finding in findings if finding.severity == "warning")
    return ImzmlFile(path, ibd_path, index, tuple(finding.in_words() for finding in warnings))


def find_ibd(path: Path) -> Path:
    """The .ibd beside an .imzML, in any letter case.

    Raises
    ------
    FileFormatError
        There is none.
    """
    exact = path.with_suffix(".ibd")
    if exact.is_file():
        return exact
    wanted = exact.name.lower()
    for entry in sorted(path.parent.iterdir()):
        if entry.name.lower() == wanted and entry.is_file():
            return entry
    raise FileFormatError(
        f"its data file {exact.name} is missing", fix="put the .ibd file beside the .imzML file", path=path
    )
