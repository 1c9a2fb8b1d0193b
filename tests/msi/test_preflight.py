from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.preflight import examine
from tests.conftest import WriteImzml


def _faults(path: Path, severity: str) -> str:
    return " | ".join(finding.fault for finding in examine(path).findings if finding.severity == severity)


def test_a_good_file_has_facts(tissue: Path) -> None:
    report = examine(tissue)
    assert report.usable
    assert report.facts["mode"] == "continuous"
    assert report.facts["pixel_size_um"] == [50.0, 50.0]
    assert report.facts["values_per_spectrum"] == [24, 24]


def test_a_hopeless_file_is_an_error_not_an_exception(tmp_path: Path) -> None:
    report = examine(tmp_path / "absent.imzML")
    assert not report.usable
    assert report.findings[0].severity == "error"


@pytest.mark.parametrize(
    ("name", "severity", "said"),
    [
        ("thyra/two_scansettings.imzML", "warning", "2 scan settings"),
        ("thyra/two_precision_terms.imzML", "warning", "float32 and float64"),
        ("metaspace/Untreated_3_434_tiny.imzML", "warning", "no usable pixel size"),
        ("imzy/simple_imzml.imzML", "note", "1 of 3 x 2 positions were not acquired"),
        ("imsmicrolink/imzml_file.imzML", "error", "imzml_file.ibd is missing"),
    ],
)
def test_findings_on_odd_files(shared_data: Path, name: str, severity: str, said: str) -> None:
    assert said in _faults(shared_data / "conformance" / name, severity)


def test_an_unsorted_axis_is_noted(shared_data: Path) -> None:
    notes = _faults(shared_data / "msight" / "prostate_example.imzML", "note")
    assert "not sorted" in notes
    assert "holds values twice" in notes


def test_planes_duplicates_and_counts(write_imzml: WriteImzml) -> None:
    spectrum = ([1.0], [1.0])
    planes = write_imzml([spectrum] * 2, [(1, 1, 1), (1, 1, 2)], name="planes.imzML")
    assert "2 z planes" in _faults(planes, "note")
    twice = write_imzml([spectrum] * 3, [(1, 1), (1, 1), (2, 1)], name="twice.imzML")
    assert "1 pixels were acquired more than once" in _faults(twice, "warning")
    fewer = write_imzml([spectrum] * 2, [(1, 1), (2, 1)], name="fewer.imzML")
    text = fewer.read_text(encoding="ISO-8859-1")
    fewer.write_text(text.replace('spectrumList count="2"', 'spectrumList count="9"'), encoding="ISO-8859-1")
    assert "9 spectra are declared, 2 were found" in _faults(fewer, "warning")


def test_an_exchanged_ibd_is_noticed(write_imzml: WriteImzml) -> None:
    path = write_imzml([([1.0], [1.0])], [(1, 1)])
    ibd = path.with_suffix(".ibd")
    ibd.write_bytes(bytes(16) + ibd.read_bytes()[16:])
    assert "another UUID" in _faults(path, "warning")


def _peak_lists(*, by_intensity: bool = False) -> list[tuple[list[float], list[float]]]:
    rng = np.random.default_rng(0)
    spectra = []
    for _ in range(30):
        mz = np.sort(np.linspace(100, 900, 20) * (1 + rng.normal(0, 2e-6, 20)))
        intensity = np.ceil(rng.exponential(50, 20))
        order = np.argsort(intensity, kind="stable") if by_intensity else np.arange(20)
        spectra.append((mz[order].tolist(), intensity[order].tolist()))
    return spectra


@pytest.mark.parametrize("mode", ["processed", "continuous"])
def test_exchanged_terms_are_an_error(write_imzml: WriteImzml, mode: str) -> None:
    spectra = _peak_lists()
    axis = spectra[0][0]
    path = write_imzml(
        [(axis if mode == "continuous" else mz, intensity) for mz, intensity in spectra],
        [(k + 1, 1) for k in range(30)],
        mode=mode,
        mz_dtype=np.float64,
    )
    assert examine(path).usable
    text = path.read_text(encoding="ISO-8859-1")
    for old, new in (("MS:1000514", "?"), ("MS:1000515", "MS:1000514"), ("?", "MS:1000515")):
        text = text.replace(f'"{old}"', f'"{new}"')
    path.write_text(text, encoding="ISO-8859-1")
    report = examine(path)
    assert not report.usable
    assert "m/z and intensity are exchanged" in _faults(path, "error")
    with pytest.raises(FileFormatError, match="exchange the terms"):
        open_imzml(path)
    with open_imzml(path, damaged=True) as file:
        assert file.spectrum(0)[1].tolist() == axis


def test_peak_lists_by_intensity_are_not_exchanged(write_imzml: WriteImzml) -> None:
    path = write_imzml(_peak_lists(by_intensity=True), [(k + 1, 1) for k in range(30)], mz_dtype=np.float64)
    report = examine(path)
    assert report.usable
    assert "not sorted" in _faults(path, "note")
