from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from pyimzml.compression import ZlibCompression

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi import cache
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_list import IonList
from napari_msiclust.msi.peaks import PeakSettings
from napari_msiclust.msi.windows import Windows
from napari_msiclust.progress import Progress
from tests.conftest import WriteImzml
from tests.imzml_files import Layout, MadeSpectrum, write_made


def _slow_sums(file: object, targets: npt.NDArray[np.float64], ppm: float) -> npt.NDArray[np.float64]:
    """Ion images by the definition, one m/z and one pixel at a time."""
    return np.array(
        [
            [intensity[np.abs(mz - target) <= target * ppm * 1e-6].sum() for mz, intensity in file.spectra()]  # type: ignore[attr-defined]
            for target in targets
        ]
    )


def test_windows_sum_what_lies_within(write_imzml: WriteImzml) -> None:
    rng = np.random.default_rng(1)
    spectra = []
    for _ in range(20):
        mz = rng.uniform(100, 120, 300)  # unsorted
        spectra.append((mz, rng.uniform(0, 10, 300)))
    path = write_imzml(spectra, [(k + 1, 1) for k in range(20)], mz_dtype=np.float64)
    targets = np.array([100.5, 105.0, 105.001, 119.0])
    with open_imzml(path) as file:
        images = extract_ion_images(file, targets, tolerance_ppm=2000)
        expected = _slow_sums(file, targets, 2000)
    assert images.values.dtype == np.float32
    np.testing.assert_allclose(images.values, expected, rtol=1e-5)


def test_an_own_unsorted_axis_comes_in_mz_order(write_imzml: WriteImzml) -> None:
    axis = [300.0, 100.0, 200.0, 100.0]
    path = write_imzml([(axis, [3, 1, 2, 4]), (axis, [30, 10, 20, 40])], [(1, 1), (2, 1)], mode="continuous")
    with open_imzml(path) as file:
        images = extract_ion_images(file)
    assert images.mz.tolist() == [100.0, 100.0, 200.0, 300.0]
    assert images.values.tolist() == [[1, 10], [4, 40], [2, 20], [3, 30]]


def test_real_tissue_keeps_every_ion(shared_data: Path) -> None:
    with open_imzml(shared_data / "msight" / "prostate_example.imzML") as file:
        images = extract_ion_images(file)
        mz, intensity = file.spectrum(1000)
    assert images.values.shape == (422, 33035)
    assert (np.diff(images.mz) >= 0).all()
    np.testing.assert_allclose(images.values[:, 1000], intensity[np.argsort(mz, kind="stable")], rtol=1e-6)
    assert np.isnan(images.image(0)).sum() == 274 * 163 - 33035


def test_another_readers_ion_image(shared_data: Path) -> None:
    folder = shared_data / "conformance" / "pym2aia"
    with open_imzml(folder / "test.imzML") as file:
        images = extract_ion_images(file, [2000.0], tolerance_ppm=100)
        expected = _slow_sums(file, np.array([2000.0]), 100)
    np.testing.assert_allclose(images.values, expected, rtol=1e-5)


@pytest.mark.parametrize("normalization", ["tic", "rms", "median"])
def test_normalized_spectra_have_the_same_size(write_imzml: WriteImzml, normalization: str) -> None:
    axis = [100.0, 200.0, 300.0]
    spectra = [(axis, [1, 2, 3]), (axis, [10, 20, 30]), (axis, [0, 0, 0])]
    path = write_imzml(spectra, [(1, 1), (2, 1), (3, 1)], mode="continuous")
    with open_imzml(path) as file:
        images = extract_ion_images(file, normalization=normalization)  # type: ignore[arg-type]
    np.testing.assert_allclose(images.values[:, 0], images.values[:, 1], rtol=1e-6)
    assert images.values[:, 2].tolist() == [0, 0, 0]


