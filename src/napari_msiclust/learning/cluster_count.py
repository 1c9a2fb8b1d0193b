"""The number of clusters, where the user leaves it open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.sparse.csgraph import laplacian

_MOST = 30


@dataclass(frozen=True)
class ClusterCount:
    """A number of clusters and the evidence for it.

    Attributes
    ----------
    clusters : int
    eigenvalues : ndarray of float64
        The smallest eigenvalues of the normalized graph Laplacian; `clusters` sits before the
        largest relative gap.
    """

    clusters: int
    eigenvalues: npt.NDArray[np.float64]


def count_by_eigengap(graph: sp.csr_array) -> ClusterCount:
    """Number of clusters at the largest relative gap of the normalized Laplacian's spectrum.

    Von Luxburg, Statistics and Computing 2007, 17, 395; the gap is taken relative to the
    eigenvalue below it, and at least two clusters are returned.
    """
    count = graph.shape[0]
    most = min(_MOST, count - 1)
    if most < 2:
        return ClusterCount(min(2, count), np.zeros(count))
    dense = laplacian(sp.csr_matrix(graph), normed=True).toarray()
    values = eigh(dense, eigvals_only=True, subset_by_index=(0, most))
    values = np.maximum(values, 0)
    gaps = np.diff(values)[1:] / np.maximum(values[2:], 1e-12)
    return ClusterCount(int(np.argmax(gaps)) + 2, values)
