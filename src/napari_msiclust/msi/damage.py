"""What can still be read of a damaged file."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.faults import Finding
from napari_msiclust.msi.open_file import open_msi
from napari_msiclust.msi.tic import tic_steps
from napari_msiclust.progress import Progress


@dataclass(frozen=True)
class Damage:
    """What is wrong with a file, and what is left of it.

    Attributes
    ----------
    path : Path
    findings : tuple of Finding
        The faults that keep it from being opened as it is.
    readable_pixels : int
        Pixels whose spectra can be read.
    """

    path: Path
    findings: tuple[Finding, ...]
    readable_pixels: int


def damage_steps(
    path: Path, error: FileFormatError, *, stop: threading.Event | None = None
) -> Generator[Progress, None, Damage]:
    """Look over a file that could not be opened or read; reads all of its spectra.

    Parameters
    ----------
    error : FileFormatError
        Why it could not be opened or read.

    Raises
    ------
    FileFormatError
        Nothing of it can be read.
    Stopped
        `stop` was set.
    """
    with open_msi(path, damaged=True) as file:
        findings = [finding for finding in file.findings if finding.severity == "error"]
        yield from tic_steps(file.reader, stop=stop)
        lost = len(file.reader.undecodable)
        if lost:
            fault = f"the data of {lost} of {len(file)} spectra are damaged or cut off"
            findings.append(Finding("error", fault, "those pixels would count as zero", path=file.ibd_path))
        if not findings:
            findings.append(Finding("error", error.fault, fix=error.fix, path=error.path))
        return Damage(path, tuple(findings), len(file) - lost)
