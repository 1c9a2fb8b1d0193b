"""A table as a file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from napari_msiclust.results.folder import whole_file


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a CSV file.

    Raises
    ------
    OutputError
        It cannot be written there.
    """
    with whole_file(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")
    return path
