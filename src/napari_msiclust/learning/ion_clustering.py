"""What learning hands on; free of torch, so that results can be shown without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import adjusted_rand_score

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Embedding:
    """Features of the ions and the network that made them.

    Attributes
    ----------
    features : ndarray of float32, shape (N, D)
        D is 1280 for the published recipe.
    encoder, weights, weights_sha256 : str
        The network and what it was trained from.
    network : dict of ndarray
        The trained network, by name of the parameter, and the tissue frame it reads ions in; empty where
        it was not kept.
    """

    features: npt.NDArray[np.float32]
    encoder: str
    weights: str
    weights_sha256: str
    network: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Votes:
    """What the clusterings of the consensus recipe say beside the clusters.

    Attributes
    ----------
    halves : ndarray of int64, shape (2, n)
        What clusterings of the pixels agree on that saw one half of them, and the other; from 1 on.
    branches : ndarray of int64, shape (n,)
        More and smaller groups than clusters: what the tree of the agreement splits next; 1..M.
    between : ndarray of float32, shape (M, M)
        Share of the clusterings in which ions of two branches are together, on average.
    counts : DataFrame
        Evidence for the number of clusters, one row per number; empty where the user gave it.
    cuts : ndarray of int64, shape (len(counts), n)
        The clusters at each of these numbers, from 1 on.
    """

    halves: Labels
    branches: Labels
    between: npt.NDArray[np.float32]
    counts: pd.DataFrame
    cuts: Labels

    @property
    def repeated(self) -> float:
        """How far clusterings of separate pixels agree, as an adjusted Rand index.

        One cluster agrees with itself whatever the pixels are: then it is the largest agreement of those
        numbers of clusters that were tried, or 1 if all ions are alike. Ions that are each a cluster of
        their own tell nothing: 0.
        """
        found = max(len(np.unique(half)) for half in self.halves)
        if found == 1:
            return float(max(self.counts["stability"].max(), 0)) if len(self.counts) else 1.0
        return float(adjusted_rand_score(*self.halves)) if found < self.halves.shape[1] else 0.0

    def of(self, rows: npt.NDArray[np.intp]) -> Votes:
        """The same of some of the ions."""
        return replace(
            self, halves=self.halves[:, rows], branches=self.branches[rows], cuts=self.cuts[:, rows]
        )


@dataclass(frozen=True, eq=False)
class IonClustering:
    """What learning found.

    Attributes
    ----------
    labels : ndarray of int64, shape (N,)
        1..K, the largest cluster first; 0 for an ion that never settles.
    nearest : ndarray of int64, shape (N,)
        The same, with the cluster that it would be in for an ion that never settles.
    confidence : ndarray of float64, shape (N,)
        Largest class probability; with the consensus recipe as `learning.calibration` says.
    embedding : Embedding
    history : DataFrame
        One row per training step: stage, epoch, loss, confident_fraction.
    seconds : dict
        Stage to seconds.
    notes : tuple of str
        What the user should know, such as a smaller batch.
    device : str
    threads : int
    votes : Votes or None
        Of the consensus recipe.
    reason : str
        Why this number of clusters; empty where the user gave it.
    """

    labels: Labels
    nearest: Labels
    confidence: npt.NDArray[np.float64]
    embedding: Embedding
    history: pd.DataFrame
    seconds: dict[str, float]
    notes: tuple[str, ...]
    device: str
    threads: int
    votes: Votes | None = None
    reason: str = ""
