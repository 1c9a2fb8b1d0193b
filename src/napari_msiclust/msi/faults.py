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
    """

    severity: Severity
    fault: str
    consequence: str = ""
    fix: str = ""
    path: Path | None = None

    def in_words(self) -> str:
        """Fault, consequence and fix in one line."""
        return "; ".join(filter(None, (self.fault, self.consequence, self.fix)))


def find_faults(index: SpectrumIndex, ibd_path: Path) -> list[Finding]:
    """Faults that the index and the size and first bytes of the .ibd show."""
    return [
        *_storage_findings(index, ibd_path),
        *_position_findings(index),
        *_declaration_findings(index),
    ]


def _storage_findings(index: SpectrumIndex, ibd_path: Path) -> list[Finding]:
    findings = []
    size = ibd_path.stat().st_size
    cut = _ends(index.mz) > size
    cut |= _ends(index.intensity) > size
    if cut.any():
        findings.append(
            Finding(
                "error",
                f"truncated: {int(cut.sum())} of {len(cut)} pixels lie beyond the end of the file",
                "those pixels would be missing or wrong",
                "copy or export the file again",
                ibd_path,
            )
        )
    uuid = read_metadata(index).uuid
    with ibd_path.open("rb") as stream:
        stored = stream.read(16).hex()
    if uuid and stored != uuid:
        findings.append(
            Finding(
                "warning",
                "the .ibd carries another UUID than the .imzML",
                "the two files may not belong together",
                "check that both come from the same export",
                ibd_path,
            )
        )
    lengths = index.mz.lengths != index.intensity.lengths
    if lengths.any():
        findings.append(
            Finding(
                "error",
                f"{int(lengths.sum())} spectra have m/z and intensity arrays of different lengths",
                fix="export the file again",
            )
        )
    empty = int((index.intensity.lengths == 0).sum())
    if empty:
        findings.append(Finding("note", f"{empty} spectra are empty", "their pixels count as zero"))
    return findings


def _ends(part: ArrayIndex) -> npt.NDArray[np.int64]:
    return np.where(part.lengths > 0, part.offsets + part.encoded_lengths, 0)


def _position_findings(index: SpectrumIndex) -> list[Finding]:
    findings = []
    positions = index.positions
    planes = np.unique(positions[:, 2])
    if len(planes) > 1:
        findings.append(
            Finding(
                "error",
                f"the file holds {len(planes)} z planes",
                "ion images are two-dimensional",
                "export one section per file",
            )
        )
    pixels, counts = np.unique(positions, axis=0, return_counts=True)
    if len(pixels) < len(positions):
        findings.append(
            Finding(
                "warning",
                f"{int((counts > 1).sum())} pixels were acquired more than once",
                "images show the last spectrum of such a pixel",
            )
        )
    width, height = np.ptp(positions[:, :2], axis=0) + 1
    missing = int(width) * int(height) - len(np.unique(positions[:, :2], axis=0))
    if missing > 0:
        findings.append(
            Finding(
                "note",
                f"{missing} of {width} x {height} positions were not acquired",
                "they are kept apart from zeros",
            )
        )
    return findings


def _declaration_findings(index: SpectrumIndex) -> list[Finding]:
    header, metadata = index.header, read_metadata(index)
    findings = [Finding("warning", note) for note in header.notes]
    if not metadata.pixel_size_known:
        findings.append(
            Finding(
                "warning", "no usable pixel size", "lengths are in pixels, not um", "set the layers' scale"
            )
        )
    if header.declared_spectra not in (None, len(index.positions)):
        findings.append(
            Finding(
                "warning",
                f"{header.declared_spectra} spectra are declared, {len(index.positions)} were found",
                "the export may be incomplete",
            )
        )
    if len(header.scan_settings) > 1:
        findings.append(
            Finding(
                "warning",
                f"{len(header.scan_settings)} scan settings",
                "the first one's pixel size was taken",
            )
        )
    if ("IMS:1000030" in header.content) != (metadata.mode == "continuous"):
        findings.append(
            Finding(
                "warning",
                f"the header contradicts the data, which are {metadata.mode}",
                "the data were followed",
            )
        )
    return findings
