from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError, Stopped
from napari_msiclust.learning import recipe
from napari_msiclust.learning.ion_clustering import IonClustering
from napari_msiclust.learning.recipe import learn_clusters
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.progress import Progress, drain


def _learn(images: IonImages, config: ClusterConfig, seen: list[Progress] | None = None) -> IonClustering:
    stack, mask = images.training_stack(config.image_size)
    return drain(learn_clusters(stack, mask, config), None if seen is None else seen.append)


def test_the_same_seed_gives_the_same_result(tissue_images: IonImages, tiny_config: ClusterConfig) -> None:
    first, again = _learn(tissue_images, tiny_config), _learn(tissue_images, tiny_config)
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.confidence, again.confidence)
    np.testing.assert_array_equal(first.embedding.features, again.embedding.features)
    other = _learn(tissue_images, tiny_config.model_copy(update={"seed": 7}))
    assert not np.array_equal(first.confidence, other.confidence)


def test_global_random_state_and_threads_are_left_alone(
    tissue_images: IonImages, tiny_config: ClusterConfig
) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    threads = torch.get_num_threads()
    torch.manual_seed(11)
    _learn(tissue_images, tiny_config)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_every_stage_is_recorded(tissue_images: IonImages, tiny_config: ClusterConfig) -> None:
    seen: list[Progress] = []
    result = _learn(tissue_images, tiny_config, seen)
    stages = ["contrastive training", "classifier", "self-labeling"]
    assert list(result.history["stage"].unique()) == stages
    assert set(stages) <= set(result.seconds)
    assert result.history.query("stage == 'self-labeling'")["confident_fraction"].notna().all()
    assert np.isfinite(result.history.query("stage != 'self-labeling'")["loss"]).all()
    assert result.embedding.features.shape == (24, 1280)
    assert (result.confidence > 0).all()
    assert (result.confidence <= 1).all()
    assert all(step.step <= step.total for step in seen)


def test_clusters_are_numbered_by_size(tissue_images: IonImages, tiny_config: ClusterConfig) -> None:
    sizes = np.bincount(_learn(tissue_images, tiny_config).labels)[1:]
    assert (np.diff(sizes) <= 0).all()
    assert (sizes > 0).all()


def test_auto_says_what_it_chose(tissue_images: IonImages, tiny_config: ClusterConfig) -> None:
    result = _learn(tissue_images, tiny_config.model_copy(update={"clusters": "auto"}))
    assert f"{result.labels.max()} clusters: of 2 to" in result.reason
    assert result.reason in result.notes


def test_stop_ends_a_run(tissue_images: IonImages, tiny_config: ClusterConfig) -> None:
    stop = threading.Event()
    stack, mask = tissue_images.training_stack(32)
    steps = learn_clusters(stack, mask, tiny_config.with_epochs(1000), stop=stop)
    for _ in range(5):
        next(steps)
    stop.set()
    with pytest.raises(Stopped):
        drain(steps)


def test_little_memory_means_smaller_batches(
    tissue_images: IonImages, tiny_config: ClusterConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe, "_TRAINING_BYTES", dict.fromkeys(recipe._TRAINING_BYTES, 1 << 50))
    result = _learn(tissue_images, tiny_config)
    assert any("batches of 4 instead of 12" in note for note in result.notes)


def test_more_clusters_than_ions_is_an_error(tissue_images: IonImages, tiny_config: ClusterConfig) -> None:
    with pytest.raises(InputError, match="25 clusters were asked of 24 ions"):
        _learn(tissue_images, tiny_config.model_copy(update={"clusters": 25}))


def test_an_absent_device_is_an_error(tissue_images: IonImages, tiny_config: ClusterConfig) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(InputError, match="no cuda device"):
        _learn(tissue_images, tiny_config.model_copy(update={"device": "cuda"}))


@pytest.mark.parametrize("kind", ["identical", "constant", "three"])
def test_odd_sets_of_ions(kind: str, tiny_config: ClusterConfig) -> None:
    rng = np.random.default_rng(0)
    stack = {
        "identical": np.repeat(rng.random((1, 32, 32)), 8, axis=0),
        "constant": np.ones((8, 32, 32)),
        "three": rng.random((3, 32, 32)),
    }[kind].astype(np.float32)
    config = tiny_config.model_copy(update={"clusters": 2})
    result = drain(learn_clusters(stack, np.ones((32, 32), dtype=bool), config))
    assert len(result.labels) == len(stack)
    assert np.isfinite(result.confidence).all()
