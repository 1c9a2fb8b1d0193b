"""m/z lists and annotation tables of the user."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.ion_list import MOBILITY, NAME, IonList
from napari_msiclust.msi.triage import COLUMNS as TRIAGE_COLUMNS

# Other names of our columns, in the order of preference; the last ones of a name describe it less well.
_COLUMNS = {
    "mz": ("mz", "m/z", "m_z", "mass", "mz_value"),
    NAME: ("name", "annotation", "label", "moleculenames", "molecule", "ion", "formula"),
    MOBILITY: (
        "mobility",
        "ion_mobility",
        "drift_time",
        "inverse_reduced_ion_mobility",
        "1/k0",
        "ccs_mobility",
    ),
}
_OURS = frozenset(
    {"cluster", "confidence", "bin", "centrality", "nearest_cluster", "branch", "isotope_of", *TRIAGE_COLUMNS}
)


def read_mz_list(path: str | Path) -> IonList:
    """Read m/z values, names and further columns from a CSV file, such as METASPACE's annotations.

    Parameters
    ----------
    path : path
        Text with a header line; a column `mz` (or `m/z`, `mass`), optionally a name and an ion
        mobility. Other columns (formula, adduct, fdr, ...) are kept. Lines that start with # are
        skipped.

    Raises
    ------
    FileFormatError
        The file is missing, has no m/z column, or a value in it is no positive number.
    """
    path = Path(path)
    table = _read_table(path)
    given = {str(name).strip().lower(): name for name in table.columns}
    known = {
        ours: next((given[name] for name in names if name in given), None) for ours, names in _COLUMNS.items()
    }
    if known["mz"] is None:
        found = ", ".join(map(str, table.columns[:6]))
        raise FileFormatError(f"no m/z column (found: {found})", fix="name the column mz", path=path)
    mz = pd.to_numeric(table[known["mz"]], errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(mz) & (mz > 0)))
    if len(bad) or not len(mz):
        fault = f"row {bad[0] + 1} has no positive m/z" if len(bad) else "the table has no rows"
        raise FileFormatError(fault, fix="give one m/z per row", path=path)
    columns = pd.DataFrame(index=table.index)
    if known[NAME] is not None:
        columns[NAME] = table[known[NAME]].fillna("").astype(str)
    if known[MOBILITY] is not None:
        columns[MOBILITY] = pd.to_numeric(table[known[MOBILITY]], errors="coerce")
    for name in table.columns:
        label = str(name).strip()
        if name not in known.values() or name == given.get("formula"):
            columns[f"given_{label}" if label.lower() in _OURS or label in columns else label] = table[name]
    order = np.argsort(mz, kind="stable")
    return IonList(mz[order], columns.iloc[order].reset_index(drop=True))


def _read_table(path: Path) -> pd.DataFrame:
    try:
        lines = [line for line in path.read_text("utf-8-sig").splitlines() if not line.startswith("#")]
        return pd.read_csv(io.StringIO("\n".join(lines)), sep=_separator(lines), skipinitialspace=True)
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except (OSError, ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f"not a CSV table ({error})", fix="give a column named mz", path=path
        ) from error


def _separator(lines: list[str]) -> str:
    """The separator that is most frequent in the header line."""
    header = next((line for line in lines if line.strip()), "")
    return max(",;\t", key=header.count)
