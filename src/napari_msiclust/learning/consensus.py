"""Many clusterings of the same ions, and what they agree on."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import AgglomerativeClustering
from threadpoolctl import threadpool_limits

from napari_msiclust.config import ConsensusConfig
from napari_msiclust.learning.affinity import neighbor_graph, spectral_labels
from napari_msiclust.learning.pixel_similarity import (
    FloatArray,
    PixelFeatures,
    directions,
    principal_components,
)
from napari_msiclust.learning.training import check_stop
from napari_msiclust.progress import Progress

Labels = npt.NDArray[np.int64]

_PIXEL_SHARE = 0.8  # of a half of the tissue that one clustering sees
_MOST_PIXELS = 20_000
WIDE = (0.4, 1.5)  # times the root of the number of ions: how many clusters, while that is open
_CLOSE = (1.0, 1.3)  # times the number of clusters asked for
_LEAST = 3  # ions of a cluster, unless clusters are many for so few ions


def cluster_range(ions: int, clusters: int | None) -> tuple[int, int]:
    """Smallest and largest number of clusters of the single clusterings."""
    low, high = WIDE if clusters is None else _CLOSE
    middle = np.sqrt(ions) if clusters is None else clusters
    most = max(ions - 1, 1) if clusters is None else ions
    return min(max(2, round(low * middle)), most), min(max(2, round(high * middle)), most)


def pixel_runs(
    pixels: PixelFeatures,
    clusters: tuple[int, int],
    config: ConsensusConfig,
    *,
    stage: str,
    seed: int,
    separate: bool = False,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, Labels]:
    """Clusterings (R, N) of the ions by their pixels, each on other pixels.

    Even runs see pixels of one half of the tissue, odd runs of the other: noise that two halves do not share
    cannot make them agree.

    Parameters
    ----------
    separate : bool
        Smooth within each half, which keeps the noise of the other out altogether. Single clusterings are
        the worse for it, so that it is for evidence alone; without smoothing it makes no difference.
    """
    rng = np.random.default_rng(seed)
    ions, total = pixels.values.shape
    odd = np.asarray(rng.random(total) < 0.5)
    halves = [
        (np.flatnonzero(half), pixels.seen_by(half) if separate else pixels.values) for half in (~odd, odd)
    ]
    runs = np.empty((config.runs, ions), np.int64)
    for run in range(config.runs):
        check_stop(stop)
        own, values = halves[run % 2]
        keep = min(round(_PIXEL_SHARE * len(own)), _MOST_PIXELS)
        chosen = values[:, rng.choice(own, keep, replace=False)] if keep else values
        chosen = chosen**2 if rng.integers(2) else chosen
        runs[run] = _one_run(chosen, clusters, config, rng, run)
        yield Progress(stage, run + 1, config.runs)
    return runs


def embedding_runs(
    embedding: FloatArray,
    clusters: tuple[int, int],
    config: ConsensusConfig,
    *,
    stage: str,
    seed: int,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, Labels]:
    """Clusterings (R, N) of an embedding (N, D)."""
    rng = np.random.default_rng(seed)
    runs = np.empty((config.runs, len(embedding)), np.int64)
    for run in range(config.runs):
        check_stop(stop)
        runs[run] = _one_run(embedding, clusters, config, rng, run)
        yield Progress(stage, run + 1, config.runs)
    return runs


def _one_run(
    values: FloatArray,
    clusters: tuple[int, int],
    config: ConsensusConfig,
    rng: np.random.Generator,
    run: int,
) -> Labels:
    """One clustering, with its own number of components, neighbours and clusters."""
    seed = int(rng.integers(2**31))
    components = int(rng.integers(config.components[0], config.components[1] + 1))
    neighbors = int(rng.integers(config.neighbors[0], config.neighbors[1] + 1))
    count = int(rng.integers(clusters[0], clusters[1] + 1))
    with threadpool_limits(1):
        features = directions(principal_components(values, components, seed))
        if not features.any():  # all alike: a clustering would go by their order
            return np.zeros(len(values), np.int64)
        if run // 2 % 2:
            labels: Labels = AgglomerativeClustering(count).fit_predict(features).astype(np.int64)
            return labels
        neighbors = min(neighbors, max(2, len(values) // 2))  # all being neighbours says nothing
        return spectral_labels(neighbor_graph(features, neighbors), count, seed)


def coassociation(runs: Labels) -> FloatArray:
    """Share of the runs (R, N) in which two ions are in one cluster; shape (N, N)."""
    together = np.zeros((runs.shape[1], runs.shape[1]), np.float32)
    for labels in runs:
        member = np.zeros((len(labels), labels.max() + 1), np.float32)
        member[np.arange(len(labels)), labels] = 1
        together += member @ member.T
    return together / np.float32(len(runs))


@dataclass(frozen=True, eq=False)
class AgreementTree:
    """Average-linkage tree over ions whose distance is 1 - agreement.

    Attributes
    ----------
    together : ndarray of float32, shape (N, N)
        Of `coassociation`.
    merges : ndarray of float64, shape (N - 1, 4)
        As scipy's linkage matrix.
    """

    together: FloatArray
    merges: npt.NDArray[np.float64]

    @classmethod
    def of(cls, runs: Labels) -> AgreementTree:
        """From clusterings (R, N)."""
        together = coassociation(runs)
        apart = 1.0 - together.astype(np.float64)
        np.fill_diagonal(apart, 0.0)
        return cls(together, linkage(squareform(apart, checks=False), "average"))

    def cut(self, clusters: int) -> Labels:
        """Labels 0..clusters-1 at the height where the tree has so many branches.

        One or two ions that agree with nobody are no cluster: they would take the place of one that
        was asked for. They join the cluster that they agree with most.
        """
        least = min(_LEAST, len(self.together) // (4 * clusters))
        branches = self._branches(clusters, least)
        if branches is None:
            least, branches = 1, clusters
        labels: Labels = fcluster(self.merges, branches, "maxclust").astype(np.int64) - 1
        kept = np.flatnonzero(np.bincount(labels) >= least)
        lone = ~np.isin(labels, kept)
        labels = np.searchsorted(kept, labels)
        if lone.any():
            member = np.eye(len(kept), dtype=np.float32)[labels[~lone]]
            labels[lone] = (self.together[np.ix_(lone, ~lone)] @ member / member.sum(axis=0)).argmax(axis=1)
        return labels

    def _branches(self, clusters: int, least: int) -> int | None:
        """In how many branches so many of at least `least` ions are first found; None where never."""
        ions = len(self.together)
        large = np.concatenate([np.ones(ions), self.merges[:, 3]]) >= least
        gained = large[self.merges[::-1, :2].astype(np.int64)].sum(axis=1) - large[: ions - 1 : -1]
        found = np.cumsum(np.concatenate([large[-1:], gained]))
        enough = np.flatnonzero(found >= clusters)
        return int(enough[0]) + 1 if len(enough) else None


def agreement(together: FloatArray, labels: Labels) -> FloatArray:
    """Mean share of the runs in which an ion is with the members of a cluster, itself left out; (N, K)."""
    member = np.zeros((len(labels), labels.max() + 1), np.float32)
    member[np.arange(len(labels)), labels] = 1
    total = together @ member - member * np.diagonal(together)[:, None]
    others = member.sum(axis=0)[None, :] - member
    mean: FloatArray = np.where(
        others > 0, total / np.maximum(others, 1), member
    )  # a lone ion is with itself
    return mean


def membership(together: FloatArray, labels: Labels) -> FloatArray:
    """How much each ion belongs to each cluster, (N, K): its `agreement`, with rows that sum to 1."""
    mean = agreement(together, labels)
    shares: FloatArray = mean / np.maximum(mean.sum(axis=1, keepdims=True), 1e-9)
    return shares


def between_groups(agreed: FloatArray, labels: Labels) -> FloatArray:
    """Mean agreement of the ions of each two groups; symmetric, (K, K)."""
    count = agreed.shape[1]
    member = np.zeros((count, len(labels)), np.float32)
    member[labels, np.arange(len(labels))] = 1
    mean = (member @ agreed) / np.maximum(member.sum(axis=1, keepdims=True), 1)
    symmetric: FloatArray = (mean + mean.T) / 2
    return symmetric


def standing(shares: FloatArray, labels: Labels) -> FloatArray:
    """How well an ion stands in its cluster; (N,), 1 for an ordinary member, near 0 for none.

    Its share in the cluster over the median share of the cluster's ions. So two clusters that are nearly
    one, as where more are asked for than there are, make no ion uncertain.

    Parameters
    ----------
    shares : ndarray of shape (N, K)
        Probability of each cluster.
    labels : ndarray of int64, shape (N,)
        0..K-1.
    """
    own = shares[np.arange(len(labels)), labels]
    usual = np.ones(len(labels))
    for cluster in np.unique(labels):
        usual[labels == cluster] = np.median(own[labels == cluster])
    found: FloatArray = (own / np.maximum(usual, 1e-9)).astype(np.float32)
    return found
