"""EfficientNet B0 and Lite0 without their classification layer.

The networks are those of Tan and Le (2019, arXiv 1905.11946) and its Lite variant, which drops
squeeze-excite and takes ReLU6 for SiLU. Parameter names follow the `efficientnet_pytorch` package,
so that its weight files load as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_msiclust.config import EncoderName

FEATURES = 1280
_STEM = 32
# (repeats, kernel, stride, expansion, output channels) of the seven stages of B0
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_EIGHTH, _SIXTEENTH = 4, 10  # the last blocks at an eighth and a sixteenth of the image's side
PYRAMID = (40, 112)  # their channels


@dataclass(frozen=True)
class _Variant:
    squeeze_excite: bool
    activation: type[nn.Module]


_VARIANTS: Mapping[EncoderName, _Variant] = {
    "efficientnet-b0": _Variant(True, nn.SiLU),
    "efficientnet-lite0": _Variant(False, nn.ReLU6),
}


class SamePadConv2d(nn.Conv2d):
    """Convolution with TensorFlow's 'same' padding: the odd pixel goes to the right and bottom."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        stride, kernel = self.stride[0], self.kernel_size[0]
        if stride > 1:
            pads = [
                max((math.ceil(length / stride) - 1) * stride + kernel - length, 0) for length in x.shape[-2:]
            ]
            high, wide = pads
            x = F.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        convolved: Tensor = super().forward(x)
        return convolved


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class _Block(nn.Module):
    """Inverted residual bottleneck (MBConv)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, variant: _Variant
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands = expansion != 1
        self.residual = stride == 1 and inputs == outputs
        self.squeeze_excite = variant.squeeze_excite
        self.activation = variant.activation(inplace=True)
        if self.expands:
            self._expand_conv = SamePadConv2d(inputs, inner, 1)
            self._bn0 = _batch_norm(inner)
        self._depthwise_conv = SamePadConv2d(inner, inner, kernel, stride, groups=inner)
        self._bn1 = _batch_norm(inner)
        if self.squeeze_excite:
            squeezed = max(1, inputs // 4)
            self._se_reduce = nn.Conv2d(inner, squeezed, 1)
            self._se_expand = nn.Conv2d(squeezed, inner, 1)
        self._project_conv = SamePadConv2d(inner, outputs, 1)
        self._bn2 = _batch_norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x
        if self.expands:
            y = self.activation(self._bn0(self._expand_conv(y)))
        y = self.activation(self._bn1(self._depthwise_conv(y)))
        if self.squeeze_excite:
            gate = self.activation(self._se_reduce(y.mean((2, 3), keepdim=True)))
            y = y * torch.sigmoid(self._se_expand(gate))
        y = self._bn2(self._project_conv(y))
        if self.residual:
            y = x + y
        return y


class Encoder(nn.Module):
    """EfficientNet up to its global average pooling, without dropout and stochastic depth."""

    def __init__(self, name: EncoderName) -> None:
        super().__init__()
        variant = _VARIANTS[name]
        self.name: EncoderName = name
        self.activation = variant.activation(inplace=True)
        self._conv_stem = SamePadConv2d(3, _STEM, 3, 2)
        self._bn0 = _batch_norm(_STEM)
        self._blocks = nn.ModuleList()
        channels = _STEM
        for repeats, kernel, stride, expansion, outputs in _STAGES:
            for repeat in range(repeats):
                self._blocks.append(
                    _Block(channels, outputs, kernel, stride if repeat == 0 else 1, expansion, variant)
                )
                channels = outputs
        self._conv_head = SamePadConv2d(channels, FEATURES, 1)
        self._bn1 = _batch_norm(FEATURES)

    def pyramid(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps of (B, 3, S, S) images: 40 at S / 8, 112 at S / 16, 1280 at S / 32."""
        x = self.activation(self._bn0(self._conv_stem(images)))
        passed = []
        for block in self._blocks:
            x = block(x)
            passed.append(x)
        last: Tensor = self.activation(self._bn1(self._conv_head(x)))
        return passed[_EIGHTH], passed[_SIXTEENTH], last

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 1280) of normalized images (B, 3, S, S)."""
        return self.pyramid(images)[-1].mean((2, 3))
