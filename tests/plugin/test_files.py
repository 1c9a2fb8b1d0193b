from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.layers import Image, Labels
from napari.viewer import Viewer

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin import readers, writers
from napari_msiclust.plugin.layers import KEY
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import describe_source, write_result
from tests.plugin.conftest import PLUGIN


@pytest.fixture
def result_folder(
    tissue_result: ClusterResult, tissue_images: IonImages, tissue: Path, tmp_path: Path
) -> Path:
    source = describe_source(tissue, tissue.with_suffix(".ibd"))
    return write_result(tissue_result, tissue_images, tmp_path / "result", source)


def test_dropping_an_imzml_shows_tic_and_ions(opened: Viewer) -> None:
    stack, tic = opened.layers
    assert (stack.name, tic.name) == ("tissue ions", "tissue TIC")
    assert stack.ndim == 3
    assert tic.visible
    assert opened.canvas.overlays.scale_bar.visible
    assert [str(unit) for unit in opened.layers.extent.units] == ["pixel", "micrometer", "micrometer"]


def test_the_canvas_tells_the_current_mz(opened: Viewer, tissue_images: IonImages) -> None:
    text = opened.canvas.overlays.text
    assert opened.layers["tissue TIC"].visible
    for ion in (3, 9):
        opened.dims.set_current_step(0, ion)
        assert text.visible
        assert f"m/z {tissue_images.mz[ion]:.4f}" in text.text
    assert not opened.layers["tissue TIC"].visible  # it gave way to the ions
    opened.layers["tissue ions"].visible = False
    assert not text.visible


def test_a_broken_file_reaches_the_user(viewer: Viewer, tmp_path: Path) -> None:
    (tmp_path / "broken.imzML").write_text("hello")
    with pytest.raises(FileFormatError, match="not an imzML file"):
        viewer.open(str(tmp_path / "broken.imzML"), plugin=PLUGIN)


def test_readers_leave_foreign_files_alone(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "plain.ome.tif", np.zeros((4, 5), np.uint8), ome=False)
    assert readers.get_imzml_reader("a.tif") is None
    assert readers.get_imzml_reader(["a.imzML", "b.tif"]) is None
    assert readers.get_imzml_reader("a.IMZML") is not None
    assert readers.get_ome_tiff_reader(str(tmp_path / "plain.ome.tif")) is None
    assert readers.get_result_reader(str(tmp_path)) is None


def test_a_result_folder_opens_as_layers(
    viewer: Viewer, result_folder: Path, tissue_result: ClusterResult, tissue: Path
) -> None:
    viewer.open(str(result_folder), plugin=PLUGIN)
    means, dominant = viewer.layers
    assert isinstance(means, Image)
    assert isinstance(dominant, Labels)
    np.testing.assert_array_equal(dominant.data, tissue_result.dominant_cluster_map)
    assert means.metadata[KEY].dataset_path == str(tissue)
    pd.testing.assert_frame_equal(means.metadata[KEY].ions, tissue_result.ions)


def test_layers_saved_and_opened_again_are_the_same(
    viewer: Viewer, result_folder: Path, tmp_path: Path
) -> None:
    viewer.open(str(result_folder), plugin=PLUGIN)
    for layer in list(viewer.layers):
        path = tmp_path / f"{layer.name}.ome.tif"
        assert layer.save(str(path), plugin=PLUGIN) == [str(path)]
        (again,) = viewer.open(str(path), plugin=PLUGIN)
        assert type(again) is type(layer)
        np.testing.assert_array_equal(again.data, layer.data)
        assert tuple(again.scale) == tuple(layer.scale)
        assert again.units == layer.units
        assert again.name.startswith(layer.name)
        if isinstance(layer, Labels):
            pd.testing.assert_frame_equal(again.features, layer.features, check_dtype=False)
            assert all(np.array_equal(again.get_color(k), layer.get_color(k)) for k in range(5))
        else:
            assert again.metadata["channels"] == layer.metadata["channels"]
            assert again.contrast_limits == pytest.approx(layer.contrast_limits)
            assert again.colormap.name == layer.colormap.name


def test_an_ion_stack_keeps_its_mz(opened: Viewer, tmp_path: Path, tissue_images: IonImages) -> None:
    path = tmp_path / "ions.ome.tif"
    opened.layers["tissue ions"].save(str(path), plugin=PLUGIN)
    (again,) = opened.open(str(path), plugin=PLUGIN)
    assert again.metadata["channels"][0] == f"m/z {tissue_images.mz[0]:.4f}"
    np.testing.assert_array_equal(again.data[5], tissue_images.image(5))


def test_the_ion_table_is_saved_as_csv(viewer: Viewer, result_folder: Path, tmp_path: Path) -> None:
    viewer.open(str(result_folder), plugin=PLUGIN)
    for number, layer in enumerate(viewer.layers):
        path = tmp_path / f"{number}.csv"
        layer.save(str(path), plugin=PLUGIN)
        assert path.read_bytes() == (result_folder / "ions.csv").read_bytes()


def test_what_cannot_be_written_is_said() -> None:
    with pytest.raises(InputError, match="no ion table"):
        writers.write_ion_table("x.csv", np.zeros((2, 2)), {"metadata": {}})
    with pytest.raises(InputError, match="4 axes"):
        writers.write_image("x.ome.tif", np.zeros((2, 2, 2, 2)), {})


def test_wide_integers_and_pyramids_are_written_whole(tmp_path: Path) -> None:
    labels = np.eye(8, dtype=np.int64) * 5
    writers.write_labels(str(tmp_path / "l.ome.tif"), labels, {})
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "l.ome.tif"), labels)
    fine = np.arange(64, dtype=np.uint8).reshape(8, 8)
    writers.write_image(str(tmp_path / "p.ome.tif"), [fine, fine[::2, ::2]], {})
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "p.ome.tif"), fine)
    with pytest.raises(InputError, match="too large"):
        writers.write_labels(str(tmp_path / "x.ome.tif"), np.array([[2**40]]), {})


def test_other_files_are_left_to_other_readers(viewer: Viewer, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((4, 5), np.uint8))
    viewer.open(str(tmp_path / "plain.tif"))  # no dialog about several readers
    assert len(viewer.layers) == 1


def test_the_synthetic_sample_opens(viewer: Viewer) -> None:
    layers = viewer.open_sample(PLUGIN, "synthetic")
    assert [layer.ndim for layer in layers] == [3, 2]
    assert np.nanmax(np.asarray(layers[0].data[3])) > 0  # still there when its files are gone
