"""Writing the files of a project so that a crash at any moment leaves the old project or the new one."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from napari_msiclust.errors import OutputError
from napari_msiclust.results.project.names import MANIFEST

Part = bytes | memoryview | Path
Content = Mapping[str, tuple[Part, ...]]

_CHUNK = 1 << 20
_PACKED = frozenset({".json", ".csv", ".html"})
_STALE_SECONDS = 3600
_GENERATION = "content-"


def write_file(path: Path, manifest: bytes, content: Content) -> None:
    """Write a project as one zip file, beside the target, and put it in its place.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    if path.is_dir():
        raise OutputError("is a folder", fix="choose another name", path=path)
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                with zipfile.ZipFile(stream, "w") as archive:
                    for member, parts in {MANIFEST: (manifest,), **content}.items():
                        _add(archive, member, parts)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            Path(name).replace(path)
            _sync_folder(path.parent)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_folder(path: Path, manifest: Callable[[str], bytes], content: Content) -> None:
    """Write a project as a folder: a new content folder, then the manifest that names it.

    Parameters
    ----------
    manifest : callable
        Gives the manifest for the name of the content folder.

    Raises
    ------
    OutputError
        It cannot be written, or holds other files.
    """
    with _told(path):
        path.mkdir(parents=True, exist_ok=True)
        before = [entry for entry in path.iterdir() if _is_content(entry)]
        if not (path / MANIFEST).is_file() and any(entry not in before for entry in path.iterdir()):
            raise OutputError("holds other files", fix="choose a new or empty folder", path=path)
        name = _next_content(before)
        for member, parts in content.items():
            target = path / name / member
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as stream:
                for chunk in _chunks(parts):
                    stream.write(chunk)
                _sync(stream)
        for folder in {(path / name / member).parent for member in content} | {path / name}:
            _sync_folder(folder)
        part = path / f".{MANIFEST}.part"
        with part.open("wb") as stream:
            stream.write(manifest(name))
            _sync(stream)
        part.replace(path / MANIFEST)
        _sync_folder(path)
        for old in before:
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)


def _next_content(before: Iterable[Path]) -> str:
    used = [int(entry.name.removeprefix(_GENERATION)) for entry in before]
    return f"{_GENERATION}{max(used, default=0) + 1}"


def _is_content(entry: Path) -> bool:
    return entry.name.startswith(_GENERATION) and entry.name.removeprefix(_GENERATION).isdecimal()


def _add(archive: zipfile.ZipFile, member: str, parts: tuple[Part, ...]) -> None:
    packed = PurePosixPath(member).suffix in _PACKED
    facts = zipfile.ZipInfo(member, time.localtime()[:6])
    facts.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    facts.external_attr = 0o100644 << 16
    with archive.open(facts, "w", force_zip64=True) as stream:
        for chunk in _chunks(parts):
            stream.write(chunk)


def _chunks(parts: tuple[Part, ...]) -> Iterator[bytes | memoryview]:
    """The parts one after the other, in small pieces: other threads get their turn between them."""
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    yield chunk
        else:
            view = memoryview(part)
            for first in range(0, len(view), _CHUNK):
                yield view[first : first + _CHUNK]


def size_and_chunks(parts: tuple[Part, ...]) -> tuple[int, Iterator[bytes | memoryview]]:
    """Length of a file in bytes, and its pieces."""
    size = sum(part.stat().st_size if isinstance(part, Path) else len(part) for part in parts)
    return size, _chunks(parts)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror or error})", fix="check rights and free space", path=path
        ) from error


def _sync(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets one do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_stale(path: Path) -> None:
    """What a killed program left beside the project long ago."""
    for left in path.parent.glob(f".{_literal(path.name)}-*.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                left.unlink()


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
