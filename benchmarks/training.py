"""Speed of contrastive training, as ratios in one run: memory layout, huge pages, share of the views.

Each variant runs in its own process, since torch chooses huge pages when it starts; the variants
take turns, so that a noisy machine troubles all of them alike.

usage: python benchmarks/training.py [--batch 48] [--steps 6]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

import torch

from napari_msiclust.config import ViewConfig
from napari_msiclust.learning.losses import nt_xent
from napari_msiclust.learning.views import random_view, to_network_input
from napari_msiclust.learning.weights import load_encoder

VARIANTS: dict[str, dict[str, str]] = {
    "as shipped": {},
    "NCHW layout": {"layout": "nchw"},
    "with huge pages": {"pages": "1"},
}


def measure(batch: int, steps: int, layout: str) -> None:
    memory_format = torch.contiguous_format if layout == "nchw" else torch.channels_last
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", 0)
    encoder.to(memory_format=memory_format).train()  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 96, 96, generator=generator)
    view_seconds, total = 0.0, 0.0
    for step in range(steps + 1):
        started = time.perf_counter()
        views = [random_view(images, ViewConfig(), generator) for _ in range(2)]
        viewed = time.perf_counter()
        inputs = [to_network_input(view).contiguous(memory_format=memory_format) for view in views]
        nt_xent(*(encoder(view) for view in inputs), 0.5).backward()
        encoder.zero_grad()
        if step:  # the first step warms up
            view_seconds += viewed - started
            total += time.perf_counter() - started
    print(json.dumps({"images_per_second": 2 * batch * steps / total, "views": view_seconds / total}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", default="")
    options = parser.parse_args()
    if options.measure:
        measure(options.batch, options.steps, options.measure)
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name, changes in VARIANTS.items():
            environment = dict(os.environ)
            if "pages" in changes:
                environment["THP_MEM_ALLOC_ENABLE"] = changes["pages"]
            command = [sys.executable, __file__, "--measure", changes.get("layout", "nhwc")]
            command += ["--batch", str(options.batch), "--steps", str(options.steps)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            found[name].append(json.loads(done.stdout))
    best = {name: max(row["images_per_second"] for row in rows) for name, rows in found.items()}
    share = min(row["views"] for row in found["as shipped"])
    print(f"Lite0 at 96 x 96, batch {options.batch}, two views, best of {options.rounds} rounds")
    for name, speed in best.items():
        print(f"{name:22}{speed:8.1f} images/s   as shipped is {best['as shipped'] / speed:.2f} x as fast")
    print(f"views take {share:.1%} of a step")


if __name__ == "__main__":
    main()
