"""Views of one ion image that share its distribution and nothing of its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_msiclust.config import SplitViewConfig
from napari_msiclust.learning.pixel_similarity import FloatArray, Mask, PixelFeatures
from napari_msiclust.msi.ion_images import resampling_matrix

_LEAST_BLUR = 0.5
_BLUR = (0.8, 1.5)  # times the smoothing of the pixels


@dataclass(frozen=True, eq=False)
class View:
    """What the network sees of some ions: images (B, s, s) and linear coordinates (B, C)."""

    images: Tensor
    coordinates: Tensor


class SplitViews:
    """Draws pairs of views: the pixels of an ion image fall at random to one view or the other.

    What is missing in a view is filled by normalized convolution. Beforehand rows get random gains
    and pixels random hotspots, faults of the instrument that should not decide on a cluster.

    Parameters
    ----------
    stack : ndarray of float32, shape (N, S, S)
        Ion images in 0..1 in their own resolution.
    mask : ndarray of bool, shape (S, S)
    pixels : PixelFeatures
    components : int
        Principal components that make the linear coordinates, at most.
    size : int
        Side of the images for the network.
    """

    def __init__(
        self,
        stack: FloatArray,
        mask: Mask,
        pixels: PixelFeatures,
        config: SplitViewConfig,
        *,
        components: int,
        size: int,
        device: torch.device,
        generator: torch.Generator,
    ) -> None:
        self._config, self._size, self._generator = config, size, generator
        self._images = torch.from_numpy(np.sqrt(stack)).to(device)
        self._mask = torch.from_numpy(mask).to(device)
        self._shrink = torch.from_numpy(resampling_matrix(stack.shape[1], size)).to(device)
        self._covered = self._shrink @ self._mask.float() @ self._shrink.T > 0.4
        self._sigma = pixels.sigma
        self._smooth = _blur_matrix(stack.shape[1], pixels.sigma, device)
        rows = _standardized(torch.from_numpy(pixels.values).to(device))
        self._mean = rows.mean(0)
        centred = rows - self._mean
        self._basis = _basis(centred, components)
        self.coordinates = centred @ self._basis

    def __len__(self) -> int:
        return len(self._images)

    def pair(self, indices: Tensor) -> tuple[View, View]:
        """Two views of the ions with these indices (B,)."""
        images = self._images[indices]
        blur = max(_LEAST_BLUR, self._sigma) * self._uniform(1, *_BLUR).item()
        first = second = self._mask.expand_as(images)
        if self._config.split:
            draws = torch.rand(images.shape, generator=self._generator, device=images.device)
            first, second = (draws < 0.5) & first, (draws >= 0.5) & second
        return (
            self._view(self._faulty(images), first.float(), blur),
            self._view(self._faulty(images), second.float(), blur),
        )

    def plain(self) -> View:
        """All ions without faults, every pixel in use."""
        whole = self._mask.float().expand_as(self._images)
        return View(self._render(self._images, whole, max(_LEAST_BLUR, self._sigma)), self.coordinates)

    def _view(self, images: Tensor, weight: Tensor, blur: float) -> View:
        if self._sigma > 0:
            seen = self._smooth @ (images * weight) @ self._smooth.T
            reached = self._smooth @ weight @ self._smooth.T
            rows = _standardized((seen / reached.clamp(min=1e-2))[:, self._mask])
        else:
            inside = weight[:, self._mask]
            count = inside.sum(1, keepdim=True).clamp(min=1)
            rows = images[:, self._mask] * inside
            rows = (rows - rows.sum(1, keepdim=True) / count) * inside
            share = (count / inside.shape[1]).sqrt()  # half of the pixels have half of the length
            rows = F.normalize(rows, dim=1, eps=1e-9) / share
        return View(self._render(images, weight, blur), (rows - self._mean) @ self._basis)

    def _render(self, images: Tensor, weight: Tensor, blur: float) -> Tensor:
        """Images (B, s, s) for the network from weighted pixels (B, S, S)."""
        resample = _blur_matrix(self._size, blur, images.device) @ self._shrink
        seen = resample @ (images * weight) @ resample.T
        reached = resample @ weight @ resample.T
        return seen / reached.clamp(min=1e-3) * self._covered

    def _faulty(self, images: Tensor) -> Tensor:
        """The images with row gains and hotspots, from none to the strongest in each."""
        count, rows = images.shape[:2]
        gains = torch.randn((count, rows, 1), generator=self._generator, device=images.device)
        images = images * (gains * self._uniform(count, 0, self._config.line_gain)).exp()
        hot = torch.rand(images.shape, generator=self._generator, device=images.device)
        bright = torch.rand(images.shape, generator=self._generator, device=images.device)
        return torch.where(hot < self._uniform(count, 0, self._config.hotspots), bright, images)

    def _uniform(self, count: int, low: float, high: float) -> Tensor:
        draws = torch.rand((count, 1, 1), generator=self._generator, device=self._images.device)
        return low + (high - low) * draws


def _standardized(rows: Tensor) -> Tensor:
    return F.normalize(rows - rows.mean(1, keepdim=True), dim=1, eps=1e-9)


def _basis(centred: Tensor, components: int) -> Tensor:
    """Principal axes (P, C) of centred rows (N, P), by the smaller of the two products."""
    values, vectors = torch.linalg.eigh(centred @ centred.T)
    keep = values > 1e-6 * values.max().clamp(min=1e-12)
    vectors = vectors[:, keep][:, -components:]
    return F.normalize(centred.T @ vectors, dim=0)


def _blur_matrix(size: int, sigma: float, device: torch.device) -> Tensor:
    """Gaussian blur of one axis as a matrix (size, size); rows sum to 1 away from the edges."""
    if sigma <= 0:
        return torch.eye(size, device=device)
    offset = torch.arange(size, device=device, dtype=torch.float32)
    taps = torch.exp(-0.5 * ((offset[:, None] - offset[None, :]) / sigma) ** 2)
    return taps / (sigma * float(np.sqrt(2 * np.pi)))
