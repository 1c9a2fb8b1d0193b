from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_msiclust.errors import InputError, Stopped
from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.training import (
    Optimization,
    StepResult,
    encode,
    reestimate_batch_norm,
    split_batches,
    train,
)
from napari_msiclust.learning.views import to_network_input
from napari_msiclust.learning.weights import load_encoder
from napari_msiclust.progress import Progress, drain


@pytest.mark.parametrize(("count", "batch"), [(3, 4), (5, 4), (7, 4), (367, 184), (100, 7)])
def test_batches_hold_every_image_once(count: int, batch: int) -> None:
    batches = split_batches(count, batch, torch.Generator().manual_seed(0))
    assert sorted(torch.cat(batches).tolist()) == list(range(count))
    assert min(map(len, batches)) >= 2
    assert max(map(len, batches)) <= 1.5 * batch


def _train(
    step: Callable[[torch.Tensor], StepResult], stop: threading.Event | None = None, **changes: int
) -> tuple[int, list[Progress]]:
    weight = torch.nn.Parameter(torch.zeros(1))
    settings = {"count": 16, "batch": 16, "epochs": 3} | changes
    seen: list[Progress] = []
    batch = drain(
        train(
            "stage",
            step,
            Optimization([weight], 0.1, 3, torch.device("cpu")),
            generator=torch.Generator().manual_seed(0),
            stop=stop,
            **settings,
        ),
        seen.append,
    )
    return batch, seen


def _with_limit(limit: int, used: list[int]) -> Callable[[torch.Tensor], StepResult]:
    weight = torch.nn.Parameter(torch.zeros(1))

    def step(indices: torch.Tensor) -> StepResult:
        if len(indices) > limit:
            raise torch.OutOfMemoryError
        used.extend(indices.tolist())
        return StepResult((weight - 1).square().sum())

    return step


def test_too_little_memory_halves_the_batch_and_says_so() -> None:
    used: list[int] = []
    batch, seen = _train(_with_limit(5, used))
    assert batch == 4
    assert np.bincount(used).tolist() == [3] * 16  # no image was lost
    assert [step.note for step in seen if step.note] == [
        "memory ran out: continuing with batches of 8",
        "memory ran out: continuing with batches of 4",
        "memory ran out: continuing with batches of 4",
    ]


def test_no_memory_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="memory does not suffice"):
        _train(_with_limit(0, []))


def test_stop_is_heard_before_the_next_batch() -> None:
    stop = threading.Event()
    calls: list[int] = []

    def step(indices: torch.Tensor) -> StepResult:
        calls.append(len(indices))
        if len(calls) == 2:
            stop.set()
        return StepResult(None)

    with pytest.raises(Stopped):
        _train(step, stop, batch=4)
    assert len(calls) == 2


def test_a_step_without_loss_makes_no_step_and_progress_goes_on() -> None:
    _, seen = _train(lambda indices: StepResult(None, 0.0), batch=8)
    assert [step.step for step in seen] == [0, 1, 1, 2, 2, 3]
    assert all(step.loss is None and step.confident_fraction == 0 for step in seen)


def test_reestimated_statistics_are_those_of_the_images() -> None:
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", 0)
    images = torch.rand(40, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        stem = encoder._conv_stem(to_network_input(images))
    momentum = encoder._bn0.momentum
    reestimate_batch_norm(encoder, images, torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder._bn0.running_mean, stem.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(encoder._bn0.running_var, stem.var((0, 2, 3)), rtol=1e-2, atol=1e-3)
    assert encoder._bn0.momentum == momentum
    assert not encoder.training


def test_encoding_does_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder: Encoder = load_encoder("efficientnet-lite0", "bundled", 0)[0]
    images = torch.rand(9, 32, 32)
    whole = encode(encoder, images)
    monkeypatch.setattr("napari_msiclust.learning.training._EVAL_BATCH", 2)
    torch.testing.assert_close(encode(encoder, images), whole, rtol=1e-4, atol=1e-4)


def test_the_learning_rate_follows_a_half_cosine() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    ours = Optimization([weight], 0.1, 7, torch.device("cpu"))
    adam = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], 0.1)
    peer = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 7)
    for _ in range(7):
        assert ours._adam.param_groups[0]["lr"] == pytest.approx(adam.param_groups[0]["lr"], abs=1e-12)
        ours.end_epoch()
        adam.step()
        peer.step()
