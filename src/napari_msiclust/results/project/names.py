"""What a project looks like from outside; quick to import, as every file that is dropped is asked."""

from __future__ import annotations

from pathlib import Path

SUFFIX, MANIFEST, FORMAT = ".msiclust", "manifest.json", "napari-msiclust project"


def is_project(path: Path) -> bool:
    """Whether a path is a project by its name, or a folder with the manifest of one."""
    if path.is_dir():
        try:
            with (path / MANIFEST).open("rb") as stream:
                return f'"{FORMAT}"'.encode() in stream.read(200)
        except OSError:
            return False
    return path.suffix.lower() == SUFFIX
