"""Streaming index of an imzML file: where every spectrum lies, as plain arrays.

The XML is read once with expat, in blocks, without building a tree; documents with entity or
external declarations are refused. Accessions are those of the PSI-MS and imaging-MS ontologies.
"""

from __future__ import annotations

import xml.parsers.expat
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import FileFormatError

_BLOCK = 1 << 20

MZ_ARRAY = "MS:1000514"
INTENSITY_ARRAY = "MS:1000515"
ZLIB = "MS:1000574"
DTYPES = {
    "MS:1000521": "<f4",
    "MS:1000523": "<f8",
    "MS:1000519": "<i4",
    "MS:1000522": "<i8",
    "IMS:1100000": "<i1",
    "IMS:1100001": "<i2",
    "IMS:1000141": "<i4",
    "IMS:1000142": "<i8",
}
_KIND_TERMS = frozenset({MZ_ARRAY, INTENSITY_ARRAY, ZLIB, *DTYPES})
_POSITION = {"IMS:1000050": 0, "IMS:1000051": 1, "IMS:1000052": 2}
_EXTERNAL = {"IMS:1000102": 0, "IMS:1000103": 1, "IMS:1000104": 2}


@dataclass(frozen=True)
class Param:
    """A cvParam: its name, value, and unit accession."""

    name: str
    value: str
    unit: str


@dataclass(frozen=True)
class Header:
    """What an imzML file says before its first spectrum.

    Attributes
    ----------
    content : dict
        Accession to `Param` of fileContent.
    scan_settings : tuple of dict
        Accession to `Param`, one dict for each scanSettings element.
    groups : dict
        referenceableParamGroup id to its accession-to-`Param` dict.
    software : tuple of str
        Names of the programs that wrote the file.
    declared_spectra : int or None
        The count attribute of the spectrum list.
    notes : tuple of str
        Contradictions in the file that had to be settled, and how.
    """

    content: dict[str, Param]
    scan_settings: tuple[dict[str, Param], ...]
    groups: dict[str, dict[str, Param]]
    software: tuple[str, ...]
    declared_spectra: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArrayKind:
    """How one kind of binary array is stored."""

    dtype: np.dtype[np.generic]
    zlib: bool


@dataclass(frozen=True)
class ArrayIndex:
    """Where the m/z or the intensity arrays lie in the .ibd.

    Attributes
    ----------
    offsets, lengths, encoded_lengths : ndarray of int64, shape (P,)
        First byte, number of values, number of bytes.
    kinds : tuple of ArrayKind
    kind : ndarray of uint8, shape (P,)
        Which of `kinds` each array has.
    """

    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    encoded_lengths: npt.NDArray[np.int64]
    kinds: tuple[ArrayKind, ...]
    kind: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SpectrumIndex:
    """Header, pixel positions and array locations of an imzML file.

    Attributes
    ----------
    positions : ndarray of int32, shape (P, 3)
        x, y, z as the file gives them (1-based).
    """

    header: Header
    positions: npt.NDArray[np.int32]
    mz: ArrayIndex
    intensity: ArrayIndex


def read_index(path: Path) -> SpectrumIndex:
    """Index an imzML file.

    Raises
    ------
    FileFormatError
        The file is missing, not XML, not imzML, or a spectrum lacks its position or location.
    """
    scanner = _Scanner(path)
    parser = xml.parsers.expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = scanner.start
    parser.EndElementHandler = scanner.end
    parser.EntityDeclHandler = scanner.refuse_entity
    parser.ExternalEntityRefHandler = scanner.refuse_entity
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                parser.Parse(block, False)
            parser.Parse(b"", True)
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except OSError as error:
        raise FileFormatError(
            f"cannot be read ({error.strerror})", fix="check the file", path=path
        ) from error
    except xml.parsers.expat.ExpatError as error:
        what = "damaged XML" if scanner.is_mzml else "not an imzML file"
        raise FileFormatError(f"{what} ({error})", fix="export the file again as imzML", path=path) from error
    return scanner.result()


