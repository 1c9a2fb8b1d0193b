"""How well the number of clusters is chosen, by several criteria, on generated tissues of many kinds.

Beforehand, tissues of a single class, whose ions differ by noise alone, of many and of few counts: how many
of them are found to be one cluster, and how far separate pixels agree there at most.

Each other tissue has a number of classes, counts, mixing and an outline of its own. For each criterion: the
mean adjusted Rand index of the pixels' clusters at the number that it chooses, how much that lies below
the best number's (mean and largest), and by how many clusters it misses the number of classes; apart for
tissues whose pixels were smoothed. No network is trained: all criteria see the same clusterings of the
pixels. Data folder: MSICLUST_TEST_DATA, default
../shared/data.

usage: python benchmarks/cluster_count.py [--single 20] [--tissues 40] [--first 1] [--threads 2]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from generated import OUTLINES, Generated, Recipe, generate, sibling
from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.cluster_count import choose_count
from napari_msiclust.learning.consensus_recipe import pixel_start
from napari_msiclust.learning.device import limited_threads
from napari_msiclust.msi.training_set import training_set
from napari_msiclust.progress import drain
from quality import UTERUS, known

CRITERIA: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "fewest near the best silhouette": lambda curves: (
        curves["silhouette"] >= curves["silhouette"].max() - 0.01
    ),
    "silhouette": lambda curves: curves["silhouette"],
    "stability": lambda curves: curves["stability"],
    "eigengap": lambda curves: curves["eigengap"],
    "silhouette x stability": lambda curves: curves["silhouette"].clip(0) * curves["stability"].clip(0),
    "silhouette + stability": lambda curves: curves["silhouette"] + curves["stability"],
    "fewest near the best sum": lambda curves: (
        curves["silhouette"] + curves["stability"]
        >= (curves["silhouette"] + curves["stability"]).max() - 0.01
    ),
    "as shipped": lambda curves: curves["chosen"],
    "best there is": lambda curves: curves["ari"],
}
NO_EVIDENCE = dict.fromkeys(("silhouette", "stability", "eigengap"), -1.0)  # of one cluster


def tissue(seed: int) -> Generated:
    """A tissue whose difficulty the seed decides; every fourth with the anatomy of uterus13."""
    rng = np.random.default_rng(seed)
    recipe = Recipe(
        seed=seed,
        ions=int(rng.integers(100, 360)),
        size=(64, 72),
        counts=float(rng.choice([1, 2, 4, 8])),
        mixing=float(rng.choice([0.25, 0.4, 0.6])),
        variation=float(rng.choice([0.15, 0.3])),
        classes=int(rng.integers(3, 19)),
        shape=str(rng.choice(sorted(OUTLINES))),
        lines=0.15,
        hotspots=0.4,
    )
    return generate(recipe) if seed % 4 else sibling(UTERUS, recipe)


def curves_of(made: Generated, seed: int) -> tuple[pd.DataFrame, bool]:
    """Evidence at every number of clusters from 1 on, and the adjusted Rand index with the truth.

    Also whether the pixels were smoothed.
    """
    images, truth = known(made)
    assert truth is not None
    config = ClusterConfig(seed=seed, device="cpu")
    prepared = training_set(images, config)
    start = drain(pixel_start(prepared.stack, prepared.mask, config))
    count = choose_count(start.runs, start.apart)
    labels = np.zeros((len(count.cuts), len(images)), dtype=np.int64)
    labels[:, prepared.used] = count.cuts + 1
    curves = count.curves.assign(ari=[truth.score(row).ari for row in labels])
    one = pd.DataFrame([NO_EVIDENCE | {"clusters": 1, "ari": 0.0, "chosen": count.clusters == 1}])
    return pd.concat([one, curves], ignore_index=True), start.pixels.sigma > 0


def single_class(seed: int) -> tuple[int, float, float]:
    """Clusters found where there is one, how far halves of the pixels agree, and the smoothing chosen."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.random((48, 48)), 4)
    counts = float(rng.choice([0.1, 0.3, 1, 3, 10]))
    bright = counts * (field - field.min()) / np.ptp(field)
    ions = rng.poisson(bright, (int(rng.integers(50, 200)), *field.shape)).astype(np.float32)
    config = ClusterConfig(seed=seed, device="cpu")
    scaled = ions / np.maximum(ions.max(axis=(1, 2), keepdims=True), 1)
    start = drain(pixel_start(scaled, np.ones(field.shape, dtype=bool), config))
    count = choose_count(start.runs, start.apart)
    return count.clusters, float(count.curves["stability"].max()), start.pixels.sigma


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--single", type=int, default=20)
    parser.add_argument("--tissues", type=int, default=40)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with limited_threads(options.threads):
        single = [single_class(seed) for seed in range(options.first, options.first + options.single)]
    alone = sum(clusters == 1 for clusters, *_ in single)
    smoothed = sum(sigma > 0 for *_, sigma in single)
    print(
        f"{alone} of {len(single)} tissues of one class are one cluster ({smoothed} of them were smoothed); "
        f"separate pixels agree there by {max((most for _, most, _ in single), default=0.0):.2f} at most"
    )
    rows = []
    for seed in range(options.first, options.first + options.tissues):
        made = tissue(seed)
        classes = len(np.unique(made.labels[made.labels >= 0]))
        with limited_threads(options.threads):
            curves, smooth = curves_of(made, seed)
        for name, score in CRITERIA.items():
            chosen = curves.iloc[int(score(curves).argmax())]
            lost = curves["ari"].max() - chosen["ari"]
            rows.append((smooth, name, chosen["ari"], lost, abs(chosen["clusters"] - classes)))
        print(
            f"seed {seed}: {classes} classes, {int(curves['ari'].argmax()) + 1} clusters fit best", flush=True
        )
    table = pd.DataFrame(rows, columns=["smoothed", "criterion", "ARI", "lost", "off by"])
    shown = table.groupby(["smoothed", "criterion"], sort=False).agg(
        {"ARI": ["size", "mean"], "lost": ["mean", "max"], "off by": "mean"}
    )
    print(shown.round(3).to_string())


if __name__ == "__main__":
    main()
