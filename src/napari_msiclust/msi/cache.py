"""Extracted ion images on disk, in a folder of our own, never beside the data."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from napari_msiclust.msi.imzml import ImzmlFile

LIMIT_BYTES = 8 << 30
_FORMAT = 1


def cache_folder() -> Path:
    """Folder of the cache; MSICLUST_CACHE overrides the platform's."""
    override = os.environ.get("MSICLUST_CACHE")
    return Path(override) if override else user_cache_path("napari-msiclust")


def cache_key(file: ImzmlFile, *settings: object) -> str:
    """Key of an extraction: both files' path, size and time, the UUID, and the settings."""
    parts: list[object] = [_FORMAT, file.metadata.uuid]
    for path in (file.path, file.ibd_path):
        stat = path.stat()
        parts += [path.resolve(), stat.st_size, stat.st_mtime_ns]
    return hashlib.sha256(repr([*map(str, parts), *map(str, settings)]).encode()).hexdigest()[:32]


def load(key: str) -> npt.NDArray[np.float32] | None:
    """Memory-mapped values (N, P) of an earlier extraction, or None."""
    path = cache_folder() / "ion-images" / f"{key}.npy"
    try:
        values: npt.NDArray[np.float32] = np.load(path, mmap_mode="r", allow_pickle=False)
        os.utime(path)
    except (OSError, ValueError, EOFError):
        return None
    return values


def store(key: str, values: npt.NDArray[np.float32]) -> None:
    """Keep values for later; a full disk or a folder without rights only costs the reuse."""
    folder = cache_folder() / "ion-images"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _make_room(folder, values.nbytes)
        if values.nbytes > min(LIMIT_BYTES, shutil.disk_usage(folder).free // 2):
            return
        with tempfile.TemporaryDirectory(dir=folder) as part:
            np.save(Path(part) / "values.npy", values)
            (Path(part) / "values.npy").replace(folder / f"{key}.npy")
    except OSError:
        return


def _make_room(folder: Path, wanted: int) -> None:
    """Drop the entries used longest ago until `wanted` bytes fit under the limit."""
    entries = sorted(folder.glob("*.npy"), key=lambda path: path.stat().st_mtime)
    used = sum(path.stat().st_size for path in entries)
    for path in entries:
        if used + wanted <= LIMIT_BYTES:
            break
        used -= path.stat().st_size
        path.unlink()
