"""A table as plain JSON values that keep its types."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

_NUMBERS = {"i": "int64", "u": "int64", "b": "bool", "f": "float64"}


def table_to_json(table: pd.DataFrame) -> dict[str, Any]:
    """Columns of a table with their types; null for a missing number."""
    columns = {}
    for name in table.columns:
        kind = _NUMBERS.get(table[name].dtype.kind, "str")
        values: list[Any] = [None if pd.isna(value) else value for value in table[name].tolist()]
        if kind == "str":
            values = ["" if value is None else str(value) for value in values]
        if kind == "float64":
            values = [value if value is None or math.isfinite(value) else str(value) for value in values]
        columns[str(name)] = {"type": kind, "values": values}
    return columns


def table_from_json(columns: Any) -> pd.DataFrame | None:
    """The table again; None where the values are not such a table, as in a damaged file."""
    try:
        table = {name: pd.Series(one["values"], dtype=_known(one["type"])) for name, one in columns.items()}
        return pd.DataFrame(table) if len({len(column) for column in table.values()}) == 1 else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _known(name: Any) -> str:
    if name not in (*_NUMBERS.values(), "str"):
        raise ValueError(f"no type {name}")
    return str(name)
