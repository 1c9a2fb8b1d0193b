"""The full XML parser: expat events become the header and rows of the spectrum table."""

from __future__ import annotations

import xml.parsers.expat
from pathlib import Path

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.array_kinds import KIND_TERMS, UNSIGNED, kind_terms
from napari_msiclust.msi.index import MOBILITY_ARRAYS, Header, Param
from napari_msiclust.msi.spectrum_table import (
    KIND,
    MISSING,
    NO_POSITION,
    OFFSET,
    POLARITY,
    ROLES,
    SpectrumTable,
    X,
    Y,
    column,
    role_of,
    whole_number,
)

POSITION = {"IMS:1000050": 0, "IMS:1000051": 1, "IMS:1000052": 2}
PHYSICAL = {"3DPositionX": 0, "3DPositionY": 1, "3DPositionZ": 2}
EXTERNAL = {"IMS:1000102": 0, "IMS:1000103": 1, "IMS:1000104": 2}
POLARITIES = {"MS:1000130": 1, "MS:1000129": -1}
# In these, a byte below 128 is always the ASCII character, so that bytes can be compared.
_PLAIN_ENCODINGS = frozenset({"", "utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"})
_EMPTY_ROW = [NO_POSITION, NO_POSITION, 1, 0, *[0, 0, MISSING, 0] * 2, MISSING, 0, MISSING, 0]

ParsedRow = tuple[list[int], list[float] | None]


