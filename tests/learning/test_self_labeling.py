from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_msiclust.config import ClassifierConfig, SelfLabelingConfig
from napari_msiclust.learning.self_labeling import (
    balanced_loss,
    confidence_threshold,
    train_classifier,
    train_self_labeling,
)
from napari_msiclust.learning.training import encode
from napari_msiclust.learning.weights import load_encoder
from napari_msiclust.progress import Progress, drain


def test_rare_classes_weigh_as_much_as_frequent_ones() -> None:
    logits = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0] * 8 + [2])
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    expected = (each[:8].mean() + each[8]) / 2
    torch.testing.assert_close(balanced_loss(logits, labels, 3), expected)


def test_the_threshold_is_the_quantile_of_the_first_confidences() -> None:
    best = torch.linspace(0.5, 1.0, 11)
    probabilities = torch.stack((best, 1 - best), dim=1)
    assert confidence_threshold(probabilities, 0.4) == pytest.approx(0.7)


def test_the_classifier_learns_labels_of_frozen_features() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = np.repeat(np.arange(3), 20)
    features = torch.rand(60, 1280, generator=generator) * 0.2
    features[torch.arange(60), torch.from_numpy(labels)] += 5
    classifier = drain(
        train_classifier(features, labels, ClassifierConfig(epochs=60, learning_rate=0.01), seed=0)
    )
    assert (classifier(features).argmax(1).numpy() == labels).all()


def _self_label(config: SelfLabelingConfig) -> tuple[torch.Tensor, list[Progress], torch.Tensor]:
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", 0)
    images = torch.rand(12, 32, 32, generator=torch.Generator().manual_seed(0))
    classifier = drain(
        train_classifier(encode(encoder, images), np.arange(12) % 3, ClassifierConfig(batch=6), seed=0)
    )
    before = encoder._conv_head.weight.detach().clone()
    seen: list[Progress] = []
    mask = torch.ones(32, 32, dtype=torch.bool)
    probabilities = drain(
        train_self_labeling(encoder, classifier, images, mask, config, batch=6, seed=0), seen.append
    )
    return probabilities, seen, (encoder._conv_head.weight - before).abs().max()


def test_confident_images_teach_encoder_and_classifier() -> None:
    probabilities, seen, moved = _self_label(SelfLabelingConfig(epochs=2))
    assert probabilities.shape == (12, 3)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(12))
    assert any(step.confident_fraction for step in seen)
    assert moved > 0


def test_no_confident_image_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_msiclust.learning.self_labeling.confidence_threshold", lambda *_: 1.0)
    probabilities, seen, moved = _self_label(SelfLabelingConfig(epochs=2))
    assert torch.isfinite(probabilities).all()
    assert [step.loss for step in seen] == [None] * len(seen)
    assert {step.confident_fraction for step in seen} == {0.0}
    assert moved == 0


def test_training_ends_when_labels_settle() -> None:
    config = SelfLabelingConfig(epochs=50, learning_rate=1e-9, check_every=1, patience=2)
    _, seen, _ = _self_label(config)
    assert max(step.step for step in seen) < 50


def test_no_epochs_keep_the_classifier() -> None:
    _, seen, moved = _self_label(SelfLabelingConfig(epochs=0))
    assert seen == []
    assert moved == 0
