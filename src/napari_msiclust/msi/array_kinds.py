"""Number types and compression of the binary arrays: what is declared, and what the lengths show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.index import ArrayKind, Param

ZLIB = "MS:1000574"
UNSIGNED = "unsigned"
DTYPES = {
    "MS:1000520": "<f2",
    "MS:1000521": "<f4",
    "MS:1000523": "<f8",
    "MS:1000519": "<i4",
    "MS:1000522": "<i8",
    "IMS:1100000": "<i1",
    "IMS:1100001": "<i2",
    "IMS:1000141": "<i4",
    "IMS:1000142": "<i8",
}
UNREADABLE = {
    "MS:1002312": "MS-Numpress linear",
    "MS:1002313": "MS-Numpress positive integer",
    "MS:1002314": "MS-Numpress short logged float",
    "MS:1002746": "MS-Numpress linear and zlib",
    "MS:1002747": "MS-Numpress positive integer and zlib",
    "MS:1002748": "MS-Numpress short logged float and zlib",
    "MS:1003088": "truncation and zlib",
    "MS:1003089": "delta prediction and zlib",
    "MS:1003090": "linear prediction and zlib",
    "IMS:1005001": "xz",
    "IMS:1005002": "lz4",
    "IMS:1005003": "zstd",
}
KIND_TERMS = frozenset({ZLIB, UNSIGNED, *DTYPES, *UNREADABLE})


def kind_terms(params: dict[str, Param]) -> tuple[str, ...]:
    """The terms among the params of a group that say how an array is stored."""
    terms = [term for term in params if term in KIND_TERMS]
    unsigned = any(UNSIGNED in param.name.lower() for param in params.values())
    return (*terms, UNSIGNED) if unsigned else tuple(terms)


def settle_kind(
    terms: tuple[str, ...],
    bytes_per_value: npt.NDArray[np.float64],
    label: str,
    path: Path,
    notes: list[str],
) -> ArrayKind:
    """Number type and compression of arrays that carry the same terms.

    Parameters
    ----------
    terms : tuple of str
    bytes_per_value : ndarray
        What their encoded lengths and lengths imply; distinct values, empty if not given.
    label : str
        What the arrays hold, for messages.
    notes : list of str
        Contradictions and how they were settled are added.

    Raises
    ------
    FileFormatError
        The compression cannot be read, or the number type is neither declared nor evident.
    """
    compression = next((UNREADABLE[term] for term in terms if term in UNREADABLE), None)
    if compression is not None:
        raise FileFormatError(
            f"the {label} arrays are compressed with {compression}, which cannot be read",
            fix="export the file without compression, or with zlib",
            path=path,
        )
    zlib = ZLIB in terms
    width = set() if zlib else set(bytes_per_value.tolist())
    declared = [np.dtype(DTYPES[term]) for term in dict.fromkeys(terms) if term in DTYPES]
    if UNSIGNED in terms:
        declared = [np.dtype(f"<u{entry.itemsize}") if entry.kind == "i" else entry for entry in declared]
    return ArrayKind(_number_type(declared, width, label, path, notes), zlib)


def _number_type(
    declared: list[np.dtype[np.generic]], width: set[float], label: str, path: Path, notes: list[str]
) -> np.dtype[np.generic]:
    if not declared:
        name = {4.0: "<f4", 8.0: "<f8"}.get(next(iter(width), 0.0))
        if name is None or len(width) > 1:
            raise FileFormatError(
                f"the number type of the {label} arrays is not declared",
                fix="export the file again",
                path=path,
            )
        notes.append(
            f"{label} arrays: no number type declared, {np.dtype(name).name} taken from their lengths"
        )
        return np.dtype(name)
    if len(declared) == 1:
        return declared[0]
    fitting = [entry for entry in declared if width == {float(entry.itemsize)}]
    dtype = fitting[0] if fitting else declared[-1]
    names = " and ".join(entry.name for entry in declared)
    reason = "which their lengths show" if fitting else "declared last; their lengths do not tell"
    notes.append(f"{label} arrays are declared as {names}; {dtype.name} was taken, {reason}")
    return dtype
