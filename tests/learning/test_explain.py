from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError, Stopped
from napari_msiclust.learning.explain import occlusion_maps
from napari_msiclust.msi.ion_images import IonImages, squares_to_grid
from napari_msiclust.msi.training_set import training_set
from napari_msiclust.progress import Progress, drain
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import History
from napari_msiclust.results.edits import SetAside
from napari_msiclust.results.explanation import explanation_steps
from napari_msiclust.results.ion_basis import IonBasis

SIDE = 32
MASK = np.zeros((SIDE, SIDE), dtype=bool)
MASK[4:-4, 4:-4] = True


def _quarters() -> np.ndarray:
    """Mean images of four clusters, each bright in one quarter of the tissue."""
    means = np.full((4, SIDE, SIDE), 0.1, dtype=np.float32) * MASK
    for k, (row, col) in enumerate([(6, 6), (6, 18), (18, 6), (18, 18)]):
        means[k, row : row + 8, col : col + 8] = 1
    return means.astype(np.float32)


def _looks_at_quarters(images: np.ndarray) -> np.ndarray:
    """A network that prefers the cluster whose quarter is brightest."""
    cut = [images[:, r : r + 8, c : c + 8].mean((1, 2)) for r, c in [(6, 6), (6, 18), (18, 6), (18, 18)]]
    return np.stack(cut, axis=1)


def test_the_map_is_high_where_the_network_looks() -> None:
    seen: list[Progress] = []
    maps = drain(occlusion_maps(_quarters(), MASK, _looks_at_quarters), seen.append)
    assert maps.shape == (4, SIDE, SIDE)
    assert (maps[:, ~MASK] == 0).all()
    for k, (row, col) in enumerate([(6, 6), (6, 18), (18, 6), (18, 18)]):
        own = maps[k, row : row + 8, col : col + 8].mean()
        elsewhere = maps[k][MASK].mean()
        assert own > 2 * elsewhere
        peak = np.unravel_index(maps[k].argmax(), maps[k].shape)
        assert row <= peak[0] < row + 8
        assert col <= peak[1] < col + 8
    assert seen[-1].step == seen[-1].total == 4


def test_a_network_that_looks_at_nothing_has_an_even_map() -> None:
    maps = drain(occlusion_maps(_quarters(), MASK, lambda images: np.zeros((len(images), 4))))
    assert not maps.any()


def test_one_cluster_can_be_explained() -> None:
    maps = drain(occlusion_maps(_quarters()[:1], MASK, lambda images: images.mean((1, 2))[:, None]))
    assert np.isfinite(maps).all()


def test_it_can_be_stopped() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        drain(occlusion_maps(_quarters(), MASK, _looks_at_quarters, stop=stop))


def test_without_ions_in_clusters_there_is_nothing_to_explain(
    tissue_images: IonImages, tissue_result: ClusterResult
) -> None:
    history = History.begin(tissue_result, IonBasis.of(tissue_result, tissue_images))
    emptied = history.applied(SetAside(tuple(range(len(tissue_images)))))
    with pytest.raises(InputError, match=r"none of the ions .* is in a cluster; put some"):
        drain(explanation_steps(emptied))


def test_squares_go_back_where_they_came_from(tissue_images: IonImages) -> None:
    prepared = training_set(tissue_images, ClusterConfig.from_preset("paper", image_size=64))
    back = squares_to_grid(prepared.stack, prepared.images.grid.mask)
    mask = prepared.images.grid.mask
    scaled = np.concatenate([block for _, block in prepared.images.scaled()])[prepared.used]
    there = prepared.images.grid.image(scaled)[:, mask]
    for ion in range(0, len(there), 5):
        assert np.corrcoef(back[ion][mask], there[ion])[0, 1] > 0.8
