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

from napari_msiclust.learning.pixel_similarity import FloatArray, Mask
from napari_msiclust.learning.training import check_stop
from napari_msiclust.progress import Progress

STAGE = "explaining clusters"
_PATCHES_ACROSS = 8  # patches overlap by half

Score = Callable[[FloatArray], FloatArray]


def occlusion_maps(
    means: FloatArray, mask: Mask, score: Score, *, stop: threading.Event | None = None
) -> Generator[Progress, None, FloatArray]:
    """Occlusion map of each cluster on the tissue; generator of `Progress`.

    Parameters
    ----------
    means : ndarray of float32, shape (K, S, S)
        Mean image of each cluster, zero off the tissue.
    mask : ndarray of bool, shape (S, S)
    score : callable
        From images (B, S, S) to how much the network prefers each cluster for them, (B, K).
    stop : threading.Event, optional
        Set it to end with `Stopped`.

    Returns
    -------
    ndarray of float32, shape (K, S, S)
        How much the preference for the cluster falls if a region becomes that of an average cluster;
        positive where the region speaks for it. Zero off the tissue.
    """
    windows = _windows(mask)
    neutral = means.mean(axis=0)
    maps = np.zeros_like(means)
    weight = np.maximum(windows.sum(axis=0), 1e-6)
    for cluster, mean in enumerate(means):
        check_stop(stop)
        yield Progress(STAGE, cluster, len(means))
        occluded = mean * (1 - windows) + neutral * windows
        margin = _margin(score(np.concatenate([mean[None], occluded])), cluster)
        worth = margin[0] - margin[1:]
        maps[cluster] = np.where(mask, np.tensordot(worth, windows, 1) / weight, 0)
    yield Progress(STAGE, len(means), len(means))
    return maps


def _windows(mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Soft patches (n, S, S) of height 1 that cover the tissue."""
    size = len(mask)
    step = size / (2 * _PATCHES_ACROSS)
    centres = (np.arange(2 * _PATCHES_ACROSS) + 0.5) * step
    bumps = np.exp(-0.5 * ((np.arange(size)[None, :] + 0.5 - centres[:, None]) / step) ** 2)
    windows = (bumps[:, None, :, None] * bumps[None, :, None, :]).reshape(-1, size, size)
    on_tissue = (windows * mask).sum(axis=(1, 2)) > 0.25 * windows.sum(axis=(1, 2))
    chosen: FloatArray = windows[on_tissue].astype(np.float32)
    return chosen


def _margin(scores: FloatArray, cluster: int) -> FloatArray:
    """Score (B, K) of one cluster less that of its strongest rival."""
    if scores.shape[1] == 1:
        return scores[:, 0]
    rivals: FloatArray = np.delete(scores, cluster, axis=1).max(axis=1)
    return scores[:, cluster] - rivals
