"""A layer that was placed, registered and coloured by hand comes back from every format as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap, DirectLabelColormap
from napari.viewer import Viewer

from napari_msiclust.errors import InputError
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin import readers, writers
from napari_msiclust.plugin.layer_record import LayerRecord
from napari_msiclust.plugin.layers import KEY, ClusteredIons, IonDataset, image_layer, stack_layer
from napari_msiclust.results.ome_tiff import read_ome_tiff, write_ome_tiff
from napari_msiclust.results.scaled_image import ScaledImage
from tests.plugin.conftest import PLUGIN

_TURN = np.array([[0.9, -0.2, 30.0], [0.1, 1.1, -7.0], [0.0, 0.0, 1.0]])
_IONS = pd.DataFrame({"mz": [100.5, 200.25], "cluster": [1, 2], "annotation": ["", "PC"]})


def _placed(ndim: int, unit: str = "um") -> dict[str, Any]:
    lead = ndim - 2
    affine = np.eye(ndim + 1)
    affine[-3:, -3:] = _TURN
    return {
        "scale": (*(1,) * lead, 25.0, 50.0),
        "translate": (*(0,) * lead, 11.0, -3.5),
        "rotate": np.eye(ndim) if ndim > 2 else np.array([[0.0, -1.0], [1.0, 0.0]]),
        "affine": affine,
        "units": (*("pixel",) * lead, unit, unit),
        "axis_labels": (*("cluster",) * lead, "y", "x"),
        "opacity": 0.4,
        "blending": "additive",
    }


def _layers() -> dict[str, Layer]:
    rng = np.random.default_rng(0)
    stack = rng.random((2, 6, 7), dtype=np.float32)
    stack[:, 0, 0] = np.nan
    look = {"contrast_limits": (0.1, 0.7), "gamma": 0.8}
    clustered = {KEY: ClusteredIons(_IONS, "/data/x.imzML"), "channels": ["cortex", "medulla"]}
    colors = {None: np.zeros(4), 0: np.zeros(4), 1: np.array([1, 0, 0, 1.0]), 2: np.array([0, 0.5, 1, 0.25])}
    ramp = Colormap([[0, 0, 0, 1], [0, 0.2, 0.9, 1]], name="own blue")
    features = pd.DataFrame({"index": [0, 1, 2], "name": ["", "cortex", "medulla"], "x": [np.nan, 1, 2]})
    return {
        "stack": Image(stack, name="means", colormap="viridis", metadata=clustered, **look, **_placed(3)),
        "plane": Image(stack[0], name="one", colormap=ramp, **look, **_placed(2, "mm")),
        "pixels": Image(stack[0], name="no scale", colormap="gray", **look, **_placed(2, "pixel")),
        "stain": Image(np.arange(126, dtype=np.uint8).reshape(6, 7, 3), name="stain", rgb=True, **_placed(2)),
        "map": Labels(
            np.arange(42, dtype=np.uint8).reshape(6, 7) % 3,
            name="map",
            features=features,
            colormap=DirectLabelColormap(color_dict=colors),
            metadata={KEY: clustered[KEY]},
            **_placed(2),
        ),
    }


def assert_same_layer(again: Layer, layer: Layer) -> None:
    assert type(again) is type(layer)
    np.testing.assert_array_equal(np.asarray(again.data), np.asarray(layer.data))
    assert np.asarray(again.data).dtype == np.asarray(layer.data).dtype
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_allclose(getattr(again, name), getattr(layer, name), atol=1e-12)
    np.testing.assert_array_equal(again.affine.affine_matrix, layer.affine.affine_matrix)
    np.testing.assert_allclose(again.data_to_world((5,) * layer.ndim), layer.data_to_world((5,) * layer.ndim))
    for name in ("name", "units", "axis_labels", "opacity", "blending", "visible"):
        assert getattr(again, name) == getattr(layer, name), name
    if isinstance(layer, Labels):
        assert isinstance(again, Labels)
        pd.testing.assert_frame_equal(again.features, layer.features, check_dtype=False)
        assert all(np.array_equal(again.get_color(k), layer.get_color(k)) for k in (1, 2))
    else:
        assert again.rgb == layer.rgb
    if isinstance(layer, Image) and not layer.rgb:
        assert again.contrast_limits == pytest.approx(layer.contrast_limits)
        assert again.gamma == layer.gamma
        assert again.colormap.name == layer.colormap.name
        np.testing.assert_allclose(again.colormap.colors, layer.colormap.colors)
    if isinstance(layer.metadata.get(KEY), ClusteredIons):
        pd.testing.assert_frame_equal(again.metadata[KEY].ions, layer.metadata[KEY].ions)
        assert again.metadata[KEY].dataset_path == layer.metadata[KEY].dataset_path
    if isinstance(layer.metadata.get(KEY), IonDataset):
        names = [f"m/z {mz:.4f}" for mz in layer.metadata[KEY].images.mz]
        assert again.metadata["channels"] == names
    else:
        assert again.metadata.get("channels") == layer.metadata.get("channels")


@pytest.mark.parametrize("name", list(_layers()))
def test_from_ome_tiff(tmp_path: Path, name: str) -> None:
    layer = _layers()[name]
    path = str(tmp_path / "layer.ome.tif")
    data, attributes, kind = layer.as_layer_data_tuple()
    (writers.write_labels if kind == "labels" else writers.write_image)(path, data, attributes)
    read = readers.get_ome_tiff_reader(path)
    assert read is not None
    (again,) = read(path)
    assert_same_layer(Layer.create(*again), layer)


def test_a_corrected_pixel_size_wins(tmp_path: Path) -> None:
    """Another program gave the file a new pixel size; the old place no longer fits."""
    extra = LayerRecord.of(_layers()["plane"].as_layer_data_tuple()[1]).to_json()
    image = ScaledImage(np.zeros((4, 5), np.float32), (10.0, 10.0), "x", extra=extra)
    write_ome_tiff(tmp_path / "x.ome.tif", image)
    layer = Layer.create(*image_layer(read_ome_tiff(tmp_path / "x.ome.tif")))
    assert tuple(layer.scale) == (10.0, 10.0)
    np.testing.assert_array_equal(layer.affine.affine_matrix, np.eye(3))


@pytest.mark.parametrize(
    "extra",
    [
        {"scale": "wide"},
        {"scale": [0, 0], "units": ["pixel", "pixel"]},
        {"scale": [1, 1], "units": ["pixel", "parsnip"]},
        {"scale": [1, 1], "affine": [[1, 0], [0, 1]]},
        {"scale": [1, 1], "affine": [[0, 0, 0], [0, 0, 0], [0, 0, 0]]},
        {"scale": [1, 1], "affine": [[1, 0], [0, 1, 0], [0, 0, 1]]},
        {"scale": [1, 1, 1], "translate": [float("nan")] * 3},
        {"opacity": 7, "colormap": "no such", "contrast_limits": [5, 1], "gamma": -1},
        {"colormap": {"name": "x", "colors": [], "controls": [1]}},
        {"features": [1], "colors": {"a": 1}, "rotate": 3, "blending": "loud"},
    ],
)
def test_what_is_damaged_is_left_out(extra: dict[str, Any]) -> None:
    pixels = np.ones((3, 4), np.float32)
    for kind in ("image", "labels"):
        data = pixels if kind == "image" else pixels.astype(np.uint8)
        layer = Layer.create(*image_layer(ScaledImage(data, None, "x", kind=kind, extra=extra)))
        assert tuple(layer.scale) == (1, 1)
        np.testing.assert_array_equal(layer.affine.affine_matrix, np.eye(3))


def test_a_pyramid_opens_as_one(tmp_path: Path) -> None:
    pixels = np.tile(np.arange(2100, dtype=np.float32), (50, 1))
    layer = Image(pixels, **_placed(2))
    path = str(tmp_path / "wide.ome.tif")
    writers.write_image(path, *layer.as_layer_data_tuple()[:2])
    read = readers.get_ome_tiff_reader(path)
    assert read is not None
    again = Layer.create(*read(path)[0])
    assert again.multiscale
    assert [level.shape for level in again.data] == [(50, 2100), (25, 1050), (13, 525)]
    np.testing.assert_array_equal(again.data[0], pixels)
    np.testing.assert_array_equal(again.affine.affine_matrix, layer.affine.affine_matrix)
    writers.write_image(path, *again.as_layer_data_tuple()[:2])  # over the file that it is read from
    assert Layer.create(*read(path)[0]).data[0].shape == (50, 2100)


@pytest.mark.parametrize("write", [writers.write_zarr, writers.write_zarr_04])
@pytest.mark.parametrize("name", list(_layers()))
def test_from_ome_zarr(tmp_path: Path, name: str, write: Callable[..., list[str]]) -> None:
    layer = _layers()[name]
    path = str(tmp_path / "layer.ome.zarr")
    write(path, [layer.as_layer_data_tuple()])
    read = readers.get_ome_zarr_reader(path)
    assert read is not None
    (again,) = read(path)
    assert_same_layer(Layer.create(*again), layer)


def test_an_image_with_its_labels_in_one_folder(tmp_path: Path) -> None:
    layers = _layers()
    path = str(tmp_path / "result.ome.zarr")
    writers.write_zarr(path, [layers["stack"].as_layer_data_tuple(), layers["map"].as_layer_data_tuple()])
    read = readers.get_ome_zarr_reader(path)
    assert read is not None
    means, dominant = (Layer.create(*again) for again in read(path))
    assert_same_layer(means, layers["stack"])
    assert_same_layer(dominant, layers["map"])
    assert means.metadata[KEY] is dominant.metadata[KEY]
    for chosen in (["stack", "plane"], ["map", "map"]):
        with pytest.raises(InputError, match="one image and its labels"):
            writers.write_zarr(path, [layers[name].as_layer_data_tuple() for name in chosen])


def _result(dataset: IonDataset) -> list[Layer]:
    """A result of a dataset: the ions by turns in two clusters."""
    images = dataset.images
    ions = pd.DataFrame({"mz": images.mz, "cluster": np.arange(len(images)) % 2 + 1})
    clustered = ClusteredIons(ions, str(dataset.path))
    dominant = np.where(images.grid.mask, 2, 0).astype(np.uint8)
    metadata = {KEY: clustered}
    return [
        Image(np.asarray(images.grid.image(images.values[:2])), name="means", metadata=metadata),
        Labels(dominant, name="map", metadata=metadata),
    ]


def test_ion_images_leave_in_every_format(opened: Viewer, tissue_images: IonImages, tmp_path: Path) -> None:
    stack = opened.layers["tissue ions"]
    means, dominant = _result(stack.metadata[KEY])
    for layer, name, mz in ((stack, "ions", tissue_images.mz.tolist()), (means, "means", [1.0, 2.0])):
        path = tmp_path / f"{name}.imzML"
        assert layer.save(str(path), plugin=PLUGIN) == [str(path)]
        with open_imzml(path) as file:
            assert extract_ion_images(file, cache=False).mz.tolist() == mz
    opened.layers.clear()
    for layer in (stack, dominant):
        opened.add_layer(layer)
    pictures = opened.layers.save(str(tmp_path / "tissue.png"), plugin=PLUGIN)
    assert [Path(one).name for one in pictures] == ["tissue_cluster_01.png", "tissue_cluster_02.png"]
    zarr = tmp_path / "tissue.zarr"
    opened.layers.save(str(zarr), plugin=PLUGIN)
    opened.layers.clear()
    again, _ = opened.open(str(zarr), plugin=PLUGIN)
    assert_same_layer(again, stack)


def test_what_has_no_ions_is_said(tissue: Path, tissue_images: IonImages, tmp_path: Path) -> None:
    plain = Image(np.zeros((3, 4))).as_layer_data_tuple()
    ions = Layer.create(*stack_layer(tissue_images, tissue, "x")).as_layer_data_tuple()
    for write, said in (
        (lambda: writers.write_imzml(str(tmp_path / "x.imzML"), *plain[:2]), "has no ions"),
        (lambda: writers.write_imzml(str(tissue), *ions[:2]), "the file that the ions came from"),
        (lambda: writers.write_montages(str(tmp_path / "x.png"), [plain]), "0 layers of ion images"),
        (lambda: writers.write_montages(str(tmp_path / "x.png"), [ions]), "no clusters"),
        (lambda: writers.write_anndata(str(tmp_path / "x.h5ad"), [ions, ions]), "2 layers of ion images"),
    ):
        with pytest.raises(InputError, match=said):
            write()
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_one_image_remains_naparis(viewer: Viewer, tmp_path: Path) -> None:
    viewer.add_image(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(str(tmp_path / "x.png"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.png"]


def test_file_save_offers_every_format(viewer: Viewer, tmp_path: Path) -> None:
    layers = _layers()
    for name in ("stack", "map"):
        viewer.add_layer(layers[name])
    path = tmp_path / "both.ome.zarr"
    assert viewer.layers.save(str(path), plugin=PLUGIN) == [str(path)]
    viewer.layers.clear()
    means, dominant = viewer.open(str(path), plugin=PLUGIN)
    assert_same_layer(means, layers["stack"])
    assert_same_layer(dominant, layers["map"])
    table = tmp_path / "ions.parquet"
    assert means.save(str(table), plugin=PLUGIN) == [str(table)]
    pd.testing.assert_frame_equal(pd.read_parquet(table), _IONS)
