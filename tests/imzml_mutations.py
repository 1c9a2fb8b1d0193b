"""Damage to valid imzML files: what a reader has to refuse in words, or read all the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

Files: TypeAlias = tuple[bytes, bytes, str]  # the XML, the .ibd, what was done
Fault: TypeAlias = Callable[[bytes, bytes, np.random.Generator], Files]

# An attribute may hold a raw >, a comment anything.
TOKEN = re.compile(
    rb"<!--.*?-->|<\?.*?\?>|<(?P<end>/?)(?P<tag>[\w:]+)(?:\"[^\"]*\"|'[^']*'|[^\"'>])*?(?P<empty>/?)>",
    re.DOTALL,
)
NUMBER = re.compile(rb"(?<==[\"'])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?=[\"'])")
ACCESSION = re.compile(rb"(?<= accession=[\"'])[^\"']+")
ENCODING = re.compile(rb"(?<=encoding=[\"'])[^\"']*")
HOSTILE = (
    *("-1", "0", "1", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "1" + "0" * 18),
    *("nan", "inf", "-inf", "1e400", "1e18", "1.5", "0x10", "1_000", " 7 ", "", "text", "9" * 5000),
    *("&#1633;", "&#xD7FF;", "2147483648", "-2147483649"),  # 1633: a digit one in Arabic, which int() takes
)
ENCODINGS = ("UTF-16", "UTF-32", "UTF-7", "US-ASCII", "EBCDIC-CP-US", "x-unknown", "idna", "rot13", "")


def _at(content: bytes, rng: np.random.Generator) -> int:
    return int(rng.integers(len(content) + 1))


def _flipped(content: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    if not content:
        return content, "flipped nothing"
    changed = bytearray(content)
    places = rng.integers(len(content), size=int(rng.integers(1, 9)))
    for place in places:
        changed[place] ^= int(rng.integers(1, 256))
    return bytes(changed), f"flipped the bytes at {sorted(places.tolist())}"


def _spans(xml: bytes) -> list[tuple[int, int]]:
    """Return from where to where each element goes, the root left out."""
    spans: list[tuple[int, int]] = []
    opened: list[int] = []
    for token in TOKEN.finditer(xml):
        if token["tag"] is None:
            continue
        if token["end"]:
            start = opened.pop() if opened else token.start()
            spans.append((start, token.end()))
        elif token["empty"]:
            spans.append((token.start(), token.end()))
        else:
            opened.append(token.start())
    return sorted(spans)[1:]


def _starts(xml: bytes) -> list[re.Match[bytes]]:
    return [token for token in TOKEN.finditer(xml) if token["tag"] is not None and not token["end"]]


def _one(items: list[re.Match[bytes]], rng: np.random.Generator) -> re.Match[bytes]:
    return items[int(rng.integers(len(items)))]


def _replaced(xml: bytes, start: int, end: int, text: bytes) -> bytes:
    return xml[:start] + text + xml[end:]


# -- the faults -------------------------------------------------------------------------------------


def flip_xml(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    changed, what = _flipped(xml, rng)
    return changed, ibd, f"XML: {what}"


def flip_ibd(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    changed, what = _flipped(ibd, rng)
    return xml, changed, f".ibd: {what}"


def truncate_xml(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    size = int(rng.integers(max(len(xml), 1)))
    return xml[:size], ibd, f"XML cut to {size} of {len(xml)} bytes"


def truncate_ibd(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    size = int(rng.integers(max(len(ibd), 1)))
    return xml, ibd[:size], f".ibd cut to {size} of {len(ibd)} bytes"


def delete_element(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    spans = _spans(xml)
    if not spans:
        return xml, ibd, "no element to delete"
    start, end = spans[int(rng.integers(len(spans)))]
    return _replaced(xml, start, end, b""), ibd, f"deleted {xml[start : min(end, start + 120)]!r}"


def duplicate_element(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    spans = _spans(xml)
    if not spans:
        return xml, ibd, "no element to duplicate"
    start, end = spans[int(rng.integers(len(spans)))]
    twice = xml[start:end] * 2
    return _replaced(xml, start, end, twice), ibd, f"duplicated {xml[start : min(end, start + 120)]!r}"


def hostile_number(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    numbers = list(NUMBER.finditer(xml))
    if not numbers:
        return xml, ibd, "no number to replace"
    number = _one(numbers, rng)
    text = HOSTILE[int(rng.integers(len(HOSTILE)))]
    around = xml[max(number.start() - 100, 0) : number.end()]
    changed = _replaced(xml, *number.span(), text.encode("ascii"))
    return changed, ibd, f"number at the end of {around!r} replaced by {text[:40]!r}"


def swap_accessions(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    found: dict[bytes, list[re.Match[bytes]]] = {}
    for match in ACCESSION.finditer(xml):
        found.setdefault(match[0], []).append(match)
    if len(found) < 2:
        return xml, ibd, "no two accessions to swap"
    names = [list(found)[int(i)] for i in rng.choice(len(found), size=2, replace=False)]
    if rng.random() < 0.5:  # in one place each, or throughout
        first, second = sorted((_one(found[name], rng) for name in names), key=lambda match: match.start())
        changed = _replaced(xml, *second.span(), first[0])
        return (
            _replaced(changed, *first.span(), second[0]),
            ibd,
            f"swapped one {first[0]!r} and {second[0]!r}",
        )
    other = {names[0]: names[1], names[1]: names[0]}
    changed = ACCESSION.sub(lambda match: other.get(match[0], match[0]), xml)
    return changed, ibd, f"swapped all {names[0]!r} and {names[1]!r}"


def _with_entity(xml: bytes, doctype: bytes, name: bytes, rng: np.random.Generator) -> bytes:
    """Declare before the root, and use the entity in an attribute or as text."""
    starts = _starts(xml)
    if not starts:
        return doctype + xml
    numbers = list(NUMBER.finditer(xml, starts[0].start()))
    if numbers and rng.random() < 0.5:
        start, end = _one(numbers, rng).span()
    else:
        start = end = _one([token for token in starts if not token["empty"]] or starts, rng).end()
    changed = _replaced(xml, start, end, b"&" + name + b";")
    return _replaced(changed, starts[0].start(), starts[0].start(), doctype)


def entity_expansion(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    levels = b"".join(b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 11))
    doctype = b'<!DOCTYPE mzML [<!ENTITY l0 "lol">' + levels + b"]>"
    return _with_entity(xml, doctype, b"l10", rng), ibd, "entity that expands to 30 GB"


def external_entity(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    doctypes = (
        b'<!DOCTYPE mzML [<!ENTITY outside SYSTEM "file:///etc/hostname">]>',
        b'<!DOCTYPE mzML [<!ENTITY outside SYSTEM "http://127.0.0.1:9/nothing">]>',
        b'<!DOCTYPE mzML [<!ENTITY % more SYSTEM "file:///etc/hostname"> %more; <!ENTITY outside "1">]>',
        b'<!DOCTYPE mzML SYSTEM "http://127.0.0.1:9/nothing.dtd">',
    )
    doctype = doctypes[int(rng.integers(len(doctypes)))]
    return _with_entity(xml, doctype, b"outside", rng), ibd, f"external entity: {doctype!r}"


def deep_nesting(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    tags = (b"a", b"cvParam", b"spectrum", b"binaryDataArray", b"referenceableParamGroup")
    tag = tags[int(rng.integers(len(tags)))]
    starts = [token for token in _starts(xml) if not token["empty"]]
    place = _one(starts, rng).end() if starts else len(xml)
    nest = (b"<" + tag + b">") * 100_000 + (b"</" + tag + b">") * 100_000
    return _replaced(xml, place, place, nest), ibd, f"100,000 nested {tag!r} at byte {place}"


def giant_attribute(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    numbers, starts = list(NUMBER.finditer(xml)), _starts(xml)
    if numbers and rng.random() < 0.5:
        number = _one(numbers, rng)
        digits = _replaced(xml, *number.span(), b"9" * 5_000_000)
        return digits, ibd, f"number at byte {number.start()} of 5,000,000 digits"
    if not starts:
        return xml, ibd, "no element for a giant attribute"
    place = _one(starts, rng).end("tag")
    giant = b' giant="' + b"x" * 5_000_000 + b'"'
    return _replaced(xml, place, place, giant), ibd, f"attribute of 5 MB at byte {place}"


def invalid_utf8(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    """Any byte is valid in Latin-1, so the file says UTF-8."""
    changed = ENCODING.sub(b"UTF-8", xml, count=1)
    place = _at(changed, rng)
    parts = (b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f", b"\xc0\xaf")
    part = parts[int(rng.integers(len(parts)))]
    return _replaced(changed, place, place, part), ibd, f"{part!r} at byte {place} of a UTF-8 file"


def nul_bytes(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    place, count = _at(xml, rng), int(rng.choice([1, 2, 512, 65536]))
    return _replaced(xml, place, place, bytes(count)), ibd, f"{count} NUL bytes at byte {place}"


def other_encoding(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    """Declare another encoding; one in five times use it too, which makes a valid file of UTF-16."""
    if rng.random() < 0.2:
        declared = ENCODING.search(xml)
        codec = "utf-8-sig" if declared and declared[0].upper() == b"UTF-8" else "latin-1"
        text = ENCODING.sub(b"UTF-16", xml, count=1).decode(codec, errors="replace")
        return text.encode("utf-16"), ibd, "stored as UTF-16, as declared"
    name = ENCODINGS[int(rng.integers(len(ENCODINGS)))]
    return ENCODING.sub(name.encode(), xml, count=1), ibd, f"encoding declared as {name!r}"


def empty_file(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    which = int(rng.integers(3))
    what = ("XML empty", ".ibd empty", "both files empty")[which]
    return (xml if which == 1 else b""), (ibd if which == 0 else b""), what


def zero_ibd(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    kept = 16 if rng.random() < 0.5 else 0  # with the uuid or without
    return xml, ibd[:kept] + bytes(len(ibd[kept:])), f".ibd zero from byte {kept} on"


def insert_ibd(xml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    place, count = _at(ibd, rng), int(rng.integers(1, 65))
    return (
        xml,
        _replaced(ibd, place, place, rng.bytes(count)),
        f"{count} bytes inserted at byte {place} of .ibd",
    )


FAULTS: tuple[Fault, ...] = (
    *(flip_xml, flip_ibd, truncate_xml, truncate_ibd, delete_element, duplicate_element, hostile_number),
    *(swap_accessions, entity_expansion, external_entity, deep_nesting, giant_attribute, invalid_utf8),
    *(nul_bytes, other_encoding, empty_file, zero_ibd, insert_ibd),
)


def mutate(imzml: bytes, ibd: bytes, rng: np.random.Generator) -> Files:
    """Apply one fault that `rng` chooses; return both files and what was done, which names the fault."""
    fault = FAULTS[int(rng.integers(len(FAULTS)))]
    changed, changed_ibd, what = fault(imzml, ibd, rng)
    return changed, changed_ibd, f"{fault.__name__}: {what}"
