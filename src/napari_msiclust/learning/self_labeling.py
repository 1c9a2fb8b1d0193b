"""Stages 3 and 4: a linear classifier on initial labels, then self-labeling."""

from __future__ import annotations

import threading
from collections.abc import Generator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_msiclust.config import ClassifierConfig, SelfLabelingConfig
from napari_msiclust.learning.contrastive import seeded_linear
from napari_msiclust.learning.device import mixed_precision
from napari_msiclust.learning.encoder import FEATURES, Encoder
from napari_msiclust.learning.training import (
    Optimization,
    StepResult,
    encode,
    reestimate_batch_norm,
    train,
)
from napari_msiclust.learning.views import random_view, to_network_input
from napari_msiclust.progress import Progress

CLASSIFIER_STAGE = "classifier"
STAGE = "self-labeling"


def train_classifier(
    features: Tensor,
    labels: npt.NDArray[np.int64],
    config: ClassifierConfig,
    *,
    seed: int,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, nn.Linear]:
    """Fit a linear layer to labels (N,) on features (N, 1280) of the frozen encoder."""
    order = torch.Generator().manual_seed(seed)
    classifier = seeded_linear(FEATURES, int(labels.max()) + 1, order).to(features.device)
    targets = torch.from_numpy(labels).to(features.device)
    optimization = Optimization(
        list(classifier.parameters()), config.learning_rate, config.epochs, features.device
    )

    def step(indices: Tensor) -> StepResult:
        chosen = indices.to(features.device)
        return StepResult(F.cross_entropy(classifier(features[chosen]), targets[chosen]))

    yield from train(
        CLASSIFIER_STAGE,
        step,
        optimization,
        count=len(features),
        batch=config.batch,
        epochs=config.epochs,
        generator=order,
        stop=stop,
    )
    return classifier


def balanced_loss(logits: Tensor, pseudo_labels: Tensor, classes: int) -> Tensor:
    """Cross-entropy with each class weighted by its inverse frequency among the pseudo-labels."""
    frequency = torch.bincount(pseudo_labels, minlength=classes).float() / len(pseudo_labels)
    weight = torch.where(frequency > 0, 1 / frequency.clamp(min=1e-12), 1.0)
    return F.cross_entropy(logits.float(), pseudo_labels, weight=weight)


def confidence_threshold(probabilities: Tensor, quantile: float) -> float:
    """The confidence above which an ion image may teach, from probabilities (N, K)."""
    return float(torch.quantile(probabilities.max(1).values, quantile))


def classify(encoder: Encoder, classifier: nn.Linear, images: Tensor) -> Tensor:
    """Class probabilities (N, K) of plain ion images, in evaluation mode."""
    with torch.no_grad():
        probabilities: Tensor = classifier(encode(encoder, images)).softmax(1)
    return probabilities


def train_self_labeling(
    encoder: Encoder,
    classifier: nn.Linear,
    images: Tensor,
    mask: Tensor,
    config: SelfLabelingConfig,
    *,
    batch: int,
    seed: int,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, Tensor]:
    """Teach encoder and classifier, in place, with their own confident answers.

    A weak view of an image, classified in evaluation mode, gives its pseudo-label; the image may
    teach where that answer is more confident than the threshold set at the start. Training ends
    early when the labels of the plain images stop changing.

    Parameters
    ----------
    images : Tensor of shape (N, S, S)
    mask : Tensor of bool, shape (S, S)
        On-tissue pixels of the training images.

    Returns
    -------
    Tensor
        Class probabilities (N, K) of the plain ion images.
    """
    order = torch.Generator().manual_seed(seed)
    draws = torch.Generator(images.device).manual_seed(seed + 1)
    first = classify(encoder, classifier, images)
    threshold = confidence_threshold(first, config.confidence_quantile)
    optimization = Optimization(
        [*encoder.parameters(), *classifier.parameters()], config.learning_rate, config.epochs, images.device
    )

    def step(indices: Tensor) -> StepResult:
        chosen = images[indices.to(images.device)]
        weak = random_view(chosen, config.weak_view, draws, mask)
        best, pseudo_labels = classify(encoder, classifier, weak).max(1)
        confident = best > threshold
        fraction = float(confident.float().mean())
        if not bool(confident.any()):
            return StepResult(None, fraction)
        strong = to_network_input(random_view(chosen, config.strong_view, draws, mask))
        encoder.train()
        with mixed_precision(images.device):
            logits = classifier(encoder(strong))[confident]  # batch norm sees all images
        loss = balanced_loss(logits, pseudo_labels[confident], classifier.out_features)
        return StepResult(loss, fraction)

    settled = _Settled(encoder, classifier, images, order, config, first.argmax(1))
    yield from train(
        STAGE,
        step,
        optimization,
        count=len(images),
        batch=batch,
        epochs=config.epochs,
        generator=order,
        stop=stop,
        after_epoch=settled.after_epoch,
    )
    if config.epochs > 0:
        reestimate_batch_norm(encoder, images, order)
    return classify(encoder, classifier, images)


class _Settled:
    """Watches the labels of all plain images; true once they have not changed for a while."""

    def __init__(
        self,
        encoder: Encoder,
        classifier: nn.Linear,
        images: Tensor,
        order: torch.Generator,
        config: SelfLabelingConfig,
        labels: Tensor,
    ) -> None:
        self._encoder, self._classifier, self._images, self._order = encoder, classifier, images, order
        self._config = config
        self._labels = labels
        self._quiet = 0

    def after_epoch(self, epoch: int) -> bool:
        if epoch % self._config.check_every:
            return False
        reestimate_batch_norm(self._encoder, self._images, self._order)
        labels = classify(self._encoder, self._classifier, self._images).argmax(1)
        changed = float((labels != self._labels).float().mean())
        self._quiet = self._quiet + 1 if changed <= self._config.settled_fraction else 0
        self._labels = labels
        return self._quiet >= self._config.patience
