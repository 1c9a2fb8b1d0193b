"""Analyze 7.5 files of mass spectrometry imaging: .hdr, .img, and the m/z axis in .t2m."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.faults import Finding, find_contradictions
from napari_msiclust.msi.imzml import ImzmlFile
from napari_msiclust.msi.index import ArrayIndex, ArrayKind, Header, Param, SpectrumIndex

ANALYZE_SUFFIXES = (".hdr", ".img", ".t2m")
_DTYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8"}
_HEADER_BYTES = 348
_UNITS = {"mm": "UO:0000016", "um": "UO:0000017", "nm": "UO:0000018"}


def open_analyze(path: str | Path) -> ImzmlFile:
    """Open an Analyze 7.5 file with its spectra along the first axis.

    Parameters
    ----------
    path : path
        The .hdr, .img or .t2m file; the other two lie beside it.

    Returns
    -------
    ImzmlFile
        As for a continuous imzML file. The .t2m file, 32-bit m/z values, says how many values a
        spectrum has: the 16-bit field of the header is too small for many files.

    Raises
    ------
    FileFormatError
        A file is missing, is not of this format, or the sizes contradict each other.
    """
    path = Path(path)
    header_path, image_path, mz_path = (_beside(path, suffix) for suffix in ANALYZE_SUFFIXES)
    raw = header_path.read_bytes()[:_HEADER_BYTES]
    order = "<" if len(raw) == _HEADER_BYTES and 1 <= struct.unpack_from("<h", raw, 40)[0] <= 7 else ">"
    if len(raw) < _HEADER_BYTES or not 1 <= struct.unpack_from(f"{order}h", raw, 40)[0] <= 7:
        raise FileFormatError("not an Analyze 7.5 header", fix="choose the .hdr file", path=header_path)
    declared, width, height = struct.unpack_from(f"{order}3h", raw, 42)
    code = struct.unpack_from(f"{order}h", raw, 70)[0]
    if code not in _DTYPES or width < 1 or height < 1:
        fault = f"number type {code}, {width} x {height} pixels"
        raise FileFormatError(f"unusual header ({fault})", fix="export the file as imzML", path=header_path)
    dtype = np.dtype(f"{order}{_DTYPES[code]}")
    length = mz_path.stat().st_size // 4
    pixels = width * height
    if not length or image_path.stat().st_size != pixels * length * dtype.itemsize:
        raise FileFormatError(
            f"{image_path.stat().st_size} bytes do not hold {width} x {height} spectra of {length} values",
            fix="copy or export the files again",
            path=image_path,
        )
    sizes = struct.unpack_from(f"{order}2f", raw, 84)
    unit = raw[56:60].split(b"\0")[0].decode("latin-1").strip().lower()
    index = _index(width, height, length, dtype, np.dtype(f"{order}f4"), _settings(sizes, unit))
    findings = find_contradictions(index)
    if declared != length:
        fault = f"the header declares {declared} values per spectrum, the .t2m file holds {length}"
        findings.append(Finding("note", fault, "the .t2m file was followed", path=header_path))
    return ImzmlFile(header_path, image_path, index, findings, mz_path=mz_path)


def _beside(path: Path, suffix: str) -> Path:
    wanted = path.with_suffix(suffix).name.lower()
    if path.parent.is_dir():
        for entry in sorted(path.parent.iterdir()):
            if entry.name.lower() == wanted and entry.is_file():
                return entry
    raise FileFormatError(
        f"{path.with_suffix(suffix).name} is missing",
        fix="put .hdr, .img and .t2m beside each other",
        path=path,
    )


def _settings(sizes: tuple[float, ...], unit: str) -> dict[str, Param]:
    if unit not in _UNITS:
        return {}
    terms = ("IMS:1000046", "IMS:1000047")
    return {
        term: Param("pixel size", str(size), _UNITS[unit]) for term, size in zip(terms, sizes, strict=True)
    }


def _index(
    width: int,
    height: int,
    length: int,
    dtype: np.dtype[np.generic],
    mz_dtype: np.dtype[np.generic],
    settings: dict[str, Param],
) -> SpectrumIndex:
    pixels = width * height
    y, x = np.divmod(np.arange(pixels, dtype=np.int32), np.int32(width))
    lengths = np.full(pixels, length, np.int64)
    zeros = np.zeros(pixels, np.int64)
    kind = np.zeros(pixels, np.uint8)
    return SpectrumIndex(
        Header(
            content={"IMS:1000030": Param("continuous", "", "")},
            scan_settings=(settings,),
            groups={},
            software=(),
            declared_spectra=None,
        ),
        np.column_stack([x + 1, y + 1, np.ones_like(x)]),
        np.zeros(pixels, np.int8),
        ArrayIndex(zeros, lengths, lengths * mz_dtype.itemsize, (ArrayKind(mz_dtype, zlib=False),), kind),
        ArrayIndex(
            np.arange(pixels, dtype=np.int64) * length * dtype.itemsize,
            lengths,
            lengths * dtype.itemsize,
            (ArrayKind(dtype, zlib=False),),
            kind,
        ),
    )
