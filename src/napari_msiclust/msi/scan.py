"""Read the index of an imzML file in one pass, in bounded memory.

Spectra that repeat an earlier one up to numbers are recognised by comparing bytes; everything else,
in the order of the file, goes to the XML parser. Both fill the same table.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from pathlib import Path
from typing import BinaryIO

import numpy as np

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.index import SpectrumIndex
from napari_msiclust.msi.spectrum_parser import ParsedRow, SpectrumParser
from napari_msiclust.msi.spectrum_table import ROW_COLUMNS
from napari_msiclust.msi.spectrum_template import SpectrumTemplate, learn_template

_BLOCK = 1 << 18
_LONGEST_SPECTRUM = 8 << 20
_MOST_TEMPLATES = 32
_MOST_UNLIKE = 1_000
_END = b"</spectrum>"
_UNUSUAL = re.compile(rb"<[!?]")


def read_index(path: Path, *, damaged: bool = False) -> SpectrumIndex:
    """Index an imzML file.

    Parameters
    ----------
    path : Path
    damaged : bool
        Of a file whose XML is damaged, give the spectra before the damage.

    Raises
    ------
    FileFormatError
        The file is missing, not XML, not imzML, or a spectrum lacks its position or location.
    """
    scanner = _Scanner(path)
    damage = ""
    try:
        with path.open("rb") as stream:
            scanner.run(stream)
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except OSError as error:
        raise FileFormatError(
            f"cannot be read ({error.strerror})", fix="check the file", path=path
        ) from error
    except FileFormatError as error:
        located = FileFormatError(f"{error.fault}{scanner.place_of_error()}", fix=error.fix, path=path)
        if not damaged:
            raise located from error
        damage = located.fault
        scanner.keep_what_was_read()
    return scanner.table.index(scanner.parser.header(damage))


class _Scanner:
    """The state of one pass."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parser = SpectrumParser(path)
        self.table = self.parser.table
        self._templates: list[SpectrumTemplate] = []
        self._unlike = 0
        self._clean = False
        self._block = 0  # spectra in this block
        self._parsed: list[tuple[int, ParsedRow]] = []  # those that the XML parser read
        self._fed = 0
        self._fed_from: deque[tuple[int, int]] = deque(maxlen=64)  # parser's byte, the same in the file

    def run(self, stream: BinaryIO) -> None:
        """Read to the end of the stream."""
        text, offset = b"", 0
        while more := stream.read(_BLOCK):
            text += more
            used = self._scan(text, offset)
            self._end_block()
            text, offset = text[used:], offset + used
            if len(text) > _LONGEST_SPECTRUM:
                self._feed(text, offset)
                text, offset = b"", offset + len(text)
        self._feed(text, offset, final=True)
        self._end_block()

    def _scan(self, text: bytes, offset: int) -> int:
        """Take all whole spectra of a block; returns where the rest begins."""
        start = 0
        while True:
            if self._clean:
                start = self._match(text, start)
            end = text.find(_END, start) + len(_END)
            if end < len(_END):
                return start
            self._parse(text[start:end], offset + start)
            start = end

    def _match(self, text: bytes, start: int) -> int:
        """Let the templates take turns as long as one of them recognises something."""
        number = 0
        while number < len(self._templates):
            start, count = self._templates[number].match_run(text, start, self._block)
            if not count:
                number += 1
                continue
            self._block += count
            self.parser.spectra += count
            self._templates.insert(0, self._templates.pop(number))
            number = 1  # the first one has just stopped
        return start

    def _parse(self, text: bytes, offset: int) -> None:
        """Give one spectrum, and what stands before it, to the XML parser, and learn from it."""
        was_clean, parsed = self._clean, len(self._parsed)
        self._feed(text, offset)
        self._clean = self.parser.plain and self.parser.between_spectra and not _UNUSUAL.search(text)
        if was_clean and self._clean and len(self._parsed) == parsed + 1 and text.count(b"<spectrum") == 1:
            self._learn(text, *self._parsed[-1][1])

    def _feed(self, text: bytes, offset: int, *, final: bool = False) -> None:
        self._fed_from.append((self._fed, offset))
        self._fed += len(text)
        self.parser.between_spectra = False
        try:
            self.parser.feed(text, final=final)
        finally:
            for row in self.parser.take_rows():
                self._parsed.append((self._block, row))
                self._block += 1

    def _learn(self, text: bytes, row: list[int], physical: list[float] | None) -> None:
        if self._unlike > _MOST_UNLIKE:
            return
        self._unlike += 1
        learned = learn_template(text, row, self.parser.last_roles, physical=physical is not None)
        if learned is None or any(template.widen(learned) for template in self._templates):
            return
        if len(self._templates) < _MOST_TEMPLATES:
            self._templates.append(learned)

    def _end_block(self) -> None:
        """Move what was read to the table."""
        rows = np.zeros((ROW_COLUMNS, self._block), np.int64)
        physical = np.zeros((3, self._block))
        for serial, (row, lengths) in self._parsed:
            rows[:, serial] = row
            physical[:, serial] = lengths or 0.0
        for template in self._templates:
            template.place(rows, physical, len(self.table), self.path)
        self.table.extend(rows, physical)
        self._parsed, self._block = [], 0

    def keep_what_was_read(self) -> None:
        """After a fault, move the spectra before it to the table."""
        with contextlib.suppress(FileFormatError):
            self._end_block()

    def place_of_error(self) -> str:
        """Line of the file at which the XML parser stopped."""
        byte = self.parser.error_byte
        start = next((entry for entry in reversed(self._fed_from) if entry[0] <= byte), None)
        if start is None or not self.parser.failed:
            return ""
        line, left = 1, start[1] + byte - start[0]
        with self.path.open("rb") as stream:
            while left > 0 and (block := stream.read(min(left, _BLOCK))):
                line, left = line + block.count(b"\n"), left - len(block)
        return f" in line {line}"
