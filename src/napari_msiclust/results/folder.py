"""Result folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_msiclust.errors import OutputError


def check_target(target: Path, own_files: Collection[str]) -> None:
    """Make sure that a folder can be written, before any work is done.

    Parameters
    ----------
    own_files : collection of str
        Names that an earlier result may have left in the target; such a result is replaced.

    Raises
    ------
    OutputError
        The target is a file, holds other files, or its parent cannot be written.
    """
    if target.exists() and not target.is_dir():
        raise OutputError("is a file", fix="choose another folder", path=target)
    try:
        strangers = sorted(entry.name for entry in target.iterdir() if entry.name not in own_files)
    except (FileNotFoundError, NotADirectoryError):
        strangers = []
    except OSError as error:
        raise OutputError(
            f"cannot be read ({error.strerror})", fix="choose another folder", path=target
        ) from error
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
def whole_folder(target: Path, own_files: Collection[str]) -> Iterator[Path]:
    """A temporary folder beside the target that takes its place when the block ends well.

    Raises
    ------
    OutputError
        As `check_target`, or the disk is full.
    """
    check_target(target, own_files)
    working = _working_folder(target)
    try:
        yield working
        working.chmod(0o755)
        _swap(working, target)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror or error})", fix="check rights and free space", path=target
        ) from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _swap(working: Path, target: Path) -> None:
    """Put the new folder in place of the old one; the old one stays until the new one is there."""
    if not target.exists():
        working.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent)) / "old"
    target.rename(old)
    try:
        working.rename(target)
    except OSError:
        old.rename(target)
        raise
    finally:
        shutil.rmtree(old.parent, ignore_errors=True)
