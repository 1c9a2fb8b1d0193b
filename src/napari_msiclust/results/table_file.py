"""A table as a CSV file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from napari_msiclust.errors import OutputError


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a CSV file through a temporary one beside it.

    Raises
    ------
    OutputError
        It cannot be written there.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        try:
            table.to_csv(temporary, index=False, lineterminator="\n")
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror or error}", fix="choose another folder", path=path
        ) from error
    return path
