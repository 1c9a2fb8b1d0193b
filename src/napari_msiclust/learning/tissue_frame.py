"""How the ions of one tissue are laid before a network: pixels, smoothing, principal axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_msiclust.learning.pixel_similarity import FloatArray, Mask, PixelFeatures
from napari_msiclust.msi.ion_images import resampling_matrix

LEAST_BLUR = 0.5
_LEAST_TAP = 1e-8  # of a Gaussian, relative to its middle; less than the rounding of a sum
_REACHED = 0.05  # weight of the pixels in sight below which a pixel counts as average


@dataclass(frozen=True, eq=False)
class View:
    """What the network sees of some ions: images (B, s, s) and linear coordinates (B, C)."""

    images: Tensor
    coordinates: Tensor


class TissueFrame:
    """Lays ion images of a tissue before a network.

    Attributes
    ----------
    mask : Tensor of bool, shape (S, S)
        On-tissue pixels of the square images.
    sigma : float
        Smoothing of the pixels.
    mean : Tensor of shape (P,)
        Mean of the standardized pixels of the ions it was made from.
    basis : Tensor of shape (P, C)
        Principal axes of these.
    size : int
        Side of the images for the network.
    """

    def __init__(self, mask: Tensor, sigma: float, mean: Tensor, basis: Tensor, size: int) -> None:
        self.mask, self.sigma, self.mean, self.basis, self.size = mask, sigma, mean, basis, size
        device, side = mask.device, len(mask)
        self._shrink = torch.from_numpy(resampling_matrix(side, size)).to(device)
        self._covered = self._shrink @ mask.float() @ self._shrink.T > 0.4
        self._smooth = _blur_matrix(side, sigma, device)

    @classmethod
    def of(
        cls, mask: Mask, pixels: PixelFeatures, *, components: int, size: int, device: torch.device
    ) -> TissueFrame:
        """The frame of the ions whose pixels are given, with so many principal axes at most."""
        rows = _standardized(torch.from_numpy(pixels.values).to(device))
        mean = rows.mean(0)
        basis = _principal_axes(rows - mean, components)
        return cls(torch.from_numpy(mask).to(device), pixels.sigma, mean, basis, size)

    def to(self, device: torch.device) -> TissueFrame:
        """The same frame on another device."""
        return TissueFrame(
            self.mask.to(device), self.sigma, self.mean.to(device), self.basis.to(device), self.size
        )

    def coordinates(self, values: Tensor) -> Tensor:
        """Linear coordinates (N, C) of on-tissue pixels (N, P), smoothed already."""
        return (_standardized(values) - self.mean) @ self.basis

    def view(self, images: Tensor, weight: Tensor, blur: float) -> View:
        """Ions of which only some pixels are seen.

        What is missing is filled by normalized convolution; what no pixel reaches counts as average.

        Parameters
        ----------
        images, weight : Tensor of shape (B, S, S)
            Square roots of intensities, and which pixels count (0 or 1).
        blur : float
            Sigma of a Gaussian for the network's images, in pixels of these.
        """
        inside = weight[:, self.mask]
        count = inside.sum(1, keepdim=True).clamp(min=1)
        if self.sigma > 0:
            seen = self._smooth @ (images * weight) @ self._smooth.T
            reached = self._smooth @ weight @ self._smooth.T
            smooth, near = (seen / reached.clamp(min=1e-2))[:, self.mask], reached[:, self.mask] > _REACHED
            average = (smooth * near).sum(1, keepdim=True) / near.sum(1, keepdim=True).clamp(min=1)
            rows = _standardized(torch.where(near, smooth, average))
        else:
            rows = images[:, self.mask] * inside
            rows = (rows - rows.sum(1, keepdim=True) / count) * inside
            share = (count / inside.shape[1]).sqrt()  # half of the pixels have half of the length
            rows = F.normalize(rows, dim=1, eps=1e-9) / share
        return View(self.render(images, weight, blur), (rows - self.mean) @ self.basis)

    def render(self, images: Tensor, weight: Tensor, blur: float) -> Tensor:
        """Images (B, s, s) for the network from weighted pixels (B, S, S)."""
        resample = _blur_matrix(self.size, blur, images.device) @ self._shrink
        seen = resample @ (images * weight) @ resample.T
        reached = resample @ weight @ resample.T
        return seen / reached.clamp(min=1e-3) * self._covered

    def plain(self, images: Tensor, coordinates: Tensor) -> View:
        """Whole ions without any change; `images` (N, S, S) are square roots of intensities."""
        return View(self.render(images, self.mask.float().expand_as(images), self.blur), coordinates)

    @property
    def blur(self) -> float:
        """Sigma of the Gaussian that the network's images have had at least."""
        return max(LEAST_BLUR, self.sigma)

    def state(self) -> dict[str, Tensor]:
        """Everything that makes the frame, as tensors."""
        return {
            "mask": self.mask,
            "sigma": torch.tensor(self.sigma),
            "mean": self.mean,
            "basis": self.basis,
            "size": torch.tensor(self.size),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> TissueFrame:
        """The frame whose `state` this is."""
        return cls(
            state["mask"].bool(), float(state["sigma"]), state["mean"], state["basis"], int(state["size"])
        )


def square_roots(stack: FloatArray, device: torch.device) -> Tensor:
    """Square roots of ion images (N, S, S), which evens out counting noise."""
    return torch.from_numpy(np.sqrt(stack)).to(device)


def _standardized(rows: Tensor) -> Tensor:
    return F.normalize(rows - rows.mean(1, keepdim=True), dim=1, eps=1e-9)


def _principal_axes(centred: Tensor, components: int) -> Tensor:
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
    taps[taps < _LEAST_TAP] = 0  # numbers near the smallest there are make products many times slower
    return taps / (sigma * float(np.sqrt(2 * np.pi)))
