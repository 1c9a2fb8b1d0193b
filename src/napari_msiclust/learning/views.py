"""Random views of ion images, as batched tensor operations on the training device."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_msiclust.config import ViewConfig

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_KERNEL = 9
_FOREGROUND_LEVELS = (25 / 255, 20 / 255, 15 / 255, 10 / 255)
_FULL_BRIGHTNESS = 0.6


def to_network_input(images: Tensor) -> Tensor:
    """Grey images (B, S, S) in 0..1 as ImageNet-normalized (B, 3, S, S), channels last in memory."""
    mean = images.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = images.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return ((images.unsqueeze(1) - mean) / std).contiguous(memory_format=torch.channels_last)


def random_view(
    images: Tensor, config: ViewConfig, generator: torch.Generator, mask: Tensor | None = None
) -> Tensor:
    """One random view of each image: blur, brightness and contrast, noise, mask.

    Parameters
    ----------
    images : Tensor of shape (B, S, S)
        0..1.
    generator : torch.Generator
        On the device of the images.
    mask : Tensor of bool, shape (S, S), optional
        Pixels outside are set to zero.

    Returns
    -------
    Tensor of shape (B, S, S)
        0..1.
    """
    view = gaussian_blur(images, _uniform(len(images), config.blur_sigma, images, generator))
    span = (1 - config.jitter, 1 + config.jitter)
    view = (view * _uniform(len(view), span, images, generator)).clamp_(0, 1)
    contrast = _uniform(len(view), span, images, generator)
    mean = view.mean((1, 2), keepdim=True)
    view = (mean + (view - mean) * contrast).clamp_(0, 1)
    sigma = _uniform(len(view), config.noise_sigma, images, generator)
    sigma = sigma * foreground_mean(view) / _FULL_BRIGHTNESS
    noise = torch.randn(view.shape, generator=generator, device=view.device, dtype=view.dtype)
    view = (view + noise * sigma).clamp_(0, 1)
    return view if mask is None else view * mask


def _uniform(count: int, span: tuple[float, float], like: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform numbers in a span; shape (count, 1, 1)."""
    draws = torch.rand((count, 1, 1), generator=generator, device=like.device, dtype=like.dtype)
    return span[0] + (span[1] - span[0]) * draws


def foreground_mean(images: Tensor) -> Tensor:
    """Mean of the pixels above the highest grey level that any pixel exceeds; shape (B, 1, 1).

    The levels are those of the published method: 25, 20, 15, 10 of 255, then the whole image.
    """
    result = images.mean((1, 2))
    for level in reversed(_FOREGROUND_LEVELS):
        above = images > level
        count = above.sum((1, 2))
        mean = (images * above).sum((1, 2)) / count.clamp(min=1)
        result = torch.where(count > 0, mean, result)
    return result.view(-1, 1, 1)


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image with its own sigma: a kernel of nine pixels, edges reflected.

    The two one-dimensional convolutions are products with a banded matrix per image, which a
    batched matrix product does faster than a convolution with as many groups as images.

    Parameters
    ----------
    images : Tensor of shape (B, S, S)
    sigma : Tensor of shape (B, 1, 1)
        In pixels.
    """
    size = images.shape[-1]
    offsets = torch.arange(_KERNEL, device=images.device, dtype=images.dtype) - _KERNEL // 2
    taps = torch.exp(-0.5 * (offsets / sigma.view(-1, 1)) ** 2)
    taps = taps / taps.sum(1, keepdim=True)
    across = torch.einsum("bt,tij->bij", taps, _shifts(size, images))
    return across @ images @ across.transpose(1, 2)


def _shifts(size: int, like: Tensor) -> Tensor:
    """Matrix (S, S) of each shift of the kernel, with reflected edges; shape (9, S, S)."""
    identity = torch.eye(size, device=like.device, dtype=like.dtype)
    index = torch.arange(size, device=like.device)[None, :] + (
        torch.arange(_KERNEL, device=like.device)[:, None] - _KERNEL // 2
    )
    index = index.abs()
    index = torch.where(index >= size, 2 * (size - 1) - index, index)
    return identity[index]
