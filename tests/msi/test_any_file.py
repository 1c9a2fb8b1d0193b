"""Any file that can be written reads back, and any damage ends in a clear error or a correct read."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from napari_msiclust.errors import MsiclustError
from napari_msiclust.msi import scan
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import ImzmlFile, find_ibd, open_imzml
from napari_msiclust.msi.index import ArrayIndex, SpectrumIndex
from napari_msiclust.msi.scan import read_index
from tests.imzml_files import Layout, MadeSpectrum, made_files, write_made
from tests.imzml_mutations import mutate

MUTATIONS = 60


def parsed_only(path: Path) -> SpectrumIndex:
    """The index by the XML parser alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "_MOST_TEMPLATES", 0)
        return read_index(path)


def assert_same_index(one: SpectrumIndex, other: SpectrumIndex) -> None:
    assert one.header == other.header
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.polarity, other.polarity)
    for name in ("mz", "intensity", "mobility"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert_same_arrays(mine, theirs)


def assert_same_arrays(one: ArrayIndex, other: ArrayIndex) -> None:
    assert [one.kinds[kind] for kind in one.kind] == [other.kinds[kind] for kind in other.kind]
    for name in ("offsets", "lengths", "encoded_lengths"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def whole_index(path: Path) -> ImzmlFile:
    """A file with the spectra of both polarities, so that all can be compared."""
    return ImzmlFile(path, find_ibd(path), read_index(path))


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(made=made_files())
def test_what_was_written_is_read(made: tuple[list[MadeSpectrum], Layout]) -> None:
    spectra, layout = made
    with tempfile.TemporaryDirectory() as folder:
        path = write_made(Path(folder) / "made.imzML", spectra, layout)
        index = read_index(path)
        assert_same_index(index, parsed_only(path))
        with whole_index(path) as file:
            for pixel, spectrum in enumerate(spectra):
                mz, intensity, mobility = file.reader.spectrum(pixel)
                np.testing.assert_array_equal(mz, spectrum.mz)
                np.testing.assert_array_equal(intensity, spectrum.intensity)
                if spectrum.mobility is not None:
                    assert mobility is not None
                    np.testing.assert_array_equal(mobility, spectrum.mobility)
            for (mz, intensity), spectrum in zip(file.spectra(), spectra, strict=True):
                np.testing.assert_array_equal(mz, spectrum.mz)
                np.testing.assert_array_equal(intensity, spectrum.intensity)
        signs = {"positive": 1, "negative": -1, None: 0}
        assert index.polarity.tolist() == [signs[spectrum.polarity] for spectrum in spectra]
        place = np.array([(s.x, s.y, 1 if s.z is None else s.z) for s in spectra])
        if layout.user_positions:  # lengths have neither origin nor, for few pixels, a known step
            for axis in range(3):
                ranks = [
                    np.unique(column[:, axis], return_inverse=True)[1] for column in (index.positions, place)
                ]
                np.testing.assert_array_equal(*ranks)
        else:
            np.testing.assert_array_equal(index.positions, place)


def test_the_fast_scanner_and_the_parser_agree_on_all_files(shared_data: Path) -> None:
    files = [path for path in shared_data.rglob("*") if path.suffix.lower() == ".imzml"]
    assert len(files) >= 15
    for path in files:
        assert_same_index(read_index(path), parsed_only(path))


def test_real_spectra_are_recognised_without_parsing(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fast way is taken: all but a few spectra of a real file never reach the parser."""
    parsed: list[int] = []
    feed = scan.SpectrumParser.feed

    def counted(self: scan.SpectrumParser, block: bytes, *, final: bool = False) -> None:
        parsed.append(block.count(b"<spectrum "))
        feed(self, block, final=final)

    monkeypatch.setattr(scan.SpectrumParser, "feed", counted)
    assert len(read_index(shared_data / "msight" / "prostate_example.imzML")) == 33035
    assert sum(parsed) < 50


@pytest.fixture(scope="module")
def valid_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("valid")
    rng = np.random.default_rng(4)
    axis = np.sort(rng.uniform(100, 900, 40).astype(np.float32)).astype(float)
    spectra = [
        MadeSpectrum(k % 5 + 1, k // 5 + 1, None, axis, np.round(rng.uniform(1, 99, 40))) for k in range(20)
    ]
    layouts = (Layout(), Layout(mode="continuous"), Layout(intensity_zlib=True, mz_zlib=True, groups=False))
    return [write_made(folder / f"{number}.imzML", spectra, layout) for number, layout in enumerate(layouts)]


@pytest.mark.parametrize("seed", range(MUTATIONS))
def test_damage_is_an_error_or_a_correct_read(valid_files: list[Path], tmp_path: Path, seed: int) -> None:
    """Numbers differ from the original only if bytes of numbers were changed."""
    original = valid_files[seed % len(valid_files)]
    rng = np.random.default_rng(seed)
    xml, ibd = original.read_bytes(), original.with_suffix(".ibd").read_bytes()
    broken_xml, broken_ibd, fault = mutate(xml, ibd, rng)
    path = tmp_path / "broken.imzML"
    path.write_bytes(broken_xml)
    path.with_suffix(".ibd").write_bytes(broken_ibd)
    for damaged in (False, True):
        said = ""
        images = None
        try:
            with open_imzml(path, damaged=damaged) as file:
                images = extract_ion_images(file, [200.0, 500.0], tolerance_da=50, cache=False)
        except MsiclustError as error:
            said = str(error)
        assert "\n" not in said
        if images is None:
            continue
        assert np.isfinite(images.values).all() or broken_ibd != ibd
        if broken_ibd == ibd:  # what is read must be spectra of the original
            with open_imzml(original) as file:
                known = extract_ion_images(file, [200.0, 500.0], tolerance_da=50, cache=False)
            columns = {tuple(column) for column in known.values.T.tolist()}
            assert {tuple(column) for column in images.values.T.tolist()} <= columns, fault
