from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import History, replay
from napari_msiclust.results.edits import Merge, Move, Recolor, Rename, SetAside
from napari_msiclust.results.ion_basis import IonBasis
from napari_msiclust.results.project.content import Project
from napari_msiclust.results.project.project_file import write_project

DATA_SUFFIXES = (".imzML", ".ibd")


@pytest.fixture(scope="session")
def corrected(tissue_result: ClusterResult, tissue_images: IonImages) -> History:
    """Five corrections, the last of them undone."""
    basis = IonBasis.of(tissue_result, tissue_images)
    edits = [Rename(1, "stroma"), Recolor(2, "#112233"), Move((0, 5), 2), SetAside((3,)), Merge((1, 2))]
    return replay(History.begin(tissue_result, basis), edits).undone()


@pytest.fixture(scope="session")
def project(corrected: History, tissue: Path) -> Project:
    return Project.of(corrected, reading={"tolerance_ppm": 20.0}, data_path=str(tissue))


@pytest.fixture(scope="session")
def plain_file(project: Project, tissue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as a file, to be copied by tests."""
    path = tmp_path_factory.mktemp("project") / "plain.msiclust"
    return write_project(path, project, data_files=[tissue.with_suffix(suffix) for suffix in DATA_SUFFIXES])


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(source: Path, target: Path, changes: Mapping[str, bytes]) -> Path:
    """A copy of a project with other contents, which its manifest vouches for."""
    files = contents(source) | dict(changes)
    if "manifest.json" not in changes:
        manifest = json.loads(files["manifest.json"])
        for name, content in changes.items():
            manifest["files"][name] = {"bytes": len(content), "sha256": sha256(content).hexdigest()}
        files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target
