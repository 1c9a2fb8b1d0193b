"""The columns that an index is made of, filled spectrum by spectrum."""

from __future__ import annotations

import html
from array import array
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.array_kinds import settle_kind
from napari_msiclust.msi.index import (
    INTENSITY_ARRAY,
    MOBILITY_ARRAYS,
    MZ_ARRAY,
    ArrayIndex,
    Header,
    SpectrumIndex,
)
from napari_msiclust.msi.physical_positions import grid_positions

# One spectrum is a row of integers: position, polarity, and four for each array.
X, Y, Z, POLARITY = range(4)
OFFSET, LENGTH, ENCODED, KIND = range(4)
ROLES = (MZ_ARRAY, INTENSITY_ARRAY, "mobility")
MISSING = -1
NO_POSITION = -(2**31)
_AT_A_TIME = 1 << 14
_TYPES = ("i", "i", "i", "b", *("q", "q", "q", "B") * 3)
ROW_COLUMNS = len(_TYPES)
_MOBILITY = ROW_COLUMNS - 4


def column(role: str, slot: int) -> int:
    """Column of a row that holds a slot (OFFSET, LENGTH, ENCODED, KIND) of an array."""
    return 4 + 4 * ROLES.index(role) + slot


def role_of(term: str) -> str | None:
    """Which array an accession names; None for anything else."""
    if term in (MZ_ARRAY, INTENSITY_ARRAY):
        return term
    return ROLES[2] if term in MOBILITY_ARRAYS else None


def whole_number(text: str, what: str, spectrum: int, path: Path) -> int:
    """A number in the XML as an integer.

    Raises
    ------
    FileFormatError
        It is none, or is out of any sensible range.
    """
    try:
        number = int(float(html.unescape(text)))
        if abs(number) < (2**31 if what == "pixel position" else 2**62):
            return number
        raise ValueError
    except (ValueError, OverflowError):
        raise FileFormatError(
            f"spectrum {spectrum}: {what} {text[:40]!r} is not a usable number",
            fix="export the file again",
            path=path,
        ) from None


class SpectrumTable:
    """Rows of all spectra in compact columns.

    Parameters
    ----------
    path : Path
        The file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kinds: dict[str, list[tuple[str, ...]]] = {role: [] for role in ROLES}
        self.mobility_terms: set[str] = set()
        self._columns = [array(code) for code in _TYPES]
        self._physical = array("d")

    def __len__(self) -> int:
        return len(self._columns[X])

    def kind(self, role: str, terms: tuple[str, ...]) -> int:
        """Number of a combination of storage terms."""
        known = self.kinds[role]
        if terms not in known:
            if len(known) == 255:
                raise FileFormatError(
                    "more than 255 kinds of binary arrays", fix="export the file again", path=self.path
                )
            known.append(terms)
        return known.index(terms)

    def extend(self, rows: npt.NDArray[np.int64], physical: npt.NDArray[np.float64]) -> None:
        """Add spectra: rows (columns, n), and positions as lengths (3, n) where a row has none."""
        before = len(self)
        self._physical.frombytes(physical[:, rows[X] == NO_POSITION].T.tobytes())
        for number, target in enumerate(self._columns):
            if number >= _MOBILITY:
                if not self.mobility_terms:
                    break
                absent = MISSING if target.typecode == "q" else 0
                target.extend([absent] * (before - len(target)))  # spectra before the first with mobility
            target.frombytes(rows[number].astype(np.dtype(target.typecode)).tobytes())

    def index(self, header: Header) -> SpectrumIndex:
        """The index of all rows.

        Raises
        ------
        FileFormatError
            There is no spectrum, or it cannot be told how the arrays are stored.
        """
        if not len(self):
            raise FileFormatError("the file holds no spectra", fix="export the file again", path=self.path)
        notes: list[str] = []
        positions = np.empty((len(self), 3), np.int32)
        for axis in (X, Y, Z):
            positions[:, axis] = np.frombuffer(self._columns[axis], np.int32)
        if (positions[:, X] == NO_POSITION).any():
            positions = self._positions_from_physical(positions, notes)
        mz = self._array_index(ROLES[0], "m/z", notes)
        intensity = self._array_index(ROLES[1], "intensity", notes)
        mobility = None
        if self.mobility_terms:
            absent = self._columns[column(ROLES[2], OFFSET)].count(MISSING)
            if absent:
                notes.append(f"{absent} of {len(self)} spectra have no ion mobility: it is not used")
            else:
                mobility = self._array_index(ROLES[2], "ion mobility", notes)
        name = MOBILITY_ARRAYS[min(self.mobility_terms)] if mobility is not None else ""
        header = Header(**{**vars(header), "notes": (*header.notes, *notes)})
        polarity = np.frombuffer(self._columns[POLARITY], np.int8)
        return SpectrumIndex(header, positions, polarity, mz, intensity, mobility, name)

    def _positions_from_physical(
        self, positions: npt.NDArray[np.int32], notes: list[str]
    ) -> npt.NDArray[np.int32]:
        absent = int((positions[:, X] == NO_POSITION).sum())
        if absent < len(self) or len(self._physical) != 3 * len(self):
            first = int(np.argmax(positions[:, X] == NO_POSITION)) + 1
            raise FileFormatError(
                f"spectrum {first} has no pixel position",
                fix="export the file again as imzML",
                path=self.path,
            )
        notes.append("pixel positions were taken from the userParams 3DPositionX, Y, Z")
        return grid_positions(np.frombuffer(self._physical).reshape(-1, 3), self.path)

    def _array_index(self, role: str, label: str, notes: list[str]) -> ArrayIndex:
        offsets, lengths, encoded = (
            np.frombuffer(self._columns[column(role, slot)], np.int64) for slot in (OFFSET, LENGTH, ENCODED)
        )
        kind = np.frombuffer(self._columns[column(role, KIND)], np.uint8)
        kinds = []
        for number, terms in enumerate(self.kinds[role]):
            widths = _bytes_per_value(encoded, lengths, kind, number)
            kinds.append(settle_kind(terms, widths, label, self.path, notes))
        if (encoded <= 0).any():  # not given
            itemsize = np.array([entry.dtype.itemsize for entry in kinds])[kind]
            encoded = np.where(encoded <= 0, lengths * itemsize, encoded)
        return ArrayIndex(offsets, lengths, encoded, tuple(kinds), kind)


def _bytes_per_value(
    encoded: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], kind: npt.NDArray[np.uint8], number: int
) -> npt.NDArray[np.float64]:
    """Distinct ratios of bytes to values of one kind of array; a few pixels at a time, to save memory."""
    found = [np.empty(0)]
    for first in range(0, len(kind), _AT_A_TIME):
        part = slice(first, first + _AT_A_TIME)
        member = (kind[part] == number) & (lengths[part] > 0) & (encoded[part] > 0)
        found.append(np.unique(encoded[part][member] / lengths[part][member]))
    return np.unique(np.concatenate(found))
