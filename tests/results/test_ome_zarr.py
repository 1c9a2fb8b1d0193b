from __future__ import annotations

import errno
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr
from napari_ome_zarr import napari_get_reader

from napari_msiclust.errors import FileFormatError, OutputError
from napari_msiclust.results.ome_zarr import Version, write_ome_zarr
from napari_msiclust.results.ome_zarr_reading import is_readable, read_ome_zarr
from napari_msiclust.results.scaled_image import ScaledImage

_IONS = pd.DataFrame({"mz": [100.1, 1 / 3], "cluster": [1, 2], "isotope_of": [np.nan, 2.0]})


def _means() -> ScaledImage:
    pixels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    pixels[0, 0, 0] = np.nan
    return ScaledImage(
        pixels,
        (25.0, 50.0),
        "mean ion images",
        ("cortex", "medulla <2>"),
        origin_um=(100.0, -12.5),
        colors=("#E69F00", "#56B4E9"),
        ions=_IONS,
        source="/data/x.imzML",
        extra={"contrast_limits": [0.5, 20.0], "opacity": 0.3, "odd": float("nan")},
    )


def _map(ions: pd.DataFrame | None = None) -> ScaledImage:
    return ScaledImage(
        np.array([[0, 1, 2, 1]] * 3, np.uint16),
        (25.0, 50.0),
        "dominant cluster map",
        kind="labels",
        origin_um=(100.0, -12.5),
        ions=ions,
        extra={
            "colors": {"1": [1.0, 0.0, 0.0, 1.0], "2": [0.0, 0.0, 1.0, 0.5]},
            "features": {"index": [0, 1, 2], "name": ["", "cortex", "medulla"]},
        },
    )


