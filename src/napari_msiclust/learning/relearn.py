"""Learn again from corrected labels: a warm start of a network that was trained before."""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.device import choose_device, limited_threads
from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.fusion_encoder import FusionEncoder
from napari_msiclust.learning.fusion_training import refine_fusion
from napari_msiclust.learning.pixel_similarity import FloatArray, Mask, pixel_features
from napari_msiclust.learning.refine import refine_labels
from napari_msiclust.learning.self_labeling import train_classifier, train_self_labeling
from napari_msiclust.learning.split_views import SplitViews
from napari_msiclust.learning.trained_network import TrainedNetwork, network_arrays
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
        1..K; the fixed ones as they were given.
    confidence : ndarray of float64, shape (n,)
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
    threads: int | None = None,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, Relearned]:
    """Let corrections spread to like ions, and teach the network the labels that follow.

    First a linear classifier on the features carries the corrections over (`refine_labels`); then the network
    and a classifier are trained further on these labels, the fixed ones being certain.

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
        Corrected labels 1..K.
    fixed : ndarray of bool, shape (n,)
        Ions that keep their labels.
    config : ClusterConfig
        Settings of the run that trained the network.

    Raises
    ------
    InputError
        The network does not fit the settings, or the device is not there.
    Stopped
        `stop` was set.
    """
    device = choose_device(config.device)
    with limited_threads(threads):
        yield Progress(STAGE, 0, 1)
        trained = TrainedNetwork(network, config)
        start, sure = refine_labels(features, labels, fixed, config.seed)
        yield Progress(STAGE, 1, 1)
        trained.network.to(device)
        clusters, places = np.unique(start, return_inverse=True)
        shares = _shares(places, sure, len(clusters))
        if isinstance(trained.network, FusionEncoder) and trained.frame is not None:
            frame = trained.frame.to(device)
            draws = torch.Generator(device).manual_seed(config.seed)
            pixels = pixel_features(stack, mask, frame.sigma, config.seed)
            views = SplitViews(stack, frame, pixels, config.views, draws)
            _, answers = yield from refine_fusion(
                trained.network,
                views,
                shares,
                config.self_labeling,
                epochs=config.consensus.refine_epochs,
                batch=min(config.max_batch, max(4, len(stack) // 2)),
                seed=config.seed,
                fixed=fixed,
                stop=stop,
            )
            fresh = trained.network.embed(views.plain()).cpu().numpy()
            arrays = network_arrays(trained.network, frame)
        else:
            assert isinstance(trained.network, Encoder)
            images = torch.from_numpy(stack).to(device)
            answers = yield from _published(trained.network, images, mask, places, config, stop)
            fresh = encode(trained.network, images).cpu().numpy()
            arrays = network_arrays(trained.network)
    mean = (shares + answers) / 2
    return Relearned(
        labels=np.where(fixed, labels, clusters[mean.argmax(axis=1)]),
        confidence=np.where(fixed, 1.0, mean.max(axis=1).astype(np.float64)),
        features=fresh,
        network=arrays,
    )


def _shares(labels: npt.NDArray[np.intp], sure: npt.NDArray[np.float64], clusters: int) -> FloatArray:
    """Labels (n,) as shares (n, clusters): `sure` for the label, the rest for the others alike."""
    rest = (1 - sure) / max(clusters - 1, 1)
    shares = np.repeat(rest[:, None], clusters, axis=1).astype(np.float32)
    shares[np.arange(len(labels)), labels] = sure
    return shares


def _published(
    encoder: Encoder,
    images: Tensor,
    mask: Mask,
    labels: npt.NDArray[np.intp],
    config: ClusterConfig,
    stop: threading.Event | None,
) -> Generator[Progress, None, FloatArray]:
    """Classifier and self-labeling of the published recipe, from labels (n,)."""
    features = encode(encoder, images)
    classifier = yield from train_classifier(
        features, labels.astype(np.int64), config.classifier, seed=config.seed, stop=stop
    )
    answers = yield from train_self_labeling(
        encoder,
        classifier,
        images,
        torch.from_numpy(mask).to(images.device),
        config.self_labeling.model_copy(update={"epochs": min(config.self_labeling.epochs, _EPOCHS)}),
        batch=min(config.max_batch, max(4, len(images) // 2)),
        seed=config.seed,
        stop=stop,
    )
    found: FloatArray = answers.cpu().numpy()
    return found
