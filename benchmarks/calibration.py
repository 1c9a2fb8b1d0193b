"""Whether the confidence of preset `default` means what it says: reliability and calibration error.

Clusters generated tissues of many kinds whose classes are known, and counts how often an ion was right, that
is, of the class that is the most frequent one in its cluster, for each step of its standing
(`learning.consensus.standing`). Odd seeds fit the map from standing to confidence that the package holds
(learning/calibration.py), even seeds test it.

usage: python benchmarks/calibration.py [--seeds 1,2,3,4] [--threads 2]
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.isotonic import IsotonicRegression

from generated import Generated, Recipe, generate, sibling
from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.calibration import calibrated
from napari_msiclust.learning.consensus_recipe import agreed_clusters, pixel_start, trained_fusion
from napari_msiclust.learning.device import limited_threads
from napari_msiclust.learning.weights import load_encoder
from napari_msiclust.msi.training_set import training_set
from napari_msiclust.progress import drain

UTERUS = Path(os.environ.get("MSICLUST_TEST_DATA", "../shared/data")) / "uterus13" / "uterus13.imzML"
KNOTS = np.linspace(0, 1.2, 13)
CPU = torch.device("cpu")


def tissues(seed: int) -> dict[str, Generated]:
    """Hard cases, small ones for the sake of time: on an ordinary measurement hardly an ion is wrong."""
    small = Recipe(seed=seed, ions=200, size=(72, 72))
    return {
        "few counts": sibling(UTERUS, replace(small, counts=1.5)),
        "lines": sibling(UTERUS, replace(small, lines=0.5, hotspots=0.8, counts=4)),
        "mixed": sibling(UTERUS, replace(small, mixing=0.6, variation=0.4, counts=5)),
        "ring": generate(
            replace(small, shape="ring", classes=12, counts=1.5, mixing=0.5, lines=0.3, hotspots=0.6)
        ),
    }


def standings(made: Generated, seed: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Standing of each ion with a class, and whether it is in a cluster of its class."""
    classes = int(made.labels.max()) + 1
    config = ClusterConfig(seed=seed, clusters=classes, device="cpu")
    prepared = training_set(made.without_mask(), config)
    start = drain(pixel_start(prepared.stack, prepared.mask, config))
    encoder, _ = load_encoder(config.encoder, config.weights, config.seed)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained = drain(
        trained_fusion(
            encoder, prepared.stack, prepared.mask, start, config, batch=config.max_batch, device=CPU
        )
    )
    found = drain(agreed_clusters(trained, start, config))
    truth = made.labels[prepared.used]
    known = truth >= 0
    counts = np.zeros((classes, classes))
    np.add.at(counts, (found.labels[known], truth[known]), 1)
    right = counts.argmax(axis=1)[found.labels[known]] == truth[known]
    return found.standing[known].astype(np.float64), right


def reliability(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """One row for each tenth of confidence: ions, mean confidence, share that was right."""
    tenth = np.minimum((confidence * 10).astype(int), 9)
    table = pd.DataFrame({"confidence": confidence, "right": right.astype(float)}).groupby(tenth)
    return table.mean().assign(ions=table.size())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1,2,3,4")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    found: dict[bool, list[tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]]] = {True: [], False: []}
    with limited_threads(options.threads):
        for seed in map(int, options.seeds.split(",")):
            for name, made in tissues(seed).items():
                standing, right = standings(made, seed)
                print(f"{name}, seed {seed}: {right.mean():.1%} of {len(right)} ions right", flush=True)
                found[bool(seed % 2)].append((standing, right))
    if found[True]:
        standing, right = (np.concatenate(parts) for parts in zip(*found[True], strict=True))
        fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(standing, right)
        share = pd.Series(fitted.predict(KNOTS), index=KNOTS.round(2))
        print(f"odd seeds: share right at standings\n{share.round(3).to_string()}")
    if found[False]:
        standing, right = (np.concatenate(parts) for parts in zip(*found[False], strict=True))
        confidence = calibrated(standing)
        table = reliability(confidence, right)
        error = float((table["ions"] * (table["confidence"] - table["right"]).abs()).sum() / len(right))
        print(f"even seeds: expected calibration error {error:.3f}\n{table.round(3).to_string()}")


if __name__ == "__main__":
    main()
