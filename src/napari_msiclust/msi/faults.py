"""Faults that an index and an .ibd show: what is wrong, what it means, how to go on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.index import ArrayIndex, SpectrumIndex
from napari_msiclust.msi.metadata import read_metadata

Severity = Literal["error", "warning", "note"]

_MOST_ZLIB_GAIN = 1100  # deflate cannot shrink data further
_OPEN_DAMAGED = "copy or export the file again; to see what is left, open it as damaged"


@dataclass(frozen=True)
class Finding:
    """One finding about a file.

    Attributes
    ----------
    severity : {'error', 'warning', 'note'}
        error: the file cannot be used as it is.
    fault, consequence, fix : str
        What is wrong, what it means for the result, how to go on.
    path : Path or None
        The file at fault, if it is not the .imzML itself.
    recoverable : bool
        Whether the rest of the file can be read in spite of an error, if the user asks for it.
    """

    severity: Severity
    fault: str
    consequence: str = ""
    fix: str = ""
    path: Path | None = None
    recoverable: bool = False

    def in_words(self) -> str:
        """Fault, consequence and fix in one line."""
        return "; ".join(filter(None, (self.fault, self.consequence, self.fix)))


def find_faults(index: SpectrumIndex, ibd_path: Path) -> list[Finding]:
    """Faults that the index and the size and first bytes of the .ibd show."""
    return [
        *_damage(index, ibd_path),
        *_identity(index, ibd_path),
        *_positions(index),
        *find_contradictions(index),
    ]


def readable_pixels(index: SpectrumIndex, ibd_path: Path) -> npt.NDArray[np.intp]:
    """Pixels whose arrays lie in the file, apart from each other, and fit together."""
    size = ibd_path.stat().st_size
    bad = _beyond(index, size) | _uneven(index) | _misfit(index) | _overlapping(index)
    return np.flatnonzero(~bad)


def _parts(index: SpectrumIndex) -> list[ArrayIndex]:
    return [part for part in (index.mz, index.intensity, index.mobility) if part is not None]


def _beyond(index: SpectrumIndex, size: int) -> npt.NDArray[np.bool_]:
    beyond: npt.NDArray[np.bool_] = np.any([part.ends > size for part in _parts(index)], axis=0)
    return beyond


def _uneven(index: SpectrumIndex) -> npt.NDArray[np.bool_]:
    uneven: npt.NDArray[np.bool_] = np.any(
        [part.lengths != index.intensity.lengths for part in _parts(index)], axis=0
    )
    return uneven


def _misfit(index: SpectrumIndex) -> npt.NDArray[np.bool_]:
    """Arrays whose number of bytes cannot hold their number of values."""
    bad = np.zeros(len(index), bool)
    for part in _parts(index):
        itemsize = np.array([kind.dtype.itemsize for kind in part.kinds])[part.kind]
        zipped = np.array([kind.zlib for kind in part.kinds])[part.kind]
        wanted = part.lengths * itemsize
        room = np.where(zipped, part.encoded_lengths * _MOST_ZLIB_GAIN, part.encoded_lengths)
        bad |= (part.lengths > 0) & ((wanted > room) | (~zipped & (wanted != room)))
    return bad


def _overlapping(index: SpectrumIndex) -> npt.NDArray[np.bool_]:
    """Arrays that share bytes with another one without being the same one."""
    offsets, ends, role, pixel = [], [], [], []
    for number, part in enumerate(_parts(index)):
        filled = np.flatnonzero(part.lengths > 0)
        spans, first = np.unique(
            np.stack([part.offsets[filled], part.ends[filled]]), axis=1, return_index=True
        )
        offsets.append(spans[0])
        ends.append(spans[1])
        role.append(np.full(len(first), number))
        pixel.append(filled[first])
    start, stop, owner = np.concatenate(offsets), np.concatenate(ends), np.concatenate(pixel)
    order = np.argsort(start, kind="stable")
    reach = np.maximum.accumulate(stop[order])
    hit = np.flatnonzero(start[order][1:] < reach[:-1]) + 1
    bad = np.zeros(len(index), bool)
    bad[owner[order][hit]] = True
    return bad


def _damage(index: SpectrumIndex, ibd_path: Path) -> list[Finding]:
    findings = []
    total = len(index)
    if index.header.damage:
        findings.append(
            Finding(
                "error",
                f"{index.header.damage}, after {total} spectra",
                "later spectra are lost",
                _OPEN_DAMAGED,
                recoverable=True,
            )
        )
    size = ibd_path.stat().st_size
    faults = (
        (_beyond(index, size), f"truncated: {{}} of {total} pixels lie beyond the end of the file", ibd_path),
        (_uneven(index), "{} spectra have m/z and intensity arrays of different lengths", None),
        (_misfit(index), "{} spectra have arrays whose bytes do not fit their number type and length", None),
        (_overlapping(index), "{} spectra have arrays that overlap others", None),
    )
    for bad, fault, path in faults:
        if bad.any():
            what = "those pixels would be missing or wrong"
            text = fault.format(int(bad.sum()))
            findings.append(Finding("error", text, what, _OPEN_DAMAGED, path, recoverable=True))
    empty = int((index.intensity.lengths == 0).sum())
    if empty:
        findings.append(Finding("note", f"{empty} spectra are empty", "their pixels count as zero"))
    return findings


def _identity(index: SpectrumIndex, ibd_path: Path) -> list[Finding]:
    uuid = read_metadata(index).uuid
    if not uuid:
        return [Finding("note", "no UUID", "it cannot be checked that the .ibd belongs to this .imzML")]
    with ibd_path.open("rb") as stream:
        stored = stream.read(16).hex()
    if stored == uuid:
        return []
    return [
        Finding(
            "warning",
            "the .ibd carries another UUID than the .imzML",
            "the two files may not belong together",
            "check that both come from the same export",
            ibd_path,
        )
    ]


def _positions(index: SpectrumIndex) -> list[Finding]:
    findings = []
    positions = index.positions
    planes = np.unique(positions[:, 2])
    if len(planes) > 1:
        findings.append(
            Finding("note", f"{len(planes)} z planes", "they are clustered together; layers have a z axis")
        )
    elif planes[0] != 1:
        findings.append(Finding("note", f"the only z plane is {planes[0]}", "it is shown as a flat image"))
    signed = np.column_stack([positions, index.polarity])
    pixels, counts = np.unique(signed, axis=0, return_counts=True)
    if len(pixels) < len(positions):
        findings.append(
            Finding(
                "warning",
                f"{int((counts > 1).sum())} pixels were acquired more than once",
                "images show the last spectrum of such a pixel",
            )
        )
    width, height = np.ptp(positions[:, :2].astype(np.int64), axis=0) + 1
    missing = int(width) * int(height) * len(planes) - len(np.unique(positions, axis=0))
    if missing > 0:
        size = f"{height} x {width}" + (f" x {len(planes)}" if len(planes) > 1 else "")
        findings.append(
            Finding(
                "note",
                f"{missing} of {size} positions were not acquired",
                "they are kept apart from zeros",
            )
        )
    return findings


def find_contradictions(index: SpectrumIndex) -> list[Finding]:
    """What the header leaves open, or says against the data."""
    header, metadata = index.header, read_metadata(index)
    findings = [Finding("warning", note) for note in header.notes]
    findings += _pixel_size(index)
    declared = header.declared_spectra
    if declared not in (None, len(index)):
        findings.append(
            Finding(
                "warning",
                f"{declared} spectra are declared, {len(index)} were found",
                "the export may be incomplete" if (declared or 0) > len(index) else "all were read",
            )
        )
    findings += _declared_extent(index)
    if ("IMS:1000030" in header.content) != (metadata.mode == "continuous"):
        named = {"IMS:1000030", "IMS:1000031"} & set(header.content)
        fault = "the header contradicts the data" if named else "continuous or processed is not declared"
        findings.append(
            Finding("warning", f"{fault}; the data are {metadata.mode}", "the data were followed")
        )
    if metadata.spectrum_type is None:
        findings.append(
            Finding("note", "centroid or profile is not declared", "it is judged from the m/z values")
        )
    if metadata.spectrum_types_declared > 1:
        findings.append(
            Finding("warning", "both centroid and profile are declared", "it is judged from the m/z values")
        )
    unsigned = int((index.polarity == 0).sum())
    if unsigned and find_polarities(index):
        findings.append(
            Finding("warning", f"{unsigned} spectra lack a polarity in a file of both", "they are left out")
        )
    return findings


def find_polarities(index: SpectrumIndex) -> list[Finding]:
    """Both polarities in one file, of which one was not chosen."""
    positive, negative = int((index.polarity > 0).sum()), int((index.polarity < 0).sum())
    if not positive or not negative:
        return []
    return [
        Finding(
            "warning",
            f"{positive} positive and {negative} negative spectra",
            "they are read apart",
            "choose a polarity; the more numerous one is the default",
        )
    ]


def _pixel_size(index: SpectrumIndex) -> list[Finding]:
    metadata, settings = read_metadata(index), index.header.scan_settings
    findings = []
    given = [
        entry[term] for entry in settings[:1] for term in ("IMS:1000046", "IMS:1000047") if term in entry
    ]
    if not metadata.pixel_size_known:
        shown = ", ".join(param.value for param in given) or "none given"
        findings.append(
            Finding(
                "warning",
                f"no usable pixel size ({shown})",
                "lengths are in pixels, not um",
                "set the layers' scale",
            )
        )
    elif given and not any(param.unit for param in given):
        findings.append(Finding("note", "the pixel size has no unit", "it is taken as um"))
    if metadata.pixel_size_known and any(
        param.value.strip().lower() in ("inf", "infinity", "nan") for param in given
    ):
        findings.append(Finding("warning", "a pixel size is not finite", "the pixels are taken as square"))
    if len(settings) > 1:
        findings.append(
            Finding("warning", f"{len(settings)} scan settings", "the first one's pixel size was taken")
        )
    return findings


def _declared_extent(index: SpectrumIndex) -> list[Finding]:
    """Whether the declared numbers of pixels along x and y fit the positions."""
    settings = index.header.scan_settings[0] if index.header.scan_settings else {}
    largest = index.positions[:, :2].max(axis=0)
    for axis, term in enumerate(("IMS:1000042", "IMS:1000043")):
        text = settings[term].value if term in settings else ""
        if text.isascii() and text.isdigit() and int(text[:12]) < largest[axis]:
            name = "xy"[axis]
            return [
                Finding(
                    "warning",
                    f"{text} pixels along {name} are declared, but positions reach {largest[axis]}",
                    "the positions were followed",
                )
            ]
    return []
