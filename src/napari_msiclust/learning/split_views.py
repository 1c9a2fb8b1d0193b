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

    What is missing in a view is filled by normalized convolution.

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
        least, most = _BLUR
        draw = torch.rand(1, generator=self._generator, device=images.device).item()
        blur = self.frame.blur * (least + (most - least) * draw)
        first = second = self.frame.mask.expand_as(images)
        if self._config.split:
            draws = torch.rand(images.shape, generator=self._generator, device=images.device)
            first, second = (draws < 0.5) & first, (draws >= 0.5) & second
        return (
            self.frame.view(images, first.float(), blur),
            self.frame.view(images, second.float(), blur),
        )

    def plain(self) -> View:
        """All ions, every pixel in use."""
        return self.frame.plain(self._images, self.coordinates)