class SpectrumParser:
    """Feed it a file; spectra go to `table` in the order of the file.

    Documents that declare entities are refused, so none is ever expanded or fetched.

    Attributes
    ----------
    table : SpectrumTable
    spectra : int
        Spectra that ended so far.
    plain : bool
        Whether bytes may be compared as ASCII text (no document type, an 8-bit encoding).
    between_spectra : bool
        Whether the last element seen was a whole spectrum in the spectrum list.
    failed : bool
        Whether the XML itself was damaged.
    last_roles : list of str or None
        What each array of the last spectrum holds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table = SpectrumTable(path)
        self.spectra = 0
        self.plain = True
        self.between_spectra = False
        self.failed = False
        self.last_roles: list[str | None] = []
        self._rows: list[ParsedRow] = []
        self._is_mzml = False
        self._content: dict[str, Param] = {}
        self._scan_settings: list[dict[str, Param]] = []
        self._groups: dict[str, dict[str, Param]] = {}
        self._software: list[str] = []
        self._declared: int | None = None
        self._scope: dict[str, Param] | None = None
        self._row: list[int] | None = None
        self._physical: dict[int, float] = {}
        self._external: list[int] | None = None
        self._terms: list[str] = []
        self._roles: list[str | None] = []
        self._expat = xml.parsers.expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.EntityDeclHandler = self._refuse_entity
        self._expat.ExternalEntityRefHandler = self._refuse_entity
        self._expat.StartDoctypeDeclHandler = self._note_doctype
        self._expat.XmlDeclHandler = self._note_declaration

    def feed(self, block: bytes, *, final: bool = False) -> None:
        """Parse the next bytes.

        Raises
        ------
        FileFormatError
            They are not XML, not imzML, or a spectrum lacks its position or location.
        """
        try:
            self._expat.Parse(block, final)
        except (xml.parsers.expat.ExpatError, ValueError, LookupError) as error:
            self.failed = True
            what = "damaged XML" if self._is_mzml else "not an imzML file"
            reason = str(error).split(":")[0]
            raise FileFormatError(
                f"{what} ({reason})", fix="export the file again as imzML", path=self.path
            ) from error

    def take_rows(self) -> list[ParsedRow]:
        """The rows of the spectra that ended since the last call, each with x, y, z as lengths."""
        rows, self._rows = self._rows, []
        return rows

    @property
    def error_byte(self) -> int:
        """How many of the bytes fed lie before the place where parsing failed."""
        return max(self._expat.ErrorByteIndex, 0)

    def header(self, damage: str = "") -> Header:
        """What was said besides the spectra."""
        return Header(
            content=self._content,
            scan_settings=tuple(self._scan_settings),
            groups=self._groups,
            software=tuple(self._software),
            declared_spectra=self._declared,
            damage=damage,
        )

    def _refuse_entity(self, *_: object) -> int:
        raise FileFormatError(
            "the XML declares entities, which an imzML file never needs",
            fix="export the file again",
            path=self.path,
        )

    def _note_doctype(self, *_: object) -> None:
        self.plain = False

    def _note_declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        self.plain &= (encoding or "").lower() in _PLAIN_ENCODINGS

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        self.between_spectra = False
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "cvParam":
            self._cv_param(attrs)
        elif name == "referenceableParamGroupRef":
            self._use_group(self._groups.get(attrs.get("ref", ""), {}))
        elif name == "userParam":
            self._user_param(attrs)
        elif name == "spectrum":
            self._row = _EMPTY_ROW.copy()
            self._roles = []
            self._physical = {}
        elif name == "binaryDataArray":
            if self._row is not None:  # not one of a chromatogram
                self._external = [MISSING, MISSING, MISSING]
                self._terms = []
        else:
            self._start_header(name, attrs)

    def _start_header(self, name: str, attrs: dict[str, str]) -> None:
        if name in ("mzML", "indexedmzML"):
            self._is_mzml = True
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
            self._declared = int(count) if count.isascii() and count.isdigit() and len(count) < 12 else None
        elif not self._is_mzml:
            raise FileFormatError(
                f"not an imzML file (its first element is <{name[:40]}>)",
                fix="choose the .imzML file",
                path=self.path,
            )

    def _cv_param(self, attrs: dict[str, str]) -> None:
        accession = attrs.get("accession", "")
        if self._external is not None:
            slot = EXTERNAL.get(accession)
            if slot is not None:
                self._external[slot] = self._number(attrs, "spectrum location")
            else:
                self._array_term(accession, attrs.get("name", ""))
        elif self._row is not None:
            axis = POSITION.get(accession)
            if axis is not None:
                self._row[axis] = self._number(attrs, "pixel position")
            elif accession in POLARITIES:
                self._row[POLARITY] = POLARITIES[accession]
        elif self._scope is not None:
            unit = attrs.get("unitAccession") or attrs.get("unitName", "")
            self._scope[accession] = Param(attrs.get("name", ""), attrs.get("value", ""), unit)

    def _array_term(self, accession: str, name: str) -> None:
        if accession in KIND_TERMS or role_of(accession) is not None:
            self._terms.append(accession)
        if UNSIGNED in name.lower():
            self._terms.append(UNSIGNED)

    def _use_group(self, group: dict[str, Param]) -> None:
        if self._external is not None:
            self._terms += [term for term in group if role_of(term) is not None]
            self._terms += kind_terms(group)
        elif self._row is not None:
            for term in group:
                self._row[POLARITY] = POLARITIES.get(term, self._row[POLARITY])

    def _user_param(self, attrs: dict[str, str]) -> None:
        name = attrs.get("name", "")
        if self._external is not None:
            self._array_term("", name)
        elif self._row is None and self._scope is not None and UNSIGNED in name.lower():
            self._scope[UNSIGNED] = Param(name, "", "")
        elif self._row is not None and name in PHYSICAL:
            try:
                self._physical[PHYSICAL[name]] = float(attrs.get("value", ""))
            except ValueError:
                self._physical[PHYSICAL[name]] = float("nan")

    def _number(self, attrs: dict[str, str], what: str) -> int:
        return whole_number(attrs.get("value", ""), what, self.spectra + 1, self.path)

    def _end(self, name: str) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        self.between_spectra = False
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
        role = next((role for role in map(role_of, terms) if role is not None), None)
        if external is None or self._row is None:
            return
        self._roles.append(role)
        if role is None:
            return  # neither m/z, intensity nor mobility
        if external[0] < 0 or external[1] < 0:
            raise FileFormatError(
                f"spectrum {self.spectra + 1} does not say where its data lie",
                fix="export the file again as imzML with external data",
                path=self.path,
            )
        self.table.mobility_terms.update(term for term in terms if term in MOBILITY_ARRAYS)
        kind = self.table.kind(role, tuple(term for term in terms if term in KIND_TERMS))
        first = column(role, OFFSET)
        self._row[first : first + KIND + 1] = [*external, kind]

    def _end_spectrum(self) -> None:
        row, self._row = self._row, None
        if row is None:
            return
        number = self.spectra + 1
        if (row[X] == NO_POSITION or row[Y] == NO_POSITION) and len(self._physical) < 2:
            raise FileFormatError(
                f"spectrum {number} has no pixel position",
                fix="export the file again as imzML",
                path=self.path,
            )
        arrays = [role for role in self._roles if role in ROLES[:2]]
        if sorted(arrays, key=ROLES.index) != list(ROLES[:2]) or self._roles.count(ROLES[2]) > 1:
            raise FileFormatError(
                f"spectrum {number} does not have one m/z and one intensity array",
                fix="export the file again",
                path=self.path,
            )
        self.last_roles = self._roles
        physical = None
        if NO_POSITION in (row[X], row[Y]):
            row[X] = row[Y] = NO_POSITION
            physical = [self._physical.get(axis, 0.0) for axis in range(3)]
        self._rows.append((row, physical))
        self.spectra += 1
        self.between_spectra = True
