from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.config import ClusterConfig, TriageConfig
from napari_msiclust.errors import FileFormatError, OutputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.pipeline import cluster_ions
from napari_msiclust.registration.transforms import LandmarkPairs, Registration
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import History
from napari_msiclust.results.edits import REFINED, Move, Pin, Relabel
from napari_msiclust.results.exports import RESULT, is_result_folder, read_result
from napari_msiclust.results.ion_basis import IonBasis
from napari_msiclust.results.project.content import Project
from napari_msiclust.results.project.names import is_project
from napari_msiclust.results.project.project_file import read_project, write_project
from tests.results.project.conftest import DATA_SUFFIXES, contents


def assert_same_result(one: ClusterResult, other: ClusterResult) -> None:
    assert one.ions.to_csv(index=False) == other.ions.to_csv(index=False)
    assert one.clusters.to_csv(index=False) == other.clusters.to_csv(index=False)
    np.testing.assert_array_equal(one.mean_images, other.mean_images)
    np.testing.assert_array_equal(one.dominant_cluster_map, other.dominant_cluster_map)
    np.testing.assert_array_equal(one.embedding.features, other.embedding.features)
    np.testing.assert_array_equal(one.embedded, other.embedded)
    np.testing.assert_array_equal(one.grid.mask, other.grid.mask)
    assert (one.config, one.evidence) == (other.config, other.evidence)
    assert json.dumps(one.provenance) == json.dumps(other.provenance)
    assert one.embedding.network.keys() == other.embedding.network.keys()
    pd.testing.assert_frame_equal(one.history, other.history, check_dtype=False)


@pytest.mark.parametrize("name", ["p.msiclust", "folder"])
def test_a_project_comes_back(name: str, project: Project, run_in: Path) -> None:
    path = write_project(run_in / name, project)
    assert is_project(path)
    again = read_project(path)
    assert_same_result(again.learned, project.learned)
    assert_same_result(again.current, project.current)
    assert (again.edits, again.position) == (project.edits, 4)
    assert (again.reading, again.data_path) == (project.reading, project.data_path)
    assert again.images is None
    assert again.registration is None


def test_corrections_go_on_where_they_ended(
    plain_file: Path, corrected: History, tissue_images: IonImages
) -> None:
    again = read_project(plain_file)
    history = again.history(IonBasis.of(again.learned, tissue_images))
    assert history.current.labels.name(1) == "stroma"
    assert history.current.labels.colors == {2: "#112233"}
    assert history.current.labels.pinned.tolist() == corrected.current.labels.pinned.tolist()
    assert history.steps() == corrected.steps()
    steps: list[Callable[[History], History]] = [
        lambda one: one.redone(),
        lambda one: one.undone().undone(),
        lambda one: one.applied(Move((7,), 1)),
    ]
    for step in steps:
        before, after = step(corrected), step(history)
        assert before.current.result.ions.to_csv() == after.current.result.ions.to_csv()
        np.testing.assert_array_equal(before.current.result.mean_images, after.current.result.mean_images)


@pytest.mark.parametrize("name", ["p.msiclust", "folder"])
def test_ion_images_and_registration_are_carried(
    name: str, project: Project, tissue_images: IonImages, run_in: Path
) -> None:
    pairs = LandmarkPairs(np.array([1, 2]), np.array([[0.0, 1], [2, 3]]), np.array([[4.0, 5], [6, 7]]))
    matrix = np.array([[0, -1, 20], [1, 0, 3], [0, 0, 1.0]])
    registration = Registration(matrix, "similarity", pairs, {"name": "H&E"})
    columns = pd.DataFrame({"adduct": ["+H", ""] * 12, "mobility": [0.1, np.nan] * 12})
    images = replace(tissue_images, polarity="positive", columns=columns)
    path = write_project(run_in / name, replace(project, images=images, registration=registration))
    again = read_project(path)
    assert again.images is not None
    assert again.registration is not None
    np.testing.assert_array_equal(again.images.values, images.values)
    assert again.images.mz.tolist() == images.mz.tolist()
    assert (again.images.names, again.images.polarity) == (images.names, "positive")
    pd.testing.assert_frame_equal(again.images.columns, columns, check_dtype=False)
    np.testing.assert_array_equal(again.registration.matrix, matrix)
    np.testing.assert_array_equal(again.registration.pairs.moving_um, pairs.moving_um)
    IonBasis.of(again.learned, again.images)


def test_the_result_folder_is_inside(project: Project, tissue_images: IonImages, run_in: Path) -> None:
    benchmark = replace(project, added={"benchmark.json": b"{}", "stranger": b"x"})
    path = write_project(run_in / "folder", benchmark, report_from=tissue_images)
    result = path / "content-1" / "result"
    assert is_result_folder(result)
    assert {entry.name for entry in result.iterdir()} <= RESULT.files
    assert (result / "report.html").exists()
    assert read_result(result).ions["cluster"].tolist() == project.current.ions["cluster"].tolist()
    assert read_project(path).added == {"benchmark.json": b"{}"}


