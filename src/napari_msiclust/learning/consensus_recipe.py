"""The consensus recipe: pixels, contrastive training, agreement of many clusterings, self-labeling."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from napari_msiclust.config import ClusterConfig, ConsensusConfig
from napari_msiclust.learning.cluster_count import ClusterCount, choose_count
from napari_msiclust.learning.consensus import (
    AgreementTree,
    Labels,
    agreement,
    between_groups,
    cluster_range,
    coassociation,
    embedding_runs,
    membership,
    pixel_runs,
    standing,
)
from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.fusion_encoder import FusionEncoder
from napari_msiclust.learning.fusion_training import refine_fusion, train_fusion
from napari_msiclust.learning.ion_clustering import Votes
from napari_msiclust.learning.pixel_similarity import FloatArray, Mask, PixelFeatures, pixel_features
from napari_msiclust.learning.split_views import SplitViews
from napari_msiclust.learning.tissue_frame import TissueFrame
from napari_msiclust.learning.training import check_stop
from napari_msiclust.progress import Progress

LIKENESS_STAGE, COUNT_STAGE, CONSENSUS_STAGE = "likeness of pixels", "number of clusters", "consensus"
SMOOTHING_STAGE = "smoothing"
_BRANCHES = 2  # for each cluster, to show what would split and merge next


@dataclass(frozen=True, eq=False)
class PixelStart:
    """What the pixels say before anything is trained.

    Attributes
    ----------
    pixels : PixelFeatures
    runs : ndarray of int64, shape (R, N)
        Clusterings that were free in their number of clusters.
    apart : ndarray of int64, shape (R, N)
        The same, even and odd ones without anything in common; `runs` itself where nothing was smoothed.
    """

    pixels: PixelFeatures
    runs: Labels
    apart: Labels


@dataclass(frozen=True, eq=False)
class TrainedFusion:
    """A network after contrastive training, and the views of the ions that it was trained on."""

    network: FusionEncoder
    views: SplitViews
    batch: int

    def features(self) -> FloatArray:
        """Embedding (N, D) of the plain ion images."""
        found: FloatArray = self.network.embed(self.views.plain()).cpu().numpy()
        return found


@dataclass(frozen=True, eq=False)
class Agreement:
    """What the consensus recipe found.

    Attributes
    ----------
    labels : ndarray of int64, shape (N,)
        0..K-1.
    standing : ndarray of float32, shape (N,)
        How well an ion stands in its cluster in the eyes of the network (`consensus.standing`).
    votes : Votes
    features : ndarray of float32, shape (N, D)
        Embedding after training.
    trained : TrainedFusion
    reason : str
        Why this number of clusters; empty where the user gave it.
    """

    labels: npt.NDArray[np.int64]
    standing: FloatArray
    votes: Votes
    features: FloatArray
    trained: TrainedFusion
    reason: str


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
    start = yield from pixel_start(stack, mask, config, stop)
    trained = yield from trained_fusion(
        encoder, stack, mask, start, config, batch=batch, device=device, stop=stop
    )
    return (yield from agreed_clusters(trained, start, config, stop))


def pixel_start(
    stack: FloatArray, mask: Mask, config: ClusterConfig, stop: threading.Event | None = None
) -> Generator[Progress, None, PixelStart]:
    """Smooth the pixels as far as it pays, and cluster them many times."""
    seeds = _seeds(config)
    settings = config.consensus
    check_stop(stop)
    yield Progress(SMOOTHING_STAGE, 0, 1)
    pixels = pixel_features(stack, mask, settings.smoothing, seeds[0])
    yield Progress(SMOOTHING_STAGE, 1, 1, note=f"pixels smoothed by {pixels.sigma:g}")
    wide = cluster_range(len(stack), None)
    runs = yield from pixel_runs(pixels, wide, settings, stage=LIKENESS_STAGE, seed=seeds[1], stop=stop)
    apart = runs
    if pixels.sigma > 0:
        apart = yield from pixel_runs(
            pixels, wide, settings, stage=LIKENESS_STAGE, seed=seeds[1], separate=True, stop=stop
        )
    return PixelStart(pixels, runs, apart)


def trained_fusion(
    encoder: Encoder,
    stack: FloatArray,
    mask: Mask,
    start: PixelStart,
    config: ClusterConfig,
    *,
    batch: int,
    device: torch.device,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, TrainedFusion]:
    """Train the network on what the pixels say."""
    seeds = _seeds(config)
    draws = torch.Generator(device).manual_seed(seeds[2])
    frame = TissueFrame.of(
        mask, start.pixels, components=config.fusion.components, size=config.image_size, device=device
    )
    views = SplitViews(stack, frame, start.pixels, config.views, draws)
    weights = torch.Generator().manual_seed(seeds[3])
    network = FusionEncoder.starting_at(encoder, views.coordinates, config.fusion, weights).to(device)
    likeness = None
    if config.consensus.likeness:
        likeness = torch.from_numpy(coassociation(start.runs)).to(device)
    batch = yield from train_fusion(
        network, views, likeness, config.contrastive, batch=batch, seed=seeds[4], stop=stop
    )
    return TrainedFusion(network, views, batch)


def agreed_clusters(
    trained: TrainedFusion, start: PixelStart, config: ClusterConfig, stop: threading.Event | None = None
) -> Generator[Progress, None, Agreement]:
    """Let clusterings of pixels and embedding agree, and teach the network what they are sure of."""
    seeds = _seeds(config)
    settings = config.consensus
    learned = _learned_runs(settings)
    features = trained.features()
    ions = len(features)
    if config.clusters == "auto":
        wide = cluster_range(ions, None)
        free = yield from embedding_runs(features, wide, learned, stage=COUNT_STAGE, seed=seeds[5], stop=stop)
        count = choose_count(np.concatenate([start.runs, free]) if settings.use_pixels else free, start.apart)
        yield Progress(COUNT_STAGE, learned.runs, learned.runs, note=count.reason)
    else:
        count = ClusterCount.given(config.clusters, ions)
    clusters = count.clusters
    close = cluster_range(ions, clusters)
    runs = yield from embedding_runs(
        features, close, learned, stage=CONSENSUS_STAGE, seed=seeds[6], stop=stop
    )
    if settings.use_pixels:
        more = yield from pixel_runs(
            start.pixels, close, settings, stage=CONSENSUS_STAGE, seed=seeds[7], stop=stop
        )
        runs = np.concatenate([runs, more])
    tree = AgreementTree.of(runs)
    initial = tree.cut(clusters)
    shares = membership(tree.together, initial)
    answers = yield from refine_fusion(
        trained.network,
        trained.views,
        shares,
        config.self_labeling,
        epochs=settings.refine_epochs,
        batch=trained.batch,
        seed=seeds[8],
        stop=stop,
    )
    if settings.refine_epochs == 0:
        answers = shares
    labels = ((shares + answers) / 2).argmax(axis=1).astype(np.int64)
    branches = tree.cut(max(clusters, min(_BRANCHES * clusters, ions // 3)))
    return Agreement(
        labels=labels,
        standing=standing(answers, labels),
        votes=Votes(
            halves=np.stack([AgreementTree.of(start.apart[half::2]).cut(clusters) for half in (0, 1)]) + 1,
            branches=branches + 1,
            between=between_groups(agreement(tree.together, branches), branches),
            counts=count.curves,
            cuts=count.cuts + 1,
        ),
        features=trained.features(),
        trained=trained,
        reason=count.reason,
    )


def _seeds(config: ClusterConfig) -> list[int]:
    """One seed for each stage."""
    seeds: list[int] = np.random.SeedSequence(config.seed).generate_state(10).tolist()
    return seeds


def _learned_runs(settings: ConsensusConfig) -> ConsensusConfig:
    """The settings for clusterings of the embedding: fewer where the pixels vote beside it."""
    if not settings.use_pixels:
        return settings
    return settings.model_copy(update={"runs": max(1, round(settings.runs * settings.embedding_votes))})
