"""Kinds of files that need more than m/z and intensity."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.intervals import Intervals
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.isotopes import isotope_of
from napari_msiclust.msi.open_file import open_msi
from napari_msiclust.msi.preflight import examine
from napari_msiclust.msi.spatial import keep_structured, morans_i
from tests.imzml_files import Layout, MadeSpectrum, write_made


def test_two_isobars_that_differ_only_in_drift_time_are_two_ions(tmp_path: Path) -> None:
    """One on the left half, one on the right half of the image."""
    rng = np.random.default_rng(0)
    spectra = []
    for pixel in range(400):
        x, y = pixel % 20 + 1, pixel // 20 + 1
        drift = np.array([30.0 if x <= 10 else 40.0]) + rng.normal(0, 0.3, 1)
        mz = 500.0 * (1 + rng.normal(0, 2e-6, 1))
        spectra.append(MadeSpectrum(x, y, None, mz, np.array([7.0]), drift))
    path = write_made(tmp_path / "drift.imzML", spectra, Layout(mobility="drift"))
    with open_imzml(path) as file:
        assert file.index.mobility_name == "drift time"
        images = extract_ion_images(file)
    assert len(images) == 2
    assert images.columns["mobility"].tolist() == pytest.approx([30.0, 40.0], abs=0.5)
    left, right = images.image(0), images.image(1)
    for own, other in ((left[:, :10], left[:, 10:]), (right[:, 10:], right[:, :10])):
        assert (own == 7).mean() >= 0.99  # the window ends 4.5 standard deviations from the ion
        assert (other == 0).all()


def test_planes_lie_apart_and_unfold(tmp_path: Path) -> None:
    spectra = [
        MadeSpectrum(x + 1, y + 1, z, np.array([100.0]), np.array([100.0 * z + 10 * y + x + 1]))
        for z in (3, 5)
        for y in range(2)
        for x in range(4)
    ]
    path = write_made(tmp_path / "deep.imzML", spectra, Layout(mode="continuous"))
    with open_imzml(path) as file:
        images = extract_ion_images(file, [100.0])
    assert images.grid.planes == (3, 5)
    volume = images.grid.unfold(images.image(0))
    assert volume.shape == (2, 2, 4)
    expected = [[[100 * z + 10 * y + x + 1 for x in range(4)] for y in range(2)] for z in (3, 5)]
    assert volume.tolist() == expected
    facts = images.grid.to_dict()
    assert facts["shape"] == [2, 4]
    for plane, row, col, value in zip(
        facts["plane"], facts["rows"], facts["cols"], images.values[0], strict=True
    ):
        assert volume[plane, row, col] == value


def test_polarities_are_read_apart(tmp_path: Path) -> None:
    spectra = [
        MadeSpectrum(x + 1, 1, None, np.array([100.0]), np.array([value]), None, polarity)
        for polarity, value in (("positive", 1.0), ("negative", 2.0))
        for x in range(3)
    ]
    path = write_made(tmp_path / "both.imzML", spectra, Layout())
    for polarity, value in (("positive", 1.0), ("negative", 2.0)):
        with open_imzml(path, polarity=polarity) as file:  # type: ignore[arg-type]
            assert extract_ion_images(file, [100.0]).values.tolist() == [[value] * 3]
    with open_imzml(path) as file:
        assert len(file) == 3
        assert any("3 positive and 3 negative" in warning for warning in file.warnings)


def test_a_missing_polarity_is_said(tmp_path: Path) -> None:
    one = MadeSpectrum(1, 1, None, np.array([100.0]), np.array([1.0]), None, "positive")
    path = write_made(tmp_path / "one.imzML", [one])
    with pytest.raises(InputError, match="no negative spectra"):
        open_imzml(path, polarity="negative")


def test_a_damaged_file_is_read_only_when_asked(tmp_path: Path) -> None:
    spectra = [MadeSpectrum(x + 1, 1, None, np.array([100.0]), np.array([x + 1.0])) for x in range(6)]
    path = write_made(tmp_path / "cut.imzML", spectra)
    ibd = path.with_suffix(".ibd")
    ibd.write_bytes(ibd.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match=r"truncated: 2 of 6 pixels.*open it as damaged"):
        open_imzml(path)
    with open_imzml(path, damaged=True) as file:
        assert extract_ion_images(file, [100.0]).values.tolist() == [[1, 2, 3, 4]]


def test_analyze_files_are_read(shared_data: Path) -> None:
    folder = shared_data / "conformance" / "galaxy"
    raw = np.fromfile(folder / "Analyze75.img", "<i2").reshape(9, -1)
    mz = np.fromfile(folder / "Analyze75.t2m", "<f4")
    with open_msi(folder / "Analyze75.hdr") as file:
        np.testing.assert_array_equal(file.shared_mz(), mz)
        for pixel in range(9):
            np.testing.assert_array_equal(file.spectrum(pixel)[1], raw[pixel])


@pytest.mark.parametrize("name", ["run.d", "RUN.RAW"])
def test_raw_data_name_a_converter(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(FileFormatError, match="convert them to imzML"):
        open_msi(tmp_path / name)


@pytest.mark.parametrize(("right", "said"), [(True, "match the declared"), (False, "do not match")])
def test_checksums(tmp_path: Path, right: bool, said: str) -> None:
    one = MadeSpectrum(1, 1, None, np.array([100.0]), np.array([1.0]))
    path = write_made(tmp_path / "sum.imzML", [one], Layout(checksum_right=right))
    assert any(said in finding.fault for finding in examine(path, verify=True).findings)
    assert not any("match" in finding.fault for finding in examine(path).findings)


def test_an_open_file_survives_pickling(tissue: Path) -> None:
    with open_imzml(tissue) as file, pickle.loads(pickle.dumps(file)) as copy:
        np.testing.assert_array_equal(copy.spectrum(5)[1], file.spectrum(5)[1])


def test_intervals_equal_a_search() -> None:
    rng = np.random.default_rng(0)
    for edges in (
        np.sort(rng.uniform(100, 1000, 3000)),
        np.array([5.0]),
        np.array([-np.inf, 1, 1 + 1e-12, np.inf]),
    ):
        values = np.concatenate(
            [rng.uniform(0, 2000, 5000), edges, np.nextafter(edges, -np.inf), [np.inf, -np.inf]]
        )
        np.testing.assert_array_equal(
            Intervals(edges).locate(values), np.searchsorted(edges, values, "right")
        )
    assert Intervals(np.array([1.0, 2.0])).locate(np.array([np.nan])).tolist() == [0]


def test_isotopes_are_flagged_by_mass_and_intensity() -> None:
    mz = np.array([500.0, 501.00335, 502.5, 600.0, 601.00335])
    lighter = isotope_of(mz, np.array([100.0, 30.0, 30.0, 10.0, 100.0]))
    assert lighter[1] == 500.0
    assert np.isnan(lighter[[0, 2, 3, 4]]).all()  # 601 is ten times as intense as 600


def test_structure_tells_noise_from_tissue(tissue_images: IonImages) -> None:
    rng = np.random.default_rng(0)
    noise = rng.random((1, tissue_images.values.shape[1])).astype(np.float32)
    assert abs(morans_i(noise, tissue_images.grid)[0]) < 0.1
    structure = morans_i(tissue_images.values, tissue_images.grid)
    least = float(np.median(structure))
    kept = keep_structured(tissue_images, least)
    assert kept.mz.tolist() == tissue_images.mz[structure >= least].tolist()
    with pytest.raises(InputError, match="Moran"):
        keep_structured(tissue_images, 2.0)
