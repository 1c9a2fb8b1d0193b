"""Speed of contrastive training against the published way of working, as ratios in one run.

The published loop makes the two views of each image one by one with PIL, in the worker processes of a
DataLoader, and trains in the usual memory layout. The encoder is the same everywhere (Lite0, 96 x 96); the
last row is the preset `default`, whose network and views are other ones (64 x 64). Each variant runs in
its own process, since torch chooses huge pages when it starts; they take turns, so that a noisy machine
troubles all of them alike.

usage: python benchmarks/training.py [--batch 48] [--steps 6] [--rounds 3] [--device cpu|cuda]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_msiclust.config import ClusterConfig, ViewConfig
from napari_msiclust.learning.device import mixed_precision
from napari_msiclust.learning.fusion_encoder import FusionEncoder
from napari_msiclust.learning.losses import nt_xent
from napari_msiclust.learning.pixel_similarity import pixel_features
from napari_msiclust.learning.split_views import SplitViews
from napari_msiclust.learning.tissue_frame import TissueFrame
from napari_msiclust.learning.views import IMAGENET_MEAN, IMAGENET_STD, random_view, to_network_input
from napari_msiclust.learning.weights import load_encoder

SIDE = 96
VARIANTS: dict[str, dict[str, str]] = {
    "published way": {"measure": "published"},
    "as shipped": {"measure": "shipped"},
    "NCHW layout": {"measure": "nchw"},
    "with huge pages": {"measure": "shipped", "pages": "1"},
    "preset default": {"measure": "default"},
}
Step = tuple[float, float]  # seconds: of the views, and of all


class OneByOne(Dataset[tuple[Tensor, Tensor]]):
    """Two views of one image at a time: blur, brightness, contrast, noise, as RGB."""

    def __init__(self, images: npt.NDArray[np.float32]) -> None:
        self._images = [Image.fromarray((image * 255).astype(np.uint8)).convert("RGB") for image in images]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self._view(self._images[index]), self._view(self._images[index])

    def _view(self, image: Image.Image) -> Tensor:
        draws = torch.rand(4).tolist()
        image = image.filter(ImageFilter.GaussianBlur(0.01 + 0.74 * draws[0]))
        image = ImageEnhance.Brightness(image).enhance(0.5 + draws[1])
        image = ImageEnhance.Contrast(image).enhance(0.5 + draws[2])
        values = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)
        values = (values + torch.randn(values.shape[1:]) * 0.2 * draws[3]).clamp(0, 1)
        mean, std = (torch.tensor(three).view(3, 1, 1) for three in (IMAGENET_MEAN, IMAGENET_STD))
        return (values - mean) / std


def published(images: npt.NDArray[np.float32], batch: int, device: torch.device) -> Iterator[Step]:
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", 0)
    encoder.to(device).train()
    optimizer = torch.optim.Adam(encoder.parameters(), 1e-3)
    loader = DataLoader(OneByOne(images), batch, num_workers=os.cpu_count() or 1, drop_last=True)
    started = time.perf_counter()
    for first, second in loader:
        viewed = time.perf_counter()
        loss = nt_xent(encoder(first.to(device)), encoder(second.to(device)), 0.5)
        train(optimizer, loss)
        yield viewed - started, time.perf_counter() - started
        started = time.perf_counter()


def shipped(
    images: npt.NDArray[np.float32], batch: int, device: torch.device, *, layout: torch.memory_format
) -> Iterator[Step]:
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", 0)
    encoder.to(device).to(memory_format=layout).train()  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(encoder.parameters(), 1e-3)
    draws = torch.Generator(device).manual_seed(0)
    stack = torch.from_numpy(images).to(device)
    for chosen in torch.split(torch.arange(len(stack)), batch):
        started = time.perf_counter()
        views = [random_view(stack[chosen], ViewConfig(), draws) for _ in range(2)]
        wait(device)
        viewed = time.perf_counter()
        with mixed_precision(device):
            features = [encoder(to_network_input(view).contiguous(memory_format=layout)) for view in views]
        train(optimizer, nt_xent(features[0], features[1], 0.5))
        yield viewed - started, time.perf_counter() - started


def default(images: npt.NDArray[np.float32], batch: int, device: torch.device) -> Iterator[Step]:
    config = ClusterConfig()
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", 0)
    mask = np.ones(images.shape[1:], dtype=bool)
    pixels = pixel_features(images, mask, 0.7, 0)
    frame = TissueFrame.of(
        mask, pixels, components=config.fusion.components, size=config.image_size, device=device
    )
    views = SplitViews(images, frame, pixels, config.views, torch.Generator(device).manual_seed(0))
    network = FusionEncoder.starting_at(encoder, views.coordinates, config.fusion, torch.Generator())
    network.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for chosen in torch.split(torch.arange(len(views)), batch):
        started = time.perf_counter()
        pair = views.pair(chosen.to(device))
        wait(device)
        viewed = time.perf_counter()
        features = [network(view) for view in pair]
        train(optimizer, nt_xent(features[0], features[1], 0.3))
        yield viewed - started, time.perf_counter() - started


def train(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    float(loss.detach())  # wait for a GPU


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


MEASURES: dict[str, Callable[[npt.NDArray[np.float32], int, torch.device], Iterator[Step]]] = {
    "published": published,
    "shipped": lambda *what: shipped(*what, layout=torch.channels_last),
    "nchw": lambda *what: shipped(*what, layout=torch.contiguous_format),
    "default": default,
}


def measure(name: str, batch: int, steps: int, device: torch.device) -> None:
    images = np.random.default_rng(0).random((batch * (steps + 1), SIDE, SIDE), dtype=np.float32)
    found = list(MEASURES[name](images, batch, device))[1:]  # the first step warms up
    views, total = (sum(seconds) for seconds in zip(*found, strict=True))
    print(json.dumps({"images_per_second": 2 * batch * len(found) / total, "views": views / total}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--measure", default="")
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.batch, options.steps, torch.device(options.device))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name, changes in VARIANTS.items():
            environment = dict(os.environ)
            if "pages" in changes:
                environment["THP_MEM_ALLOC_ENABLE"] = changes["pages"]
            command = [sys.executable, __file__, "--measure", changes["measure"]]
            command += ["--batch", str(options.batch), "--steps", str(options.steps)]
            command += ["--device", options.device]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found[name].append(json.loads(done.stdout))
    best = {name: max(row["images_per_second"] for row in rows) for name, rows in found.items()}
    print(f"batch {options.batch}, two views, {options.device}, best of {options.rounds} rounds")
    for name, speed in best.items():
        share = min(row["views"] for row in found[name])
        ratio = speed / best["published way"]
        print(
            f"{name:20}{speed:8.1f} images/s, {ratio:5.2f} x the published way; views {share:6.1%} of a step"
        )


if __name__ == "__main__":
    main()
