from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import Stopped
from napari_msiclust.learning.calibration import calibrated
from napari_msiclust.learning.ion_clustering import IonClustering
from napari_msiclust.learning.recipe import learn_clusters
from napari_msiclust.learning.relearn import Relearned, relearn
from napari_msiclust.learning.trained_network import TrainedNetwork
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.training_set import TrainingSet, training_set
from napari_msiclust.progress import drain
from napari_msiclust.sample import write_synthetic

CONFIGS = {
    "consensus": ClusterConfig(clusters=5, image_size=32, device="cpu").with_epochs(2),
    "published": ClusterConfig.from_preset("fast", clusters=5, image_size=32, device="cpu").with_epochs(2),
}


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingSet, np.ndarray]:
    path: Path = tmp_path_factory.mktemp("relearn") / "tissue.imzML"
    write_synthetic(path, seed=3, shape=(32, 40), ions_per_class=8)
    with open_imzml(path) as file:
        images = extract_ion_images(file, cache=False)
    return training_set(images, CONFIGS["consensus"], 32), pd.read_csv(path.with_name("tissue_classes.csv"))[
        "label"
    ].to_numpy()


def _learned(prepared: TrainingSet, config: ClusterConfig) -> IonClustering:
    return drain(learn_clusters(prepared.stack, prepared.mask, config))


def _again(
    prepared: TrainingSet,
    first: IonClustering,
    labels: np.ndarray,
    fixed: np.ndarray,
    config: ClusterConfig,
    **more: threading.Event | float,
) -> Relearned:
    embedding = first.embedding
    return drain(
        relearn(
            embedding.network,
            embedding.features,
            prepared.stack,
            prepared.mask,
            labels,
            fixed,
            config,
            **more,
        )
    )


@pytest.mark.parametrize("recipe", ["consensus", "published"])
def test_a_pattern_pinned_into_a_cluster_of_its_own_draws_its_like(
    recipe: str, tissue: tuple[TrainingSet, np.ndarray]
) -> None:
    prepared, classes = tissue
    classes, config = classes[prepared.used], CONFIGS[recipe]
    first = _learned(prepared, config)
    pattern = np.flatnonzero(classes == 2)
    labels = np.maximum(first.labels, 1)
    labels[pattern[:4]] = 6  # a new cluster, by hand
    fixed = np.zeros(len(labels), bool)
    fixed[pattern[:4]] = True
    again = _again(prepared, first, labels, fixed, config)
    assert (again.labels[fixed] == 6).all()
    assert (again.confidence[fixed] == 1).all()
    if recipe == "consensus":
        assert (again.labels[pattern[4:]] == 6).mean() > 0.7
        assert (again.labels[classes != 2] == 6).mean() < 0.1
    network = TrainedNetwork(again.network, config)
    np.testing.assert_allclose(
        network.embed(prepared.stack, prepared.mask),
        again.features,
        atol=1e-3 if recipe == "consensus" else 1e-4,
    )
    assert not np.array_equal(again.features, first.embedding.features)


@pytest.mark.parametrize("recipe", ["consensus", "published"])
def test_ions_in_no_cluster_are_labelled_again_unless_they_are_fixed(
    recipe: str, tissue: tuple[TrainingSet, np.ndarray]
) -> None:
    prepared, _ = tissue
    config = CONFIGS[recipe]
    first = _learned(prepared, config)
    labels, fixed = first.nearest.copy(), np.zeros(len(first.nearest), bool)
    lost = np.flatnonzero(labels == 1)[:4]
    labels[lost] = 0
    fixed[lost[0]] = True
    again = _again(prepared, first, labels, fixed, config)
    assert again.labels[lost[0]] == 0
    assert (again.labels[lost[1:]] > 0).all()
    if recipe == "consensus":
        assert (again.labels[lost[1:]] == 1).all()
    strict = config.model_copy(
        update={"consensus": config.consensus.model_copy(update={"min_standing": np.inf})}
    )
    again = _again(prepared, first, labels, fixed, strict)
    assert (again.labels[lost] == 0).all()
    assert (again.labels[labels > 0] > 0).all()


def test_confidence_is_calibrated_where_separate_pixels_can_tell(
    tissue: tuple[TrainingSet, np.ndarray],
) -> None:
    prepared, _ = tissue
    config = CONFIGS["consensus"]
    first = _learned(prepared, config)
    fixed = np.zeros(len(first.nearest), bool)
    for repeated in (0.1, 0.9):
        again = _again(prepared, first, first.nearest, fixed, config, repeated=repeated)
        assert again.confidence.max() == pytest.approx(calibrated(np.ones(1), repeated)[0])
        assert again.confidence.min() >= calibrated(np.zeros(1), repeated)[0]


def test_stop_ends_it(tissue: tuple[TrainingSet, np.ndarray]) -> None:
    prepared, _ = tissue
    first = _learned(prepared, CONFIGS["consensus"])
    stop = threading.Event()
    stop.set()
    fixed = np.zeros(len(first.labels), bool)
    with pytest.raises(Stopped):
        _again(prepared, first, np.maximum(first.labels, 1), fixed, CONFIGS["consensus"], stop=stop)
