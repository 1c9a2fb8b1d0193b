"""The number of clusters, where the user leaves it open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.sparse.csgraph import laplacian
from sklearn.metrics import adjusted_rand_score, silhouette_score

from napari_msiclust.learning.consensus import WIDE, AgreementTree, Labels
from napari_msiclust.learning.pixel_similarity import FloatArray

_MOST = 30
_AS_GOOD = 0.99  # times the largest product: less of a difference tells nothing
_REPEATED = 0.2  # adjusted Rand index of two halves of the pixels that means more than noise


@dataclass(frozen=True, eq=False)
class ClusterCount:
    """A number of clusters and the evidence for it.

    Attributes
    ----------
    clusters : int
    reason : str
        In words; empty where a person gave the number.
    curves : DataFrame
        One row per number of clusters: clusters, silhouette (of the agreement between runs),
        stability (adjusted Rand index between runs on the two halves of the pixels), eigengap
        (of the normalized Laplacian of the agreement), chosen (in no row where it is one cluster).
    cuts : ndarray of int64, shape (R, N)
        The clusters 0..k-1 of each row.
    """

    clusters: int
    reason: str
    curves: pd.DataFrame
    cuts: Labels

    @classmethod
    def given(cls, clusters: int, ions: int, reason: str = "") -> ClusterCount:
        """A number that was not chosen by evidence."""
        return cls(clusters, reason, pd.DataFrame(), np.empty((0, ions), np.int64))


def count_by_eigengap(graph: sp.csr_array) -> ClusterCount:
    """Number of clusters at the largest relative gap of the normalized Laplacian's spectrum.

    Von Luxburg, Statistics and Computing 2007, 17, 395; the gap is taken relative to the
    eigenvalue above it, and at least two clusters are returned.
    """
    ions: int = graph.shape[0]
    most = min(_MOST, ions - 1)
    if most < 2:
        return _too_few(ions)
    dense = laplacian(sp.csr_matrix(graph), normed=True).toarray()
    values: npt.NDArray[np.float64] = np.maximum(eigh(dense, eigvals_only=True, subset_by_index=(0, most)), 0)
    clusters = 2 + int(np.argmax(_relative_gaps(values)[1:]))
    reason = (
        f"{clusters} clusters: of 2 to {most}, the one with the largest relative gap between eigenvalues of "
        "the graph of nearest neighbours (the preset default weighs more evidence)"
    )
    return ClusterCount.given(clusters, ions, reason)


def choose_count(runs: Labels, apart: Labels) -> ClusterCount:
    """Number of clusters from clusterings that were free in their number of clusters.

    Taken is the smallest number within 1 % of the largest product of two: the silhouette of the agreement
    (Rousseeuw, J. Comput. Appl. Math. 1987, 20, 53), which tells how distinct clusters are, and the
    stability, which tells whether other pixels give them, too (benchmarks/cluster_count.py holds it against
    others). If no number at all gives clusters that two halves of the pixels agree on, what was found is
    noise, and all ions are one cluster.

    Parameters
    ----------
    runs : ndarray of shape (R, N)
        All clusterings.
    apart : ndarray of shape (A, N)
        Those of pixels (`consensus.pixel_runs`): even ones of one half of the tissue's pixels, odd ones of
        the other.
    """
    ions = runs.shape[1]
    most = min(max(20, round(WIDE[1] * np.sqrt(ions))), ions - 1)
    if most < 2:
        return _too_few(ions)
    tree = AgreementTree.of(runs)
    if tree.together.min() >= 1:
        return ClusterCount.given(1, ions, "1 cluster: all ions are alike")
    curves, cuts = _evidence(tree, [AgreementTree.of(apart[half::2]) for half in (0, 1)], most)
    repeated = float(curves["stability"].max())
    tried = "2" if most == 2 else f"2 to {most}"
    if repeated < _REPEATED:
        reason = (
            f"1 cluster: at {tried} clusters, runs on separate pixels do not find the same ones (their "
            f"adjusted Rand index is {repeated:.2f} at best; {_REPEATED} is asked for)"
        )
        return ClusterCount(1, reason, curves.assign(chosen=False), cuts)
    both = curves["silhouette"].clip(0) * curves["stability"].clip(0)
    chosen = curves.iloc[int((both >= _AS_GOOD * both.max()).argmax())]
    curves["chosen"] = curves["clusters"] == chosen["clusters"]
    reason = (
        f"{chosen['clusters']:.0f} clusters: of {tried}, the fewest within 1 % of the largest product of "
        f"two: the silhouette of the agreement between {len(runs)} runs ({chosen['silhouette']:.2f}: how "
        "distinct clusters are), and the adjusted Rand index between runs on separate pixels "
        f"({chosen['stability']:.2f}: whether they are found again)"
    )
    return ClusterCount(int(chosen["clusters"]), reason, curves, cuts)


def _evidence(tree: AgreementTree, halves: list[AgreementTree], most: int) -> tuple[pd.DataFrame, Labels]:
    """Silhouette, stability and eigengap at 2 to `most` clusters, and these clusters."""
    distance = 1.0 - tree.together
    np.fill_diagonal(distance, 0.0)
    gaps = _eigengaps(tree.together, most)
    rows = []
    cuts = np.stack([tree.cut(clusters) for clusters in range(2, most + 1)])
    for clusters, labels in enumerate(cuts, start=2):
        found = labels.max() + 1
        rows.append(
            {
                "clusters": clusters,
                "silhouette": float(silhouette_score(distance, labels, metric="precomputed"))
                if 1 < found < len(labels)
                else 0.0,
                "stability": float(adjusted_rand_score(*(half.cut(clusters) for half in halves))),
                "eigengap": gaps[clusters - 1],
            }
        )
    return pd.DataFrame(rows), cuts


def _eigengaps(together: FloatArray, most: int) -> npt.NDArray[np.float64]:
    """Relative gaps above the first 1..most eigenvalues of the normalized Laplacian."""
    root = np.sqrt(together.sum(axis=1))
    normed = (together / root[:, None] / root[None, :]).astype(np.float64)
    ions = len(together)
    top = min(most + 1, ions)
    values = eigh(normed, eigvals_only=True, subset_by_index=(ions - top, ions - 1))
    gaps = _relative_gaps(np.maximum(1 - values[::-1], 0))
    return np.pad(gaps, (0, max(0, most - len(gaps))))


def _relative_gaps(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Gaps of ascending eigenvalues relative to the larger one of each pair."""
    gaps: npt.NDArray[np.float64] = np.diff(values) / np.maximum(values[1:], 1e-12)
    return gaps


def _too_few(ions: int) -> ClusterCount:
    few = min(2, ions)
    return ClusterCount.given(few, ions, f"{few} clusters: there are too few ions to choose from")
