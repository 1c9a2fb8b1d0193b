"""Where results go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from napari_msiclust.results.folder import FolderKind


def check_out(out: Path, kind: FolderKind) -> None:
    """Make sure that a folder can be written, and say before the work that an earlier one will go.

    Raises
    ------
    OutputError
        As `napari_msiclust.results.folder.check_target`.
    """
    from napari_msiclust.results.folder import check_target

    check_target(out, kind)
    if (out / kind.marker).exists():
        typer.echo(f"note: {out} holds an earlier result; the new one replaces it when it is complete")
