"""The ion table as CSV or Parquet, and the table of ions that were not clustered."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from napari_msiclust.errors import InputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.folder import whole_file
from napari_msiclust.results.table_file import write_table

TABLE_SUFFIXES = (".csv", ".parquet")


def ion_table(images: IonImages) -> pd.DataFrame:
    """One row per ion image: mz, name, and what else is known."""
    names = pd.DataFrame({"mz": images.mz, "name": list(images.names)})
    return pd.concat([names, images.columns.reset_index(drop=True)], axis=1)


def write_ion_table(table: pd.DataFrame, path: Path) -> Path:
    """Write an ion table as .csv, or as .parquet, which keeps the types.

    Raises
    ------
    InputError
        pyarrow is needed and not installed, or the suffix is another.
    OutputError
        It cannot be written; an earlier file is as it was.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return write_table(table, path)
    if suffix != ".parquet":
        raise InputError("no format of tables", fix=f"choose {' or '.join(TABLE_SUFFIXES)}", path=path)
    try:
        import pyarrow  # noqa: F401  # heavy, and of no other use here
    except ImportError as error:
        raise InputError(
            "Parquet needs pyarrow", fix="install napari-msiclust[parquet], or choose .csv", path=path
        ) from error
    with whole_file(path) as part:
        table.to_parquet(part, index=False, engine="pyarrow")
    return path
