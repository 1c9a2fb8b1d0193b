"""The consensus recipe: pixels, contrastive training, agreement of many clusterings, self-labeling."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.cluster_count import choose_count
from napari_msiclust.learning.consensus import (
    cluster_range,
    coassociation,
    cut,
    embedding_runs,
    membership,
    merge_tree,
    pixel_runs,
)
from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.fusion_encoder import FusionEncoder
from napari_msiclust.learning.fusion_training import refine_fusion, train_fusion
from napari_msiclust.learning.pixel_similarity import FloatArray, Mask, pixel_features
from napari_msiclust.learning.split_views import SplitViews
from napari_msiclust.learning.training import check_stop
from napari_msiclust.progress import Progress

LIKENESS_STAGE, COUNT_STAGE, CONSENSUS_STAGE = "likeness of pixels", "number of clusters", "consensus"
SMOOTHING_STAGE = "smoothing"


@dataclass(frozen=True, eq=False)
class Agreement:
    """What the consensus recipe found.

    Attributes
    ----------
    labels : ndarray of int64, shape (N,)
        0..K-1.
    confidence : ndarray of float64, shape (N,)
        Mean of the ion's share in its cluster among all clusterings and of the network's probability.
    runs : ndarray of int64, shape (R, N)
        The single clusterings.
    features : ndarray of float32, shape (N, D)
        Embedding after training.
    counts : DataFrame
        Evidence for the number of clusters; empty where the user gave it.
    """

    labels: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    runs: npt.NDArray[np.int64]
    features: FloatArray
    counts: pd.DataFrame


def consensus_stages(
    encoder: Encoder,
    stack: FloatArray,
    mask: Mask,
    config: ClusterConfig,
    *,
    batch: int,
    device: torch.device,
    stop: threading.Event | None,
) -> Generator[Progress, None, Agreement]:
    """Cluster ion images (N, S, S) of a tissue (S, S); generator of `Progress`."""
    seeds = np.random.SeedSequence(config.seed).generate_state(10).tolist()
    settings = config.consensus
    learned = settings
    if settings.use_pixels:
        votes = max(1, round(settings.runs * settings.embedding_votes))
        learned = settings.model_copy(update={"runs": votes})
    ions = len(stack)
    check_stop(stop)
    yield Progress(SMOOTHING_STAGE, 0, 1)
    pixels = pixel_features(stack, mask, settings.smoothing, seeds[0])
    yield Progress(SMOOTHING_STAGE, 1, 1, note=f"pixels smoothed by {pixels.sigma:g}")
    wide = cluster_range(ions, None)
    first = yield from pixel_runs(
        pixels.values, wide, settings, stage=LIKENESS_STAGE, seed=seeds[1], stop=stop
    )
    draws = torch.Generator(device).manual_seed(seeds[2])
    views = SplitViews(
        stack,
        mask,
        pixels,
        config.views,
        components=config.fusion.components,
        size=config.image_size,
        device=device,
        generator=draws,
    )
    weights = torch.Generator().manual_seed(seeds[3])
    network = FusionEncoder(encoder, views.coordinates, config.fusion, weights).to(device)
    likeness = torch.from_numpy(coassociation(first)).to(device) if settings.likeness else None
    batch = yield from train_fusion(
        network, views, likeness, config.contrastive, batch=batch, seed=seeds[4], stop=stop
    )
    features = network.embed(views.plain()).cpu().numpy()
    counts = pd.DataFrame()
    if config.clusters == "auto":
        second = yield from embedding_runs(
            features, wide, learned, stage=COUNT_STAGE, seed=seeds[5], stop=stop
        )
        count = choose_count(np.concatenate([first, second] if settings.use_pixels else [second]))
        clusters, counts = count.clusters, count.curves
        yield Progress(COUNT_STAGE, learned.runs, learned.runs, note=count.reason)
    else:
        clusters = config.clusters
    close = cluster_range(ions, clusters)
    runs = yield from embedding_runs(
        features, close, learned, stage=CONSENSUS_STAGE, seed=seeds[6], stop=stop
    )
    if settings.use_pixels:
        more = yield from pixel_runs(
            pixels.values, close, settings, stage=CONSENSUS_STAGE, seed=seeds[7], stop=stop
        )
        runs = np.concatenate([runs, more])
    together = coassociation(runs)
    labels = cut(merge_tree(together), clusters)
    shares = membership(together, labels)
    answers = shares
    if settings.refine_epochs > 0:
        answers = yield from refine_fusion(
            network,
            views,
            shares,
            config.self_labeling,
            epochs=settings.refine_epochs,
            batch=batch,
            seed=seeds[8],
            stop=stop,
        )
    mean = (shares + answers) / 2
    return Agreement(
        labels=mean.argmax(axis=1).astype(np.int64),
        confidence=mean.max(axis=1).astype(np.float64),
        runs=runs,
        features=network.embed(views.plain()).cpu().numpy(),
        counts=counts,
    )
