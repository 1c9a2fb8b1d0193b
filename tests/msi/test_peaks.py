from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi.imzml import ImzmlFile, open_imzml
from napari_msiclust.msi.ion_list import IonList
from napari_msiclust.msi.mz_lists import read_mz_list
from napari_msiclust.msi.peaks import PeakSettings, is_profile_axis, peak_steps
from napari_msiclust.progress import drain
from tests.conftest import WriteImzml


def pick_peaks(file: ImzmlFile) -> IonList:
    return drain(peak_steps(file, PeakSettings()))


@pytest.mark.parametrize(
    ("text", "mz", "names"),
    [
        ("mz\n200.5\n100.25\n", [100.25, 200.5], ("", "")),
        ("mz,name\n200.5,PC#1\n100.25,A\n", [100.25, 200.5], ("A", "PC#1")),
        ("m/z;Annotation\n100.25;A\n200.5;\n", [100.25, 200.5], ("A", "")),
        ("# exported\nformula,adduct,mz\nC6H12O6,+H,181.07\n", [181.07], ("C6H12O6",)),
    ],
)
def test_mz_lists(tmp_path: Path, text: str, mz: list[float], names: tuple[str, ...]) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    found = read_mz_list(path)
    assert found.mz.tolist() == mz
    assert found.names == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no m/z column"),
        ("mz\n100\nabc\n", "row 2 has no positive m/z"),
        ("mz\n-5\n", "row 1 has no positive m/z"),
        ("mz,x\n", "no rows"),
        ("", "not a CSV table"),
    ],
)
def test_bad_mz_lists(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=said) as caught:
        read_mz_list(path)
    assert str(path) in str(caught.value)


def test_profile_axes_are_told_from_peak_lists() -> None:
    rng = np.random.default_rng(0)
    assert is_profile_axis(np.linspace(100, 200, 500))
    assert is_profile_axis(np.geomspace(100, 2000, 5000))
    assert not is_profile_axis(np.sort(rng.uniform(100, 1000, 400)))
    assert not is_profile_axis(np.array([1.0, 2.0]))


def test_peaks_of_profile_data(write_imzml: WriteImzml) -> None:
    axis = np.linspace(100, 110, 2001)
    rng = np.random.default_rng(0)
    spectra = []
    for _ in range(12):
        signal = sum(h * np.exp(-0.5 * ((axis - c) / 0.02) ** 2) for c, h in ((102.0, 50.0), (105.5, 20.0)))
        spectra.append((axis, signal + rng.uniform(0, 0.5, len(axis))))
    path = write_imzml(spectra, [(k + 1, 1) for k in range(12)], mode="continuous", spec_type="profile")
    with open_imzml(path) as file:
        peaks = pick_peaks(file).mz
    assert peaks == pytest.approx([102.0, 105.5], abs=0.005)


def test_peaks_of_processed_centroids(write_imzml: WriteImzml) -> None:
    rng = np.random.default_rng(0)
    true = np.array([150.0, 150.02, 400.0, 900.0])
    spectra = [(np.sort(true * (1 + rng.normal(0, 1e-6, 4))), [10.0, 20.0, 30.0, 40.0]) for _ in range(50)]
    spectra.append(([500.0], [1000.0]))  # once is not an ion
    path = write_imzml(spectra, [(k + 1, 1) for k in range(51)], mz_dtype=np.float64)
    with open_imzml(path) as file:
        peaks = pick_peaks(file).mz
    assert peaks == pytest.approx([150.0, 150.02, 400.0, 900.0], rel=2e-6)


def test_empty_spectra_have_no_peaks(write_imzml: WriteImzml) -> None:
    path = write_imzml([([100.0], [0.0])], [(1, 1)])
    with open_imzml(path) as file, pytest.raises(InputError, match="no peak stands out"):
        pick_peaks(file)
