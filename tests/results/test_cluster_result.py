from __future__ import annotations

import numpy as np

from napari_msiclust.config import ClusterConfig
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.pipeline import cluster_ions
from napari_msiclust.results.cluster_result import (
    ClusterResult,
    dominant_cluster_map,
    mean_ion_images,
)


def _grid(height: int, width: int) -> PixelGrid:
    rows, cols = np.indices((height, width)).reshape(2, -1)
    return PixelGrid.from_positions(np.stack((cols + 1, rows + 1), axis=1), (1.0, 1.0))


def test_mean_images_are_means_of_scaled_members() -> None:
    values = np.array([[0, 2, 4, 4], [0, 10, 10, 0], [5, 5, 5, 5]], dtype=np.float32)
    images = IonImages(np.array([1.0, 2.0, 3.0]), values, _grid(2, 2))
    means = mean_ion_images(images, np.array([1, 1, 2]), 2, 1.0)
    np.testing.assert_allclose(means, [[0, 0.75, 1, 0.5], [1, 1, 1, 1]])


def test_ions_in_a_bin_are_in_no_mean_image() -> None:
    images = IonImages(np.array([1.0, 2.0]), np.array([[1, 0], [0, 1]], dtype=np.float32), _grid(1, 2))
    np.testing.assert_allclose(mean_ion_images(images, np.array([1, 0]), 1, 1.0), [[1, 0]])


def test_the_dominant_cluster_is_the_largest_scaled_mean() -> None:
    grid = _grid(1, 4)
    means = np.array([[1.0, 0.5, 0, 0], [0.1, 0.1, 0.2, 0]], dtype=np.float32)
    # scaled to their own maxima: [1, .5, 0, 0] and [.5, .5, 1, 0]
    assert dominant_cluster_map(means, grid, 1.0).tolist() == [[1, 1, 2, 0]]


def test_the_dominant_map_ends_at_the_mask() -> None:
    grid = _grid(2, 2)
    images = IonImages(np.array([1.0]), np.ones((1, 4), dtype=np.float32), grid)
    masked = images.with_mask(np.array([[True, False], [True, True]]))
    assert dominant_cluster_map(np.ones((1, 4), np.float32), masked.grid, 1.0).tolist() == [[1, 0], [1, 1]]


def test_the_ion_table_has_one_row_per_ion(tissue_result: ClusterResult, tissue_images: IonImages) -> None:
    assert tissue_result.ions["mz"].tolist() == tissue_images.mz.tolist()
    assert list(tissue_result.ions.columns[:4]) == ["mz", "cluster", "confidence", "bin"]
    count = len(tissue_result.clusters)
    assert set(tissue_result.ions["cluster"]) == set(range(1, count + 1))
    assert tissue_result.clusters["ions"].sum() == len(tissue_result.ions)
    assert tissue_result.mean_images.shape == (count, *tissue_images.grid.shape)
    assert set(np.unique(tissue_result.dominant_cluster_map)) <= set(range(count + 1))
    assert (tissue_result.clusters["dominant_pixels"].sum()) == (tissue_result.dominant_cluster_map > 0).sum()


def test_missing_pixels_stay_missing(tissue_result: ClusterResult) -> None:
    missing = ~tissue_result.grid.acquired
    assert missing.any()
    assert np.isnan(tissue_result.mean_images[:, missing]).all()
    assert np.isfinite(tissue_result.mean_images[:, ~missing]).all()
    assert not tissue_result.dominant_cluster_map[missing].any()


def test_members_come_most_central_first(tissue_result: ClusterResult) -> None:
    for cluster in tissue_result.clusters["cluster"]:
        members = tissue_result.members(cluster)
        assert (tissue_result.ions["cluster"].to_numpy()[members] == cluster).all()
        centrality = tissue_result.ions["centrality"].to_numpy()[members]
        assert (np.diff(centrality) <= 0).all()
        central = tissue_result.clusters.set_index("cluster").loc[cluster, "central_mz"]
        assert tissue_result.ions["mz"].to_numpy()[members[0]] == central


def test_provenance_says_how(tissue_result: ClusterResult) -> None:
    assert "efficientnet-lite0" in tissue_result.provenance["weights"]["origin"]
    assert tissue_result.provenance["seconds"]["contrastive training"] > 0
    assert tissue_result.provenance["peak_memory_bytes"] > 1e6
    assert tissue_result.provenance["versions"]["torch"]


def test_ions_without_signal_go_to_a_bin(tissue_images: IonImages, tiny_config: ClusterConfig) -> None:
    values = np.array(tissue_images.values)
    values[[2, 5]] = 0
    values[7, :] = np.nan
    images = IonImages(tissue_images.mz, values, tissue_images.grid)
    result = cluster_ions(images, tiny_config)
    dark = result.ions["cluster"] == 0
    assert dark.to_numpy().nonzero()[0].tolist() == [2, 5, 7]
    assert (result.ions.loc[dark, "bin"] == "empty").all()
    assert (result.ions.loc[~dark, "bin"] == "").all()
    assert np.isfinite(result.ions.loc[:, ["confidence", "centrality"]].to_numpy()).all()
