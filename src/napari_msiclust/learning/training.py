"""The loop that every training stage shares: epochs, batches, stop, and too little memory."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_msiclust.errors import InputError, Stopped
from napari_msiclust.learning.device import mixed_precision
from napari_msiclust.learning.encoder import FEATURES, Encoder
from napari_msiclust.learning.views import to_network_input
from napari_msiclust.progress import Progress

_SMALLEST_BATCH = 4
_EVAL_BATCH = 64


@dataclass(frozen=True)
class StepResult:
    """Loss of one batch and, in self-labeling, the share of it that taught."""

    loss: Tensor | None
    confident_fraction: float | None = None


class Optimization:
    """Adam with a cosine schedule over epochs, with loss scaling on CUDA."""

    def __init__(
        self, parameters: list[torch.nn.Parameter], learning_rate: float, epochs: int, device: torch.device
    ) -> None:
        self._adam = torch.optim.Adam(parameters, learning_rate)
        self._learning_rate, self._epochs, self._epoch = learning_rate, max(epochs, 1), 0
        self._scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")

    def step(self, loss: Tensor) -> None:
        """One step down the gradient of `loss`."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(self._adam)
        self._scaler.update()
        self.forget()

    def forget(self) -> None:
        """Drop gradients."""
        self._adam.zero_grad(set_to_none=True)

    def end_epoch(self) -> None:
        """Advance the schedule: a half cosine from the first learning rate to zero."""
        self._epoch += 1
        share = (1 + math.cos(math.pi * self._epoch / self._epochs)) / 2
        for group in self._adam.param_groups:
            group["lr"] = self._learning_rate * share


def split_batches(count: int, batch: int, generator: torch.Generator) -> list[Tensor]:
    """A random order of `count` images in batches of nearly equal size, none left out."""
    order = torch.randperm(count, generator=generator)
    return list(order.tensor_split(max(1, round(count / batch))))


def train(
    stage: str,
    step: Callable[[Tensor], StepResult],
    optimization: Optimization,
    *,
    count: int,
    batch: int,
    epochs: int,
    generator: torch.Generator,
    stop: threading.Event | None,
    after_epoch: Callable[[int], bool] = lambda epoch: False,
) -> Generator[Progress, None, int]:
    """Train for a number of epochs; generator of `Progress`.

    Parameters
    ----------
    step : callable
        Takes image indices (B,), returns loss; the gradient step is made here.
    count, batch, epochs : int
        Images, images per batch, passes.
    generator : torch.Generator
        On the CPU; orders the images.
    stop : threading.Event, optional
        Checked before every batch.
    after_epoch : callable
        Takes the number of finished epochs; returns True to end early.

    Returns
    -------
    int
        The batch size at the end; smaller than `batch` if memory ran out.

    Raises
    ------
    Stopped
        `stop` was set.
    InputError
        Memory does not suffice for the smallest batch.
    """
    for epoch in range(epochs):
        batches = split_batches(count, batch, generator)
        while batches:
            indices = batches.pop(0)
            check_stop(stop)
            try:
                result = step(indices)
                if result.loss is not None:
                    optimization.step(result.loss)
            except torch.OutOfMemoryError:
                optimization.forget()
                batch = _smaller(len(indices))
                batches[:0] = list(indices.tensor_split(2))
                yield Progress(
                    stage, epoch, epochs, note=f"memory ran out: continuing with batches of {batch}"
                )
                continue
            yield Progress(
                stage,
                epoch + (0 if batches else 1),
                epochs,
                loss=None if result.loss is None else float(result.loss.detach()),
                confident_fraction=result.confident_fraction,
            )
        optimization.end_epoch()
        if after_epoch(epoch + 1):
            break
    return batch


def check_stop(stop: threading.Event | None) -> None:
    """Raise `Stopped` if the event is set."""
    if stop is not None and stop.is_set():
        raise Stopped


def _smaller(batch: int) -> int:
    if batch < 2 * _SMALLEST_BATCH:
        raise InputError("memory does not suffice for training", fix="choose device cpu, or fewer ions")
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return batch // 2


@torch.no_grad()
def encode(encoder: Encoder, images: Tensor) -> Tensor:
    """Features (N, 1280) of grey images (N, S, S) in evaluation mode, on the images' device."""
    encoder.eval()
    features = torch.empty((len(images), FEATURES), device=images.device)
    for indices in torch.split(torch.arange(len(images)), _EVAL_BATCH):
        with mixed_precision(images.device):
            features[indices] = encoder(to_network_input(images[indices])).float()
    return features


@torch.no_grad()
def reestimate_batch_norm(encoder: Encoder, images: Tensor, generator: torch.Generator) -> None:
    """Replace the running statistics of batch norm by those of the plain ion images.

    The public weight files carry a momentum of 0.01, so that after a short training the running
    averages still are those of ImageNet and features in evaluation mode are skewed.
    """
    layers = [module for module in encoder.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative average
    encoder.train()
    for indices in split_batches(len(images), _EVAL_BATCH, generator):
        with mixed_precision(images.device):
            encoder(to_network_input(images[indices]))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    encoder.eval()
