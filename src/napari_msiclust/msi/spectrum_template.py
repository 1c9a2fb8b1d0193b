"""Recognise spectra that differ from an earlier one only in numbers, without parsing XML.

Nearly all imzML files are written by a program that repeats one text for every spectrum. A template
is that text, cut at the attribute values that may change without changing what the spectrum is. A
spectrum that a template recognises is equal to the earlier one byte for byte, up to these values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.spectrum_parser import EXTERNAL, PHYSICAL, POSITION
from napari_msiclust.msi.spectrum_table import OFFSET, POLARITY, column, whole_number

_LONGEST = 1 << 16
_TAG = re.compile(
    rb"<([A-Za-z_][\w.:-]*)((?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:\"[^\"<&]*\"|'[^'<&]*'))*)\s*/?>", re.ASCII
)
_ATTRIBUTE = re.compile(rb"([A-Za-z_][\w.:-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.ASCII)
_FREE = frozenset(
    {b"value", b"id", b"index", b"spotID", b"defaultArrayLength", b"encodedLength", b"arrayLength"}
)
_PHYSICAL_COLUMN = -10
_SHORT = 128

_Segment = tuple[Callable[[bytes, int], re.Match[bytes] | None], bool, bytes, int]
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass
class _Batch:
    """What was recognised: column of each varying value, the values, numbers of the spectra."""

    columns: list[int]
    found: list[bytes] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)


@dataclass
class _Field:
    """An attribute value; `column` of the row it goes to, if any."""

    value: bytes
    quote: bytes
    column: int | None
    varies: bool = False


@dataclass
class SpectrumTemplate:
    """The text of a spectrum, cut at its attribute values.

    Attributes
    ----------
    pieces : list of bytes
        Text before, between and behind the values; the first begins with the gap before the spectrum.
    fields : list of _Field
    row : list of int
        The row of the spectrum it was learned from, for columns that do not vary.
    """

    pieces: list[bytes]
    fields: list[_Field]
    row: list[int]
    _batches: list[_Batch] = field(default_factory=list)
    _lead: bytes = b""
    _segments: list[_Segment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._compile()

    def _compile(self) -> None:
        """Join what does not vary with its neighbours; long text is compared, short text matched."""
        texts, values = [self.pieces[0]], []
        for part, behind in zip(self.fields, self.pieces[1:], strict=True):
            if part.varies:
                values.append(part)
                texts.append(behind)
            else:
                texts[-1] += part.value + behind
        self._lead, self._segments = texts[0], []
        pattern = b""
        for number, (part, behind) in enumerate(zip(values, texts[1:], strict=True), start=1):
            anything = rb"[^%s<&]*" % part.quote
            pattern += anything if part.column is None else b"(" + anything + b")"
            if len(behind) < _SHORT and number < len(values):
                pattern += re.escape(behind)
                continue
            compiled = re.compile(pattern)
            self._segments.append((compiled.match, compiled.groups > 0, behind, len(behind)))
            pattern = b""
        self._batches.append(_Batch([part.column for part in values if part.column is not None]))

    def match_run(self, text: bytes, start: int, serial: int) -> tuple[int, int]:
        """Recognise as many spectra in a row as there are.

        Parameters
        ----------
        text : bytes
        start : int
            Where the gap before the first spectrum begins.
        serial : int
            Number of the first spectrum in the block.

        Returns
        -------
        end, count : int
            Byte behind the last recognised spectrum, and how many there were.
        """
        lead, skip, segments, begins = self._lead, len(self._lead), self._segments, text.startswith
        batch, count = self._batches[-1], 0
        found = batch.found
        while begins(lead, start):
            position = start + skip
            values: tuple[bytes, ...] = ()
            for match, wanted, behind, length in segments:
                part = match(text, position)
                if part is None:
                    break
                position = part.end()
                if not begins(behind, position):
                    break
                position += length
                if wanted:
                    values += part.groups()
            else:
                found += values
                start, count = position, count + 1
                continue
            break
        if count:
            batch.serials.extend(range(serial, serial + count))
        return start, count

    def widen(self, other: SpectrumTemplate) -> bool:
        """Let the values vary in which another template differs; False if its text differs."""
        if self.pieces != other.pieces or [f.quote for f in self.fields] != [f.quote for f in other.fields]:
            return False
        same = {(f.column, g.column) for f, g in zip(self.fields, other.fields, strict=True)}
        if any(one != another for one, another in same) or self._constants() != other._constants():
            return False
        for mine, theirs in zip(self.fields, other.fields, strict=True):
            mine.varies |= mine.value != theirs.value
        self._compile()
        return True

    def _constants(self) -> dict[int, int]:
        read = {part.column for part in self.fields}
        return {number: value for number, value in enumerate(self.row) if number not in read}

    def place(self, rows: IntArray, physical: FloatArray, block_start: int, path: Path) -> None:
        """Put the recognised spectra into the rows of a block, and forget them.

        Parameters
        ----------
        rows : ndarray of int64, shape (columns, spectra of the block)
        physical : ndarray of float64, shape (3, spectra of the block)
            For positions that are given as lengths.
        block_start : int
            Spectra before the block, for messages.
        """
        for batch in self._batches:
            if not batch.serials:
                continue
            serials = np.array(batch.serials)
            rows[:, serials] = np.array(self.row)[:, None]
            for place, number in enumerate(batch.columns):
                values = batch.found[place :: len(batch.columns)]
                if number <= _PHYSICAL_COLUMN:
                    physical[_PHYSICAL_COLUMN - number, serials] = list(map(_length, values))
                else:
                    rows[number, serials] = _numbers(values, number, block_start + serials + 1, path)
        self._batches = [_Batch(self._batches[-1].columns)]


def _numbers(values: list[bytes], column_number: int, spectra: IntArray, path: Path) -> list[int]:
    if b"".join(values).isdigit() and min(map(len, values)) > 0 and max(map(len, values)) < 10:
        return list(map(int, values))
    what = "pixel position" if column_number < POLARITY else "spectrum location"
    return [
        whole_number(text.decode("latin-1"), what, int(number), path)
        for number, text in zip(spectra, values, strict=True)
    ]


def _length(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def learn_template(
    text: bytes, row: list[int], roles: list[str | None], *, physical: bool
) -> SpectrumTemplate | None:
    """A template of a spectrum that was parsed, or None if its text is out of the ordinary.

    Parameters
    ----------
    text : bytes
        The gap before the spectrum, and the spectrum up to its end tag.
    row : list of int
        What the parser read.
    roles : list of str or None
        What each of its binary data arrays holds.
    physical : bool
        Whether its position is given as lengths only.
    """
    if len(text) > _LONGEST:
        return None
    pieces, fields = [], []
    cut, array_number = 0, -1
    tags = list(_TAG.finditer(text))
    if text.count(b"<") != len(tags) + text.count(b"</") or b"&" in text:
        return None
    for tag in tags:
        if tag[1].rpartition(b":")[2] == b"binaryDataArray":
            array_number += 1
        attributes = {
            entry[1]: (entry[2], b'"') if entry[2] is not None else (entry[3], b"'")
            for entry in _ATTRIBUTE.finditer(tag[2])
        }
        target = _column_of(attributes, array_number, roles, physical=physical)
        for entry in _ATTRIBUTE.finditer(tag[2]):
            if entry[1] not in _FREE or (entry[1] == b"id" and array_number >= 0):
                continue
            value, quote = attributes[entry[1]]
            begin = tag.start(2) + (entry.start(2) if quote == b'"' else entry.start(3))
            pieces.append(text[cut:begin])
            cut = begin + len(value)
            fields.append(_Field(value, quote, target if entry[1] == b"value" else None))
    pieces.append(text[cut:])
    targets = [part.column for part in fields if part.column is not None]
    if len(targets) != len(set(targets)):
        return None  # said twice
    return SpectrumTemplate(pieces, fields, row)


def _column_of(
    attributes: dict[bytes, tuple[bytes, bytes]],
    array_number: int,
    roles: list[str | None],
    *,
    physical: bool,
) -> int | None:
    """Where the value of a cvParam or userParam goes."""
    accession = attributes.get(b"accession", (b"",))[0].decode("latin-1")
    if array_number >= 0:
        role = roles[array_number] if array_number < len(roles) else None
        slot = EXTERNAL.get(accession)
        return None if role is None or slot is None else column(role, OFFSET) + slot
    if accession in POSITION:
        return POSITION[accession]
    name = attributes.get(b"name", (b"",))[0].decode("latin-1")
    if physical and not accession and name in PHYSICAL:
        return _PHYSICAL_COLUMN - PHYSICAL[name]
    return None
