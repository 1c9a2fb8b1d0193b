"""Contrastive training and self-labeling of the network of the consensus recipe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_msiclust.config import ContrastiveConfig, SelfLabelingConfig
from napari_msiclust.learning.contrastive import STAGE as CONTRASTIVE_STAGE
from napari_msiclust.learning.contrastive import seeded_linear
from napari_msiclust.learning.fusion_encoder import FusionEncoder
from napari_msiclust.learning.losses import Objective
from napari_msiclust.learning.self_labeling import STAGE as SELF_LABELING_STAGE
from napari_msiclust.learning.self_labeling import balanced_loss
from napari_msiclust.learning.split_views import SplitViews
from napari_msiclust.learning.training import Optimization, StepResult, reestimate_batch_norm, train
from napari_msiclust.progress import Progress

_SHARPNESS = 10.0  # scale of the cosines between an ion and the clusters


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
) -> Generator[Progress, None, tuple[nn.Linear, npt.NDArray[np.float32]]]:
    """Teach the network, in place, with its own confident answers, beginning with clusters.

    The classifier compares an ion with the mean direction of each cluster. A pseudo-label is the
    largest mean of the cluster shares and of the network's answer to the plain ion image, looked up
    after every epoch in evaluation mode; ions above the quantile of the paper's recipe teach.

    Parameters
    ----------
    shares : ndarray of float32, shape (N, K)
        How much each ion belongs to each cluster; rows sum to 1.
    fixed : ndarray of bool, shape (N,), optional
        Ions that always teach the cluster of their largest share.

    Returns
    -------
    nn.Linear
        The classifier (D to K).
    ndarray of float32, shape (N, K)
        Its probabilities for the plain ion images.
    """
    order = torch.Generator().manual_seed(seed)
    plain = views.plain()
    device = plain.images.device
    given = torch.from_numpy(shares).to(device)
    clusters = given.shape[1]
    classifier = seeded_linear(network.config.size, clusters, order).to(device)

    def probabilities() -> Tensor:
        with torch.no_grad():
            logits: Tensor = classifier(network.embed(plain))
            return logits.softmax(1)

    with torch.no_grad():
        centres = F.normalize(given.T @ network.embed(plain), dim=1)
        classifier.weight.copy_(_SHARPNESS * centres)
        classifier.bias.zero_()
    optimization = Optimization(
        [*network.parameters(), *classifier.parameters()], config.learning_rate, epochs, device
    )
    certain = torch.zeros(len(given), dtype=torch.bool) if fixed is None else torch.from_numpy(fixed)
    taught = _Taught(given, certain.to(device), probabilities, config.confidence_quantile)

    def step(indices: Tensor) -> StepResult:
        chosen = indices.to(device)
        confident = taught.confident[chosen]
        fraction = float(confident.float().mean())
        if not bool(confident.any()):
            return StepResult(None, fraction)
        network.train()
        answers = [classifier(network(view))[confident] for view in views.pair(chosen)]
        labels = taught.labels[chosen][confident]
        loss = (balanced_loss(answers[0], labels, clusters) + balanced_loss(answers[1], labels, clusters)) / 2
        return StepResult(loss, fraction)

    def look_again(epoch: int) -> bool:
        reestimate_batch_norm(network.encoder, plain.images, order)
        taught.update()
        return False

    yield from train(
        SELF_LABELING_STAGE,
        step,
        optimization,
        count=len(views),
        batch=batch,
        epochs=epochs,
        generator=order,
        stop=stop,
        after_epoch=look_again,
    )
    found: npt.NDArray[np.float32] = probabilities().cpu().numpy()
    return classifier, found


class _Taught:
    """Pseudo-labels (N,) and which of them are confident enough to teach."""

    def __init__(
        self, shares: Tensor, fixed: Tensor, probabilities: Callable[[], Tensor], quantile: float
    ) -> None:
        self._shares, self._fixed, self._probabilities = shares, fixed, probabilities
        best = self._best()
        self._threshold = torch.quantile(best.values, quantile)
        self._keep(best)

    def update(self) -> None:
        self._keep(self._best())

    def _best(self) -> torch.return_types.max:
        return ((self._shares + self._probabilities()) / 2).max(1)

    def _keep(self, best: torch.return_types.max) -> None:
        self.labels = torch.where(self._fixed, self._shares.argmax(1), best.indices)
        self.confident = self._fixed | (best.values >= self._threshold)