def _assert_same(again: ScaledImage, image: ScaledImage) -> None:
    np.testing.assert_array_equal(np.asarray(again.pixels), image.pixels)
    assert again.pixels.dtype == image.pixels.dtype
    for name in ("pixel_size_um", "name", "channels", "kind", "rgb", "deep", "axes"):
        assert getattr(again, name) == getattr(image, name), name
    assert again.origin_um == pytest.approx(image.origin_um)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_image_labels_and_table_come_back(tmp_path: Path, version: Version) -> None:
    path = write_ome_zarr(tmp_path / "x.ome.zarr", _means(), [_map(_means().ions)], version)
    assert is_readable(path)
    means, dominant = read_ome_zarr(path)
    _assert_same(means, _means())
    _assert_same(dominant, _map())
    assert means.colors == _means().colors
    assert means.extra["contrast_limits"] == [0.5, 20.0]
    assert means.extra["odd"] is None
    assert dominant.extra == _map().extra
    assert means.ions is dominant.ions
    assert means.ions is not None
    pd.testing.assert_frame_equal(means.ions, _IONS, check_exact=True)
    assert dominant.source == "/data/x.imzML"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.ome.zarr"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_description_is_as_the_format_has_it(tmp_path: Path, version: Version) -> None:
    path = write_ome_zarr(tmp_path / "x.ome.zarr", _means(), [_map()], version)
    if version == "0.5":
        root = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
        label = json.loads((path / "labels" / "dominant_cluster_map" / "zarr.json").read_text())
        label = label["attributes"]["ome"]
        assert root["version"] == label["version"] == "0.5"
        assert json.loads((path / "labels" / "zarr.json").read_text())["attributes"]["ome"]["labels"]
    else:
        root = json.loads((path / ".zattrs").read_text())
        label = json.loads((path / "labels" / "dominant_cluster_map" / ".zattrs").read_text())
        assert root["multiscales"][0]["version"] == "0.4"
        assert json.loads((path / "labels" / ".zattrs").read_text())["labels"] == ["dominant_cluster_map"]
        assert json.loads((path / "0" / ".zarray").read_text())["dimension_separator"] == "/"
    (multiscale,) = root["multiscales"]
    assert [axis["name"] for axis in multiscale["axes"]] == ["c", "y", "x"]
    assert [axis.get("unit") for axis in multiscale["axes"]] == [None, "micrometer", "micrometer"]
    scale, translation = multiscale["datasets"][0]["coordinateTransformations"]
    assert scale == {"type": "scale", "scale": [1.0, 25.0, 50.0]}
    assert translation == {"type": "translation", "translation": [0.0, 100.0, -12.5]}
    assert [(one["label"], one["color"]) for one in root["omero"]["channels"]] == [
        ("cortex", "E69F00"),
        ("medulla <2>", "56B4E9"),
    ]
    assert root["omero"]["channels"][1]["window"] == {"min": 0.0, "max": 23.0, "start": 0.5, "end": 20.0}
    assert label["image-label"]["source"] == {"image": "../../"}
    assert {"label-value": 2, "rgba": [0, 0, 255, 128]} in label["image-label"]["colors"]
    assert {"label-value": 1, "index": 1, "name": "cortex"} in label["image-label"]["properties"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_napari_ome_zarr_finds_the_same(tmp_path: Path, version: Version) -> None:
    path = write_ome_zarr(tmp_path / "x.ome.zarr", _means(), [_map()], version)
    (means, shown, kind), (labels, how, label_kind) = napari_get_reader(str(path))(str(path))
    assert (kind, label_kind) == ("image", "labels")
    np.testing.assert_array_equal(np.asarray(means[0]), _means().pixels)
    np.testing.assert_array_equal(np.asarray(labels[0]), _map().pixels)
    assert shown["scale"] == how["scale"] == [25.0, 50.0]
    assert shown["units"] == how["units"] == ("micrometer", "micrometer")
    assert shown["axis_labels"] == ("y", "x")
    assert shown["name"] == ["mean ion images: cortex", "mean ion images: medulla <2>"]
    assert shown["contrast_limits"] == [[0.5, 20.0]] * 2
    np.testing.assert_allclose(shown["colormap"][0].colors[-1][:3], [0xE6 / 255, 0x9F / 255, 0], atol=1e-6)
    assert how["colormap"][1] == [1.0, 0.0, 0.0, 1.0]
    assert how["properties"]["name"] == ["", "cortex", "medulla"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_py_finds_the_same(tmp_path: Path, version: Version) -> None:
    pytest.importorskip("ome_zarr", reason="ome-zarr-py wants an earlier pydantic; see docs/formats.md")
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    path = write_ome_zarr(tmp_path / "x.ome.zarr", _means(), [_map()], version)
    nodes = list(Reader(parse_url(str(path)))())
    np.testing.assert_array_equal(np.asarray(nodes[0].data[0]), _means().pixels)
    described = nodes[0].metadata
    assert [axis["name"] for axis in described["axes"]] == ["c", "y", "x"]
    assert described["coordinateTransformations"][0] == [
        {"type": "scale", "scale": [1.0, 25.0, 50.0]},
        {"type": "translation", "translation": [0.0, 100.0, -12.5]},
    ]
    assert described["channel_names"] == ["cortex", "medulla <2>"]
    assert described["contrast_limits"] == [[0.5, 20.0]] * 2
    (labels,) = [node for node in nodes if node.data and node.data[0].dtype == np.uint16]
    np.testing.assert_array_equal(np.asarray(labels.data[0]).squeeze(), _map().pixels)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    "image",
    [
        ScaledImage(np.arange(36, dtype=np.uint8).reshape(3, 4, 3), (2.0, 2.0), "stain", rgb=True),
        ScaledImage(np.ones((2, 3, 4), np.float32), None, "planes", deep=True, origin_um=(1.0, 2.0)),
        ScaledImage(np.ones((2, 3, 4, 5), np.int16), (1.0, 1.0), "both", ("a", "b"), deep=True),
        ScaledImage(np.ones((1, 4, 5), np.float64), (1.0, 1.0), "one", ("a",)),
        ScaledImage(np.array([[0, 2**40]]), (1.0, 1.0), "alone", kind="labels", ions=_IONS),
    ],
    ids=["rgb", "z", "z and stack", "one in a stack", "labels alone"],
)
def test_every_kind_comes_back(tmp_path: Path, image: ScaledImage, version: Version) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", image, version=version)
    (again,) = read_ome_zarr(path)
    _assert_same(again, image)
    assert (again.ions is None) == (image.ions is None)
    before = sorted(entry.name for entry in tmp_path.iterdir())
    assert napari_get_reader(str(path))(str(path))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == before


@pytest.mark.parametrize("kind", ["image", "labels", "rgb"])
def test_a_large_image_becomes_multiscale(tmp_path: Path, kind: str) -> None:
    shape = (2300, 300, 3) if kind == "rgb" else (2300, 300)
    pixels = np.random.default_rng(0).integers(0, 200, shape).astype(np.uint8)
    image = ScaledImage(
        pixels,
        (2.0, 4.0),
        kind,
        kind="labels" if kind == "labels" else "image",
        rgb=kind == "rgb",
        origin_um=(10.0, 20.0),
    )
    path = write_ome_zarr(tmp_path / "x.zarr", image)
    (again,) = read_ome_zarr(path)
    assert not isinstance(again.pixels, np.ndarray)  # read when it is looked at
    assert [level.shape for level in (again.pixels, *again.levels)] == image.level_shapes
    _assert_same(again, image)
    group = zarr.open_group(path / "labels" / "labels" if kind == "labels" else path, mode="r")
    second = group.attrs["ome"]["multiscales"][0]["datasets"][1]["coordinateTransformations"]
    assert second[0]["scale"][-2:] == [4.0, 8.0]
    between = 0 if kind == "labels" else 1  # the mean of two pixels lies between them
    assert second[1]["translation"][-2:] == [10.0 + between * 1.0, 20.0 + between * 2.0]


def test_an_affine_that_only_scales_and_moves_has_its_place(tmp_path: Path) -> None:
    matrix = np.array([[1.0, 0, 0, 0], [0, 2.0, 0, 30.0], [0, 0, 0.5, -4.0], [0, 0, 0, 1.0]])
    units = ["pixel", "micrometer", "micrometer"]
    turned = matrix + np.eye(4, k=1) * 0.1
    for affine, stated in ((matrix, True), (turned, False), (np.eye(4), False)):
        image = replace(_means(), extra={"affine": affine.tolist(), "units": units})
        path = write_ome_zarr(tmp_path / "x.zarr", image)
        described: Any = zarr.open_group(path, mode="r").attrs["ome"]
        steps = described["multiscales"][0].get("coordinateTransformations")
        assert steps == (
            [
                {"type": "scale", "scale": [1.0, 2.0, 0.5]},
                {"type": "translation", "translation": [0.0, 30.0, -4.0]},
            ]
            if stated
            else None
        )
        again = read_ome_zarr(path)[0]
        assert again.extra["affine"] == affine.tolist()
        assert again.origin_um == _means().origin_um


def test_folders_of_other_programs(tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", _means(), [_map()])
    group = zarr.open_group(path)
    del group.attrs["napari_msiclust"]
    described: Any = group.attrs["ome"]
    described["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1, 2, 2]}]
    for axis in described["multiscales"][0]["axes"][1:]:
        axis["unit"] = "millimeter"
    group.attrs["ome"] = described
    label = group["labels/dominant_cluster_map"]
    del label.attrs["napari_msiclust"]
    means, dominant = read_ome_zarr(path)
    assert means.pixel_size_um == (50_000.0, 100_000.0)
    assert means.origin_um == (200_000.0, -25_000.0)
    assert means.extra == {"contrast_limits": [0.5, 20.0]}
    assert dominant.kind == "labels"
    assert dominant.extra["colors"]["1"] == [1.0, 0.0, 0.0, 1.0]
    assert dominant.extra["features"]["name"] == ["", "cortex", "medulla"]


def _break(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        described = json.loads((path / "zarr.json").read_text())
        change(described["attributes"]["ome"])
        (path / "zarr.json").write_text(json.dumps(described))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: (path / "zarr.json").unlink(), "no OME-Zarr folder"),
        (lambda path: (path / "zarr.json").write_text("{"), "damaged OME-Zarr"),
        (lambda path: (path / "0" / "zarr.json").write_text("{}"), "damaged OME-Zarr"),
        (lambda path: (path / "0" / "zarr.json").unlink(), "damaged OME-Zarr"),
        (_break(lambda ome: ome.pop("multiscales")), "holds no image"),
        (_break(lambda ome: ome.update(multiscales=[])), "damaged OME-Zarr"),
        (_break(lambda ome: ome["multiscales"][0].update(datasets=[])), "damaged OME-Zarr"),
        (_break(lambda ome: ome["multiscales"][0]["axes"].pop()), "has the axes cy"),
        (_break(lambda ome: ome["multiscales"][0]["axes"].pop(0)), "damaged OME-Zarr"),
        (
            _break(lambda ome: ome["multiscales"][0]["datasets"][0].update(path="../../elsewhere")),
            "damaged OME-Zarr",
        ),
        (
            _break(
                lambda ome: ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0].update(
                    scale=[1, 0, -1]
                )
            ),
            "damaged OME-Zarr",
        ),
    ],
)
def test_damage_is_said(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", _means())
    spoil(path)
    with warnings.catch_warnings(), pytest.raises(FileFormatError, match=said):
        read_ome_zarr(path)


def test_a_folder_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.zarr").mkdir()
    (tmp_path / "x.zarr" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds other files \(notes.txt\)"):
        write_ome_zarr(tmp_path / "x.zarr", _means())
    for version in ("0.4", "0.5", "0.4"):  # an earlier image is replaced, whatever its version
        write_ome_zarr(tmp_path / "y.zarr", _means(), version=version)
        assert len(read_ome_zarr(tmp_path / "y.zarr")) == 1


def test_a_full_disk_leaves_the_earlier_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_ome_zarr(tmp_path / "x.zarr", _map())

    def planes(image: ScaledImage, level: int = 0) -> Iterator[np.ndarray]:
        yield image.pixels[0]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ScaledImage, "planes", planes)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
        write_ome_zarr(path, _means())
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.zarr"]
    _assert_same(read_ome_zarr(path)[0], _map())
