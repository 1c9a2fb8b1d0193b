"""The last state of every session, kept in a folder of our own until it was saved."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from platformdirs import user_state_path

from napari_msiclust.results.project.content import Project
from napari_msiclust.results.project.names import SUFFIX
from napari_msiclust.results.project.project_file import write_project

_MOST = 20


def state_folder() -> Path:
    """Folder of the autosaved projects; MSICLUST_STATE overrides the platform's."""
    override = os.environ.get("MSICLUST_STATE")
    return (Path(override) if override else user_state_path("napari-msiclust")) / "autosave"


def autosaved(data: Path) -> Path:
    """Where the last state of a session on this file is kept, if there is one."""
    key = hashlib.sha256(os.fsencode(os.path.normcase(data.resolve()))).hexdigest()[:24]
    return state_folder() / f"{key}{SUFFIX}"


def autosave(project: Project, data: Path) -> Path:
    """Keep the state of a session; of other data the latest ones stay.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    path = write_project(autosaved(data), project)
    kept = sorted(path.parent.glob(f"*{SUFFIX}"), key=_time, reverse=True)
    for old in kept[_MOST:]:
        old.unlink(missing_ok=True)
    return path


def discard(data: Path) -> None:
    """Forget the last state: it was saved, or is not wanted."""
    with contextlib.suppress(OSError):
        autosaved(data).unlink(missing_ok=True)


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
