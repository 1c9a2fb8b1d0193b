from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_msiclust.errors import FileFormatError
from napari_msiclust.results.ome_tiff import TiffImage, read_ome_tiff, write_ome_tiff


def _stack() -> TiffImage:
    pixels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    pixels[0, 0, 0] = np.nan
    return TiffImage(
        pixels, (25.0, 50.0), "mean ion images", ("cluster 1", "cluster <2> & more"), extra={"x": [1]}
    )


@pytest.mark.parametrize(
    "image",
    [
        _stack(),
        TiffImage(np.eye(5, dtype=np.uint16), (10.0, 10.0), "map", kind="labels"),
        TiffImage(np.zeros((4, 5, 3), dtype=np.uint8), None, "stain", rgb=True),
        TiffImage(np.zeros((1, 3, 4), dtype=np.float32), (1.0, 1.0), "one", ("cluster 1",)),
        TiffImage(
            np.arange(48, dtype=np.float32).reshape(2, 2, 3, 4), (1.0, 1.0), "deep", ("a", "b"), deep=True
        ),
        TiffImage(np.ones((1, 2, 3, 4), dtype=np.float32), (1.0, 1.0), "one", ("a",), deep=True),
        TiffImage(np.ones((2, 1, 3, 4), dtype=np.float32), (1.0, 1.0), "flat", ("a", "b"), deep=True),
        TiffImage(np.arange(24, dtype=np.uint16).reshape(2, 3, 4), None, "map", kind="labels", deep=True),
    ],
    ids=["stack", "labels", "rgb", "one plane", "z", "z, one cluster", "z, one plane", "labels with z"],
)
def test_images_come_back(tmp_path: Path, image: TiffImage) -> None:
    write_ome_tiff(tmp_path / "image.ome.tif", image)
    again = read_ome_tiff(tmp_path / "image.ome.tif")
    np.testing.assert_array_equal(again.pixels, image.pixels)
    assert again.pixels.dtype == image.pixels.dtype
    assert again.pixel_size_um == image.pixel_size_um
    assert (again.name, again.channels, again.kind, again.rgb) == (
        image.name,
        image.channels,
        image.kind,
        image.rgb,
    )
    assert again.axes == image.axes
    assert image.extra.items() <= again.extra.items()


def test_planes_of_other_programs_come_after_the_channels(tmp_path: Path) -> None:
    pixels = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    tifffile.imwrite(tmp_path / "zc.ome.tif", pixels, ome=True, metadata={"axes": "ZCYX"})
    again = read_ome_tiff(tmp_path / "zc.ome.tif")
    assert again.axes == "CZYX"
    np.testing.assert_array_equal(again.pixels, pixels.swapaxes(0, 1))
    tifffile.imwrite(tmp_path / "t.ome.tif", pixels, ome=True, metadata={"axes": "TCYX"})
    with pytest.raises(FileFormatError, match="has the axes TCYX"):
        read_ome_tiff(tmp_path / "t.ome.tif")


def test_another_reader_finds_scale_and_names(tmp_path: Path) -> None:
    write_ome_tiff(tmp_path / "image.ome.tif", _stack())
    with tifffile.TiffFile(tmp_path / "image.ome.tif") as tiff:
        assert tiff.is_ome
        assert tiff.series[0].axes == "CYX"
        plane = ET.fromstring(str(tiff.ome_metadata)).find("{*}Image/{*}Pixels")
    assert plane is not None
    assert (plane.get("PhysicalSizeX"), plane.get("PhysicalSizeXUnit")) == ("50.0", "µm")
    assert [channel.get("Name") for channel in plane.findall("{*}Channel")] == [
        "cluster 1",
        "cluster <2> & more",
    ]


@pytest.mark.parametrize(("unit", "factor"), [("nm", 1e-3), ("mm", 1e3), ("µm", 1.0)])
def test_foreign_units_become_um(tmp_path: Path, unit: str, factor: float) -> None:
    metadata = {
        "axes": "YX",
        **{f"PhysicalSize{a}{u}": v for a in "XY" for u, v in (("", 2.0), ("Unit", unit))},
    }
    tifffile.imwrite(tmp_path / "f.ome.tif", np.zeros((4, 5), np.uint8), ome=True, metadata=metadata)
    size = read_ome_tiff(tmp_path / "f.ome.tif").pixel_size_um
    assert size == pytest.approx((2 * factor, 2 * factor))


def test_bad_files(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((4, 5), np.uint8))
    (tmp_path / "text.ome.tif").write_text("hello")
    metadata = {"axes": "TZYX"}
    tifffile.imwrite(tmp_path / "four.ome.tif", np.zeros((2, 3, 4, 5), np.uint8), ome=True, metadata=metadata)
    for name, said in [
        ("plain.tif", "not an OME-TIFF"),
        ("text.ome.tif", "damaged TIFF"),
        ("four.ome.tif", "has the axes TZYX"),
        ("absent.ome.tif", "no such file"),
    ]:
        with pytest.raises(FileFormatError, match=said):
            read_ome_tiff(tmp_path / name)
