"""Which rows of an ion table to show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.errors import InputError

_RANGE = re.compile(r"\s*(\d+(?:\.\d*)?)?\s*(?:-|to|\.\.)\s*(\d+(?:\.\d*)?)?\s*")
_NUMBER = re.compile(r"\s*(\d+)(?:\.(\d*))?\s*")


@dataclass(frozen=True)
class IonFilter:
    """Conditions that all must hold.

    Attributes
    ----------
    mz : tuple of float
        Least and largest m/z.
    cluster : int or None
        None for any; 0 for ions in bins.
    least_confidence : float
    bin : str or None
        None for any; '' for ions in clusters.
    text : str
        Part of any annotation, in either case.
    """

    mz: tuple[float, float] = (0.0, np.inf)
    cluster: int | None = None
    least_confidence: float = 0.0
    bin: str | None = None
    text: str = ""

    def rows(self, ions: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Which rows fulfil it; shape (N,). What a table does not tell fulfils no condition on it."""
        mz = ions["mz"].to_numpy()
        shown: npt.NDArray[np.bool_] = (mz >= self.mz[0]) & (mz <= self.mz[1])
        if self.least_confidence > 0:
            shown &= _column(ions, "confidence", np.nan) >= self.least_confidence
        if self.cluster is not None:
            shown &= ions["cluster"].to_numpy() == self.cluster
        if self.bin is not None:
            shown &= _column(ions, "bin", "") == self.bin
        if self.text:
            wanted = self.text.casefold()
            columns = [_column(ions, name, "") for name in ("annotation", "formula", "adduct")]
            shown &= np.array(
                [any(wanted in str(one).casefold() for one in row) for row in zip(*columns, strict=True)]
            )
        return shown


def _column(ions: pd.DataFrame, name: str, missing: object) -> npt.NDArray[Any]:
    return ions[name].to_numpy() if name in ions else np.full(len(ions), missing)


def parse_mz_range(text: str) -> tuple[float, float]:
    """Least and largest m/z of what a user typed: '400-500', '400-', '-500', or '798.54'.

    A single m/z stands for itself with its last digit one more or less.

    Raises
    ------
    InputError
        It is neither.
    """
    if not text.strip():
        return 0.0, np.inf
    if found := _RANGE.fullmatch(text):
        low, high = found.groups()
        return float(low or 0), float(high or np.inf)
    if found := _NUMBER.fullmatch(text):
        digits = len(found.group(2) or "")
        step = 10.0**-digits
        value = float(text)
        return value - step, value + step
    raise InputError(f"{text!r} is no m/z range", fix="write it as 400-500")
