"""Picked ions and extracted ion images on disk, in a folder of our own, never beside the data."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from napari_msiclust.errors import OutputError
from napari_msiclust.msi.imzml import ImzmlFile
from napari_msiclust.msi.ion_list import IonList

LIMIT_BYTES = 8 << 30
_FORMAT = 2
_FOLDER = "ion-images"
_PART = ".part"

FloatArray = npt.NDArray[np.float32]


def cache_folder() -> Path:
    """Folder of the cache; MSICLUST_CACHE overrides the platform's."""
    override = os.environ.get("MSICLUST_CACHE")
    return Path(override) if override else user_cache_path("napari-msiclust")


def cache_key(file: ImzmlFile, *settings: object) -> str:
    """Key of a result: path, size and time of all files, which spectra are read, the settings."""
    spectra = hashlib.sha256(file.index.intensity.offsets.tobytes()).hexdigest()
    parts: list[object] = [_FORMAT, file.metadata.uuid, spectra, file.reader.skip_damaged]
    for path in file.data_files:
        stat = path.stat()
        parts += [path.resolve(), stat.st_size, stat.st_mtime_ns]
    return hashlib.sha256(repr([*map(str, parts), *map(str, settings)]).encode()).hexdigest()[:32]


def load(key: str) -> FloatArray | None:
    """Memory-mapped values (N, P) of an earlier extraction, or None."""
    path = cache_folder() / _FOLDER / f"{key}.npy"
    try:
        values: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
        os.utime(path)
    except (OSError, ValueError, EOFError):
        return None
    return values


def load_ions(key: str) -> IonList | None:
    """Ions that were picked earlier, or None."""
    path = cache_folder() / _FOLDER / f"{key}.npz"
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            ions = IonList.from_arrays(dict(stored))
        os.utime(path)
        return ions
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def keep_ions(key: str, ions: IonList) -> None:
    """Keep picked ions, if the cache can be written; they appear there when they are whole."""
    folder = cache_folder() / _FOLDER
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=_PART, dir=folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                np.savez(stream, **ions.to_arrays())  # type: ignore[arg-type]
            Path(name).replace(folder / f"{key}.npz")
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def size() -> int:
    """Bytes that the cache takes."""
    return sum(path.stat().st_size for path in (cache_folder() / _FOLDER).glob("*"))


def clear() -> int:
    """Remove all that is kept; returns the bytes set free."""
    freed = 0
    for path in (cache_folder() / _FOLDER).glob("*"):
        with contextlib.suppress(OSError):
            freed += path.stat().st_size
            path.unlink()
    return freed


class ImageSink(Protocol):
    """Takes ion images as they are read, a few pixels at a time, from several threads."""

    def tile(self, first: int, last: int) -> FloatArray:
        """Where to put the values (N, n) of some neighbouring pixels; it is filled with anything."""

    def write(self, first: int, tile: FloatArray) -> None:
        """Keep the values of pixels from `first` on, once they are in their tile."""

    def finish(self) -> FloatArray:
        """All values (N, P)."""

    def discard(self) -> None:
        """Forget everything; nothing is left behind."""


class MemorySink:
    """Keeps ion images in memory.

    Parameters
    ----------
    shape : tuple of int
        (N, P).
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._values = np.empty(shape, np.float32)

    def tile(self, first: int, last: int) -> FloatArray:
        """The place itself."""
        return self._values[:, first:last]

    def write(self, first: int, tile: FloatArray) -> None:
        """Nothing to do."""

    def finish(self) -> FloatArray:
        """All values (N, P)."""
        return self._values

    def discard(self) -> None:
        """Nothing to do."""


class CacheSink:
    """Writes ion images into the cache; they appear there when they are whole.

    The file is written at given places instead of through a memory map, so that what was written
    does not count as memory of this process.

    Parameters
    ----------
    key : str
    shape : tuple of int
        (N, P).

    Raises
    ------
    OSError
        The folder cannot be written.
    """

    def __init__(self, key: str, shape: tuple[int, int]) -> None:
        folder = cache_folder() / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        self._key, self._shape = key, shape
        self._target = folder / f"{key}.npy"
        handle, name = tempfile.mkstemp(suffix=_PART, dir=folder)
        self._part = Path(name)
        self._lock = threading.Lock()
        self._stream = os.fdopen(handle, "wb", buffering=0)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._stream, header)
        self._start = self._stream.tell()
        self._stream.truncate(self._start + 4 * shape[0] * shape[1])

    @classmethod
    def if_room(cls, key: str, shape: tuple[int, int]) -> Self | None:
        """A sink, or None where the cache cannot take so much."""
        folder = cache_folder() / _FOLDER
        wanted = 4 * shape[0] * shape[1]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _make_room(folder, wanted)
            if wanted > min(LIMIT_BYTES, shutil.disk_usage(folder).free // 2):
                return None
            return cls(key, shape)
        except OSError:
            return None

    def tile(self, first: int, last: int) -> FloatArray:
        """Memory of its own."""
        return np.empty((self._shape[0], last - first), "<f4")

    def write(self, first: int, tile: FloatArray) -> None:
        """Write it to the file."""
        try:
            for ion, row in enumerate(tile):
                self._write_at(self._start + 4 * (ion * self._shape[1] + first), memoryview(row).cast("B"))
        except OSError as error:
            raise OutputError(
                f"the cache cannot be written ({error.strerror})",
                fix="free some space, or set MSICLUST_CACHE to a folder with more",
                path=self._target.parent,
            ) from error

    def _write_at(self, offset: int, row: memoryview) -> None:
        if hasattr(os, "pwrite"):
            while row:
                written = os.pwrite(self._stream.fileno(), row, offset)
                row, offset = row[written:], offset + written
            return
        with self._lock:
            self._stream.seek(offset)
            self._stream.write(row)

    def finish(self) -> FloatArray:
        """All values (N, P), memory-mapped."""
        self._stream.close()
        self._part.replace(self._target)
        values = load(self._key)
        if values is None:
            raise OutputError("the cache cannot be read back", fix="set MSICLUST_CACHE", path=self._target)
        return values

    def discard(self) -> None:
        """Remove what was written."""
        self._stream.close()
        self._part.unlink(missing_ok=True)


def _make_room(folder: Path, wanted: int) -> None:
    """Drop the entries used longest ago, and what broken runs left, until `wanted` bytes fit."""
    entries = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    used = sum(path.stat().st_size for path in entries)
    for path in entries:
        if used + wanted <= LIMIT_BYTES:
            break
        used -= path.stat().st_size
        path.unlink()