def test_a_project_finds_its_data_where_both_were_moved(
    project: Project, tissue: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    (study / "raw").mkdir(parents=True)
    files = [Path(shutil.copy(tissue.with_suffix(suffix), study / "raw")) for suffix in DATA_SUFFIXES]
    path = write_project(study / "p.msiclust", project, data_files=files)
    study.rename(tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / path.name
    link = read_project(moved).data
    assert link is not None
    assert link.locate(moved) == tmp_path / "elsewhere" / "raw" / tissue.name
    assert link.fits(tissue)  # its modification time is another one, so it is the content that counts
    data = tmp_path / "elsewhere" / "raw" / tissue.with_suffix(".ibd").name
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    assert link.locate(moved) is None


def test_a_changed_project_takes_the_place_of_the_old_one(project: Project, run_in: Path) -> None:
    for name in ("p.msiclust", "folder"):
        write_project(run_in / name, project)
        write_project(run_in / name, replace(project, edits=project.edits[:4]))
        assert len(read_project(run_in / name).edits) == 4
    assert sorted(entry.name for entry in (run_in / "folder").iterdir()) == ["content-2", "manifest.json"]


def test_other_folders_are_left_alone(project: Project, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("dear")
    with pytest.raises(OutputError, match="other files"):
        write_project(tmp_path / "letters", project)
    (tmp_path / "dir.msiclust").mkdir()
    (tmp_path / "dir.msiclust" / "mine.txt").write_text("dear")
    with pytest.raises(OutputError, match="other files"):
        write_project(tmp_path / "dir.msiclust", project)


def test_what_cannot_be_written_leaves_the_old_project(
    plain_file: Path, project: Project, run_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(plain_file, run_in))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_project(path, replace(project, edits=()))
    assert path.read_bytes() == plain_file.read_bytes()


def _version_1(files: dict[str, bytes], data: Path) -> bytes:
    """The manifest as version 1 had it: no stamps, no relative path, no position."""
    manifest = json.loads(files["manifest.json"])
    link = manifest["data"]["files"]
    source = {
        "path": str(data),
        "sha256": {"imzml": link[0]["sha256"], "ibd": link[1]["sha256"]},
        "tolerance_ppm": 20.0,
    }
    facts = {"format": manifest["format"], "version": 1, "saved": "2026-01-01T00:00:00+00:00"}
    return json.dumps(facts | {"software": "0.0.9", "input": source}).encode()


def test_version_1_is_brought_up_to_date(project: Project, tissue: Path, tmp_path: Path) -> None:
    redone = replace(project, edits=project.edits[:4])
    files = [tissue.with_suffix(suffix) for suffix in DATA_SUFFIXES]
    new = write_project(tmp_path / "new", redone, data_files=files)
    old = tmp_path / "old"
    shutil.copytree(new / "content-1", old)
    texts = {"manifest.json": (new / "manifest.json").read_bytes()}
    (old / "manifest.json").write_bytes(_version_1(texts, tissue))
    again = read_project(old)
    assert again.position == len(again.edits) == 4
    assert_same_result(again.current, redone.current)
    assert again.reading == {"tolerance_ppm": 20.0}
    assert again.data is not None
    assert (again.data.relative, again.data.locate(old)) == (None, tissue)
    write_project(tmp_path / "again.msiclust", again)
    assert json.loads(contents(tmp_path / "again.msiclust")["manifest.json"])["version"] == 2


def test_a_later_version_is_refused_in_words(plain_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    manifest = json.loads(contents(plain_file)["manifest.json"]) | {"version": 3}
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FileFormatError, match="version 3, which needs a later napari-msiclust"):
        read_project(path)


def test_planes_come_back_one_above_the_other(tiny_config: ClusterConfig, tmp_path: Path) -> None:
    z, y, x = np.mgrid[1:3, 1:9, 1:11]
    positions = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1).astype(np.int32)
    grid = PixelGrid.from_positions(positions, None)
    rng = np.random.default_rng(1)
    shapes = np.where(positions[:, :1] > 5, 1, 0) * (np.arange(12) % 2) + rng.random((160, 12)) / 3
    images = IonImages(np.linspace(500, 600, 12), shapes.T.astype(np.float32), grid)
    config = tiny_config.model_copy(
        update={"clusters": 2, "triage": TriageConfig(structureless=False, duplicate=False)}
    )
    result = cluster_ions(images, config)
    again = read_project(write_project(tmp_path / "p.msiclust", Project(result, result, images=images)))
    assert_same_result(again.learned, result)
    assert again.images is not None
    assert again.learned.grid.planes == (1, 2)
    assert not again.learned.grid.pixel_size_known
    np.testing.assert_array_equal(again.images.image(3), images.image(3))
    assert again.learned.grid.unfold(again.learned.dominant_cluster_map).shape == (2, 8, 10)


def test_a_network_that_learned_again_comes_back(
    corrected: History, tissue_images: IonImages, tmp_path: Path
) -> None:
    learned = corrected.current.result
    features = learned.embedding.features[:, ::-1].copy()
    network = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}
    relabel = Relabel((8,), (3,), ("",), REFINED, "learn again from the corrections")
    history = corrected.applied(relabel, replace(learned.embedding, features=features, network=network))
    again = read_project(write_project(tmp_path / "p.msiclust", Project.of(history.applied(Pin((1,))))))
    np.testing.assert_array_equal(again.learned.embedding.features, learned.embedding.features)
    np.testing.assert_array_equal(again.current.embedding.features, features)
    np.testing.assert_array_equal(again.current.embedding.network["weight"], network["weight"])
    basis = IonBasis.of(again.learned, tissue_images)
    restored = again.history(basis)
    np.testing.assert_array_equal(restored.basis.features, history.basis.features)
    assert restored.undone().undone().basis is basis