@dataclass
class _ArrayColumns:
    offset: array[int] = field(default_factory=lambda: array("q"))
    length: array[int] = field(default_factory=lambda: array("q"))
    encoded: array[int] = field(default_factory=lambda: array("q"))
    kind: array[int] = field(default_factory=lambda: array("B"))
    terms: list[tuple[str, ...]] = field(default_factory=list)


class _Scanner:
    """Expat handlers that fill the columns of the index."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_mzml = False
        self._content: dict[str, Param] = {}
        self._scan_settings: list[dict[str, Param]] = []
        self._groups: dict[str, dict[str, Param]] = {}
        self._software: list[str] = []
        self._declared: int | None = None
        self._scope: dict[str, Param] | None = None
        self._positions = array("i")
        self._columns = {MZ_ARRAY: _ArrayColumns(), INTENSITY_ARRAY: _ArrayColumns()}
        self._position: list[int | None] | None = None
        self._external: list[int | None] | None = None
        self._terms: list[str] = []
        self._roles: list[str] = []

    def refuse_entity(self, *_: object) -> int:
        raise FileFormatError(
            "the XML declares entities, which an imzML file never needs",
            fix="export the file again",
            path=self.path,
        )

    def start(self, name: str, attrs: dict[str, str]) -> None:
        if name == "cvParam":
            self._cv_param(attrs)
        elif name == "referenceableParamGroupRef":
            if self._external is not None:
                group = self._groups.get(attrs.get("ref", ""), {})
                self._terms += [term for term in group if term in _KIND_TERMS]
        elif name == "spectrum":
            self._position = [None, None, None]
            self._roles = []
        elif name == "binaryDataArray":
            if self._position is not None:  # not one of a chromatogram
                self._external = [None, None, None]
                self._terms = []
        else:
            self._start_header(name, attrs)

    def _start_header(self, name: str, attrs: dict[str, str]) -> None:
        if name in ("mzML", "indexedmzML"):
            self.is_mzml = True
        elif name == "fileContent":
            self._scope = self._content
        elif name == "scanSettings":
            self._scope = {}
            self._scan_settings.append(self._scope)
        elif name == "referenceableParamGroup":
            self._scope = self._groups.setdefault(attrs.get("id", ""), {})
        elif name == "software":
            self._scope = {}
        elif name == "spectrumList":
            count = attrs.get("count", "")
            self._declared = int(count) if count.isdigit() else None
        elif not self.is_mzml:
            raise FileFormatError(
                f"not an imzML file (its first element is <{name[:40]}>)",
                fix="choose the .imzML file",
                path=self.path,
            )

    def _cv_param(self, attrs: dict[str, str]) -> None:
        accession = attrs.get("accession", "")
        if self._external is not None:
            slot = _EXTERNAL.get(accession)
            if slot is not None:
                self._external[slot] = self._integer(attrs, "spectrum location")
            elif accession in _KIND_TERMS:
                self._terms.append(accession)
        elif self._position is not None:
            axis = _POSITION.get(accession)
            if axis is not None:
                self._position[axis] = self._integer(attrs, "pixel position")
        elif self._scope is not None:
            self._scope[accession] = Param(
                attrs.get("name", ""), attrs.get("value", ""), attrs.get("unitAccession", "")
            )

    def _integer(self, attrs: dict[str, str], what: str) -> int:
        try:
            number = int(float(attrs.get("value", "")))
            if abs(number) < (2**31 if what == "pixel position" else 2**62):
                return number
            raise ValueError
        except (ValueError, OverflowError):
            raise FileFormatError(
                f"spectrum {self._count + 1}: {what} {attrs.get('value', '')!r} is not a usable number",
                fix="export the file again",
                path=self.path,
            ) from None

    @property
    def _count(self) -> int:
        return len(self._positions) // 3

    def end(self, name: str) -> None:
        if name == "binaryDataArray":
            self._end_array()
        elif name == "spectrum":
            self._end_spectrum()
        elif name == "software" and self._scope is not None:
            self._software += [param.value or param.name for param in self._scope.values()]
            self._scope = None
        elif name in ("fileContent", "scanSettings", "referenceableParamGroup"):
            self._scope = None

    def _end_array(self) -> None:
        external, terms = self._external, self._terms
        self._external = None
        role = next((term for term in terms if term in self._columns), None)
        if role is None or external is None:
            return  # another array, such as ion mobility, or one of a chromatogram
        self._roles.append(role)
        offset, length, encoded = external
        if offset is None or length is None or offset < 0 or length < 0:
            raise FileFormatError(
                f"spectrum {self._count + 1} does not say where its data lie",
                fix="export the file again as imzML with external data",
                path=self.path,
            )
        columns = self._columns[role]
        key = tuple(term for term in terms if term not in self._columns)
        if key not in columns.terms:
            columns.terms.append(key)
        columns.offset.append(offset)
        columns.length.append(length)
        columns.encoded.append(-1 if encoded is None else encoded)
        columns.kind.append(columns.terms.index(key))

    def _end_spectrum(self) -> None:
        position = self._position
        self._position = None
        if position is None or position[0] is None or position[1] is None:
            raise FileFormatError(
                f"spectrum {self._count + 1} has no pixel position",
                fix="export the file again as imzML",
                path=self.path,
            )
        if sorted(self._roles) != [MZ_ARRAY, INTENSITY_ARRAY]:
            raise FileFormatError(
                f"spectrum {self._count + 1} does not have one m/z and one intensity array",
                fix="export the file again",
                path=self.path,
            )
        self._positions.extend((position[0], position[1], 1 if position[2] is None else position[2]))

    def result(self) -> SpectrumIndex:
        if self._count == 0:
            raise FileFormatError("the file holds no spectra", fix="export the file again", path=self.path)
        notes: list[str] = []
        mz = self._array_index(MZ_ARRAY, "m/z", notes)
        intensity = self._array_index(INTENSITY_ARRAY, "intensity", notes)
        return SpectrumIndex(
            header=Header(
                content=self._content,
                scan_settings=tuple(self._scan_settings),
                groups=self._groups,
                software=tuple(self._software),
                declared_spectra=self._declared,
                notes=tuple(notes),
            ),
            positions=np.array(self._positions, dtype=np.int32).reshape(-1, 3),
            mz=mz,
            intensity=intensity,
        )

    def _array_index(self, role: str, label: str, notes: list[str]) -> ArrayIndex:
        columns = self._columns[role]
        lengths = np.array(columns.length, dtype=np.int64)
        encoded = np.array(columns.encoded, dtype=np.int64)
        kind = np.array(columns.kind, dtype=np.uint8)
        kinds = []
        for number, terms in enumerate(columns.terms):
            member = (kind == number) & (lengths > 0) & (encoded > 0)
            width = set((encoded[member] / lengths[member]).tolist()) if ZLIB not in terms else set()
            kinds.append(self._kind(terms, width, label, notes))
        itemsize = np.array([entry.dtype.itemsize for entry in kinds])[kind]
        encoded = np.where(encoded < 0, lengths * itemsize, encoded)
        return ArrayIndex(np.array(columns.offset, dtype=np.int64), lengths, encoded, tuple(kinds), kind)

    def _kind(self, terms: tuple[str, ...], width: set[float], label: str, notes: list[str]) -> ArrayKind:
        """Settle the number type; `width` are the bytes per value that the lengths imply."""
        declared: list[np.dtype[np.generic]] = [
            np.dtype(DTYPES[term]) for term in dict.fromkeys(terms) if term in DTYPES
        ]
        if not declared:
            name = {4.0: "<f4", 8.0: "<f8"}.get(next(iter(width), 0.0))
            if name is None or len(width) > 1:
                raise FileFormatError(
                    f"the number type of the {label} arrays is not declared",
                    fix="export the file again",
                    path=self.path,
                )
            dtype: np.dtype[np.generic] = np.dtype(name)
            notes.append(f"{label} arrays: no number type declared, {dtype.name} taken from their lengths")
        elif len(declared) == 1:
            dtype = declared[0]
        else:
            fitting = [entry for entry in declared if width == {float(entry.itemsize)}]
            dtype = fitting[0] if fitting else declared[-1]
            names = " and ".join(entry.name for entry in declared)
            notes.append(f"{label} arrays are declared as {names}; {dtype.name} taken from their lengths")
        return ArrayKind(dtype, ZLIB in terms)
