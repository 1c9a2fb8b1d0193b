"""Open a file by its kind."""

from __future__ import annotations

from pathlib import Path

from napari_msiclust.msi.analyze import ANALYZE_SUFFIXES, open_analyze
from napari_msiclust.msi.imzml import ImzmlFile, Polarity, open_imzml, open_polarities

SUFFIXES = (".imzml", *ANALYZE_SUFFIXES)


def open_msi(path: str | Path, *, polarity: Polarity | None = None, damaged: bool = False) -> ImzmlFile:
    """Open an imzML or Analyze 7.5 file; parameters and errors as in `open_imzml`."""
    path = Path(path)
    if path.suffix.lower() in ANALYZE_SUFFIXES:
        return open_analyze(path)
    return open_imzml(path, polarity=polarity, damaged=damaged)


def open_msi_polarities(path: str | Path, *, damaged: bool = False) -> tuple[ImzmlFile, ...]:
    """Open a file once for each polarity that it holds; as `open_polarities`."""
    path = Path(path)
    if path.suffix.lower() in ANALYZE_SUFFIXES:
        return (open_analyze(path),)
    return open_polarities(path, damaged=damaged)
