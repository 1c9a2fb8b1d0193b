from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from napari_msiclust.config import ViewConfig
from napari_msiclust.learning.views import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    foreground_mean,
    gaussian_blur,
    random_view,
    to_network_input,
)


def _images(count: int = 3, size: int = 33) -> torch.Tensor:
    return torch.rand(count, size, size, generator=torch.Generator().manual_seed(5))


def test_blur_is_a_reflected_convolution_per_image() -> None:
    images, sigmas = _images(), torch.tensor([0.3, 1.0, 2.0])
    blurred = gaussian_blur(images, sigmas.view(-1, 1, 1)).numpy()
    for image, sigma, found in zip(images.numpy(), sigmas.numpy(), blurred, strict=True):
        taps = np.exp(-0.5 * (np.arange(-4, 5) / sigma) ** 2)
        taps /= taps.sum()
        expected = correlate1d(correlate1d(image, taps, 0, mode="mirror"), taps, 1, mode="mirror")
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_tiny_sigma_changes_nothing() -> None:
    images = _images()
    torch.testing.assert_close(gaussian_blur(images, torch.full((3, 1, 1), 0.01)), images)


def test_views_follow_the_generator() -> None:
    images = _images()
    first, again, other = (
        random_view(images, ViewConfig(), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_views_stay_in_range_and_differ_between_images() -> None:
    images = _images(1).expand(4, -1, -1)
    view = random_view(images, ViewConfig(), torch.Generator().manual_seed(0))
    assert view.min() >= 0
    assert view.max() <= 1
    assert len({round(float(mean), 6) for mean in view.mean((1, 2))}) == 4


def test_the_mask_is_kept_dark() -> None:
    mask = torch.zeros(33, 33, dtype=torch.bool)
    mask[5:20, 5:20] = True
    view = random_view(_images(), ViewConfig(), torch.Generator().manual_seed(0), mask)
    assert not view[:, ~mask].any()
    assert view[:, mask].any()


def test_images_are_left_alone() -> None:
    images = _images()
    before = images.clone()
    random_view(images, ViewConfig(), torch.Generator().manual_seed(0))
    assert torch.equal(images, before)


@pytest.mark.parametrize(("level", "kept"), [(0.5, 0.5), (0.09, 0.09), (0.07, 0.07), (0.05, 0.05)])
def test_the_foreground_is_what_exceeds_a_level(level: float, kept: float) -> None:
    image = torch.full((1, 10, 10), 0.001)
    image[0, 0, :5] = level
    assert float(foreground_mean(image)) == pytest.approx(kept, rel=1e-4)


def test_an_image_without_foreground_takes_its_mean() -> None:
    assert float(foreground_mean(torch.full((1, 4, 4), 0.01))) == pytest.approx(0.01)


def test_noise_grows_with_the_foreground() -> None:
    quiet = ViewConfig(blur_sigma=(0.01, 0.01), jitter=0.0, noise_sigma=(0.1, 0.1))
    bright, dim = torch.full((1, 64, 64), 0.6), torch.full((1, 64, 64), 0.3)
    spread = [
        float((random_view(image, quiet, torch.Generator().manual_seed(0)) - image).std())
        for image in (bright, dim)
    ]
    assert spread[0] == pytest.approx(0.1, rel=0.05)
    assert spread[1] == pytest.approx(0.05, rel=0.05)


def test_network_input_is_normalized_grey() -> None:
    tensor = to_network_input(_images())
    assert tensor.shape == (3, 3, 33, 33)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    for channel, (mean, std) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)):
        torch.testing.assert_close(tensor[:, channel] * std + mean, _images(), rtol=1e-4, atol=1e-5)
