from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Layer

from napari_msiclust.config import ClusterConfig
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.pipeline import cluster_ions
from napari_msiclust.plugin.layers import (
    KEY,
    IonDataset,
    contrast_limits,
    image_layer,
    ion_layers,
    label_colormap,
    result_layers,
    saved_layers,
)
from napari_msiclust.plugin.writers import write_image
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import read_result, write_result
from napari_msiclust.results.ome_tiff import read_ome_tiff
from napari_msiclust.results.scaled_image import ScaledImage


def test_layers_have_scale_units_and_axes(tissue_images: IonImages) -> None:
    stack, tic = (Layer.create(*layer) for layer in ion_layers(tissue_images, Path("a.imzML")))
    assert tuple(tic.scale) == (50, 50)
    assert [str(unit) for unit in tic.units] == ["micrometer", "micrometer"]
    assert tuple(stack.scale) == (1, 50, 50)
    assert [str(unit) for unit in stack.units] == ["pixel", "micrometer", "micrometer"]
    assert stack.axis_labels == ("ion", "y", "x")
    np.testing.assert_allclose(tic.data, tissue_images.grid.image(tissue_images.tic()))


def test_result_layers_carry_the_table(tissue_result: ClusterResult, tissue_images: IonImages) -> None:
    dataset = IonDataset(tissue_images, Path("a.imzML"))
    means, dominant = (Layer.create(*layer) for layer in result_layers(tissue_result, dataset))
    assert means.data.shape == tissue_result.mean_images.shape
    assert dominant.metadata[KEY].ions is tissue_result.ions
    assert dominant.metadata[KEY] is means.metadata[KEY]
    features = dominant.features
    assert features["index"].tolist() == list(range(len(tissue_result.clusters) + 1))
    assert features["ions"].tolist()[1:] == tissue_result.clusters["ions"].tolist()
    colors = {tuple(dominant.get_color(k)) for k in tissue_result.clusters["cluster"]}
    assert len(colors) == len(tissue_result.clusters)


def test_many_clusters_have_distinct_colours() -> None:
    colors = label_colormap(40).color_dict
    assert len({tuple(np.round(colors[k], 4)) for k in range(1, 41)}) == 40
    assert colors[0][3] == 0


@pytest.mark.parametrize(
    "values",
    [np.zeros((2, 2)), np.full((2, 2), np.nan), np.array([[np.nan, 3.0]]), np.array([[np.inf, 1.0]])],
)
def test_contrast_limits_are_never_empty(values: np.ndarray) -> None:
    low, high = contrast_limits(values)
    assert np.isfinite([low, high]).all()
    assert low < high


def test_foreign_images_have_no_um_without_a_size() -> None:
    layer = Layer.create(*image_layer(ScaledImage(np.zeros((3, 4)), None, "x")))
    assert [str(unit) for unit in layer.units] == ["pixel", "pixel"]


@pytest.fixture(scope="module")
def deep_images() -> IonImages:
    """Twelve ions on two z planes: six lie on the left of each plane, six on its lower half."""
    positions = [(x + 1, y + 1, z + 1) for z in range(2) for y in range(14) for x in range(20)]
    x, y, _ = np.array(positions).T
    grid = PixelGrid.from_positions(np.array(positions, np.int32), (50.0, 50.0))
    scatter = np.random.default_rng(0).random((12, len(positions)), np.float32)
    patterns = np.where(np.arange(12)[:, None] < 6, x <= 8, y > 7)
    return IonImages(np.arange(12) + 100.0, 10 * patterns + scatter, grid)


def test_results_of_several_planes_have_a_z_axis(deep_images: IonImages, tmp_path: Path) -> None:
    config = ClusterConfig.from_preset("fast", clusters=2, image_size=32, device="cpu").with_epochs(1)
    result = cluster_ions(deep_images, config)
    assert result.mean_images.shape == (2, *deep_images.grid.shape)
    fresh = result_layers(result, IonDataset(deep_images, Path("a.imzML")))
    saved = saved_layers(read_result(write_result(result, deep_images, tmp_path / "result")))
    stack, _ = (Layer.create(*layer) for layer in ion_layers(deep_images, Path("a.imzML")))
    for layers in (fresh, saved):
        means, dominant = (Layer.create(*layer) for layer in layers)
        assert means.data.shape == (2, 2, 14, 20)
        assert dominant.data.shape == (2, 14, 20)
        assert means.axis_labels == ("cluster", "z", "y", "x")
        assert dominant.axis_labels == ("z", "y", "x")
        for layer in (means, dominant):
            assert layer.units == stack.units[-layer.ndim :]
            assert layer.scale.tolist() == stack.scale.tolist()[-layer.ndim :]
        planes = [result.grid.unfold(image) for image in result.mean_images]
        np.testing.assert_array_equal(means.data, planes)
        np.testing.assert_array_equal(dominant.data, result.grid.unfold(result.dominant_cluster_map))


def test_an_ion_stack_of_several_planes_is_saved_whole(deep_images: IonImages, tmp_path: Path) -> None:
    stack, tic = (Layer.create(*layer) for layer in ion_layers(deep_images, Path("a.imzML")))
    for number, layer in enumerate((stack, tic)):
        data, attributes, _ = layer.as_layer_data_tuple()
        write_image(str(tmp_path / f"{number}.ome.tif"), data, attributes)
        again = Layer.create(*image_layer(read_ome_tiff(tmp_path / f"{number}.ome.tif")))
        np.testing.assert_array_equal(again.data, np.asarray(layer.data))
        assert again.axis_labels[-3:] == ("z", "y", "x")
        assert again.units == layer.units
    assert again.metadata == {}
