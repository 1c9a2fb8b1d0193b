"""Print, as a Markdown table, what is read of every odd file and of every generated kind.

python benchmarks/conformance.py
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from napari_msiclust.msi.preflight import FileReport, examine

sys.path.insert(0, str(Path(__file__).parent.parent))
DATA = Path(os.environ.get("MSICLUST_TEST_DATA", Path(__file__).parent.parent / ".." / "shared" / "data"))


def row(name: str, report: FileReport) -> str:
    facts = report.facts
    if not facts:
        return f"| {name} | not readable | | | {report.findings[0].fault} |"
    shape = " x ".join(map(str, facts["shape"])) + (f" x {facts['planes']}" if facts["planes"] > 1 else "")
    size = facts["pixel_size_um"]
    stored = f"{facts['mode']}, {facts['spectrum_type'] or 'type not said'}"
    types = f"{'/'.join(facts['mz_dtype'])}; {'/'.join(facts['intensity_dtype'])}"
    said = "; ".join(f"{finding.severity}: {finding.fault}" for finding in report.findings) or "-"
    pixels = f"{facts['pixels']} in {shape}, {'unknown size' if size is None else f'{size[1]:g} um'}"
    return f"| {name} | {pixels} | {stored} | {types} | {said} |"


def generated() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, layout and what is special about the spectra of each generated kind."""
    numbers = ("float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    return [
        *((f"intensity {name}", {"intensity_dtype": name}, {}) for name in numbers),
        ("continuous", {"mode": "continuous"}, {}),
        ("zlib", {"mz_zlib": True, "intensity_zlib": True}, {}),
        ("kinds not in groups", {"groups": False}, {}),
        ("ion mobility", {"mobility": "inverse"}, {"mobility": np.array([0.8, 0.9, 1.0])}),
        ("two z planes", {}, {"z": (1, 2)}),
        ("positions as lengths", {"user_positions": True}, {}),
        ("both polarities", {}, {"polarity": ("positive", "negative")}),
        ("pixel size in nm", {"pixel_unit": "nm"}, {}),
        ("pixel size infinite", {"pixel_unit": "inf"}, {}),
        ("no pixel size", {"pixel_size": None}, {}),
        ("all m/z before all intensities", {"array_order": "by_kind"}, {}),
        ("wrong UUID", {"uuid_right": False}, {}),
        ("wrong checksum", {"checksum_right": False}, {}),
        ("wrong spectrum count", {"count_right": False}, {}),
        ("UTF-8 with byte order mark, CRLF", {"encoding": "UTF-8", "bom": True, "spacing": "crlf"}, {}),
        ("comments, single quotes", {"comments": True, "single_quotes": True}, {}),
    ]


def main() -> None:
    from tests.imzml_files import Layout, MadeSpectrum, write_made

    print("| file | pixels | stored as | m/z; intensity | findings |\n|---|---|---|---|---|")
    folder = DATA / "conformance"
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".imzml", ".hdr"):
            print(row(str(path.relative_to(folder)), examine(path, verify=True)))
    with tempfile.TemporaryDirectory() as name:
        for number, (label, layout, special) in enumerate(generated()):
            spectra = [
                MadeSpectrum(
                    k % 3 + 1,
                    k // 3 + 1,
                    special["z"][k % 2] if "z" in special else None,
                    np.array([100.0, 200.0, 300.0]),
                    np.array([1.0, 2.0, 3.0]),
                    special.get("mobility"),
                    special["polarity"][k % 2] if "polarity" in special else "positive",
                )
                for k in range(6)
            ]
            path = write_made(Path(name) / f"{number}.imzML", spectra, Layout(**layout))
            print(row(f"generated: {label}", examine(path, verify=True)))


if __name__ == "__main__":
    main()
