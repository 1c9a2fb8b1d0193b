from __future__ import annotations

import math

import pytest
import torch

from napari_msiclust.learning.losses import nt_xent


def _slow_nt_xent(first: torch.Tensor, second: torch.Tensor, temperature: float) -> float:
    """The formula of the SimCLR paper, one pair at a time."""
    views = [*first.double(), *second.double()]
    count = len(first)
    total = 0.0
    for i, view in enumerate(views):
        partner = (i + count) % (2 * count)
        scores = [
            math.exp(float(torch.dot(view, other) / (view.norm() * other.norm())) / temperature)
            for other in views
        ]
        total -= math.log(scores[partner] / (sum(scores) - scores[i]))
    return total / len(views)


@pytest.mark.parametrize("count", [2, 3, 17])
@pytest.mark.parametrize("width", [2, 8, 64])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_is_the_formula(count: int, width: int, temperature: float) -> None:
    generator = torch.Generator().manual_seed(count * width)
    first, second = torch.randn(2, count, width, generator=generator)
    assert float(nt_xent(first, second, temperature)) == pytest.approx(
        _slow_nt_xent(first, second, temperature), rel=1e-5
    )


def test_equal_pairs_far_from_others_have_the_lowest_loss() -> None:
    apart = torch.eye(4)
    assert nt_xent(apart, apart, 0.1) < nt_xent(apart, apart.roll(1, 0), 0.1)


def test_a_zero_projection_gives_a_finite_gradient() -> None:
    first = torch.zeros(3, 4, requires_grad=True)
    nt_xent(first, torch.randn(3, 4), 0.5).backward()
    assert first.grad is not None
    assert torch.isfinite(first.grad).all()
