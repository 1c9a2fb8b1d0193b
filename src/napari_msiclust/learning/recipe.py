"""The recipe: all stages from a training stack to clusters of ions."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import psutil
import torch
from torch import Tensor

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError
from napari_msiclust.learning.affinity import neighbor_graph, spectral_labels
from napari_msiclust.learning.calibration import calibrated
from napari_msiclust.learning.cluster_count import ClusterCount, count_by_eigengap
from napari_msiclust.learning.consensus_recipe import consensus_stages
from napari_msiclust.learning.contrastive import train_contrastive
from napari_msiclust.learning.device import choose_device, limited_threads
from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.ion_clustering import Embedding, IonClustering, Votes
from napari_msiclust.learning.self_labeling import train_classifier, train_self_labeling
from napari_msiclust.learning.trained_network import fusion_views, network_arrays, plain_views
from napari_msiclust.learning.training import check_stop, encode
from napari_msiclust.learning.weights import load_encoder
from napari_msiclust.progress import Progress

# Activations of one image in training, measured at 96 x 96 in single precision.
_TRAINING_BYTES = {"efficientnet-lite0": 18 << 20, "efficientnet-b0": 32 << 20}
_Result = TypeVar("_Result")


@dataclass
class _Log:
    """Collects what the stages tell, and how long each took."""

    rows: list[tuple[str, int, float | None, float | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def follow(self, steps: Generator[Progress, None, _Result]) -> Generator[Progress, None, _Result]:
        """Pass the steps of a stage on and keep a record."""
        while True:
            started = time.perf_counter()
            try:
                progress = next(steps)
            except StopIteration as end:
                result: _Result = end.value
                return result
            stage = progress.stage
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
            if progress.loss is not None or progress.confident_fraction is not None:
                self.rows.append((stage, progress.step, progress.loss, progress.confident_fraction))
            if progress.note:
                self.notes.append(progress.note)
            yield progress

    def history(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=["stage", "epoch", "loss", "confident_fraction"])


def learn_clusters(
    stack: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_],
    config: ClusterConfig,
    *,
    threads: int | None = None,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, IonClustering]:
    """Cluster ion images; generator of `Progress`.

    Parameters
    ----------
    stack : ndarray of float32, shape (N, S, S)
        Ion images in 0..1, zero off the tissue; of `image_size` for the published recipe, in their own
        resolution for the consensus recipe.
    mask : ndarray of bool, shape (S, S)
    config : ClusterConfig
    threads : int, optional
        CPU threads; None takes one per core.
    stop : threading.Event, optional
        Set it to end the run with `Stopped`.

    Raises
    ------
    InputError
        There are fewer ions than clusters, the device is not there, or memory does not suffice.
    FileFormatError
        The weights cannot be loaded.
    Stopped
        `stop` was set.
    """
    if isinstance(config.clusters, int) and config.clusters > len(stack):
        raise InputError(
            f"{config.clusters} clusters were asked of {len(stack)} ions with signal",
            fix=f"choose at most {len(stack)} clusters",
        )
    device = choose_device(config.device)
    with limited_threads(threads) as used_threads:
        yield Progress("loading the encoder", 0, 1)
        encoder, source = load_encoder(config.encoder, config.weights, config.seed)
        encoder.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        log = _Log()
        batch, note = _first_batch(len(stack), device, config)
        if note:
            log.notes.append(note)
        if config.recipe == "consensus":
            agreement = yield from log.follow(
                consensus_stages(encoder, stack, mask, config, batch=batch, device=device, stop=stop)
            )
            trained = agreement.trained
            found = _Found(
                agreement.labels,
                calibrated(agreement.standing, agreement.votes.repeated),
                agreement.features,
                network_arrays(
                    trained.network, fusion_views(trained.network, trained.views), trained.views.frame
                ),
                agreement.standing >= config.consensus.min_standing,
                agreement.votes,
                agreement.reason,
            )
        else:
            images, tissue = torch.from_numpy(stack).to(device), torch.from_numpy(mask).to(device)
            probabilities, reason = yield from log.follow(
                _stages(encoder, images, tissue, config, batch, stop)
            )
            best, raw_labels = probabilities.cpu().max(1)
            found = _Found(
                raw_labels.numpy(),
                best.numpy().astype(np.float64),
                encode(encoder, images).cpu().numpy(),
                network_arrays(encoder, plain_views(encoder, images, tissue, config)),
                reason=reason,
            )
    labels = _by_size(found.labels)
    if isinstance(config.clusters, int) and labels.max() < config.clusters:
        log.notes.append(f"{config.clusters - labels.max()} of {config.clusters} clusters ended empty")
    return IonClustering(
        labels=labels if found.settled is None else np.where(found.settled, labels, 0),
        nearest=labels,
        confidence=found.confidence,
        embedding=Embedding(found.features, config.encoder, source.origin, source.sha256, found.network),
        history=log.history(),
        seconds=log.seconds,
        notes=tuple(log.notes),
        device=device.type,
        threads=used_threads,
        votes=found.votes,
        reason=found.reason,
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """What either recipe ends with; labels from 0, and which ions settled in theirs (all if None)."""

    labels: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]
    network: dict[str, npt.NDArray[Any]]
    settled: npt.NDArray[np.bool_] | None = None
    votes: Votes | None = None
    reason: str = ""


def _stages(
    encoder: Encoder,
    images: Tensor,
    mask: Tensor,
    config: ClusterConfig,
    batch: int,
    stop: threading.Event | None,
) -> Generator[Progress, None, tuple[Tensor, str]]:
    """Contrastive training, initial labels, classifier, self-labeling.

    Returns probabilities (N, K), and why K clusters if nobody asked for them.
    """
    seeds = np.random.SeedSequence(config.seed).generate_state(4).tolist()
    batch = yield from train_contrastive(
        encoder, images, config.contrastive, batch=batch, seed=seeds[0], stop=stop
    )
    check_stop(stop)
    yield Progress("initial labels", 0, 1)
    features = encode(encoder, images)
    graph = neighbor_graph(features.cpu().numpy(), config.neighbors)
    count = (
        count_by_eigengap(graph)
        if config.clusters == "auto"
        else ClusterCount.given(config.clusters, len(features))
    )
    initial = spectral_labels(graph, count.clusters, seeds[1] % 2**31)
    yield Progress("initial labels", 1, 1, note=count.reason)
    classifier = yield from train_classifier(features, initial, config.classifier, seed=seeds[2], stop=stop)
    probabilities = yield from train_self_labeling(
        encoder, classifier, images, mask, config.self_labeling, batch=batch, seed=seeds[3], stop=stop
    )
    return probabilities, count.reason


def _first_batch(ions: int, device: torch.device, config: ClusterConfig) -> tuple[int, str]:
    """Half of the ions, as published, limited by the settings and by the memory of the machine.

    On a GPU, running out of memory is an exception that training answers with a smaller batch; on
    the CPU it would end the process, so that the batch is limited beforehand.
    """
    batch = min(max(4, (ions + 1) // 2), config.max_batch)
    if device.type != "cpu":
        return batch, ""
    per_image = _TRAINING_BYTES[config.encoder] * (config.image_size / 96) ** 2
    affordable = max(4, int(0.5 * psutil.virtual_memory().total / (2 * per_image)))
    if affordable >= batch:
        return batch, ""
    return affordable, f"little memory: batches of {affordable} instead of {batch} ion images"


def _by_size(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Labels renumbered 1..K, the largest cluster first, without gaps."""
    found, first, inverse, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -counts))
    rank = np.empty(len(found), dtype=np.int64)
    rank[order] = np.arange(1, len(found) + 1)
    return rank[inverse]
