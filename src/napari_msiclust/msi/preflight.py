"""The file doctor: findings and facts about one file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_msiclust.errors import MsiclustError
from napari_msiclust.msi.faults import Finding
from napari_msiclust.msi.imzml import ImzmlFile
from napari_msiclust.msi.open_file import open_msi

_SAMPLE = 200
_MOST_NAMED = 8
_HASHES = {"IMS:1000090": "md5", "IMS:1000091": "sha1", "IMS:1000092": "sha256"}


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


def examine(
    path: str | Path, *, verify: bool = False, progress: Callable[[int, int], None] | None = None
) -> FileReport:
    """Look a file over; never raises for a faulty file.

    Parameters
    ----------
    path : path
    verify : bool
        Also compare the data with the checksum that the file declares; reads all of it.
    progress : callable, optional
        Receives bytes read and bytes in all of the checksum.
    """
    path = Path(path)
    fault: Finding | None = None
    try:
        try:
            file = open_msi(path)
        except MsiclustError as error:
            fault = Finding("error", error.fault, fix=error.fix, path=error.path)
            file = open_msi(path, damaged=True)
        with file:
            findings, facts = [*file.findings], _facts(file)
            findings += _region_findings(file) + _sampled_findings(file)
            if verify:
                findings.append(_checksum_finding(file, progress))
    except MsiclustError as error:
        last = fault or Finding("error", error.fault, fix=error.fix, path=error.path)
        return FileReport(path, (last,), {})
    if fault is not None and all(finding.severity != "error" for finding in findings):
        findings.insert(0, fault)
    return FileReport(path, tuple(findings), facts)


def _facts(file: ImzmlFile) -> dict[str, Any]:
    metadata, index = file.metadata, file.index
    lengths = index.intensity.lengths
    facts: dict[str, Any] = {
        "pixels": len(file),
        "shape": list(file.grid.plane_shape),
        "planes": len(file.grid.planes),
        "regions": int(file.grid.regions.max()),
        "pixel_size_um": list(metadata.pixel_size_um) if metadata.pixel_size_known else None,
        "mode": metadata.mode,
        "spectrum_type": metadata.spectrum_type,
        "polarity": metadata.polarity,
        "ion_mobility": index.mobility_name or None,
        "mz_dtype": _dtypes(file, "mz"),
        "intensity_dtype": _dtypes(file, "intensity"),
        "values_per_spectrum": [int(lengths.min()), int(lengths.max())],
        "software": metadata.software,
        "uuid": metadata.uuid,
        "ibd": str(file.ibd_path),
        "ibd_bytes": file.ibd_path.stat().st_size,
    }
    sample = [mz for mz, _ in _sample(file) if len(mz)]
    if sample:
        facts["mz_range"] = [float(min(map(np.min, sample))), float(max(map(np.max, sample)))]
    return facts


def _dtypes(file: ImzmlFile, part: str) -> list[str]:
    kinds = getattr(file.index, part).kinds
    return [kind.dtype.name + (" zlib" if kind.zlib else "") for kind in kinds]


def _sample(file: ImzmlFile) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Evenly spread spectra; one is enough where all share an axis."""
    count = min(_SAMPLE, len(file))
    return [file.spectrum(int(pixel)) for pixel in np.linspace(0, len(file) - 1, count)]


def _region_findings(file: ImzmlFile) -> list[Finding]:
    """Several regions, with the number of pixels of each."""
    pixels = np.bincount(file.grid.regions)[1:].tolist()
    if len(pixels) <= len(file.grid.planes):
        return []
    sizes = ", ".join(map(str, pixels[:_MOST_NAMED])) + (", ..." if len(pixels) > _MOST_NAMED else "")
    return [
        Finding(
            "note",
            f"{len(pixels)} regions lie apart, of {sizes} pixels",
            "they are clustered together; the grid.json of msiclust extract names the region of each pixel",
        )
    ]


def _sampled_findings(file: ImzmlFile) -> list[Finding]:
    """Faults of the numbers themselves, in the spectra that were looked at."""
    sample = _sample(file)
    what = "spectra" if len(sample) == len(file) else "spectra looked at"
    axes = [mz for mz, _ in sample]
    if file.metadata.mode == "continuous":
        axes, what_axis = axes[:1], "the m/z axis"
    else:
        what_axis = f"the m/z of {{}} of {len(sample)} {what}"
    with np.errstate(invalid="ignore"):
        checks = (
            ("warning", [not (np.isfinite(mz) & (mz > 0)).all() for mz in axes], "holds what is no m/z",
             "those values are lost"),
            ("note", [bool((np.diff(mz) < 0).any()) for mz in axes], "is not sorted",
             "ion images are put in m/z order"),
            ("note", [len(np.unique(mz)) < len(mz) for mz in axes], "holds values twice",
             "each value of a shared axis keeps its own ion image"),
        )  # fmt: skip
        findings = [
            Finding(severity, f"{what_axis.format(sum(bad))} {fault}", consequence)  # type: ignore[arg-type]
            for severity, bad, fault, consequence in checks
            if any(bad)
        ]
        broken = sum(not np.isfinite(intensity).all() for _, intensity in sample)
        negative = sum(bool((intensity < 0).any()) for _, intensity in sample)
    if broken:
        fault = f"{broken} of {len(sample)} {what} hold intensities that are not finite"
        findings.append(Finding("warning", fault, "these count as zero"))
    if negative:
        fault = f"{negative} of {len(sample)} {what} hold negative intensities"
        findings.append(
            Finding("note", fault, "they are kept in sums, and count as zero in images to cluster")
        )
    if not any(intensity.any() for _, intensity in sample):
        findings.append(
            Finding("error", f"all {what} are zero or empty", "there is nothing to cluster", "export again")
        )
    return findings


def _checksum_finding(file: ImzmlFile, progress: Callable[[int, int], None] | None) -> Finding:
    content = file.index.header.content
    term = next((term for term in _HASHES if term in content and content[term].value), None)
    if term is None:
        return Finding("note", "no checksum is declared", "the data cannot be verified")
    digest = hashlib.new(_HASHES[term], usedforsecurity=False)
    size, done = file.ibd_path.stat().st_size, 0
    with file.ibd_path.open("rb") as stream:
        while block := stream.read(4 << 20):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done, size)
    name = _HASHES[term].upper()
    if digest.hexdigest() == content[term].value.strip().lower():
        return Finding("note", f"the data match the declared {name}")
    return Finding(
        "warning",
        f"the data do not match the declared {name}",
        "they were changed after the export, or damaged",
        "copy the file again from its source",
        file.ibd_path,
    )
