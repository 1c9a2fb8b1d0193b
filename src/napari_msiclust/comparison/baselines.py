"""Simple ways to group co-localized ions, which any elaborate one has to beat."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.decomposition import NMF, PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import kneighbors_graph
from threadpoolctl import threadpool_limits

from napari_msiclust.errors import InputError
from napari_msiclust.learning.affinity import spectral_labels
from napari_msiclust.learning.training import encode
from napari_msiclust.learning.weights import load_encoder

_NEIGHBORS = 10
_COMPONENTS = 30
_SMOOTHING = 1.0

Stack = npt.NDArray[np.float32]
Features = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Baseline:
    """A way from training images to clusters.

    Attributes
    ----------
    name : str
    cluster : callable
        Takes the stack (N, S, S), its on-tissue mask (S, S), a number of clusters and a seed; returns
        labels 0..K-1, shape (N,).
    """

    name: str
    cluster: Callable[[Stack, Mask, int, int], Labels]


# -- what ions are compared by ----------------------------------------------------------------------


def median_thresholded(stack: Stack, mask: Mask, seed: int) -> Features:
    """Pixels above the median of the ion image, the others zero; compared by cosine.

    The strongest of the simple measures in Ovchinnikova et al., ColocML, Bioinformatics 2020, 36, 3215.
    """
    del seed
    flat = stack[:, mask]
    return _unit(np.where(flat > np.median(flat, axis=1, keepdims=True), flat, np.float32(0)))


def pixel_pearson(stack: Stack, mask: Mask, seed: int) -> Features:
    """On-tissue pixels, standardized: their cosine is Pearson's correlation."""
    del seed
    return _unit(_centred(stack[:, mask]))


def smoothed_pearson(stack: Stack, mask: Mask, seed: int) -> Features:
    """The same after a Gaussian blur within the mask, reduced to 30 principal components."""
    weight = np.maximum(gaussian_filter(mask.astype(np.float32), _SMOOTHING), np.float32(1e-6))
    smooth = np.stack([(gaussian_filter(image * mask, _SMOOTHING) / weight)[mask] for image in stack])
    components = min(_COMPONENTS, len(stack) - 1, smooth.shape[1])
    rows = _unit(_centred(smooth))
    if np.ptp(rows, axis=0).max() < 1e-6:  # all ions alike: there is nothing to reduce
        return rows
    return _unit(PCA(components, random_state=seed).fit_transform(rows))


def imagenet_features(stack: Stack, mask: Mask, seed: int) -> Features:
    """What the untrained encoder, ImageNet's EfficientNet-Lite0, sees."""
    del mask
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", seed)
    features = encode(encoder, torch.from_numpy(stack)).numpy()
    return _unit(features - features.mean(axis=0))


def _centred(rows: Features) -> Features:
    centred: Features = rows - rows.mean(axis=1, keepdims=True)
    return centred


def _unit(rows: Features) -> Features:
    """Rows of unit length; cosine similarity is then their product."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Features = rows / np.where(length > 1e-12, length, 1)
    return unit


# -- how they are grouped ---------------------------------------------------------------------------


def k_means(features: Features, clusters: int, seed: int) -> Labels:
    """k-means of unit rows, the best of ten starts.

    Raises
    ------
    InputError
        There are fewer ions than clusters.
    """
    _check(len(features), clusters)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different ions than clusters
        found = KMeans(clusters, n_init=10, random_state=seed).fit_predict(features)
    return np.asarray(found, dtype=np.int64)


def spectral(features: Features, clusters: int, seed: int) -> Labels:
    """Spectral clustering of the graph of the ten nearest neighbours, as scikit-learn builds it.

    The graph may fall apart, and the features are not centred over the ions: for correlations of
    pixels this is the better way.

    Raises
    ------
    InputError
        There are fewer ions than clusters.
    """
    _check(len(features), clusters)
    directed = kneighbors_graph(features, min(_NEIGHBORS, len(features)), include_self=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Graph is not fully connected")
        warnings.simplefilter("ignore", ConvergenceWarning)
        return spectral_labels(csr_array(0.5 * (directed + directed.T)), clusters, seed)


def ward(features: Features, clusters: int, seed: int) -> Labels:
    """Ward's hierarchical clustering of unit rows; takes no random numbers.

    Raises
    ------
    InputError
        There are fewer ions than clusters.
    """
    del seed
    _check(len(features), clusters)
    return np.asarray(AgglomerativeClustering(clusters).fit_predict(features), dtype=np.int64)


def factorized(stack: Stack, mask: Mask, clusters: int, seed: int) -> Labels:
    """Non-negative matrix factorization; an ion belongs to the component with most of its signal."""
    _check(len(stack), clusters)
    flat = stack[:, mask]
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        method = NMF(clusters, init="nndsvda", random_state=seed, max_iter=300)
        weights = method.fit_transform(flat)
    signal = weights * method.components_.sum(axis=1)
    return np.asarray(signal.argmax(axis=1), dtype=np.int64)


def _check(ions: int, clusters: int) -> None:
    if clusters > ions:
        raise InputError(
            f"{clusters} clusters were asked of {ions} ions", fix=f"choose at most {ions} clusters"
        )


_FEATURES: Mapping[str, Callable[[Stack, Mask, int], Features]] = {
    "median-thresholded cosine": median_thresholded,
    "pixel Pearson": pixel_pearson,
    "smoothed Pearson, PCA": smoothed_pearson,
    "ImageNet features": imagenet_features,
}
_GROUPINGS: Mapping[str, Callable[[Features, int, int], Labels]] = {
    "k-means": k_means,
    "spectral": spectral,
    "Ward": ward,
}


def _of_features(
    features: Callable[[Stack, Mask, int], Features],
    group: Callable[[Features, int, int], Labels],
    stack: Stack,
    mask: Mask,
    clusters: int,
    seed: int,
) -> Labels:
    return group(features(stack, mask, seed), clusters, seed)


BASELINES: tuple[Baseline, ...] = (
    *(
        Baseline(f"{name}, {grouping}", partial(_of_features, features, group))
        for name, features in _FEATURES.items()
        for grouping, group in _GROUPINGS.items()
    ),
    Baseline("non-negative factorization", factorized),
)
