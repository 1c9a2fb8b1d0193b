"""Links from a project to files outside of it: by path, by relative path, and by hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Text = Annotated[str, Field(max_length=4096)]


class Stamp(BaseModel):
    """What tells one file from another.

    Attributes
    ----------
    name : str
        File name, without folders.
    sha256 : str
    bytes, modified_ns : int or None
        Where both are as they were, the hash is taken to be so, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: _Text
    sha256: _Hash
    bytes: int | None = None
    modified_ns: int | None = None

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The stamp of a file; OSError if it cannot be read."""
        facts = path.stat()
        return cls(
            name=path.name,
            sha256=file_hash(path),
            bytes=facts.st_size,
            modified_ns=facts.st_mtime_ns,
        )

    def fits(self, path: Path) -> bool:
        """Whether a file is the one that was linked."""
        try:
            if not path.is_file():  # a device or a pipe would never end
                return False
            facts = path.stat()
            if self.bytes is not None and facts.st_size != self.bytes:
                return False
            if self.modified_ns is not None and facts.st_mtime_ns == self.modified_ns:
                return True
            return file_hash(path) == self.sha256
        except (OSError, ValueError):
            return False


class Link(BaseModel):
    """A link to one file, or to several that lie in one folder, such as .imzML and .ibd.

    Attributes
    ----------
    path : str
        Where the first file lay.
    relative : str or None
        The same, seen from the folder of the project; None if it is on another drive.
    files : tuple of Stamp
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: _Text
    relative: _Text | None
    files: Annotated[tuple[Stamp, ...], Field(min_length=1, max_length=10)]

    @classmethod
    def to(cls, paths: Sequence[Path], project: Path) -> Link:
        """A link to files, the main one first; OSError if one cannot be read."""
        first = paths[0].resolve()
        try:
            relative = Path(os.path.relpath(first, project.resolve().parent)).as_posix()
        except ValueError:  # on another drive
            relative = None
        return cls(path=str(first), relative=relative, files=tuple(map(Stamp.of, paths)))

    @property
    def name(self) -> str:
        """Name of the main file."""
        return self.files[0].name

    def fits(self, path: Path) -> bool:
        """Whether this file, with the others beside it, is the one that was linked."""
        try:
            return self.files[0].fits(path) and all(
                any(stamp.fits(beside) for beside in _namesakes(path, stamp.name)) for stamp in self.files[1:]
            )
        except ValueError:  # a name that no file can have
            return False

    def locate(self, project: Path) -> Path | None:
        """Where the main file lies now: beside the project as before, where it was, or in its folder."""
        folder = project.resolve().parent
        near = [] if self.relative is None else [folder / self.relative]
        for path in (*near, Path(self.path), folder / Path(self.name).name):
            if not _is_remote(str(path)) and self.fits(path):
                return Path(os.path.normpath(path))
        return None


def _namesakes(main: Path, name: str) -> tuple[Path, ...]:
    """Where a file that belongs to another may lie: under its own name, or renamed together with it."""
    return main.with_name(Path(name).name), main.with_suffix(Path(name).suffix)


def _is_remote(path: str) -> bool:
    """Whether looking at a path would ask another computer, which could be told who asks."""
    return path.startswith(("\\\\", "//"))


def file_hash(path: Path) -> str:
    """SHA-256 of a file; remembered while it stays as it is."""
    facts = path.stat()
    return _hash_of(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash_of(path: Path, size: int, modified_ns: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
