"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pyimzml.ImzMLWriter import ImzMLWriter

from napari_msiclust.config import ClusterConfig
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.pipeline import cluster_ions
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.sample import write_synthetic

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("MSICLUST_TEST_DATA", ROOT / ".." / "shared" / "data"))

WriteImzml = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache, or what was kept of the user's sessions."""
    monkeypatch.setenv("MSICLUST_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("MSICLUST_STATE", str(tmp_path_factory.mktemp("state")))


@pytest.fixture
def shared_data() -> Path:
    """Folder of real and odd files."""
    if not SHARED.is_dir():
        pytest.skip(f"the data folder {SHARED} is not there (set MSICLUST_TEST_DATA)")
    return SHARED


@pytest.fixture
def write_imzml(tmp_path: Path) -> WriteImzml:
    """Write an imzML file with pyimzml's writer."""

    def write(
        spectra: list[tuple[npt.ArrayLike, npt.ArrayLike]],
        positions: list[tuple[int, ...]],
        *,
        name: str = "made.imzML",
        mode: str = "processed",
        **settings: object,
    ) -> Path:
        path = tmp_path / name
        settings.setdefault("spec_type", "centroid")
        with ImzMLWriter(str(path), mode=mode, **settings) as writer:
            for (mz, intensity), position in zip(spectra, positions, strict=True):
                writer.addSpectrum(np.asarray(mz, float), np.asarray(intensity, float), position)
        return path

    return write


@pytest.fixture(scope="session")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic tissue of 24 ions in six groups; its classes lie beside it."""
    path = tmp_path_factory.mktemp("tissue") / "tissue.imzML"
    write_synthetic(path, seed=3, shape=(24, 32), ions_per_class=4)
    return path


@pytest.fixture(scope="session")
def tissue_images(tissue: Path) -> IonImages:
    with open_imzml(tissue) as file:
        return extract_ion_images(file, cache=False)


@pytest.fixture(scope="session")
def tiny_config() -> ClusterConfig:
    """All stages in a second or two."""
    config = ClusterConfig.from_preset("fast", clusters=4, image_size=32, device="cpu")
    return config.with_epochs(1)


@pytest.fixture(scope="session")
def tissue_result(tissue_images: IonImages, tiny_config: ClusterConfig) -> ClusterResult:
    return cluster_ions(tissue_images, tiny_config)


@pytest.fixture
def run_in(tmp_path: Path) -> Iterator[Path]:
    """A working folder that must hold nothing but what the test names at its end."""
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    leftovers = [entry.name for entry in folder.iterdir() if entry.name.startswith(".")]
    assert leftovers == []
