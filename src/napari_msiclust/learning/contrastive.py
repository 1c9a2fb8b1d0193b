"""Stage 1: contrastive training of the encoder on the ion images of one experiment."""

from __future__ import annotations

import math
import threading
from collections.abc import Generator

import torch
from torch import Tensor, nn

from napari_msiclust.config import ContrastiveConfig
from napari_msiclust.learning.device import mixed_precision
from napari_msiclust.learning.encoder import FEATURES, Encoder
from napari_msiclust.learning.losses import Objective
from napari_msiclust.learning.training import Optimization, StepResult, reestimate_batch_norm, train
from napari_msiclust.learning.views import random_view, to_network_input
from napari_msiclust.progress import Progress

STAGE = "contrastive training"


def projection_head(outputs: int, generator: torch.Generator) -> nn.Sequential:
    """1280 -> 1280 -> ReLU -> outputs, as in SimCLR."""
    return nn.Sequential(
        seeded_linear(FEATURES, FEATURES, generator), nn.ReLU(), seeded_linear(FEATURES, outputs, generator)
    )


def seeded_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with torch's usual initial values, drawn from a generator."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    bound = 1 / math.sqrt(inputs)
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


def train_contrastive(
    encoder: Encoder,
    images: Tensor,
    config: ContrastiveConfig,
    *,
    batch: int,
    seed: int,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, int]:
    """Train an encoder in place with SimCLR or NNCLR; generator of `Progress`.

    Parameters
    ----------
    images : Tensor of shape (N, S, S)
        Grey ion images in 0..1 on the training device.
    batch : int
        Ion images in a batch.
    seed : int

    Returns
    -------
    int
        The batch size at the end; smaller than asked for if memory ran out.
    """
    order = torch.Generator().manual_seed(seed)
    draws = torch.Generator(images.device).manual_seed(seed + 1)
    head = projection_head(config.projection_size, order).to(images.device)
    objective = Objective(config, len(images))
    optimization = Optimization(
        [*encoder.parameters(), *head.parameters()], config.learning_rate, config.epochs, images.device
    )

    def project(batch_images: Tensor) -> Tensor:
        view = to_network_input(random_view(batch_images, config.view, draws))
        with mixed_precision(images.device):
            projection: Tensor = head(encoder(view))
        return projection

    def step(indices: Tensor) -> StepResult:
        encoder.train()
        chosen = images[indices.to(images.device)]
        return StepResult(objective(project(chosen), project(chosen), indices))

    final_batch = yield from train(
        STAGE,
        step,
        optimization,
        count=len(images),
        batch=batch,
        epochs=config.epochs,
        generator=order,
        stop=stop,
    )
    if config.epochs > 0:
        reestimate_batch_norm(encoder, images, order)
    return final_batch
