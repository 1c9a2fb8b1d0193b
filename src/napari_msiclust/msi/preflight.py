"""The file doctor: findings and facts about one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_msiclust.errors import MsiclustError
from napari_msiclust.msi.faults import Finding, find_faults
from napari_msiclust.msi.imzml import ImzmlFile, find_ibd
from napari_msiclust.msi.index import SpectrumIndex, read_index
from napari_msiclust.msi.metadata import read_metadata


@dataclass(frozen=True)
class FileReport:
    """Findings and facts about one file; `facts` holds plain JSON values."""

    path: Path
    findings: tuple[Finding, ...]
    facts: dict[str, Any]

    @property
    def usable(self) -> bool:
        """Whether the file can be clustered as it is."""
        return all(finding.severity != "error" for finding in self.findings)


def examine(path: str | Path) -> FileReport:
    """Look a file over; never raises for a faulty file."""
    path = Path(path)
    try:
        index = read_index(path)
        ibd_path = find_ibd(path)
        findings = find_faults(index, ibd_path)
        facts = _header_facts(index, ibd_path)
        if all(finding.severity != "error" for finding in findings):
            with ImzmlFile(path, ibd_path, index) as file:
                facts.update(_data_facts(file))
                findings += _axis_findings(file)
    except MsiclustError as error:
        return FileReport(path, (Finding("error", error.fault, fix=error.fix, path=error.path),), {})
    return FileReport(path, tuple(findings), facts)


def _axis_findings(file: ImzmlFile) -> list[Finding]:
    axis = file.shared_mz()
    if axis is None:
        return []
    findings = []
    steps = np.diff(axis)
    if (steps < 0).any():
        findings.append(Finding("note", "the m/z axis is not sorted", "ion images are put in m/z order"))
    duplicates = len(axis) - len(np.unique(axis))
    if duplicates:
        findings.append(
            Finding("note", f"{duplicates} m/z values occur twice", "each keeps its own ion image")
        )
    return findings


def _header_facts(index: SpectrumIndex, ibd_path: Path) -> dict[str, Any]:
    metadata = read_metadata(index)
    x, y = index.positions[:, 0], index.positions[:, 1]
    return {
        "pixels": len(index.positions),
        "shape": [int(np.ptp(y)) + 1, int(np.ptp(x)) + 1],
        "pixel_size_um": list(metadata.pixel_size_um) if metadata.pixel_size_known else None,
        "mode": metadata.mode,
        "spectrum_type": metadata.spectrum_type,
        "polarity": metadata.polarity,
        "mz_dtype": [kind.dtype.name for kind in index.mz.kinds],
        "intensity_dtype": [kind.dtype.name for kind in index.intensity.kinds],
        "software": metadata.software,
        "uuid": metadata.uuid,
        "ibd": str(ibd_path),
        "ibd_bytes": ibd_path.stat().st_size,
    }


def _data_facts(file: ImzmlFile) -> dict[str, Any]:
    lengths = file.index.mz.lengths
    axis = file.shared_mz()
    first = axis if axis is not None else file.spectrum(int(np.argmax(lengths)))[0]
    facts: dict[str, Any] = {
        "values_per_spectrum": [int(lengths.min()), int(lengths.max())],
        "mz_range": [float(first.min()), float(first.max())] if len(first) else None,
    }
    return facts
