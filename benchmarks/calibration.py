"""Whether the confidence of preset `default` means what it says: reliability and calibration error.

Clusters generated tissues, easy and hard, whose classes are known: at the number of classes, at the number
that is chosen, and at half as many again. An ion is right if it is of the class that is the most frequent
one in its cluster. Odd seeds fit the regression that the package holds (learning/calibration.py), even
seeds test it.

usage: python benchmarks/calibration.py [--seeds 1,2] [--threads 2]
"""

from __future__ import annotations

import argparse
import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

from generated import OUTLINES, Generated, Recipe, generate, sibling
from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.calibration import calibrated, telling
from napari_msiclust.learning.consensus_recipe import agreed_clusters, pixel_start, trained_fusion
from napari_msiclust.learning.device import limited_threads
from napari_msiclust.learning.weights import load_encoder
from napari_msiclust.msi.training_set import training_set
from napari_msiclust.progress import drain

UTERUS = Path(os.environ.get("MSICLUST_TEST_DATA", "../shared/data")) / "uterus13" / "uterus13.imzML"
CPU = torch.device("cpu")

Floats = npt.NDArray[np.float64]


def tissues(seed: int) -> dict[str, Generated]:
    """Small ones, for the sake of time."""
    small = Recipe(seed=seed, ions=200, size=(72, 72))
    outline = sorted(OUTLINES)[seed % len(OUTLINES)]
    return {
        "few counts": sibling(UTERUS, replace(small, counts=1.5)),
        "lines": sibling(UTERUS, replace(small, lines=0.5, hotspots=0.8, counts=4)),
        "mixed": sibling(UTERUS, replace(small, mixing=0.6, variation=0.4, counts=5)),
        "ring": generate(
            replace(small, shape="ring", classes=12, counts=1.5, mixing=0.5, lines=0.3, hotspots=0.6)
        ),
        "ordinary": sibling(UTERUS, small),
        "outline": generate(replace(small, shape=outline, classes=6 + seed, counts=4)),
    }


@dataclass(frozen=True, eq=False)
class Judged:
    """Ions (n,) of one clustering: what tells of their confidence, and whether they are right."""

    standing: Floats
    repeated: float
    right: npt.NDArray[np.bool_]

    @property
    def telling(self) -> Floats:
        """What the regression goes by, (n, 3)."""
        return telling(self.standing, self.repeated)


def judged(made: Generated, seed: int) -> Iterator[Judged]:
    """The ions with a class of a tissue, at three numbers of clusters."""
    classes = int(made.labels.max()) + 1
    config = ClusterConfig(seed=seed, device="cpu")
    prepared = training_set(made.without_mask(), config)
    start = drain(pixel_start(prepared.stack, prepared.mask, config))
    encoder, _ = load_encoder(config.encoder, config.weights, config.seed)
    encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = min(config.max_batch, len(prepared.stack) // 2)
    trained = drain(
        trained_fusion(encoder, prepared.stack, prepared.mask, start, config, batch=batch, device=CPU)
    )
    truth = made.labels[prepared.used]
    known = truth >= 0
    for clusters in (classes, "auto", round(1.5 * classes)):
        asked = config.model_copy(update={"clusters": clusters})
        found = drain(agreed_clusters(copy.deepcopy(trained), start, asked))
        counts = np.zeros((found.labels.max() + 1, classes))
        np.add.at(counts, (found.labels[known], truth[known]), 1)
        right = counts.argmax(axis=1)[found.labels[known]] == truth[known]
        repeated = found.votes.repeated
        yield Judged(found.standing[known].astype(np.float64), repeated, right)


def reliability(confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """One row for each tenth of confidence: ions, mean confidence, share that was right."""
    tenth = np.minimum((confidence * 10).astype(int), 9)
    table = pd.DataFrame({"confidence": confidence, "right": right.astype(float)}).groupby(tenth)
    return table.mean().assign(ions=table.size())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    found: dict[bool, list[Judged]] = {True: [], False: []}
    with limited_threads(options.threads):
        for seed in map(int, options.seeds.split(",")):
            for name, made in tissues(seed).items():
                for one in judged(made, seed):
                    print(
                        f"{name}, seed {seed}: {one.right.mean():.1%} of {len(one.right)} ions right; halves "
                        f"of the pixels agree by {one.repeated:.2f}",
                        flush=True,
                    )
                    found[bool(seed % 2)].append(one)
    if found[True]:
        fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(
            np.concatenate([one.telling for one in found[True]]),
            np.concatenate([one.right for one in found[True]]),
        )
        print(f"odd seeds: weights {fitted.coef_[0].round(2)}, constant {fitted.intercept_[0]:.2f}")
    if found[False]:
        right = np.concatenate([one.right for one in found[False]])
        confidence = np.concatenate([calibrated(one.standing, one.repeated) for one in found[False]])
        table = reliability(confidence, right)
        error = float((table["ions"] * (table["confidence"] - table["right"]).abs()).sum() / len(right))
        print(f"even seeds: expected calibration error {error:.3f}\n{table.round(3).to_string()}")


if __name__ == "__main__":
    main()
