"""Contrastive training and self-labeling of the network of the consensus recipe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_msiclust.config import ContrastiveConfig, SelfLabelingConfig
from napari_msiclust.learning.contrastive import STAGE as CONTRASTIVE_STAGE
from napari_msiclust.learning.contrastive import seeded_linear
from napari_msiclust.learning.fusion_encoder import FusionEncoder
from napari_msiclust.learning.losses import Objective
from napari_msiclust.learning.self_labeling import STAGE as SELF_LABELING_STAGE
from napari_msiclust.learning.split_views import SplitViews
from napari_msiclust.learning.training import Optimization, StepResult, reestimate_batch_norm, train
from napari_msiclust.progress import Progress

SHARPNESS = 10.0  # scale of the cosines between an ion and the clusters, to begin with
_MAJORITY = 0.5  # share of its label from which on an ion counts as confident


def train_fusion(
    network: FusionEncoder,
    views: SplitViews,
    likeness: Tensor | None,
    config: ContrastiveConfig,
    *,
    batch: int,
    seed: int,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, int]:
    """Train a network in place on pairs of views; generator of `Progress`.

    Parameters
    ----------
    likeness : Tensor of shape (N, N), optional
        Which ions are positives of which, as in `losses.nt_xent`.

    Returns
    -------
    int
        The batch size at the end; smaller than asked for if memory ran out.
    """
    order = torch.Generator().manual_seed(seed)
    device = views.coordinates.device
    optimization = Optimization(list(network.parameters()), config.learning_rate, config.epochs, device)
    objective = Objective(config, len(views), likeness)

    def step(indices: Tensor) -> StepResult:
        network.train()
        first, second = (network(view) for view in views.pair(indices.to(device)))
        return StepResult(objective(first, second, indices))

    final_batch = yield from train(
        CONTRASTIVE_STAGE,
        step,
        optimization,
        count=len(views),
        batch=batch,
        epochs=config.epochs,
        generator=order,
        stop=stop,
    )
    if config.epochs > 0:
        reestimate_batch_norm(network.encoder, views.plain().images, order)
    return final_batch


def refine_fusion(
    network: FusionEncoder,
    views: SplitViews,
    shares: npt.NDArray[np.float32],
    config: SelfLabelingConfig,
    *,
    epochs: int,
    batch: int,
    seed: int,
    fixed: npt.NDArray[np.bool_] | None = None,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, npt.NDArray[np.float32]]:
    """Teach the network, in place, what clusterings agree on and what it answers itself.

    The classifier compares an ion with the mean direction of each cluster. The pseudo-label of an ion is
    soft: the mean of its cluster shares and of the network's answer to the plain ion image, looked up
    after every epoch in evaluation mode. So an ion teaches as firmly as it is sure, and an undecided
    one teaches that it is.

    Parameters
    ----------
    shares : ndarray of float32, shape (N, K)
        How much each ion belongs to each cluster; rows sum to 1. An ion with a row of zeros teaches nothing.
    fixed : ndarray of bool, shape (N,), optional
        Ions that teach the cluster of their largest share and no other.

    Returns
    -------
    ndarray of float32, shape (N, K)
        The network's probabilities for the plain ion images.
    """
    order = torch.Generator().manual_seed(seed)
    plain = views.plain()
    device = plain.images.device
    given = torch.from_numpy(shares).to(device)
    teachers = torch.from_numpy(np.flatnonzero(shares.any(axis=1)))
    certain = torch.zeros(len(given), dtype=torch.bool) if fixed is None else torch.from_numpy(fixed)
    clusters = given.shape[1]
    classifier = seeded_linear(network.config.size, clusters, order).to(device)

    def probabilities() -> Tensor:
        with torch.no_grad():
            logits: Tensor = classifier(network.embed(plain))
            return logits.softmax(1)

    with torch.no_grad():
        centres = F.normalize(given.T @ network.embed(plain), dim=1)
        classifier.weight.copy_(SHARPNESS * centres)
        classifier.bias.zero_()
    optimization = Optimization(
        [*network.parameters(), *classifier.parameters()], config.learning_rate, epochs, device
    )
    taught = _SoftLabels(given, certain.to(device), probabilities)

    def step(indices: Tensor) -> StepResult:
        chosen = teachers[indices].to(device)
        labels = taught.labels[chosen]
        network.train()
        answers = [classifier(network(view)) for view in views.pair(chosen)]
        loss = (F.cross_entropy(answers[0], labels) + F.cross_entropy(answers[1], labels)) / 2
        return StepResult(loss, float((labels.max(1).values > _MAJORITY).float().mean()))

    def look_again(epoch: int) -> bool:
        reestimate_batch_norm(network.encoder, plain.images, order)
        taught.update()
        return False

    yield from train(
        SELF_LABELING_STAGE,
        step,
        optimization,
        count=len(teachers),
        batch=batch,
        epochs=epochs,
        generator=order,
        stop=stop,
        after_epoch=look_again,
    )
    found: npt.NDArray[np.float32] = probabilities().cpu().numpy()
    return found


class _SoftLabels:
    """Pseudo-labels (N, K) whose rows sum to 1."""

    def __init__(self, shares: Tensor, fixed: Tensor, probabilities: Callable[[], Tensor]) -> None:
        self._shares, self._probabilities = shares, probabilities
        self._fixed = fixed[:, None]
        self._certain = F.one_hot(shares.argmax(1), shares.shape[1]).float()
        self.update()

    def update(self) -> None:
        """Look the network's answers up."""
        mean = (self._shares + self._probabilities()) / 2
        self.labels = torch.where(self._fixed, self._certain, mean)
