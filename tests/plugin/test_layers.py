from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Layer

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.layers import (
    KEY,
    IonDataset,
    contrast_limits,
    image_layer,
    ion_layers,
    label_colormap,
    result_layers,
)
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.ome_tiff import TiffImage


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
    layer = Layer.create(*image_layer(TiffImage(np.zeros((3, 4)), None, "x")))
    assert [str(unit) for unit in layer.units] == ["pixel", "pixel"]
