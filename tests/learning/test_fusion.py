from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_msiclust.config import (
    ClusterConfig,
    ContrastiveConfig,
    FusionConfig,
    SelfLabelingConfig,
    SplitViewConfig,
)
from napari_msiclust.learning.fusion_encoder import FusionEncoder
from napari_msiclust.learning.fusion_training import refine_fusion, train_fusion
from napari_msiclust.learning.losses import Objective, nnclr, nt_xent
from napari_msiclust.learning.pixel_similarity import PixelFeatures, pixel_features
from napari_msiclust.learning.split_views import SplitViews
from napari_msiclust.learning.tissue_frame import TissueFrame
from napari_msiclust.learning.weights import load_encoder
from napari_msiclust.progress import drain

SIDE = 40


def made(sigma: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, PixelFeatures]:
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[4:36, 6:34] = True
    halves = [np.where(np.arange(SIDE) < 20, 1.0, 0.1), np.where(np.arange(SIDE) < 20, 0.1, 1.0)]
    stack = np.stack([rng.poisson(6 * half * np.ones((SIDE, 1))) for half in halves for _ in range(6)])
    stack = (stack / stack.max() * mask).astype(np.float32)
    return stack, mask, pixel_features(stack, mask, sigma, 0)


def views_of(stack, mask, pixels, **config) -> SplitViews:
    frame = TissueFrame.of(mask, pixels, components=8, size=32, device=torch.device("cpu"))
    return SplitViews(stack, frame, pixels, SplitViewConfig(**config), torch.Generator().manual_seed(0))


def network_of(views: SplitViews, **config) -> FusionEncoder:
    encoder, _ = load_encoder("efficientnet-lite0", "random", 0)
    generator = torch.Generator().manual_seed(0)
    return FusionEncoder.starting_at(encoder, views.coordinates, FusionConfig(**config), generator)


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_two_views_share_no_pixel(sigma: float) -> None:
    stack, mask, pixels = made(sigma)
    views = views_of(stack, mask, pixels)
    seen = []
    views.frame.view = lambda images, weight, blur: seen.append(weight)  # type: ignore[method-assign,return-value,func-returns-value]
    views.pair(torch.arange(4))
    first, second = seen
    assert not (first * second).any()
    np.testing.assert_array_equal((first + second).numpy(), np.broadcast_to(mask, first.shape))


@pytest.mark.parametrize("sigma", [0.0, 1.0])
def test_views_of_an_ion_are_like_the_plain_one(sigma: float) -> None:
    stack, mask, pixels = made(sigma)
    views = views_of(stack, mask, pixels)
    first, second = views.pair(torch.arange(12))
    plain = views.plain()
    assert first.images.shape == plain.images.shape == (12, 32, 32)
    for view in (first, second):
        likeness = torch.nn.functional.cosine_similarity(view.coordinates, plain.coordinates)
        assert likeness.mean() > 0.7
    assert not torch.equal(first.images, second.images)
    outside = plain.images[:, :2]
    assert not outside.any()


def test_without_splitting_both_views_hold_every_pixel() -> None:
    stack, mask, pixels = made()
    first, second = views_of(stack, mask, pixels, split=False).pair(torch.arange(3))
    torch.testing.assert_close(first.images, second.images)


def test_before_training_the_network_repeats_the_pixels() -> None:
    stack, mask, pixels = made()
    views = views_of(stack, mask, pixels)
    embedding = network_of(views).embed(views.plain()).numpy()
    rows = views.coordinates.numpy()
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(embedding @ embedding.T, rows @ rows.T, atol=1e-5)


@pytest.mark.parametrize("objective", ["simclr", "nnclr"])
@pytest.mark.parametrize("likeness", [True, False])
def test_training_brings_like_ions_together(objective: str, likeness: bool) -> None:
    stack, mask, pixels = made()
    views = views_of(stack, mask, pixels)
    network = network_of(views)
    same = torch.block_diag(torch.ones(6, 6), torch.ones(6, 6)) if likeness else None
    config = ContrastiveConfig(epochs=3, objective=objective, temperature=0.3)  # type: ignore[arg-type]
    before = network.embed(views.plain())
    steps = []
    drain(train_fusion(network, views, same, config, batch=12, seed=0), steps.append)
    after = network.embed(views.plain())
    assert not torch.equal(before, after)
    assert all(np.isfinite(step.loss) for step in steps)
    within = (after[:6] @ after[:6].T).mean()
    assert within > (after[:6] @ after[6:].T).mean()


def test_refining_answers_with_probabilities_that_follow_the_clusters() -> None:
    stack, mask, pixels = made()
    views = views_of(stack, mask, pixels)
    network = network_of(views)
    shares = np.repeat([[0.9, 0.1], [0.1, 0.9]], 6, axis=0).astype(np.float32)
    answers = drain(
        refine_fusion(network, views, shares, SelfLabelingConfig(), epochs=1, batch=6, seed=0), None
    )
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(answers.argmax(axis=1), [0] * 6 + [1] * 6)


def test_likeness_of_itself_alone_is_the_plain_loss() -> None:
    first, second = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        nt_xent(first, second, 0.5, torch.eye(5)), nt_xent(first, second, 0.5), rtol=1e-4, atol=1e-5
    )


def test_likeness_makes_positives_and_spares_the_undecided() -> None:
    first, second = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(1))
    together = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.3], [0.0, 0.3, 1.0]])
    views = torch.nn.functional.normalize(torch.cat((first, second)), dim=1)
    logits = (views @ views.T / 0.5).tolist()
    full = together.repeat(2, 2)
    rows = []
    for row in range(6):
        others = [c for c in range(6) if c != row]
        negatives = sum(np.exp(logits[row][c]) for c in others if full[row, c] <= 0.15)
        weighted = [
            (float(full[row, c]), -logits[row][c] + np.log(np.exp(logits[row][c]) + negatives))
            for c in others
            if full[row, c] >= 0.5
        ]
        rows.append(sum(w * loss for w, loss in weighted) / sum(w for w, _ in weighted))
    assert float(nt_xent(first, second, 0.5, together)) == pytest.approx(np.mean(rows), rel=1e-5)


def test_nnclr_takes_the_nearest_other_ion() -> None:
    support = torch.eye(4)
    first = torch.tensor([[1.0, 0.9, 0, 0], [0, 0, 1.0, 0.9]])
    second = first.clone()
    own = torch.tensor([0, 2])
    one = torch.nn.functional.normalize(first, dim=1)
    neighbors = support[[1, 3]]
    expected = torch.nn.functional.cross_entropy(neighbors @ one.T / 0.5, torch.arange(2))
    torch.testing.assert_close(nnclr(first, second, 0.5, support, own), expected, rtol=1e-4, atol=1e-5)


def test_nnclr_without_known_neighbors_is_no_fault() -> None:
    objective = Objective(ContrastiveConfig(objective="nnclr"), 4)
    views = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(objective(views[0], views[1], torch.arange(4)))


def test_presets() -> None:
    assert ClusterConfig() == ClusterConfig.from_preset("default")
    assert ClusterConfig.from_preset("paper").with_objective("nnclr").contrastive.objective == "nnclr"
    assert ClusterConfig().with_epochs(0).consensus.refine_epochs == 0
