"""A second, independent way to make imzML files: what the reader is tested against.

Nothing here comes from the package. `write_made` stores spectra in one of the many ways that files in the
wild do, `Layout` names that way, and `made_files` draws both for hypothesis. Damage to such files is in
`imzml_mutations`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

Floats: TypeAlias = npt.NDArray[np.float64]
Polarity: TypeAlias = Literal["positive", "negative", None]
Kind: TypeAlias = Literal["mz", "intensity", "mobility"]
DType: TypeAlias = Literal[
    "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"
]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class MadeSpectrum:
    x: int
    y: int
    z: int | None
    mz: Floats
    intensity: Floats
    mobility: Floats | None = None
    polarity: Polarity = None


@dataclass(frozen=True)
class Layout:
    """How spectra are stored; the values are the same whatever is chosen here."""

    mode: Literal["processed", "continuous"] = "processed"
    mz_dtype: DType = "float64"
    intensity_dtype: DType = "float32"
    mz_zlib: bool = False
    intensity_zlib: bool = False
    mobility: Literal["inverse", "drift", None] = None  # what the third array is called; None: no such array
    unsigned_by: Literal["cvParam", "userParam"] = "cvParam"  # cvParam: the term is renamed; userParam: added
    spectrum_type: Literal["centroid", "profile"] = "centroid"
    groups: bool = True  # what an array is: in a referenceableParamGroup, or in every binaryDataArray
    polarity_where: Literal["group", "inline"] = "group"  # this and the spectrum's type and MS level
    user_positions: bool = False  # 3DPositionX etc. in um, and no position x etc.; for z the width counts
    pixel_size: tuple[float, float] | None = (50.0, 50.0)  # in um, whatever unit is written; None: none given
    pixel_unit: Literal["nm", "um", "mm", "cm", "m", "none", "inf"] = "um"  # inf: "inf" instead of the size
    max_count: bool = True
    count_right: bool = True  # that of spectrumList
    uuid_right: bool = True
    uuid_braced: bool = False  # {5F1A...-...} as some vendors write it
    checksum: Literal["MD5", "SHA-1", "SHA-256", None] = "SHA-1"
    checksum_right: bool = True
    array_order: Literal["interleaved", "by_kind", "reversed"] = "interleaved"  # in the .ibd
    gap: int = 0  # bytes before each array
    intensity_first: bool = False  # in the XML
    encoding: Literal["ISO-8859-1", "UTF-8"] = "ISO-8859-1"
    bom: bool = False  # only for UTF-8
    spacing: Literal["pretty", "single_line", "crlf"] = "pretty"
    values_first: bool = False  # attributes in reverse order
    single_quotes: bool = False
    end_tags: bool = False  # <binary></binary>, not <binary/>
    comments: bool = False
    extra_params: bool = False  # more terms, in every third spectrum


SIGNS: tuple[Polarity, ...] = ("positive", "negative", None)
UUID = "5f1a0c9e2b7d4e63a8c40d96f7b35e12"
OTHER_UUID = "00112233445566778899aabbccddeeff"
NAMESPACE = "http://psi.hupo.org/ms/mzml"
UNITS = {  # um in one, accession, name
    "nm": (1e-3, "UO:0000018", "nanometer"),
    "um": (1.0, "UO:0000017", "micrometer"),
    "mm": (1e3, "UO:0000016", "millimeter"),
    "cm": (1e4, "UO:0000015", "centimeter"),
    "m": (1e6, "UO:0000008", "meter"),
}
MZ_UNIT, COUNTS_UNIT = ("MS:1000040", "m/z"), ("MS:1000131", "number of detector counts")
ARRAYS = {
    "mz": ("MS:1000514", "m/z array", MZ_UNIT),
    "intensity": ("MS:1000515", "intensity array", COUNTS_UNIT),
    "inverse": (
        "MS:1003006",
        "mean inverse reduced ion mobility array",
        ("MS:1002814", "volt-second per square centimeter"),
    ),
    "drift": ("MS:1002477", "mean drift time array", ("UO:0000028", "millisecond")),
}
NUMBERS = {
    "float32": ("MS:1000521", "32-bit float"),
    "float64": ("MS:1000523", "64-bit float"),
    "int8": ("IMS:1100000", "8-bit integer"),
    "int16": ("IMS:1100001", "16-bit integer"),
    "int32": ("MS:1000519", "32-bit integer"),
    "int64": ("MS:1000522", "64-bit integer"),
}
CHECKSUMS = {"MD5": "IMS:1000090", "SHA-1": "IMS:1000091", "SHA-256": "IMS:1000092"}
POLARITIES = {"positive": ("MS:1000130", "positive scan"), "negative": ("MS:1000129", "negative scan")}
TYPES = {
    "centroid": ("MS:1000127", "centroid spectrum"),
    "profile": ("MS:1000128", "profile spectrum"),
}
MODES = {"continuous": ("IMS:1000030", "continuous"), "processed": ("IMS:1000031", "processed")}


# -- the .ibd ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stored:
    offset: int
    length: int  # values
    encoded: int  # bytes


def _kinds(layout: Layout) -> list[Kind]:
    kinds: list[Kind] = ["intensity", "mz"] if layout.intensity_first else ["mz", "intensity"]
    return [*kinds, "mobility"] if layout.mobility else kinds


def _dtype(kind: Kind, layout: Layout) -> DType:
    return {"mz": layout.mz_dtype, "intensity": layout.intensity_dtype}.get(kind, "float64")


def _zipped(kind: Kind, layout: Layout) -> bool:
    return {"mz": layout.mz_zlib, "intensity": layout.intensity_zlib}.get(kind, False)


def _packed(values: Floats, kind: Kind, layout: Layout) -> bytes:
    with np.errstate(invalid="ignore", over="ignore"):
        stored = values.astype(np.dtype(_dtype(kind, layout)).newbyteorder("<"))
    if not np.array_equal(stored.astype(np.float64), values, equal_nan=True):
        raise ValueError(f"{kind} cannot be stored as {_dtype(kind, layout)} without a change")
    return zlib.compress(stored.tobytes()) if _zipped(kind, layout) else stored.tobytes()


def _check(spectra: Sequence[MadeSpectrum], layout: Layout) -> None:
    for spectrum in spectra:
        if (spectrum.mobility is None) != (layout.mobility is None):
            raise ValueError("the mobility of the spectra and that of the layout disagree")
        if layout.mode == "continuous" and not np.array_equal(spectrum.mz, spectra[0].mz):
            raise ValueError("continuous, but the m/z of the spectra differ")
        if any(getattr(spectrum, kind).shape != spectrum.mz.shape for kind in _kinds(layout)):
            raise ValueError("arrays of one spectrum differ in length")


def _ibd(spectra: Sequence[MadeSpectrum], layout: Layout) -> tuple[bytes, dict[tuple[int, Kind], _Stored]]:
    """Return the bytes, and where in them each array of each spectrum is."""
    kinds = _kinds(layout)
    keys = [(i, kind) for i in range(len(spectra)) for kind in kinds]
    if layout.array_order == "by_kind":
        keys.sort(key=lambda key: kinds.index(key[1]))
    elif layout.array_order == "reversed":
        keys.reverse()
    content = bytearray(bytes.fromhex(UUID))
    places: dict[tuple[int, Kind], _Stored] = {}
    shared: _Stored | None = None
    for i, kind in keys:
        if shared is not None and kind == "mz":
            places[i, kind] = shared
            continue
        values: Floats = getattr(spectra[i], kind)
        packed = _packed(values, kind, layout)
        content += b"\xa5" * layout.gap
        places[i, kind] = _Stored(len(content), values.size, len(packed))
        content += packed
        if layout.mode == "continuous" and kind == "mz":
            shared = places[i, kind]
    return bytes(content), places


# -- the XML ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Node:
    tag: str
    attributes: dict[str, str]
    children: tuple[_Node | str, ...] = ()  # a str is a comment


def _node(tag: str, attributes: dict[str, str] | None = None, *children: _Node | str) -> _Node:
    return _Node(tag, attributes or {}, children)


def _listed(tag: str, *children: _Node) -> _Node:
    return _node(tag, {"count": str(len(children))}, *children)


def _unit(unit: tuple[str, str] | None) -> dict[str, str]:
    if unit is None:
        return {}
    return {"unitCvRef": unit[0].partition(":")[0], "unitAccession": unit[0], "unitName": unit[1]}


def _term(accession: str, name: str, value: object = "", unit: tuple[str, str] | None = None) -> _Node:
    attributes = {"cvRef": accession.partition(":")[0], "accession": accession, "name": name}
    return _node("cvParam", {**attributes, "value": str(value), **_unit(unit)})


def _user(name: str, value: object = "", unit: tuple[str, str] | None = None) -> _Node:
    kind = "xsd:double" if isinstance(value, float) else "xsd:string"
    return _node("userParam", {"name": name, "type": kind, "value": str(value), **_unit(unit)})


def _array_terms(kind: Kind, layout: Layout) -> Iterator[_Node]:
    dtype = _dtype(kind, layout)
    accession, name = NUMBERS[dtype.removeprefix("u")]
    if dtype.startswith("u") and layout.unsigned_by == "cvParam":
        name = f"unsigned {name}"
    elif dtype.startswith("u"):
        yield _user(f"unsigned {name}")
    zipped = _zipped(kind, layout)
    array = ARRAYS[layout.mobility or "" if kind == "mobility" else kind]
    yield _term("MS:1000574", "zlib compression") if zipped else _term("MS:1000576", "no compression")
    yield _term(array[0], array[1], unit=array[2])
    yield _term("IMS:1000101", "external data", "true")
    yield _term(accession, name)


def _spectrum_terms(polarity: Polarity, layout: Layout) -> Iterator[_Node]:
    yield _term("MS:1000579", "MS1 spectrum")
    yield _term("MS:1000511", "ms level", 1)
    yield _term(*TYPES[layout.spectrum_type])
    if polarity is not None:
        yield _term(*POLARITIES[polarity])


def _positions(spectrum: MadeSpectrum, layout: Layout) -> Iterator[_Node]:
    width, height = layout.pixel_size or (1.0, 1.0)
    axes = [
        ("X", "IMS:1000050", spectrum.x, width),
        ("Y", "IMS:1000051", spectrum.y, height),
        ("Z", "IMS:1000052", spectrum.z, width),
    ]
    for axis, accession, index, step in axes:
        if index is not None and layout.user_positions:
            yield _user(f"3DPosition{axis}", float(index * step), UNITS["um"][1:])
        elif index is not None:
            yield _term(accession, f"position {axis.lower()}", index)


def _array(kind: Kind, place: _Stored, layout: Layout) -> _Node:
    ref = _node("referenceableParamGroupRef", {"ref": f"{kind}Array"})
    return _node(
        "binaryDataArray",
        {"encodedLength": "0"},
        *([ref] if layout.groups else _array_terms(kind, layout)),
        _term("IMS:1000103", "external array length", place.length),
        *(['not this: <cvParam accession="IMS:1000102" value="0"/>'] if layout.comments else []),
        _term("IMS:1000102", "external offset", place.offset),
        _term("IMS:1000104", "external encoded length", place.encoded),
        _node("binary"),
    )


def _spectrum(i: int, made: MadeSpectrum, places: dict[tuple[int, Kind], _Stored], layout: Layout) -> _Node:
    extra = layout.extra_params and i % 3 == 0
    inline = layout.polarity_where == "inline"
    ref = _node("referenceableParamGroupRef", {"ref": f"spectrum_{made.polarity}"})
    # A bare > is allowed in an attribute.
    total = (
        _term("MS:1000285", "total ion current", float(made.intensity.sum())),
        _user("note", "100 > 50 & 'odd' < \"µ\""),
    )
    window = (
        _term("MS:1000501", "scan window lower limit", 50.0, MZ_UNIT),
        _term("MS:1000500", "scan window upper limit", 5000.0, MZ_UNIT),
    )
    scan = _node(
        "scan",
        {"instrumentConfigurationRef": "instrument0"},
        *_positions(made, layout),
        *([_listed("scanWindowList", _node("scanWindow", None, *window))] if extra else []),
    )
    return _node(
        "spectrum",
        {"id": f"Scan={i + 1}", "defaultArrayLength": "0", "index": str(i)},
        *(_spectrum_terms(made.polarity, layout) if inline else [ref]),
        *(total if extra else ()),
        *([f"within spectrum {i}"] if layout.comments else []),
        _node("scanList", {"count": "1"}, _term("MS:1000795", "no combination"), scan),
        _listed("binaryDataArrayList", *(_array(kind, places[i, kind], layout) for kind in _kinds(layout))),
    )


def _file_description(ibd: bytes, layout: Layout) -> _Node:
    uuid = UUID if layout.uuid_right else OTHER_UUID
    if layout.uuid_braced:
        uuid = "{" + "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:])).upper() + "}"
    terms = [_term("MS:1000579", "MS1 spectrum"), _term(*TYPES[layout.spectrum_type])]
    terms.append(_term("IMS:1000080", "universally unique identifier", uuid))
    if layout.checksum is not None:
        content = ibd if layout.checksum_right else ibd + b"more"
        digest = hashlib.new(layout.checksum.replace("-", ""), content, usedforsecurity=False).hexdigest()
        terms.append(_term(CHECKSUMS[layout.checksum], f"ibd {layout.checksum}", digest))
    contact = (
        _term("MS:1000586", "contact name", "Jürgen"),
        _term("MS:1000590", "contact affiliation", "Gießen"),
    )
    return _node(
        "fileDescription",
        None,
        _node("fileContent", None, *terms, _term(*MODES[layout.mode])),
        _listed(
            "sourceFileList", _node("sourceFile", {"id": "sf1", "location": "C:\\R&D\\", "name": "a.raw"})
        ),
        _node("contact", None, *contact),
    )


def _groups(spectra: Sequence[MadeSpectrum], layout: Layout) -> list[_Node]:
    groups: dict[str, Iterator[_Node]] = {}
    if layout.groups:
        groups |= {f"{kind}Array": _array_terms(kind, layout) for kind in _kinds(layout)}
    if layout.polarity_where == "group":
        polarities = dict.fromkeys(made.polarity for made in spectra)
        groups |= {f"spectrum_{polarity}": _spectrum_terms(polarity, layout) for polarity in polarities}
    nodes = [_node("referenceableParamGroup", {"id": name}, *terms) for name, terms in groups.items()]
    return [_listed("referenceableParamGroupList", *nodes)] if nodes else []


def _scan_settings(spectra: Sequence[MadeSpectrum], layout: Layout) -> _Node:
    terms = [_term("IMS:1000401", "top down"), _term("IMS:1000480", "horizontal line scan")]
    if layout.max_count:
        terms.append(_term("IMS:1000042", "max count of pixels x", max(made.x for made in spectra)))
        terms.append(_term("IMS:1000043", "max count of pixels y", max(made.y for made in spectra)))
    if layout.pixel_size is not None:
        scale, *unit = UNITS.get(layout.pixel_unit, UNITS["um"])
        known = None if layout.pixel_unit == "none" else (str(unit[0]), str(unit[1]))
        sizes = ["inf" if layout.pixel_unit == "inf" else size / scale for size in layout.pixel_size]
        terms.append(_term("IMS:1000046", "pixel size (x)", sizes[0], known))
        terms.append(_term("IMS:1000047", "pixel size y", sizes[1], known))
    return _listed("scanSettingsList", _node("scanSettings", {"id": "scansettings0"}, *terms))


def _mzml(spectra: Sequence[MadeSpectrum], layout: Layout) -> tuple[_Node, bytes]:
    ibd, places = _ibd(spectra, layout)
    count = len(spectra) if layout.count_right else len(spectra) + 7
    listed: list[_Node | str] = []
    for i, made in enumerate(spectra):
        listed += [f'before <spectrum index="{i}"> of {len(spectra)}'] if layout.comments else []
        listed.append(_spectrum(i, made, places, layout))
    vocabularies = [
        _node("cv", {"id": name, "fullName": name, "URI": f"http://example.org/{name}.obo"})
        for name in ("MS", "UO", "IMS")
    ]
    method = _node("processingMethod", {"order": "1", "softwareRef": "writer"})
    root = _node(
        "mzML",
        {
            "xmlns": NAMESPACE,
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:schemaLocation": f"{NAMESPACE} http://psidev.info/files/ms/mzML/xsd/mzML1.1.0.xsd",
            "version": "1.1",
        },
        _listed("cvList", *vocabularies),
        _file_description(ibd, layout),
        *_groups(spectra, layout),
        _listed("softwareList", _node("software", {"id": "writer", "version": "1.0"})),
        _scan_settings(spectra, layout),
        _listed("instrumentConfigurationList", _node("instrumentConfiguration", {"id": "instrument0"})),
        _listed("dataProcessingList", _node("dataProcessing", {"id": "processing0"}, method)),
        _node(
            "run",
            {"id": "run0", "defaultInstrumentConfigurationRef": "instrument0"},
            _node("spectrumList", {"count": str(count), "defaultDataProcessingRef": "processing0"}, *listed),
        ),
    )
    return root, ibd


def _rendered(node: _Node | str, layout: Layout, depth: int = 0) -> str:
    newline, step = {"pretty": ("\n", "  "), "single_line": ("", ""), "crlf": ("\r\n", "\t")}[layout.spacing]
    pad = newline + step * depth
    if isinstance(node, str):
        return f"{pad}<!-- {node} -->"
    quote = "'" if layout.single_quotes else '"'
    pairs = list(node.attributes.items())
    opened = f"{pad}<{node.tag}"
    for name, value in reversed(pairs) if layout.values_first else pairs:
        text = value.replace("&", "&amp;").replace("<", "&lt;")
        text = text.replace(quote, "&apos;" if layout.single_quotes else "&quot;")
        opened += f" {name}={quote}{text}{quote}"
    if not node.children:
        return opened + (f"></{node.tag}>" if layout.end_tags else "/>")
    inner = "".join(_rendered(child, layout, depth + 1) for child in node.children)
    return f"{opened}>{inner}{pad}</{node.tag}>"


def write_made(path: Path, spectra: Sequence[MadeSpectrum], layout: Layout | None = None) -> Path:
    """Write `path` and the .ibd next to it; raise ValueError where the layout cannot hold the values."""
    layout = layout or Layout()
    _check(spectra, layout)
    root, ibd = _mzml(spectra, layout)
    quote = "'" if layout.single_quotes else '"'
    declaration = f"<?xml version={quote}1.0{quote} encoding={quote}{layout.encoding}{quote}?>"
    codec = "utf-8-sig" if layout.bom and layout.encoding == "UTF-8" else layout.encoding
    path.write_bytes((declaration + _rendered(root, layout)).encode(codec))
    path.with_suffix(".ibd").write_bytes(ibd)
    return path


# -- what hypothesis draws --------------------------------------------------------------------------


def layouts() -> st.SearchStrategy[Layout]:
    chosen: dict[str, Sequence[object]] = {
        "mode": ["processed", "continuous"],
        "mz_dtype": ["float64", "float32", *NUMBERS, "uint8", "uint16", "uint32", "uint64"],
        "intensity_dtype": ["float32", "float64", *NUMBERS, "uint8", "uint16", "uint32", "uint64"],
        "mobility": [None, "inverse", "drift"],
        "unsigned_by": ["cvParam", "userParam"],
        "spectrum_type": ["centroid", "profile"],
        "polarity_where": ["group", "inline"],
        "pixel_size": [(50.0, 50.0), (100.0, 25.0), (7.3, 7.3), None],
        "pixel_unit": ["um", "nm", "mm", "cm", "m", "none", "inf"],
        "checksum": ["SHA-1", "MD5", "SHA-256", None],
        "array_order": ["interleaved", "by_kind", "reversed"],
        "gap": [0, 1, 3, 16],
        "encoding": ["ISO-8859-1", "UTF-8"],
        "spacing": ["pretty", "single_line", "crlf"],
    }
    switches = {name for name, default in vars(Layout()).items() if isinstance(default, bool)}
    options = {name: st.sampled_from(values) for name, values in chosen.items()}
    drawn = st.builds(Layout, **options, **dict.fromkeys(sorted(switches), st.booleans()))
    return drawn.map(_with_known_pixels)


def _with_known_pixels(layout: Layout) -> Layout:
    """Positions in um tell no index where the size of a pixel is not declared."""
    if not layout.user_positions:
        return layout
    unit = "um" if layout.pixel_unit in ("none", "inf") else layout.pixel_unit
    return replace(layout, pixel_size=layout.pixel_size or (50.0, 50.0), pixel_unit=unit)


def _stored_values(dtype: DType, size: int, *, lowest: int, highest: int) -> st.SearchStrategy[Floats]:
    """Draw values within the limits that the type and float64 hold alike."""
    kind = np.dtype(dtype)
    elements: st.SearchStrategy[float] | st.SearchStrategy[int]
    if kind.kind == "f":
        width: Literal[32, 64] = 32 if dtype == "float32" else 64
        elements = st.floats(lowest, highest, width=width, allow_subnormal=False)
    else:
        info = np.iinfo(kind)
        elements = st.integers(max(lowest, int(info.min)), min(highest, int(info.max)))
        shift = info.bits - 53  # float64 holds 53 bits: of longer numbers, draw the upper ones only
        if shift > 0 and highest > info.max >> shift:
            elements = elements.map(lambda value: value >> shift << shift) | st.integers(1, 2**53)
    return arrays(kind, size, elements=elements).map(lambda values: values.astype(np.float64))


@st.composite
def made_files(
    draw: st.DrawFn, *, negative: bool = True, honest: bool = False
) -> tuple[list[MadeSpectrum], Layout]:
    """Draw spectra and a layout that can hold them exactly.

    negative: intensities below zero too, where the type has a sign. honest: uuid, checksum and count of
    spectra are always right.
    """
    layout = draw(layouts())
    if honest:
        layout = replace(layout, count_right=True, uuid_right=True, checksum_right=True)
    # How far apart slices are is declared nowhere, so 3DPositionZ would tell no index.
    deep = not layout.user_positions and draw(st.booleans())
    index = st.integers(1, 30)
    positions = st.tuples(index, index, st.integers(1, 3) if deep else st.none())
    shared = layout.mode == "continuous"
    sizes = st.integers(1, 20) if shared else st.integers(0, 20)
    size = draw(sizes)
    mz = draw(_stored_values(layout.mz_dtype, size, lowest=1, highest=2**16))
    spectra = []
    for x, y, z in draw(st.lists(positions, min_size=1, max_size=12, unique=True)):
        if not shared:
            size = draw(sizes)
            mz = draw(_stored_values(layout.mz_dtype, size, lowest=1, highest=2**16))
        lowest = -(2**63) if negative else 0
        intensity = draw(_stored_values(layout.intensity_dtype, size, lowest=lowest, highest=2**64))
        mobility = draw(_stored_values("float64", size, lowest=0, highest=200)) if layout.mobility else None
        polarity: Polarity = draw(st.sampled_from(SIGNS))
        spectra.append(MadeSpectrum(x, y, z, mz, intensity, mobility, polarity))
    return spectra, layout