def test_names_travel_with_the_ions(tissue: Path) -> None:
    with open_imzml(tissue) as file:
        images = extract_ion_images(
            file, IonList(np.array([500.0, 600.0]), pd.DataFrame({"name": ["A", "B"]}))
        )
    assert images.names == ("A", "B")


def test_the_cache_is_used_and_follows_the_settings(tissue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def extract(**settings: object) -> tuple[npt.NDArray[np.float32], list[Progress]]:
        steps: list[Progress] = []
        with open_imzml(tissue) as file:
            return extract_ion_images(file, progress=steps.append, **settings).values, steps  # type: ignore[arg-type]

    first, worked = extract()
    again, reused = extract()
    _, other = extract(normalization="tic")
    _, uncached = extract(normalization="tic", cache=False)
    assert worked
    assert other
    assert uncached
    assert not reused
    np.testing.assert_array_equal(first, again)
    assert all(entry.suffix == ".npy" for entry in (cache.cache_folder() / "ion-images").iterdir())


def test_the_cache_stays_under_its_limit(tissue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_imzml(tissue) as file:
        size = extract_ion_images(file).values.nbytes
        monkeypatch.setattr(cache, "LIMIT_BYTES", int(2.5 * size))
        for tolerance in (5, 10, 15):
            extract_ion_images(file, [500.0] * 24, tolerance_ppm=tolerance)
    assert len(list((cache.cache_folder() / "ion-images").glob("*.npy"))) == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tolerance_ppm": 0}, "tolerance_ppm is 0"),
        ({"normalization": "best"}, "unknown normalization"),
        ({"mz": []}, "m/z list is empty"),
        ({"mz": [float("nan")]}, "no positive number"),
    ],
)
def test_bad_settings(tissue: Path, settings: dict[str, object], said: str) -> None:
    with open_imzml(tissue) as file, pytest.raises(InputError, match=said):
        extract_ion_images(file, **settings)  # type: ignore[arg-type]


def test_one_broken_intensity_stays_alone(write_imzml: WriteImzml) -> None:
    axis = [100.0, 200.0, 300.0]
    spectra = [(axis, [1, np.nan, 3]), (axis, [np.inf, 5, 6])]
    for mode, targets in (("processed", axis), ("continuous", None)):
        path = write_imzml(spectra, [(1, 1), (2, 1)], mode=mode, name=f"{mode}.imzML")
        with open_imzml(path) as file:
            images = extract_ion_images(file, targets)
        assert images.values.tolist() == [[1, 0], [0, 5], [3, 6]]


def test_arrays_stored_far_apart_are_read(tmp_path: Path) -> None:
    """All m/z first, then all intensities, with gaps: no block of the file holds both."""
    axis = np.arange(100.0, 300.0)
    spectra = [MadeSpectrum(k + 1, 1, None, axis, axis * (k + 1)) for k in range(5)]
    path = write_made(tmp_path / "apart.imzML", spectra, Layout(array_order="by_kind", gap=64))
    with open_imzml(path) as file:
        assert extract_ion_images(file, [100.0, 200.0]).values[1].tolist() == [200, 400, 600, 800, 1000]


def test_a_fault_leaves_nothing_in_the_cache(write_imzml: WriteImzml) -> None:
    """A spectrum that cannot be unpacked is met when the divisors of a normalization are sampled."""
    path = write_imzml(
        [([100.0, 200.0], [1, 2])] * 3,
        [(k + 1, 1) for k in range(3)],
        intensity_compression=ZlibCompression(),
    )
    with open_imzml(path) as file:
        offset = int(file.index.intensity.offsets[1])
    raw = bytearray(path.with_suffix(".ibd").read_bytes())
    raw[offset : offset + 4] = b"\xff" * 4
    path.with_suffix(".ibd").write_bytes(bytes(raw))
    with open_imzml(path) as file, pytest.raises(FileFormatError, match="spectrum 2 are damaged"):
        extract_ion_images(file, [100.0], normalization="tic")
    assert list((cache.cache_folder() / "ion-images").iterdir()) == []


