"""A result that was opened from its folder, together with the file it came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.ion_clustering import Embedding
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.layers import ClusteredIons, IonDataset
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.edits import MANUAL
from napari_msiclust.results.evidence import Evidence, collect_evidence
from napari_msiclust.results.exports import SavedResult
from napari_msiclust.results.ion_pairs import Polarity


def belongs_to(clustered: ClusteredIons, dataset: IonDataset) -> bool:
    """Whether an ion table lists the very ions of a dataset."""
    same_file = dataset.path.resolve() == Path(clustered.dataset_path).resolve()
    return same_file and dataset.images.mz.tolist() == clustered.ions["mz"].tolist()


def reopened_result(
    mean_images: Any, dominant_map: Any, clustered: ClusteredIons, dataset: IonDataset
) -> ClusterResult | None:
    """The result behind layers that were read from a folder; None if they are of another file.

    What the folder does not hold is left open: without an embedding, views fall back on the ion images.
    """
    means, dominant = np.asarray(mean_images, np.float32), np.asarray(dominant_map)
    if not belongs_to(clustered, dataset) or means.shape[1:] != dataset.images.grid.shape:
        return None
    if clustered.project is not None:
        return clustered.project.current
    saved, config = clustered.saved, _config(clustered.saved)
    tissue = None if saved is None else saved.tissue
    if tissue is not None and len(tissue) != len(dataset.images.grid.rows):
        return None
    ions = clustered.ions
    centrality = ions["centrality"] if "centrality" in ions else np.zeros(len(ions))
    confidence = pd.to_numeric(ions["confidence"]) if "confidence" in ions else 0.0
    ions = ions.assign(centrality=centrality, confidence=confidence)
    member = ions[ions["cluster"] > 0].groupby("cluster")
    clusters = pd.DataFrame({"cluster": np.arange(1, len(means) + 1)})
    clusters["ions"] = clusters["cluster"].map(member.size()).fillna(0).astype(int)
    clusters["mean_confidence"] = clusters["cluster"].map(member["confidence"].mean()).fillna(0)
    clusters["dominant_pixels"] = np.bincount(dominant.ravel(), minlength=len(means) + 1)[1:]
    embedding = Embedding(np.zeros((0, 1), np.float32), "", "", "")
    embedded = np.empty(0, np.intp)
    if saved is not None and saved.embedding is not None:
        embedding, embedded = saved.embedding
    return ClusterResult(
        ions=ions,
        clusters=clusters,
        embedding=embedding,
        embedded=embedded,
        mean_images=means,
        dominant_cluster_map=dominant.astype(np.uint16),
        evidence=_evidence(saved) or _pairs_alone(ions, dataset.images.polarity),
        history=pd.DataFrame(columns=["stage", "epoch", "loss", "confident_fraction"]),
        grid=_grid(dataset.images, tissue, dominant > 0, config),
        config=config,
        provenance={"seconds": {"total": 0.0}} | (saved.provenance if saved else {}),
    )


def _grid(
    images: IonImages,
    tissue: npt.NDArray[np.bool_] | None,
    mapped: npt.NDArray[np.bool_],
    config: ClusterConfig,
) -> PixelGrid:
    """The pixels with their tissue (P,) as given; else all, or if estimated those on the map (H, W)."""
    if tissue is not None:
        return images.with_tissue(tissue).grid
    return images.with_mask(mapped).grid if config.tissue == "estimate" and mapped.any() else images.grid


def _config(saved: SavedResult | None) -> ClusterConfig:
    """The settings of the run; the usual ones where they are not told, or of another version."""
    try:
        return ClusterConfig() if saved is None else ClusterConfig.model_validate(saved.run["config"])
    except (KeyError, ValidationError):
        return ClusterConfig()


def _evidence(saved: SavedResult | None) -> Evidence | None:
    """The evidence that was saved; None where there is none, or of another version."""
    try:
        return None if saved is None else TypeAdapter(Evidence).validate_python(saved.run["evidence"])
    except (KeyError, ValidationError):
        return None


def _pairs_alone(ions: pd.DataFrame, polarity: Polarity | None) -> Evidence:
    """Evidence from the m/z list; the colocalization of the images is left open."""
    by_hand = None
    if {"pinned", "label_origin"} <= set(ions):
        by_hand = (ions["label_origin"] == MANUAL).to_numpy()
    found = collect_evidence(
        ions["mz"].to_numpy(),
        ions["cluster"].to_numpy(),
        np.zeros((len(ions), 1), np.float32),
        polarity=polarity,
        by_hand=by_hand,
    )
    return replace(found, colocalization_within=None, colocalization_between=None)
