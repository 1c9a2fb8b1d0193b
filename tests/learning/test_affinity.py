from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_rand_score

from napari_msiclust.errors import InputError
from napari_msiclust.learning.affinity import neighbor_graph, spectral_labels
from napari_msiclust.learning.cluster_count import count_by_eigengap


def _blobs(groups: int, each: int = 15, spread: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(groups), each)
    return np.eye(groups)[truth] * 10 + rng.normal(0, spread, (len(truth), groups)), truth


def test_the_graph_is_symmetric_and_in_one_piece() -> None:
    features, _ = _blobs(5)
    graph = neighbor_graph(features, 6)
    assert (abs(graph - graph.T)).max() == 0
    assert connected_components(graph, directed=False)[0] == 1
    assert set(np.unique(graph.toarray()).tolist()) == {0.0, 0.5, 1.0}


def test_parts_are_joined_where_they_are_closest() -> None:
    degrees = np.array([0.0, 4, 9, 60, 65, 69])
    angles = np.deg2rad(np.concatenate((degrees, degrees + 180)))  # centred, so that angles are kept
    graph = neighbor_graph(np.stack((np.cos(angles), np.sin(angles)), axis=1), 2).toarray()
    assert graph[2, 3] == 0.5
    assert graph[8, 9] == 0.5
    assert not graph[:2, 3:6].any()


def test_the_length_of_a_feature_does_not_matter() -> None:
    features, _ = _blobs(4)
    centred = features - features.mean(axis=0)
    scaled = np.concatenate((centred, -centred)) * np.tile(np.linspace(1, 9, len(centred)), 2)[:, None]
    same = np.concatenate((centred, -centred))
    difference = neighbor_graph(scaled, 6) - neighbor_graph(same, 6)
    assert abs(difference).max() == 0


@pytest.mark.parametrize("groups", [2, 5, 9])
def test_clear_groups_are_found(groups: int) -> None:
    features, truth = _blobs(groups)
    labels = spectral_labels(neighbor_graph(features, 10), groups, 0)
    assert adjusted_rand_score(truth, labels) == 1
    assert set(labels.tolist()) == set(range(groups))


def test_the_same_seed_gives_the_same_labels() -> None:
    features = np.random.default_rng(1).normal(size=(80, 5))
    graph = neighbor_graph(features, 10)
    np.testing.assert_array_equal(spectral_labels(graph, 8, 4), spectral_labels(graph, 8, 4))


@pytest.mark.parametrize("count", [2, 3, 4, 6])
def test_few_and_identical_ions(count: int) -> None:
    graph = neighbor_graph(np.zeros((count, 3)), 10)
    for clusters in range(1, count + 1):
        assert len(spectral_labels(graph, clusters, 0)) == count


def test_more_clusters_than_ions_is_an_error() -> None:
    with pytest.raises(InputError, match="5 clusters were asked of 3 ions"):
        spectral_labels(neighbor_graph(np.eye(3), 10), 5, 0)


@pytest.mark.parametrize("groups", [2, 4, 7])
def test_the_eigengap_counts_clear_groups(groups: int) -> None:
    features, _ = _blobs(groups, each=20)
    count = count_by_eigengap(neighbor_graph(features, 8))
    assert count.clusters == groups
    assert f"{groups} clusters: of 2 to" in count.reason


def test_the_eigengap_of_tiny_graphs() -> None:
    for count in (2, 3, 4):
        assert 2 <= count_by_eigengap(neighbor_graph(np.eye(count), 10)).clusters <= count