def _processed(write_imzml: WriteImzml) -> Path:
    rng = np.random.default_rng(0)
    ions = np.array([150.0, 400.0, 900.0])
    spectra = [(np.sort(ions * (1 + rng.normal(0, 1e-6, 3))), [10.0, 20.0, 30.0]) for _ in range(60)]
    return write_imzml(spectra, [(k + 1, 1) for k in range(60)], mz_dtype=np.float64)


def test_picked_ions_are_kept_with_the_images(write_imzml: WriteImzml) -> None:
    path = _processed(write_imzml)
    stages: list[set[str]] = []
    found = []
    for settings in (PeakSettings(), PeakSettings(), PeakSettings(max_peaks=2)):
        steps: list[Progress] = []
        with open_imzml(path) as file:
            found.append(extract_ion_images(file, peaks=settings, progress=steps.append))
        stages.append({step.stage for step in steps})
    assert "picking peaks" in stages[0]
    assert not stages[1]
    assert "picking peaks" in stages[2]
    first, again, fewer = found
    assert again.mz.tolist() == first.mz.tolist()
    assert again.columns.equals(first.columns)
    assert len(fewer) == 2


def test_a_broken_entry_of_the_cache_is_made_again(write_imzml: WriteImzml) -> None:
    path = _processed(write_imzml)
    with open_imzml(path) as file:
        first = extract_ion_images(file)
        for entry in (cache.cache_folder() / "ion-images").iterdir():
            entry.write_bytes(entry.read_bytes()[:20])
        again = extract_ion_images(file)
    assert again.mz.tolist() == first.mz.tolist()


def test_ions_survive_being_stored() -> None:
    windows = Windows(np.array([1.0]), np.array([2.0]), np.array([-np.inf]), np.array([3.0]))
    ions = IonList(np.array([1.5]), pd.DataFrame({"mobility": [0.5]}), windows)
    again = IonList.from_arrays(ions.to_arrays())
    assert again.mz.tolist() == [1.5]
    assert again.columns.equals(ions.columns)
    assert again.own_windows is not None
    assert again.own_windows.to_bytes() == windows.to_bytes()
    assert IonList.from_arrays(IonList.of([5.0]).to_arrays()).own_windows is None


def test_a_continuous_file_in_place_equals_a_copy(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    axis = np.arange(100.0, 150.0)
    spectra = [MadeSpectrum(k % 6 + 1, k // 6 + 1, None, axis, rng.integers(0, 99, 50)) for k in range(30)]
    path = write_made(tmp_path / "made.imzML", spectra, Layout(mode="continuous"))
    with open_imzml(path) as file:
        view, copy = extract_ion_images(file, cache=False), extract_ion_images(file)
    np.testing.assert_array_equal(view.values, copy.values)
    assert view.values.strides[0] < view.values.strides[1]  # one number of every spectrum, as stored
    assert not view.values.flags.writeable


@pytest.mark.parametrize(("normalization", "divide"), [("tic", np.sum), ("median", np.median)])
def test_windows_are_normalized_in_the_same_pass(
    write_imzml: WriteImzml, normalization: str, divide: Callable[[npt.NDArray[np.float64]], float]
) -> None:
    rng = np.random.default_rng(0)
    spectra = [(np.sort(rng.uniform(100, 120, 50)), rng.uniform(1, 10, 50)) for _ in range(40)]
    path = write_imzml(spectra, [(k + 1, 1) for k in range(40)], mz_dtype=np.float64)
    targets = np.array([105.0, 110.0])
    with open_imzml(path) as file:
        images = extract_ion_images(
            file,
            targets,
            tolerance_ppm=9000,
            normalization=normalization,  # type: ignore[arg-type]
        )
        sums = _slow_sums(file, targets, 9000)
        divisor = np.array([divide(intensity) for _, intensity in file.spectra()])
    np.testing.assert_allclose(images.values, sums / divisor * divisor.mean(), rtol=1e-5)
