"""The result of a clustering: ion table, mean ion images, dominant cluster map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.ion_clustering import Embedding, IonClustering
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.isotopes import isotope_of
from napari_msiclust.msi.training_set import TrainingSet
from napari_msiclust.results.evidence import Evidence, collect_evidence, pearson

UNASSIGNED = "unassigned"

DOMINANT_MAP_MEANING = (
    "Clusters are groups of ions. This map is derived from them: each on-tissue pixel carries the "
    "cluster whose scaled mean ion image is largest there."
)


@dataclass(frozen=True, eq=False)
class ClusterResult:
    """Clusters of co-localized ions.

    Images of several z planes hold them side by side, as `PixelGrid` lays them; `grid.unfold` gives them a
    z axis.

    Attributes
    ----------
    ions : DataFrame
        One row per ion, by m/z: mz, cluster (1..K; 0 in a bin), confidence, bin, centrality
        (Pearson correlation with the mean ion image of its cluster), annotation, nearest_cluster (as
        learned; of an unassigned ion or a new pattern, too, 0 for an ion that did not train), branch
        (preset default: the group that it would be in with more clusters, 1..M; 0 for such an ion),
        isotope_of (m/z of the ion whose 13C isotope it may be; NaN if there is none), the reason for the
        bin and its scores (see `msi.triage`), and what the list of ions or the peak picking knows
        (mobility, formula, adduct, ...).
    clusters : DataFrame
        One row per cluster: cluster, ions, mean_confidence, central_mz, dominant_pixels.
    embedding : Embedding
        Features of the n ions that the network saw, in table order.
    embedded : ndarray of int, shape (n,)
        Their rows in the table: those in clusters, and unassigned ones.
    mean_images : ndarray of float32, shape (K, H, W)
        Mean of the members' scaled ion images, 0..1; NaN where nothing was acquired.
    dominant_cluster_map : ndarray of uint16, shape (H, W)
        Per pixel; 0 off the tissue or without signal. Derived from the mean images.
    evidence : Evidence
    history : DataFrame
        Training steps: stage, epoch, loss, confident_fraction.
    grid : PixelGrid
    config : ClusterConfig
    provenance : dict
        Plain JSON values: weights, device, versions, seconds, memory, notes.
    """

    ions: pd.DataFrame
    clusters: pd.DataFrame
    embedding: Embedding
    embedded: npt.NDArray[np.intp]
    mean_images: npt.NDArray[np.float32]
    dominant_cluster_map: npt.NDArray[np.uint16]
    evidence: Evidence
    history: pd.DataFrame
    grid: PixelGrid
    config: ClusterConfig
    provenance: dict[str, Any]

    def members(self, cluster: int) -> npt.NDArray[np.intp]:
        """Rows of the ion table in a cluster, the most central first."""
        rows = np.flatnonzero(self.ions["cluster"].to_numpy() == cluster)
        centrality = self.ions["centrality"].to_numpy()[rows]
        order: npt.NDArray[np.intp] = rows[np.argsort(-centrality, kind="stable")]
        return order


def build_result(
    prepared: TrainingSet,
    clustering: IonClustering,
    config: ClusterConfig,
    provenance: dict[str, Any],
    *,
    clusters: int | None = None,
    left_out: tuple[str, str] | None = None,
    maps: tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]] | None = None,
) -> ClusterResult:
    """Assemble a result from what was clustered and what came of it.

    Parameters
    ----------
    clusters : int, optional
        Number of clusters, where some of them may be empty.
    left_out : tuple of str, optional
        Bin of the ions with label 0, and the reason; without it they are unassigned for want of confidence.
    maps : tuple of ndarray, optional
        Mean ion images (K, P) and dominant cluster map (H, W), where they are not to be made here.
    """
    images, used, flat = prepared.images, prepared.used, prepared.flat
    labels = np.zeros(len(images), dtype=np.int64)
    labels[used] = clustering.labels
    bins = prepared.bins.copy()
    bins.loc[used[clustering.labels == 0], ["bin", "bin_reason"]] = left_out or (
        UNASSIGNED,
        f"less likely in its cluster than {config.consensus.min_standing:g} of what is usual there",
    )
    nearest = np.zeros_like(labels)
    nearest[used] = clustering.nearest
    confidence = np.zeros(len(images))
    confidence[used] = clustering.confidence
    count = clusters or int(clustering.labels.max())
    centrality = np.zeros(len(images))
    for cluster in range(1, count + 1):
        member = clustering.labels == cluster
        if not member.any():
            continue
        centrality[used[member]] = pearson(flat[member], flat[member].mean(axis=0, keepdims=True))[:, 0]
    ions = pd.DataFrame(
        {
            "mz": images.mz,
            "cluster": labels,
            "confidence": confidence.round(6),
            "bin": bins["bin"],
            "centrality": centrality.round(6),
            "annotation": list(images.names),
            "nearest_cluster": nearest,
        }
    )
    if clustering.votes is not None:
        ions["branch"] = 0
        ions.loc[used, "branch"] = clustering.votes.branches
    ions["isotope_of"] = isotope_of(images.mz, images.mean_intensity())
    ions = pd.concat([ions, bins.drop(columns="bin")], axis=1)
    ions = pd.concat([ions, images.columns.drop(columns=ions.columns, errors="ignore")], axis=1)
    if maps is None:
        mean_pixels = mean_ion_images(images, labels, count, config.hotspot_quantile)
        dominant = dominant_cluster_map(mean_pixels, images.grid, config.hotspot_quantile)
    else:
        mean_pixels, dominant = maps
    return ClusterResult(
        ions=ions,
        clusters=_cluster_table(ions, dominant, count),
        embedding=clustering.embedding,
        embedded=used,
        mean_images=images.grid.image(mean_pixels),
        dominant_cluster_map=dominant,
        evidence=collect_evidence(
            images.mz[used],
            clustering.labels,
            flat,
            polarity=images.polarity,
            ions=len(images),
            runs=None if clustering.votes is None else clustering.votes.halves,
        ),
        history=clustering.history,
        grid=images.grid,
        config=config,
        provenance=provenance,
    )


def mean_ion_images(
    images: IonImages, labels: npt.NDArray[np.int64], count: int, hotspot_quantile: float
) -> npt.NDArray[np.float32]:
    """Mean of the scaled ion images of each cluster 1..count; shape (count, P)."""
    total = np.zeros((count, images.values.shape[1]), dtype=np.float64)
    for first, block in images.scaled(hotspot_quantile):
        for row, label in enumerate(labels[first : first + len(block)]):
            if label > 0:
                total[label - 1] += block[row]
    members = np.bincount(labels, minlength=count + 1)[1 : count + 1]
    return (total / np.maximum(members, 1)[:, None]).astype(np.float32)


def dominant_cluster_map(
    mean_pixels: npt.NDArray[np.float32], grid: PixelGrid, hotspot_quantile: float
) -> npt.NDArray[np.uint16]:
    """Cluster whose mean ion image, scaled to its own maximum, is largest; shape (H, W).

    Parameters
    ----------
    mean_pixels : ndarray of shape (K, P)
    """
    top = np.quantile(mean_pixels[:, grid.on_tissue], hotspot_quantile, axis=1)
    scaled = mean_pixels / np.where(top > 0, top, 1)[:, None]
    best = np.where(scaled.max(axis=0) > 0, scaled.argmax(axis=0) + 1, 0)
    dominant = np.zeros(grid.shape, dtype=np.uint16)
    dominant[grid.rows, grid.cols] = np.where(grid.on_tissue, best, 0)
    return dominant


def _cluster_table(ions: pd.DataFrame, dominant: npt.NDArray[np.uint16], count: int) -> pd.DataFrame:
    rows = []
    for cluster in range(1, count + 1):
        member = ions[ions["cluster"] == cluster]
        rows.append(
            {
                "cluster": cluster,
                "ions": len(member),
                "mean_confidence": round(float(member["confidence"].mean()), 6) if len(member) else 0.0,
                "central_mz": float(member["mz"].to_numpy()[member["centrality"].argmax()])
                if len(member)
                else np.nan,
                "dominant_pixels": int((dominant == cluster).sum()),
            }
        )
    return pd.DataFrame(rows)
