"""Which regions of the tissue make a network put ions into a cluster: occlusion maps.

A soft patch of a cluster's mean image is replaced by the mean of all clusters, so that it says
nothing particular any more; how much the network's preference for the cluster falls is what the region
was worth. After Zeiler and Fergus, ECCV 2014 (arXiv 1311.2901), with a neutral patch for their grey one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.training import check_stop, encode
from napari_msiclust.msi.ion_images import squares_to_grid
from napari_msiclust.msi.training_set import TrainingSet
from napari_msiclust.progress import Progress

STAGE = "explaining clusters"
_PATCHES_ACROSS = 8  # patches overlap by half

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Score = Callable[[Tensor], Tensor]


def centroid_score(encoder: Encoder, features: Floats, labels: Labels) -> Score:
    """Similarity of images (B, S, S) to each cluster, (B, K): cosine to the mean of its ions.

    Parameters
    ----------
    encoder : Encoder
    features : ndarray of shape (n, D)
        What the encoder made of the ions; compared after centring, as everywhere here.
    labels : ndarray of shape (n,)
        Clusters 1..K; 0 for an ion in no cluster.
    """
    centre = torch.from_numpy(features.mean(axis=0))
    directions = F.normalize(torch.from_numpy(features) - centre, dim=1)
    count = int(labels.max())
    means = torch.stack([directions[torch.from_numpy(labels == k)].mean(0) for k in range(1, count + 1)])
    centroids = F.normalize(means, dim=1)

    def score(images: Tensor) -> Tensor:
        return F.normalize(encode(encoder, images).cpu() - centre, dim=1) @ centroids.T

    return score


def classifier_score(encoder: Encoder, classifier: nn.Linear) -> Score:
    """Logits of images (B, S, S) for each class, (B, K)."""

    @torch.no_grad()
    def score(images: Tensor) -> Tensor:
        logits: Tensor = classifier(encode(encoder, images)).cpu()
        return logits

    return score


def explain_clusters(
    prepared: TrainingSet,
    labels: Labels,
    score: Score,
    *,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, Floats]:
    """Occlusion map of each cluster on the tissue; generator of `Progress`.

    Parameters
    ----------
    prepared : TrainingSet
        What was clustered.
    labels : ndarray of shape (n,)
        Clusters 1..K of its ions; 0 for an ion in no cluster.
    score : callable
        `centroid_score` or `classifier_score`.
    stop : threading.Event, optional
        Set it to end with `Stopped`.

    Returns
    -------
    ndarray of float32, shape (K, H, W)
        How much the preference for the cluster falls if a region becomes that of an average ion; positive
        where the region speaks for the cluster. NaN off the tissue.
    """
    means = np.stack([prepared.stack[labels == k].mean(axis=0) for k in range(1, int(labels.max()) + 1)])
    maps = yield from occlusion_maps(means.astype(np.float32), prepared.mask, score, stop=stop)
    return squares_to_grid(maps, prepared.images.grid.mask)


def occlusion_maps(
    means: Floats,
    mask: npt.NDArray[np.bool_],
    score: Score,
    *,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, Floats]:
    """Occlusion map (K, S, S) of each of K mean images (K, S, S), zero off the mask (S, S)."""
    windows = _windows(mask)
    neutral = torch.from_numpy(means.mean(axis=0))
    maps = np.zeros_like(means)
    weight = np.maximum(windows.sum(axis=0), 1e-6)
    for cluster, mean in enumerate(torch.from_numpy(means)):
        check_stop(stop)
        yield Progress(STAGE, cluster, len(means))
        soft = torch.from_numpy(windows)
        occluded = mean * (1 - soft) + neutral * soft
        margin = _margin(score(torch.cat([mean[None], occluded])), cluster).numpy()
        worth = margin[0] - margin[1:]
        maps[cluster] = np.where(mask, np.tensordot(worth, windows, 1) / weight, 0)
    yield Progress(STAGE, len(means), len(means))
    return maps


def _windows(mask: npt.NDArray[np.bool_]) -> Floats:
    """Soft patches (n, S, S) of height 1 that cover the tissue."""
    size = len(mask)
    step = size / (2 * _PATCHES_ACROSS)
    centres = (np.arange(2 * _PATCHES_ACROSS) + 0.5) * step
    bumps = np.exp(-0.5 * ((np.arange(size)[None, :] + 0.5 - centres[:, None]) / step) ** 2)
    windows = (bumps[:, None, :, None] * bumps[None, :, None, :]).reshape(-1, size, size)
    on_tissue = (windows * mask).sum(axis=(1, 2)) > 0.25 * windows.sum(axis=(1, 2))
    chosen: Floats = windows[on_tissue].astype(np.float32)
    return chosen


def _margin(scores: Tensor, cluster: int) -> Tensor:
    """Score (B, K) of one cluster less that of its strongest rival."""
    if scores.shape[1] == 1:
        return scores[:, 0]
    rivals = torch.cat([scores[:, :cluster], scores[:, cluster + 1 :]], dim=1)
    return scores[:, cluster] - rivals.max(1).values
