"""Learn again from corrected labels: a warm start of a network that was trained before."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.calibration import calibrated
from napari_msiclust.learning.consensus import standing
from napari_msiclust.learning.device import choose_device, limited_threads
from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.fusion_encoder import FusionEncoder
from napari_msiclust.learning.fusion_training import refine_fusion
from napari_msiclust.learning.pixel_similarity import FloatArray, Mask, pixel_features
from napari_msiclust.learning.refine import refine_labels
from napari_msiclust.learning.self_labeling import classify, train_classifier, train_self_labeling
from napari_msiclust.learning.split_views import SplitViews
from napari_msiclust.learning.tissue_frame import TissueFrame
from napari_msiclust.learning.trained_network import TrainedNetwork, fusion_views, network_arrays, plain_views
from napari_msiclust.learning.training import encode
from napari_msiclust.progress import Progress

STAGE = "labels from the corrections"
_EPOCHS = 6  # of self-labeling in the published recipe, whose own number is for a start from nothing


@dataclass(frozen=True, eq=False)
class Relearned:
    """What learning again found.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        1..K; the fixed ones as they were given. 0 for an ion that was in no cluster and settles in none.
    confidence : ndarray of float64, shape (n,)
        As `learning.calibration` says; the largest probability where that cannot be told.
    features : ndarray of float32, shape (n, D)
    network : dict of ndarray
        As `network_arrays` makes them.
    """

    labels: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    features: FloatArray
    network: dict[str, npt.NDArray[Any]]


def relearn(
    network: Mapping[str, npt.NDArray[Any]],
    features: FloatArray,
    stack: FloatArray,
    mask: Mask,
    labels: npt.NDArray[np.int64],
    fixed: npt.NDArray[np.bool_],
    config: ClusterConfig,
    *,
    repeated: float | None = None,
    threads: int | None = None,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, Relearned]:
    """Let corrections spread to like ions, and teach the network the labels that follow.

    First a linear classifier on the features carries the corrections over (`refine_labels`); then the network
    and a classifier are trained further on these labels, the fixed ones being certain. An ion in no cluster
    teaches nothing; it joins the cluster that the network answers where it stands well enough.

    Parameters
    ----------
    network : mapping of ndarray
        As `network_arrays` made them.
    features : ndarray of float32, shape (n, D)
        What the network makes of the ions.
    stack : ndarray of float32, shape (n, S, S)
        Their square images, S as the network wants them (`TrainedNetwork.side`).
    mask : ndarray of bool, shape (S, S)
    labels : ndarray of int64, shape (n,)
        Corrected labels 1..K; 0 for an ion in no cluster.
    fixed : ndarray of bool, shape (n,)
        Ions that keep their labels.
    config : ClusterConfig
        Settings of the run that trained the network.
    repeated : float, optional
        Adjusted Rand index of clusterings on two halves of the pixels, as for `calibrated`; the published
        recipe has none.

    Raises
    ------
    InputError
        The network does not fit the settings, or the device is not there.
    Stopped
        `stop` was set.
    """
    device = choose_device(config.device)
    member = labels > 0
    part = member | ~fixed
    teaches = member[part]
    with limited_threads(threads):
        yield Progress(STAGE, 0, 1)
        trained = TrainedNetwork(network, config)
        trained.network.to(device)
        start, sure = refine_labels(features[member], labels[member], fixed[member], config.seed)
        yield Progress(STAGE, 1, 1)
        clusters, places = np.unique(start, return_inverse=True)
        shares = np.zeros((len(teaches), len(clusters)), np.float32)
        shares[teaches] = _shares(places, sure, len(clusters))
        if isinstance(trained.network, FusionEncoder) and trained.frame is not None:
            frame = trained.frame.to(device)
            views = _split_views(stack[part], mask, frame, config)
            answers = yield from refine_fusion(
                trained.network,
                views,
                shares,
                config.self_labeling,
                epochs=config.consensus.refine_epochs,
                batch=_batch(len(places), config),
                seed=config.seed,
                fixed=fixed[part],
                stop=stop,
            )
            whole = _split_views(stack, mask, frame, config)
            fresh = trained.network.embed(whole.plain()).cpu().numpy()
            arrays = network_arrays(trained.network, fusion_views(trained.network, whole), frame)
        else:
            assert isinstance(trained.network, Encoder)
            images, tissue = torch.from_numpy(stack).to(device), torch.from_numpy(mask).to(device)
            classifier = yield from _published(trained.network, images[member], tissue, places, config, stop)
            answers = classify(trained.network, classifier, images[part]).cpu().numpy()
            fresh = encode(trained.network, images).cpu().numpy()
            arrays = network_arrays(trained.network, plain_views(trained.network, images, tissue, config))
    shares[~teaches] = answers[~teaches]
    mean = (shares + answers) / 2
    best = mean.argmax(axis=1)
    stands = standing(answers, best)
    settled = teaches | (stands >= config.consensus.min_standing)
    found, confidence = labels.copy(), np.ones(len(labels))
    found[part] = np.where(settled, clusters[best], 0)
    confidence[part] = mean.max(axis=1) if repeated is None else calibrated(stands, repeated)
    return Relearned(
        labels=np.where(fixed, labels, found),
        confidence=np.where(fixed, 1.0, confidence),
        features=fresh,
        network=arrays,
    )


def _split_views(stack: FloatArray, mask: Mask, frame: TissueFrame, config: ClusterConfig) -> SplitViews:
    draws = torch.Generator(frame.mask.device).manual_seed(config.seed)
    pixels = pixel_features(stack, mask, frame.sigma, config.seed)
    return SplitViews(stack, frame, pixels, config.views, draws)


def _batch(ions: int, config: ClusterConfig) -> int:
    return min(config.max_batch, max(4, ions // 2))


def _shares(labels: npt.NDArray[np.intp], sure: npt.NDArray[np.float64], clusters: int) -> FloatArray:
    """Labels (n,) as shares (n, clusters): `sure` for the label, the rest for the others alike."""
    rest = (1 - sure) / max(clusters - 1, 1)
    shares = np.repeat(rest[:, None], clusters, axis=1).astype(np.float32)
    shares[np.arange(len(labels)), labels] = sure
    return shares


def _published(
    encoder: Encoder,
    images: Tensor,
    mask: Tensor,
    labels: npt.NDArray[np.intp],
    config: ClusterConfig,
    stop: threading.Event | None,
) -> Generator[Progress, None, nn.Linear]:
    """Classifier and self-labeling of the published recipe, from labels (n,)."""
    features = encode(encoder, images)
    classifier = yield from train_classifier(
        features, labels.astype(np.int64), config.classifier, seed=config.seed, stop=stop
    )
    yield from train_self_labeling(
        encoder,
        classifier,
        images,
        mask,
        config.self_labeling.model_copy(update={"epochs": min(config.self_labeling.epochs, _EPOCHS)}),
        batch=_batch(len(images), config),
        seed=config.seed,
        stop=stop,
    )
    return classifier
