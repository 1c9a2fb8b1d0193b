"""The network of the default preset: what a CNN sees, added to what the pixels say linearly."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_msiclust.config import FusionConfig
from napari_msiclust.learning.contrastive import seeded_linear
from napari_msiclust.learning.device import mixed_precision
from napari_msiclust.learning.encoder import FEATURES, PYRAMID, Encoder
from napari_msiclust.learning.tissue_frame import View
from napari_msiclust.learning.views import to_network_input

_GRIDS = (8, 4)
_EVAL_BATCH = 64


class FusionEncoder(nn.Module):
    """Directions (B, D) of ions from their images and linear coordinates.

    The linear part starts as the standardized principal components of the pixels and the part of the
    CNN starts at zero: before training the embedding is the similarity of the pixels. The CNN gives,
    beside the mean of its last maps, earlier maps on coarse grids, which keep where a signal is.
    """

    def __init__(
        self, encoder: Encoder, coordinates: int, config: FusionConfig, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.config = config
        sizes = [FEATURES]
        if config.pyramid:
            sizes += [channels * grid * grid for channels, grid in zip(PYRAMID, _GRIDS, strict=True)]
        self.norms = nn.ModuleList([nn.LayerNorm(size) for size in sizes])
        self.from_maps = seeded_linear(sum(sizes), config.size, generator)
        self.from_pixels = seeded_linear(coordinates, config.size, generator) if config.pixels else None

    @classmethod
    def starting_at(
        cls, encoder: Encoder, coordinates: Tensor, config: FusionConfig, generator: torch.Generator
    ) -> FusionEncoder:
        """The network whose embedding is, before training, that of the linear coordinates (N, C)."""
        network = cls(encoder, coordinates.shape[1], config, generator)
        if network.from_pixels is not None:
            nn.init.zeros_(network.from_maps.weight)
            nn.init.zeros_(network.from_maps.bias)
            with torch.no_grad():
                shared = min(coordinates.shape[1], config.size)
                network.from_pixels.weight.zero_()
                network.from_pixels.bias.zero_()
                scale = coordinates.std().clamp(min=1e-9)
                network.from_pixels.weight[:shared, -shared:] = torch.eye(shared) / scale.cpu()
        return network

    def forward(self, view: View) -> Tensor:
        """Directions (B, D) of the ions of a view."""
        with mixed_precision(view.images.device):
            eighth, sixteenth, last = self.encoder.pyramid(to_network_input(view.images))
            features = [last.mean((2, 3))]
            if self.config.pyramid:
                features += [
                    F.adaptive_avg_pool2d(maps, grid).flatten(1)
                    for maps, grid in zip((eighth, sixteenth), _GRIDS, strict=True)
                ]
            seen = self.from_maps(
                torch.cat([norm(part) for norm, part in zip(self.norms, features, strict=True)], dim=1)
            )
            if self.from_pixels is not None:
                seen = seen + self.from_pixels(view.coordinates)
        return F.normalize(seen.float(), dim=1)

    @torch.no_grad()
    def embed(self, view: View) -> Tensor:
        """Directions (N, D) in evaluation mode."""
        self.eval()
        parts = []
        for images, coordinates in zip(
            torch.split(view.images, _EVAL_BATCH), torch.split(view.coordinates, _EVAL_BATCH), strict=True
        ):
            parts.append(self(View(images, coordinates)))
        return torch.cat(parts)
