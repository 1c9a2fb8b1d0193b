from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from pyimzml.ImzMLParser import ImzMLParser

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.scan import read_index
from tests.conftest import WriteImzml


def test_locations_and_positions_are_those_of_pyimzml(shared_data: Path) -> None:
    files = [
        path
        for path in (shared_data / "conformance").rglob("*")
        if path.suffix.lower() == ".imzml" and path.with_suffix(".ibd").exists()
    ]
    assert len(files) >= 10
    for path in files:
        index = read_index(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it corrects misspelt names aloud
            peer = ImzMLParser(str(path), ibd_file=None)
        np.testing.assert_array_equal(index.positions[:, :2], np.array(peer.coordinates)[:, :2], str(path))
        np.testing.assert_array_equal(index.mz.offsets, peer.mzOffsets, str(path))
        np.testing.assert_array_equal(index.mz.lengths, peer.mzLengths, str(path))
        np.testing.assert_array_equal(index.intensity.offsets, peer.intensityOffsets, str(path))


def test_contradicting_number_types_are_settled_by_the_lengths(shared_data: Path) -> None:
    index = read_index(shared_data / "conformance" / "thyra" / "two_precision_terms.imzML")
    assert index.mz.kinds[0].dtype == np.dtype("<f8")
    assert any("float32 and float64" in note for note in index.header.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not an imzML file"),
        ("not xml at all", "not an imzML file"),
        ("<html><body/></html>", "first element is <html>"),
        ("<mzML><run><spectrumList>", "damaged XML"),
        ("<mzML></mzML>", "no spectra"),
        ("<mzML><spectrum><scan/></spectrum></mzML>", "no pixel position"),
        (
            '<mzML><spectrum><cvParam accession="IMS:1000050" value="one"/></spectrum></mzML>',
            "'one' is not a usable number",
        ),
        (
            '<mzML><spectrum><cvParam accession="IMS:1000050" value="1"/>'
            '<cvParam accession="IMS:1000051" value="1"/></spectrum></mzML>',
            "one m/z and one intensity array",
        ),
    ],
)
def test_a_broken_file_gives_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "broken.imzML"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=said) as caught:
        read_index(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.imzML"
    path.write_text('<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><mzML>&b;</mzML>')
    with pytest.raises(FileFormatError, match="entities"):
        read_index(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no such file"):
        read_index(tmp_path / "absent.imzML")


def test_a_missing_number_type_is_taken_from_the_lengths(write_imzml: WriteImzml) -> None:
    path = write_imzml([([1, 2], [3, 4])], [(1, 1)], mz_dtype=np.float64, intensity_dtype=np.float32)
    text = path.read_text(encoding="ISO-8859-1")
    path.write_text(text.replace("MS:1000523", "MS:9999999"), encoding="ISO-8859-1")
    index = read_index(path)
    assert index.mz.kinds[0].dtype == np.dtype("<f8")
    assert any("no number type declared" in note for note in index.header.notes)


def test_chromatograms_are_no_spectra(write_imzml: WriteImzml) -> None:
    path = write_imzml([([1, 2], [3, 4])], [(1, 1)])
    text = path.read_text(encoding="ISO-8859-1")
    array = '<binaryDataArray><cvParam accession="MS:1000515" value=""/></binaryDataArray>'
    chromatogram = f"<chromatogramList><chromatogram>{array}</chromatogram></chromatogramList>"
    path.write_text(text.replace("</run>", chromatogram + "</run>"), encoding="ISO-8859-1")
    assert len(read_index(path).intensity.offsets) == 1
