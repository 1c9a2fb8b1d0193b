from __future__ import annotations

import errno
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from ome_types import from_xml

from napari_msiclust.errors import FileFormatError, OutputError
from napari_msiclust.results.ome_tiff import read_ome_tiff, write_ome_tiff
from napari_msiclust.results.scaled_image import ScaledImage, halved


def _stack() -> ScaledImage:
    pixels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    pixels[0, 0, 0] = np.nan
    return ScaledImage(
        pixels, (25.0, 50.0), "mean ion images", ("cluster 1", "cluster <2> & more"), extra={"x": [1]}
    )


@pytest.mark.parametrize(
    "image",
    [
        _stack(),
        ScaledImage(np.eye(5, dtype=np.uint16), (10.0, 10.0), "map", kind="labels"),
        ScaledImage(np.zeros((4, 5, 3), dtype=np.uint8), None, "stain", rgb=True),
        ScaledImage(np.zeros((1, 3, 4), dtype=np.float32), (1.0, 1.0), "one", ("cluster 1",)),
        ScaledImage(
            np.arange(48, dtype=np.float32).reshape(2, 2, 3, 4), (1.0, 1.0), "deep", ("a", "b"), deep=True
        ),
        ScaledImage(np.ones((1, 2, 3, 4), dtype=np.float32), (1.0, 1.0), "one", ("a",), deep=True),
        ScaledImage(np.ones((2, 1, 3, 4), dtype=np.float32), (1.0, 1.0), "flat", ("a", "b"), deep=True),
        ScaledImage(np.arange(24, dtype=np.uint16).reshape(2, 3, 4), None, "map", kind="labels", deep=True),
    ],
    ids=["stack", "labels", "rgb", "one plane", "z", "z, one cluster", "z, one plane", "labels with z"],
)
def test_images_come_back(tmp_path: Path, image: ScaledImage) -> None:
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


def test_two_other_readers_find_place_names_and_colors(tmp_path: Path) -> None:
    image = replace(
        _stack(), origin_um=(100.0, -12.5), colors=("#E69F00", "#56B4E9"), extra={"affine": [[1.0]]}
    )
    path = write_ome_tiff(tmp_path / "image.ome.tif", image)
    with tifffile.TiffFile(path) as tiff:
        described = tiff.ome_metadata
        pixels = tiff.series[0].asarray()
    np.testing.assert_array_equal(pixels, image.pixels)
    (read,) = from_xml(str(described)).images  # ome-types checks against the schema
    assert read.name == "mean ion images"
    assert (read.pixels.physical_size_y, read.pixels.physical_size_x) == (25.0, 50.0)
    assert read.pixels.physical_size_x_unit.value == "µm"
    assert [channel.name for channel in read.pixels.channels] == list(image.channels)
    assert [channel.color.as_rgb_tuple()[:3] for channel in read.pixels.channels] == [
        (0xE6, 0x9F, 0x00),
        (0x56, 0xB4, 0xE9),
    ]
    assert [(plane.position_y, plane.position_x) for plane in read.pixels.planes] == [(100.0, -12.5)] * 2
    assert {plane.position_x_unit.value for plane in read.pixels.planes} == {"µm"}
    again = read_ome_tiff(path)
    assert again.colors == image.colors
    assert again.extra["affine"] == [[1.0]]


def test_the_ion_table_comes_along(tmp_path: Path) -> None:
    ions = pd.DataFrame(
        {
            "mz": [100.1, 1 / 3],
            "cluster": [1, 0],
            "isotope_of": [np.nan, 100.1],
            "bin": ["", "a < b & ü"],
            "pinned": [True, False],
        }
    )
    image = replace(_stack(), ions=ions, source="/data/x.imzML")
    again = read_ome_tiff(write_ome_tiff(tmp_path / "image.ome.tif", image))
    assert again.ions is not None
    pd.testing.assert_frame_equal(again.ions, ions, check_exact=True)
    assert again.source == "/data/x.imzML"


@pytest.mark.parametrize("kind", ["image", "labels", "rgb", "stack"])
def test_a_large_image_becomes_a_pyramid(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(1)
    shape = {"rgb": (2300, 700, 3), "stack": (2, 2300, 700)}.get(kind, (2300, 700))
    pixels = rng.integers(0, 200, shape).astype(np.float32 if kind == "stack" else np.uint8)
    image = ScaledImage(
        pixels, (2.0, 2.0), kind, kind="labels" if kind == "labels" else "image", rgb=kind == "rgb"
    )
    path = write_ome_tiff(tmp_path / "large.ome.tif", image)
    with tifffile.TiffFile(path) as tiff:
        levels = tiff.series[0].levels
        assert [level.shape for level in levels] == image.level_shapes
        assert levels[0].keyframe.is_tiled
        np.testing.assert_array_equal(levels[0].asarray(), pixels)
    with tifffile.TiffFile(path) as tiff, tiff.series[0].aszarr() as store:  # as a multiscale group
        assert zarr.open_group(store, mode="r")["1"].shape == image.level_shapes[1]
    again = read_ome_tiff(path)
    assert (again.axes, again.pixels.dtype, again.name) == (image.axes, pixels.dtype, kind)
    np.testing.assert_array_equal(again.pixels, pixels)
    assert [level.shape for level in (again.pixels, *again.levels)] == image.level_shapes
    if kind == "labels":
        np.testing.assert_array_equal(again.levels[0], pixels[::2, ::2])


def test_stored_levels_average_what_was_acquired() -> None:
    plane = np.array([[1.0, 3.0, np.nan], [5.0, 7.0, np.nan], [2.0, np.nan, 9.0]], np.float32)
    np.testing.assert_array_equal(halved(plane), np.array([[4.0, np.nan], [2.0, 9.0]], np.float32))
    counts = np.array([[1, 2, 255], [1, 3, 255]], np.uint8)
    np.testing.assert_array_equal(halved(counts), [[2, 255]])
    np.testing.assert_array_equal(halved(counts, nearest=True), [[1, 255]])


def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_ome_tiff(tmp_path / "image.ome.tif", _stack())
    before = path.read_bytes()

    def planes(image: ScaledImage, level: int = 0) -> Iterator[np.ndarray]:
        yield image.pixels[0]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ScaledImage, "planes", planes)
    with pytest.raises(OutputError, match=r"image\.ome\.tif: cannot be written \(No space left on device\)"):
        write_ome_tiff(path, _stack())
    assert [entry.name for entry in tmp_path.iterdir()] == ["image.ome.tif"]
    assert path.read_bytes() == before
    with pytest.raises(OutputError, match="cannot be written"):
        write_ome_tiff(tmp_path / "absent" / "image.ome.tif", _stack())


@pytest.mark.parametrize(
    "own", ["[]", "{}", '{"ions": 5}', '{"ions": {"mz": {"type": "object", "values": [1]}}}', '{"ions": {}}']
)
def test_a_damaged_own_part_is_left_out(tmp_path: Path, own: str) -> None:
    text = '{"napari_msiclust": ' + own + "}"
    metadata = {"axes": "YX", "Description": text}
    tifffile.imwrite(tmp_path / "x.ome.tif", np.ones((3, 4), np.uint8), ome=True, metadata=metadata)
    again = read_ome_tiff(tmp_path / "x.ome.tif")
    assert again.ions is None
    assert again.pixels.shape == (3, 4)
