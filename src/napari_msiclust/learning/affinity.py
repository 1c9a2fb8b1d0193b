"""Graphs over ions and spectral clustering of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn.cluster import SpectralClustering
from sklearn.neighbors import kneighbors_graph
from threadpoolctl import threadpool_limits

from napari_msiclust.errors import InputError

FloatArray = npt.NDArray[np.floating]


def neighbor_graph(features: FloatArray, neighbors: int) -> sp.csr_array:
    """Symmetric nearest-neighbour graph in one piece.

    Parameters
    ----------
    features : ndarray of shape (N, D)
        Compared by cosine similarity after centring, as NT-Xent compares them in training.
    neighbors : int
        Neighbours of each ion, itself included, as in scikit-learn's nearest-neighbour affinity.

    Returns
    -------
    csr_array of shape (N, N)
        1 for mutual neighbours, 0.5 for one-sided ones. Where the graph falls apart, the closest
        pair of each two parts is joined by a link of 0.5, nearest parts first.
    """
    features = _directions(features)
    count = len(features)
    directed = kneighbors_graph(features, min(neighbors, count), include_self=True)
    graph = sp.lil_array(0.5 * (directed + directed.T))
    parts, member = connected_components(sp.csr_array(graph), directed=False)
    if parts > 1:
        distance = cdist(features, features)
        while parts > 1:
            apart = np.where(member[:, None] != member[None, :], distance, np.inf)
            one, other = np.unravel_index(int(np.argmin(apart)), apart.shape)
            graph[one, other] = graph[other, one] = 0.5
            member[member == member[other]] = member[one]
            parts -= 1
    return sp.csr_array(graph)


def _directions(features: FloatArray) -> FloatArray:
    """Centred features of unit length; Euclidean distances of these rank like cosine distances."""
    centred = features - features.mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    directions: FloatArray = centred / np.where(length > 1e-12, length, 1)
    return directions


def spectral_labels(graph: sp.csr_array, clusters: int, seed: int) -> npt.NDArray[np.int64]:
    """Spectral clustering of a graph; labels 0..clusters-1, shape (N,).

    One thread only, so that the same seed gives the same labels.

    Raises
    ------
    InputError
        There are fewer ions than clusters.
    """
    count = graph.shape[0]
    if clusters > count:
        raise InputError(
            f"{clusters} clusters were asked of {count} ions", fix=f"choose at most {count} clusters"
        )
    if clusters == count:
        return np.arange(count)
    method = SpectralClustering(
        clusters,
        affinity="precomputed",
        assign_labels="kmeans",
        random_state=seed,
        eigen_solver=_solver(count, clusters),
    )
    with threadpool_limits(1):
        labels: npt.NDArray[np.int64] = method.fit_predict(sp.csr_matrix(graph)).astype(np.int64)
    return labels


def _solver(count: int, clusters: int) -> str:
    """ARPACK needs fewer eigenvectors than ions; LOBPCG is the slower way for tiny graphs."""
    return "arpack" if clusters < count - 1 else "lobpcg"
