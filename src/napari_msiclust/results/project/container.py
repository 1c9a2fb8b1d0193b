"""The files inside a project, read without trust: a zip file, or a folder.

Nothing is unpacked to disk. A name is looked at only if it is one that projects have; everything is counted
while it is read, whatever the headers of the archive say.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO, Protocol

import psutil

from napari_msiclust.errors import FileFormatError

MOST_FILES = 200
_LIMITS = {".json": 16 << 20, ".csv": 32 << 20, ".html": 1 << 30, ".png": 1 << 28}
_LIMIT = 1 << 36
_MOST_RATIO = 200
_RATIO_FROM = 1 << 20
_CHUNK = 1 << 20
_DIRECTORY_LIMIT = 1 << 20
_MEMORY_SHARE = 0.5
_END, _END64 = b"PK\x05\x06", b"PK\x06\x06"
_FIX = "take another copy of the project, or the result folder it was made from"


class Container(Protocol):
    """The files of a project."""

    path: Path

    @property
    def names(self) -> frozenset[str]:
        """All files, with / between folder and name."""

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises
        ------
        FileFormatError
            It is missing, damaged, or larger than such a file can be.
        """

    def local(self, name: str) -> Path | None:
        """Where the file lies on disk as it is; None inside an archive."""


@contextmanager
def opened_container(path: Path) -> Iterator[Container]:
    """The files of a project, whichever form it has.

    Raises
    ------
    FileFormatError
        It is missing, neither form, or its directory is not what a project's can be.
    """
    if path.is_dir():
        yield FolderFiles(path)
        return
    try:
        with path.open("rb") as stream:
            _check_directory(path, stream)
            with zipfile.ZipFile(stream) as archive:
                yield ZipFiles(path, archive)
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except OSError as error:
        raise FileFormatError(
            f"cannot be read ({error.strerror})", fix="check the file", path=path
        ) from error
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise FileFormatError("not a project, or damaged", fix=_FIX, path=path) from error


def refused(path: Path, fault: str) -> FileFormatError:
    """The error that a project is not what it should be."""
    return FileFormatError(fault, fix=_FIX, path=path)


def limit_of(name: str) -> int:
    """Bytes that a file of this name can have at most."""
    return _LIMITS.get(PurePosixPath(name).suffix, _LIMIT)


def check_memory(path: Path, wanted: int) -> None:
    """Make sure that so many bytes can be taken into memory.

    Raises
    ------
    FileFormatError
        They would take more than half of what is free.
    """
    if wanted > _MEMORY_SHARE * psutil.virtual_memory().available:
        raise refused(path, f"needs {wanted / 1e9:.1f} GB of memory, more than is free")


class FolderFiles:
    """A project as a folder; its manifest lies at the top, the rest in the folder that it names.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path

    @property
    def names(self) -> frozenset[str]:
        """All files below the content folder."""
        found: set[str] = set()
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not (Path(folder) / name).is_symlink()]
            found |= {(Path(folder) / name).relative_to(self.root).as_posix() for name in files}
            if len(found) > MOST_FILES:
                raise refused(self.path, f"holds more than {MOST_FILES} files")
        return frozenset(found)

    def enter(self, content: str) -> None:
        """Go to the content folder that the manifest names."""
        _check_name(self.path, content)
        self.root = self.path / content

    def local(self, name: str) -> Path | None:
        """The file, if it is one and no link to elsewhere."""
        _check_name(self.path, name)
        path = self.root / name
        for part in (path, *path.parents):
            if part == self.path:
                break
            if part.is_symlink():
                raise refused(self.path, f"holds a link to elsewhere ({name})")
        return path if path.is_file() else None

    def read(self, name: str) -> bytes:
        """The content of a file."""
        path = self.local(name)
        if path is None:
            raise refused(self.path, f"lacks {name}")
        if path.stat().st_size > limit_of(name):
            raise refused(self.path, f"its {name} is larger than {limit_of(name) >> 20} MB")
        check_memory(self.path, path.stat().st_size)
        return path.read_bytes()


class ZipFiles:
    """A project as a zip file.

    Parameters
    ----------
    path : Path
    archive : zipfile.ZipFile
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        members = archive.infolist()
        if len(members) > MOST_FILES:
            raise refused(path, f"holds {len(members)} files, more than {MOST_FILES}")
        if len({member.filename for member in members}) < len(members):
            raise refused(path, "holds a file twice")
        for member in members:
            self._check(member)
        self.names = frozenset(member.filename for member in members)

    def _check(self, member: zipfile.ZipInfo) -> None:
        _check_name(self.path, member.filename)
        mode = member.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise refused(self.path, f"holds a link or another odd file ({member.filename})")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
            raise refused(self.path, f"packs {member.filename} in a way that projects do not")

    def local(self, name: str) -> Path | None:
        """None: it lies in the archive."""
        return None

    def read(self, name: str) -> bytes:
        """The content of a file; it is counted while it is unpacked."""
        if name not in self.names:
            raise refused(self.path, f"lacks {name}")
        member = self._archive.getinfo(name)
        limit = limit_of(name)
        check_memory(self.path, min(member.file_size, limit))
        whole = bytearray()
        try:
            with self._archive.open(member) as stream:
                while chunk := stream.read(_CHUNK):
                    whole += chunk
                    if len(whole) > limit:
                        raise refused(self.path, f"its {name} is larger than {limit >> 20} MB")
                    if len(whole) > max(_RATIO_FROM, _MOST_RATIO * member.compress_size):
                        raise refused(self.path, f"its {name} grows more than {_MOST_RATIO} times unpacked")
                    if len(whole) % (64 * _CHUNK) == 0:
                        check_memory(self.path, len(whole))
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise refused(self.path, f"its {name} is damaged") from error
        return bytes(whole)


def _check_name(path: Path, name: str) -> None:
    """A name must stay inside: no absolute path, drive, parent folder, backslash, or control character."""
    parts = PurePosixPath(name).parts
    outside = (
        not name
        or name.startswith("/")
        or "\\" in name
        or ".." in parts
        or bool(PureWindowsPath(name).drive)
        or not name.isprintable()
    )
    if outside:
        raise refused(path, f"holds a file that would lie outside of it ({name[:80]!r})")


def _check_directory(path: Path, stream: BinaryIO) -> None:
    """Look at the end of a zip file, before its directory is read as a whole."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - (1 << 16) - 22))
    tail = stream.read()
    at = tail.rfind(_END)
    if at < 0:
        raise refused(path, "not a project, or not written to its end")
    directory = struct.unpack_from("<I", tail, at + 12)[0]
    at64 = tail.rfind(_END64)
    if at64 >= 0:
        directory = max(directory, struct.unpack_from("<Q", tail, at64 + 40)[0])
    if directory > _DIRECTORY_LIMIT:
        raise refused(path, f"its directory takes {directory >> 10} kB, more than a project's can")
    stream.seek(0)


def sha256(content: bytes | memoryview) -> str:
    """Hash of a content."""
    return hashlib.sha256(content).hexdigest()
