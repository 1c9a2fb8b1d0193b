"""Views of one ion image that share its distribution and nothing of its noise."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_msiclust.config import SplitViewConfig
from napari_msiclust.learning.pixel_similarity import FloatArray, PixelFeatures
from napari_msiclust.learning.tissue_frame import TissueFrame, View, square_roots

_BLUR = (0.8, 1.5)  # times the smoothing of the pixels


class SplitViews:
    """Draws pairs of views: the pixels of an ion image fall at random to one view or the other.

    What is missing in a view is filled by normalized convolution. Beforehand rows get random gains
    and pixels random hotspots, faults of the instrument that should not decide on a cluster.

    Parameters
    ----------
    stack : ndarray of float32, shape (N, S, S)
        Ion images in 0..1 in their own resolution.
    frame : TissueFrame
    pixels : PixelFeatures
        Of the same ions.
    """

    def __init__(
        self,
        stack: FloatArray,
        frame: TissueFrame,
        pixels: PixelFeatures,
        config: SplitViewConfig,
        generator: torch.Generator,
    ) -> None:
        self._config, self._generator = config, generator
        self.frame = frame
        device = frame.mask.device
        self._images = square_roots(stack, device)
        self.coordinates = frame.coordinates(torch.from_numpy(pixels.values).to(device))

    def __len__(self) -> int:
        return len(self._images)

    def pair(self, indices: Tensor) -> tuple[View, View]:
        """Two views of the ions with these indices (B,)."""
        images = self._images[indices]
        blur = self.frame.blur * self._uniform(1, *_BLUR).item()
        first = second = self.frame.mask.expand_as(images)
        if self._config.split:
            draws = torch.rand(images.shape, generator=self._generator, device=images.device)
            first, second = (draws < 0.5) & first, (draws >= 0.5) & second
        return (
            self.frame.view(self._faulty(images), first.float(), blur),
            self.frame.view(self._faulty(images), second.float(), blur),
        )

    def plain(self) -> View:
        """All ions without faults, every pixel in use."""
        return self.frame.plain(self._images, self.coordinates)

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
