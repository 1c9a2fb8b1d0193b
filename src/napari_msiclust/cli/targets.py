"""Where results go."""

from __future__ import annotations

from pathlib import Path

import typer


def check_result_folder(out: Path) -> None:
    """Make sure that a result can be written, and say before the work that an earlier one will go.

    Raises
    ------
    OutputError
        As `napari_msiclust.results.folder.check_target`.
    """
    from napari_msiclust.results.exports import RESULT, is_result_folder
    from napari_msiclust.results.folder import check_target

    check_target(out, RESULT)
    if is_result_folder(out):
        typer.echo(f"note: {out} holds an earlier result; the new one replaces it when it is complete")
