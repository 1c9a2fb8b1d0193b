from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from napari_msiclust.assignment import NEW_PATTERN, assignment_steps
from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.learning.trained_network import ClusterDirections, TrainedNetwork, network_arrays
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.training_set import training_set
from napari_msiclust.pipeline import cluster_ions
from napari_msiclust.progress import drain
from napari_msiclust.results.exports import write_result
from napari_msiclust.results.ion_basis import take_ions
from napari_msiclust.sample import write_synthetic

HELD_OUT = 5  # a spatial pattern that the first section does not show
CONFIG = ClusterConfig(clusters=5, image_size=32, device="cpu").with_epochs(1)


def _section(folder: Path, name: str, seed: int, shape: tuple[int, int]) -> tuple[IonImages, np.ndarray]:
    path = folder / f"{name}.imzML"
    write_synthetic(path, seed=seed, shape=shape, ions_per_class=8)
    with open_imzml(path) as file:
        images = extract_ion_images(file, cache=False)
    return images, pd.read_csv(path.with_name(f"{name}_classes.csv"))["label"].to_numpy()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A result of a section without one of the patterns, and the classes of its ions."""
    folder = tmp_path_factory.mktemp("first")
    images, classes = _section(folder, "first", 3, (36, 48))
    kept = np.flatnonzero(classes != HELD_OUT)
    images = take_ions(images, kept)
    return write_result(cluster_ions(images, CONFIG), images, folder / "result"), classes[kept]


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> tuple[IonImages, np.ndarray]:
    return _section(tmp_path_factory.mktemp("second"), "second", 8, (45, 60))


def test_ions_of_another_section_get_the_clusters_of_their_pattern(
    trained: tuple[Path, np.ndarray], second: tuple[IonImages, np.ndarray]
) -> None:
    folder, classes = trained
    learned = pd.read_csv(folder / "ions.csv")["cluster"].to_numpy()
    images, others = second
    result = drain(assignment_steps(folder, images))
    meaning = {k: np.bincount(classes[learned == k]).argmax() for k in range(1, 6)}
    given = result.ions["cluster"].to_numpy()
    known = (others != HELD_OUT) & (given > 0)
    assert known.sum() > 0.9 * (others != HELD_OUT).sum()
    right = [meaning[k] == label for k, label in zip(given[known], others[known], strict=True)]
    assert np.mean(right) > 0.95
    new = result.ions["bin"].to_numpy() == NEW_PATTERN
    assert new[others == HELD_OUT].mean() > 0.8
    assert len(result.clusters) == 5
    assert any(NEW_PATTERN in note for note in result.provenance["notes"])


def test_the_same_section_gets_its_own_labels(trained: tuple[Path, np.ndarray]) -> None:
    folder, _ = trained
    images, classes = _section(folder.parent, "again", 3, (36, 48))
    images = take_ions(images, np.flatnonzero(classes != HELD_OUT))
    result = drain(assignment_steps(folder, images))
    learned = pd.read_csv(folder / "ions.csv")["cluster"].to_numpy()
    both = (learned > 0) & (result.ions["cluster"].to_numpy() > 0)
    assert adjusted_rand_score(learned[both], result.ions["cluster"].to_numpy()[both]) > 0.9


def test_names_and_colors_of_clusters_stay(
    trained: tuple[Path, np.ndarray], second: tuple[IonImages, np.ndarray], tmp_path: Path
) -> None:
    folder = shutil.copytree(trained[0], tmp_path / "corrected")
    table = pd.read_csv(folder / "clusters.csv").assign(name=[f"part {k}" for k in range(5)], color="#112233")
    table.to_csv(folder / "clusters.csv", index=False)
    result = drain(assignment_steps(folder, second[0]))
    assert result.clusters["name"].tolist() == [f"part {k}" for k in range(5)]
    assert set(result.clusters["color"]) == {"#112233"}


def test_what_is_written_says_where_the_clusters_come_from(
    trained: tuple[Path, np.ndarray], second: tuple[IonImages, np.ndarray], tmp_path: Path
) -> None:
    result = drain(assignment_steps(trained[0], second[0]))
    written = write_result(result, second[0], tmp_path / "second")
    assert json.loads((written / "run.json").read_text())["assigned_from"] == str(trained[0].resolve())
    third = drain(assignment_steps(written, second[0]))  # clusters can be handed on
    assert third.ions["cluster"].to_numpy().any()


def test_a_result_without_a_network_says_what_to_do(
    trained: tuple[Path, np.ndarray], second: tuple[IonImages, np.ndarray], tmp_path: Path
) -> None:
    folder = shutil.copytree(trained[0], tmp_path / "old")
    (folder / "network.safetensors").unlink()
    with pytest.raises(InputError, match="no trained network"):
        drain(assignment_steps(folder, second[0]))


@pytest.mark.parametrize("name", ["network.safetensors", "embedding.npy", "clusters.csv"])
def test_damaged_parts_are_named(
    name: str, trained: tuple[Path, np.ndarray], second: tuple[IonImages, np.ndarray], tmp_path: Path
) -> None:
    folder = shutil.copytree(trained[0], tmp_path / "damaged")
    (folder / name).write_bytes((folder / name).read_bytes()[:20])
    with pytest.raises(FileFormatError, match=name):
        drain(assignment_steps(folder, second[0]))


def test_a_network_of_other_settings_is_refused(trained: tuple[Path, np.ndarray]) -> None:
    from napari_msiclust.learning.weights import load_encoder

    encoder, _ = load_encoder("efficientnet-lite0", "random", 0)
    with pytest.raises(InputError, match="does not fit the settings"):
        TrainedNetwork(
            network_arrays(encoder, [np.zeros((3, 1280))]), ClusterConfig(encoder="efficientnet-b0")
        )


def test_the_published_recipe_can_be_assigned_from(second: tuple[IonImages, np.ndarray]) -> None:
    config = ClusterConfig.from_preset("fast", clusters=4, image_size=32, device="cpu").with_epochs(1)
    images = second[0]
    result = cluster_ions(images, config)
    network = TrainedNetwork(result.embedding.network, config)
    prepared = training_set(images, config, network.side)
    np.testing.assert_allclose(
        network.embed(prepared.stack, prepared.mask), result.embedding.features, atol=1e-4
    )


def test_an_ion_is_new_beyond_the_reach_of_a_cluster() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(3, 8)[:2]
    features = np.repeat(centres, 20, axis=0) + 0.1 * rng.normal(size=(40, 8))
    labels = np.repeat([1, 3], 20)  # cluster 2 has no ion
    features = features.astype(np.float32)
    known = ClusterDirections(features, labels, centred=False)
    asked = np.stack([centres[0], centres[1], np.eye(3, 8)[2]]).astype(np.float32)
    likeness = known.likeness(asked)
    assert known.clusters[likeness.argmax(axis=1)][:2].tolist() == [1, 3]
    assert known.unlike(likeness).tolist() == [False, False, True]


def test_no_ion_in_a_cluster_is_an_error(
    trained: tuple[Path, np.ndarray], second: tuple[IonImages, np.ndarray], tmp_path: Path
) -> None:
    folder = shutil.copytree(trained[0], tmp_path / "empty")
    pd.read_csv(folder / "ions.csv").assign(cluster=0).to_csv(folder / "ions.csv", index=False)
    with pytest.raises(InputError, match="no ion of the result"):
        drain(assignment_steps(folder, replace(second[0])))
