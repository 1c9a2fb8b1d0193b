"""Quality of the presets beside simple methods, on the same ion images, in one run.

Labelled: uterus13 and tissues generated from it (another seed, low counts, 60 structureless ions and
128 x 128 pixels, strong line artefacts and hotspots), and a small one of another shape that is hard, as its
counts are few. Real tissue without labels: evidence only. It is what `msiclust benchmark` prints, for each
of them. Data folder: MSICLUST_TEST_DATA, default ../shared/data.

Preset paper takes a quarter of an hour and more for each row, so that it runs only where it is named.

usage: python benchmarks/quality.py [--presets default,paper] [--seeds 0,1,2] [--only uterus13,...]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from generated import Generated, Recipe, generate, sibling
from napari_msiclust import extract_ion_images, open_imzml
from napari_msiclust.comparison.side_by_side import Auto, Settings, comparison_steps
from napari_msiclust.comparison.tables import as_text
from napari_msiclust.config import Preset
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.progress import drain
from napari_msiclust.results.metrics import Truth, read_truth

DATA = Path(os.environ.get("MSICLUST_TEST_DATA", "../shared/data"))
UTERUS = DATA / "uterus13" / "uterus13.imzML"

Problem = tuple[IonImages, Truth | None]


def read(path: Path) -> Problem:
    with open_imzml(path) as file:
        images = extract_ion_images(file)
    labelled = path.with_suffix(".csv")
    return images, read_truth(labelled, images.mz) if labelled.exists() else None


def known(made: Generated) -> Problem:
    rows = np.flatnonzero(made.labels >= 0)
    return made.without_mask(), Truth(made.labels[rows], rows, unmatched=0)


# Name: numbers of clusters, and where the ion images come from.
PROBLEMS: dict[str, tuple[tuple[int | Auto, ...], Callable[[], Problem]]] = {
    "uterus13": (("auto", 13, 20), lambda: read(UTERUS)),
    "sibling": (("auto", 13, 20), lambda: known(sibling(UTERUS, Recipe(seed=1)))),
    "low-counts": (("auto", 13, 20), lambda: known(sibling(UTERUS, Recipe(seed=2, counts=3)))),
    "large-noisy": (
        ("auto", 13, 20),
        lambda: known(sibling(UTERUS, Recipe(seed=3, size=(128, 128), structureless=60))),
    ),
    "kidney": (
        ("auto", 10),
        lambda: known(
            generate(
                Recipe(shape="kidney", seed=2, counts=0.5, mixing=0.4, variation=0.3, ions=160, size=(64, 64))
            )
        ),
    ),
    "artefacts": (
        ("auto", 13, 20),
        lambda: known(sibling(UTERUS, Recipe(seed=5, lines=0.5, hotspots=0.8))),
    ),
    "msight": (("auto", 8, 10), lambda: read(DATA / "msight" / "prostate_example.imzML")),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", default="default,fast")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default=",".join(PROBLEMS))
    options = parser.parse_args()
    presets = tuple(name for name in get_args(Preset) if name in options.presets.split(","))
    seeds = tuple(int(seed) for seed in options.seeds.split(","))
    pd.set_option("display.width", 250)
    for name in options.only.split(","):
        clusters, make = PROBLEMS[name]
        if not presets:
            clusters = tuple(number for number in clusters if number != "auto")
        images, truth = make()
        print(f"\n{name}: {len(images)} ions, seeds {seeds}")
        settings = Settings(clusters, seeds, presets)
        print(as_text(drain(comparison_steps(images, settings, truth))), flush=True)


if __name__ == "__main__":
    main()
