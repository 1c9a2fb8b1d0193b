"""Folders of files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_msiclust.errors import OutputError

_LEFT_BY_DESKTOPS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class FolderKind:
    """What a folder of ours holds.

    Attributes
    ----------
    files : frozenset of str
        All names that may be in it.
    marker : str
        The file without which a folder is not taken for one of ours.
    """

    files: frozenset[str]
    marker: str


def check_target(target: Path, kind: FolderKind) -> None:
    """Make sure that a folder can be written, before any work is done.

    An existing folder may be empty, or hold nothing but an earlier result of the same kind.

    Raises
    ------
    OutputError
        The target is a file, holds other files, or its parent cannot be written.
    """
    if target.exists() and not target.is_dir():
        raise OutputError("is a file", fix="choose another folder", path=target)
    try:
        names = {entry.name for entry in target.iterdir()} - _LEFT_BY_DESKTOPS
    except (FileNotFoundError, NotADirectoryError):
        names = set()
    except OSError as error:
        raise OutputError(
            f"cannot be read ({error.strerror})", fix="choose another folder", path=target
        ) from error
    strangers = sorted(names if kind.marker not in names else names - kind.files)
    if strangers:
        raise OutputError(
            f"holds other files ({', '.join(strangers[:3])})", fix="choose a new or empty folder", path=target
        )
    shutil.rmtree(_working_folder(target))


def _working_folder(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", fix="choose a folder you may write to", path=target
        ) from error


@contextmanager
def whole_folder(target: Path, kind: FolderKind) -> Iterator[Path]:
    """A temporary folder beside the target that takes its place when the block ends well.

    Raises
    ------
    OutputError
        As `check_target`; or the disk is full; or the target cannot be replaced, and then the
        message names the folder where the files were kept.
    """
    target = target.resolve()
    check_target(target, kind)
    working = _working_folder(target)
    try:
        yield working
    except OSError as error:
        shutil.rmtree(working, ignore_errors=True)
        raise OutputError(
            f"cannot be written ({error.strerror or error})", fix="check rights and free space", path=target
        ) from error
    except BaseException:
        shutil.rmtree(working, ignore_errors=True)
        raise
    try:
        working.chmod(0o777 & ~_umask())
        _swap(working, target)
    except OSError as error:
        raise OutputError(
            f"cannot be replaced ({error.strerror or error})", fix=f"the files are in {working}", path=target
        ) from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file beside a path that takes its place when the block ends well.

    Raises
    ------
    OutputError
        It cannot be written; an earlier file is as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        try:
            yield part
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror or error})", fix="check rights and free space", path=path
        ) from error


@contextmanager
def whole_files(targets: Sequence[Path]) -> Iterator[Path]:
    """A temporary folder beside files of one folder, whose files take the places of all of them, or of none.

    Raises
    ------
    OutputError
        One cannot be written; earlier files are as they were.
    """
    working = _working_folder(targets[0])
    try:
        yield working
        _swap_files([(working / target.name, target) for target in targets], working)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror or error})",
            fix="check rights and free space",
            path=targets[0],
        ) from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _swap_files(moves: Sequence[tuple[Path, Path]], working: Path) -> None:
    """Put new files in the places of old ones; put the old ones back if one fails."""
    done: list[tuple[Path, Path | None]] = []
    try:
        for number, (new, target) in enumerate(moves):
            old = working / f"old-{number}" if target.is_file() else None
            if old is not None:
                target.rename(old)
            done.append((target, old))
            new.rename(target)
    except BaseException:
        for target, old in reversed(done):
            if old is not None:
                old.replace(target)
            elif target.is_file():
                target.unlink()
        raise


def replace_file(path: Path, text: str) -> None:
    """Write a text file whole or not at all, as `whole_file` does."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _swap(working: Path, target: Path) -> None:
    """Put the new folder in place of the old one, which is deleted only when the new one is there."""
    if not target.exists():
        working.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    try:
        target.rename(aside / "old")
    except OSError:
        aside.rmdir()
        raise
    try:
        working.rename(target)
    except BaseException:
        (aside / "old").rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
