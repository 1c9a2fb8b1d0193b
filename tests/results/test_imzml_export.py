from __future__ import annotations

import errno
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from pyimzml.ImzMLParser import ImzMLParser
from pyimzml.ImzMLWriter import ImzMLWriter

from napari_msiclust.errors import InputError, OutputError
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import mean_images_tiff
from napari_msiclust.results.imzml_export import mean_images_as_ions, write_imzml
from napari_msiclust.results.scaled_image import ScaledImage


def _again(path: Path) -> IonImages:
    with open_imzml(path) as file:
        faults = [finding.fault for finding in file.findings if finding.severity != "note"]
        assert faults in ([], ["no usable pixel size (none given)"])
        return extract_ion_images(file, cache=False)


def _assert_same(again: IonImages, images: IonImages) -> None:
    np.testing.assert_array_equal(again.mz, images.mz)
    np.testing.assert_array_equal(again.values, images.values)
    for name in ("rows", "cols"):
        np.testing.assert_array_equal(getattr(again.grid, name), getattr(images.grid, name))
    for name in ("shape", "origin", "planes", "pixel_size_um", "pixel_size_known"):
        assert getattr(again.grid, name) == getattr(images.grid, name), name
    assert again.polarity == images.polarity


def _scattered(deep: bool, pixel_size_um: tuple[float, float] | None) -> IonImages:
    rng = np.random.default_rng(4)
    places = rng.permutation(200)[:50]
    positions = np.stack(
        (places % 20 + 7, places // 20 + 3, places % 2 * 5 + 1 if deep else 0 * places + 1), 1
    )
    grid = PixelGrid.from_positions(positions.astype(np.int32), pixel_size_um)
    mz = np.sort(rng.uniform(100, 900, 12))
    return IonImages(mz, rng.random((12, 50), dtype=np.float32), grid, polarity="negative")


@pytest.mark.parametrize("deep", [False, True], ids=["one plane", "two planes"])
@pytest.mark.parametrize("size", [None, (12.5, 1 / 3)])
def test_our_reader_finds_the_same(tmp_path: Path, deep: bool, size: tuple[float, float] | None) -> None:
    images = _scattered(deep, size)
    _assert_same(_again(write_imzml(tmp_path / "x & <y>.imzML", images)), images)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x & <y>.ibd", "x & <y>.imzML"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pyimzml_finds_the_same(tmp_path: Path) -> None:
    images = _scattered(deep=False, pixel_size_um=(20.0, 10.0))
    path = write_imzml(tmp_path / "x.imzML", images)
    with ImzMLParser(str(path)) as parser:
        assert parser.polarity == "negative"
        sizes = parser.imzmldict["pixel size y"], parser.imzmldict["pixel size x"]
        assert sizes == (20.0, 10.0)
        for pixel, (x, y, z) in enumerate(parser.coordinates):
            mz, intensity = parser.getspectrum(pixel)
            np.testing.assert_array_equal(mz, images.mz)
            np.testing.assert_array_equal(intensity, images.values[:, pixel])
            assert (y - 3, x - 7, z) == (images.grid.rows[pixel], images.grid.cols[pixel], 1)


def test_the_header_names_no_path(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", _scattered(deep=False, pixel_size_um=None))
    run = ET.parse(path).getroot().find("{*}run")
    assert run is not None
    assert run.get("id") == "ion_images"


def test_mean_images_have_cluster_numbers_for_mz(tissue_result: ClusterResult, tmp_path: Path) -> None:
    ions = mean_images_as_ions(mean_images_tiff(tissue_result))
    again = _again(write_imzml(tmp_path / "means.imzML", ions))
    assert again.mz.tolist() == tissue_result.clusters["cluster"].tolist()
    first = again.grid.image(again.values[0])
    height, width = first.shape  # the section without empty margins
    top, left = again.grid.origin[0] - 1, again.grid.origin[1] - 1
    np.testing.assert_array_equal(
        first, tissue_result.mean_images[0, top : top + height, left : left + width]
    )
    for image, said in (
        (ScaledImage(np.ones((2, 3)), None, "one"), "no stack"),
        (ScaledImage(np.full((2, 3, 4), np.nan), None, "x"), "empty"),
    ):
        with pytest.raises(InputError, match=said):
            mean_images_as_ions(image)


def test_a_full_disk_leaves_the_earlier_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = _scattered(deep=False, pixel_size_um=(5.0, 5.0))
    path = write_imzml(tmp_path / "x.imzML", images)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ImzMLWriter, "_write_xml", full)
    with pytest.raises(OutputError, match=r"x\.imzML: cannot be written \(No space left on device\)"):
        write_imzml(path, images)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.ibd", "x.imzML"]
    _assert_same(_again(path), images)
    with pytest.raises(InputError, match=r"end with .imzML"):
        write_imzml(tmp_path / "x.txt", images)
