from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_msiclust.config import ClusterConfig
from napari_msiclust.msi.cohort import Section, cohort_of
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.pipeline import cohort_steps
from napari_msiclust.plugin import readers
from napari_msiclust.plugin.layers import ClusteredIons, IonDataset
from napari_msiclust.plugin.workbench.reopened import reopened_result
from napari_msiclust.progress import drain
from napari_msiclust.results.cohort_exports import SECTIONS, write_cohort
from tests.cohorts import without


def _opened(folder: Path) -> tuple[np.ndarray, np.ndarray, ClusteredIons]:
    """Mean ion images, dominant cluster map, and the table behind them, as napari gets them."""
    reader = readers.get_result_reader(str(folder))
    assert reader is not None
    layers = reader(str(folder))
    images = next(data for data, _, kind in layers if kind == "image")
    labels, settings = next((data, settings) for data, settings, kind in layers if kind == "labels")
    (clustered,) = (value for value in settings["metadata"].values() if isinstance(value, ClusteredIons))
    return np.asarray(images), np.asarray(labels), clustered


def test_the_result_of_a_section_opens_beside_its_file(
    tissue: Path, tissue_images: IonImages, tiny_config: ClusterConfig, tmp_path: Path
) -> None:
    first = tmp_path / "first.imzML"
    for suffix in (".imzML", ".ibd"):
        shutil.copy(tissue.with_suffix(suffix), first.with_suffix(suffix))
    other = without(tissue_images, [2])
    other = replace(other, values=np.asarray(other.values) * np.float32(2))
    cohort = cohort_of([Section("first", tissue_images), Section("other", other)], tiny_config)
    result = drain(cohort_steps(cohort, tiny_config))
    out = write_cohort(result, tmp_path / "study", [{"path": str(first), "sha256": {"ibd": ""}}] * 2)
    means, dominant, clustered = _opened(out / SECTIONS / "first")
    reopened = reopened_result(means, dominant, clustered, IonDataset(tissue_images, first))
    assert reopened is not None
    assert reopened.ions["cluster"].tolist() == result.joint.ions["cluster"].tolist()
    joint_means, joint_map, joint_ions = _opened(out)
    assert joint_means.shape[1:] == joint_map.shape == result.cohort.mosaic.grid.shape
    assert len(joint_ions.ions) == 24
