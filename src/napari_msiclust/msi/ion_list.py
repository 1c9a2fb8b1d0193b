"""Which ions to image: m/z, names and other columns, and the windows around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.errors import InputError
from napari_msiclust.msi.windows import Windows

DEFAULT_TOLERANCE_PPM = 20.0
MOBILITY_TOLERANCE = 0.05
MOBILITY = "mobility"
NAME = "name"
_MZ, _COLUMN, _WINDOW = "mz", "column.", "window."

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tolerance:
    """Half width of a window around an m/z.

    Attributes
    ----------
    value : float
    unit : {'ppm', 'Da'}
    """

    value: float = DEFAULT_TOLERANCE_PPM
    unit: str = "ppm"

    @classmethod
    def of(cls, ppm: float | None = None, da: float | None = None) -> Self:
        """The tolerance that was given, or the default.

        Raises
        ------
        InputError
            Both were given, or a value is out of range.
        """
        if ppm is not None and da is not None:
            raise InputError("both tolerance_ppm and tolerance_da are given", fix="give one of them")
        if da is not None:
            if not 0 < da < 100:
                raise InputError(f"tolerance_da is {da}", fix="give a value between 0 and 100")
            return cls(da, "Da")
        ppm = DEFAULT_TOLERANCE_PPM if ppm is None else ppm
        if not 0 < ppm < 1e5:
            raise InputError(f"tolerance_ppm is {ppm}", fix="give a value between 0 and 100000")
        return cls(ppm, "ppm")

    def reach(self, mz: FloatArray) -> FloatArray:
        """Half width in Da around each m/z (N,)."""
        return mz * self.value * 1e-6 if self.unit == "ppm" else np.full(len(mz), self.value)

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"


DEFAULT_TOLERANCE = Tolerance()


@dataclass(frozen=True, eq=False)
class IonList:
    """Ions to image, ascending by m/z.

    Attributes
    ----------
    mz : ndarray of float64, shape (N,)
    columns : DataFrame
        N rows of what else is known: `name`, `mobility`, formula, adduct, pixel frequency, ...
    own_windows : Windows or None
        Where each ion begins and ends, if that was found from the data.
    """

    mz: FloatArray
    columns: pd.DataFrame = field(default_factory=pd.DataFrame)
    own_windows: Windows | None = None

    @classmethod
    def of(cls, mz: npt.ArrayLike) -> Self:
        """Ions from m/z values in any order.

        Raises
        ------
        InputError
            There are none, or one is no positive number.
        """
        values = np.sort(np.asarray(mz, dtype=np.float64).ravel())
        if not len(values) or not (np.isfinite(values) & (values > 0)).all():
            raise InputError("the m/z list is empty or holds a value that is no positive number")
        return cls(values)

    def __len__(self) -> int:
        return len(self.mz)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each ion; empty strings where there is none."""
        if NAME not in self.columns:
            return ("",) * len(self)
        return tuple(self.columns[NAME].fillna("").astype(str))

    def table(self) -> pd.DataFrame:
        """What is known of each ion besides m/z and name; N rows."""
        table = self.columns.drop(columns=NAME, errors="ignore")
        return table if len(table) == len(self) else pd.DataFrame(index=range(len(self)))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All of it as arrays by name, to be stored; columns must hold numbers."""
        arrays: dict[str, npt.NDArray[Any]] = {_MZ: self.mz}
        arrays |= {f"{_COLUMN}{name}": self.columns[name].to_numpy(np.float64) for name in self.columns}
        if self.own_windows is not None:
            parts = {part.name: getattr(self.own_windows, part.name) for part in fields(self.own_windows)}
            arrays |= {f"{_WINDOW}{name}": part for name, part in parts.items() if part is not None}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The ions behind `to_arrays`."""
        columns, windows = (
            {name.removeprefix(kind): part for name, part in arrays.items() if name.startswith(kind)}
            for kind in (_COLUMN, _WINDOW)
        )
        return cls(arrays[_MZ], pd.DataFrame(columns), Windows(**windows) if windows else None)

    def windows(self, tolerance: Tolerance, *, with_mobility: bool) -> Windows:
        """The windows to sum over: the ions' own, or the tolerance around each.

        Raises
        ------
        InputError
            Ions are told apart by mobility, but the file has none.
        """
        if self.own_windows is not None:
            return self.own_windows
        reach = tolerance.reach(self.mz)
        low, high = self.mz - reach, self.mz + reach
        if MOBILITY not in self.columns:
            return Windows(low, high)
        if not with_mobility:
            raise InputError(
                "the m/z list names ion mobilities, but the file has none", fix="drop the column mobility"
            )
        centre = self.columns[MOBILITY].to_numpy(np.float64)
        part = np.abs(centre) * MOBILITY_TOLERANCE
        given = np.isfinite(centre)
        return Windows(
            low, high, np.where(given, centre - part, -np.inf), np.where(given, centre + part, np.inf)
        )
