"""Whether ions that are measured with other gains in each section still find their clusters.

Two tissues are generated with one anatomy and other noise, the second is turned by 90 degrees, three times as
bright, and each of its ions has a gain of its own (log-normal). They are joined with one scale per section,
and as the package does it, with one per ion and section. Clusters are those of the pixels alone, before any
training, so that a run takes seconds. Printed is the adjusted Rand index with the true classes, first of each
tissue on its own. Data folder: MSICLUST_TEST_DATA, default ../shared/data.

usage: python benchmarks/cohort_gains.py [--gains 0,0.4,0.8] [--counts 12,4] [--seeds 1]
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from sklearn.metrics import adjusted_rand_score

from generated import Generated, Recipe, sibling
from napari_msiclust import ClusterConfig
from napari_msiclust.learning.consensus import AgreementTree
from napari_msiclust.learning.consensus_recipe import pixel_start
from napari_msiclust.msi.cohort import Section, cohort_of
from napari_msiclust.msi.training_set import TrainingSet, prepared, training_set
from napari_msiclust.progress import drain
from quality import UTERUS
from tissue_halves import turned

CONFIG = ClusterConfig()


def score(ready: TrainingSet, made: Generated) -> float:
    """Adjusted Rand index of clusters of the pixels with the true classes."""
    truth = made.labels[ready.used]
    start = drain(pixel_start(ready.stack, ready.mask, CONFIG))
    found = AgreementTree.of(start.runs).cut(int(truth.max()) + 1)
    return float(adjusted_rand_score(truth, found))


def other_gains(one: Generated, other: Generated, sigma: float, seed: int) -> Section:
    """The second tissue, turned; its ions as bright as those of the first, times their own gain."""
    bright = [
        np.minimum(values, np.quantile(values, 0.995, axis=1, keepdims=True)).mean(axis=1)
        for values in (one.images.values, other.images.values)
    ]
    gain = 3 * np.exp(np.random.default_rng(seed).normal(0, sigma, len(bright[0]))) * bright[0] / bright[1]
    images = turned(other.without_mask())
    return Section("second", replace(images, values=np.asarray(images.values * gain[:, None], np.float32)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gains", default="0,0.4,0.8")
    parser.add_argument("--counts", default="12,4")
    parser.add_argument("--seeds", default="1")
    options = parser.parse_args()
    for seed in map(int, options.seeds.split(",")):
        for counts in map(float, options.counts.split(",")):
            one, other = (sibling(UTERUS, Recipe(seed=own, counts=counts)) for own in (seed, seed + 1))
            alone = [score(training_set(made.without_mask(), CONFIG), made) for made in (one, other)]
            print(f"seed {seed}, counts {counts:g}: alone {alone[0]:.3f} and {alone[1]:.3f}", flush=True)
            for sigma in map(float, options.gains.split(",")):
                sections = [Section("first", one.without_mask()), other_gains(one, other, sigma, seed)]
                cohort = cohort_of(sections, CONFIG)
                ready = cohort.training_set(CONFIG)
                coarse = np.concatenate(
                    [
                        cohort.images.values[:, cohort.mosaic.pixels(number)] * cohort.gain[number][:, None]
                        for number in range(2)
                    ],
                    axis=1,
                ).astype(np.float32)
                unevened = prepared(replace(cohort.images, values=coarse), ready.bins, CONFIG)
                print(
                    f"  gains {sigma:g}: one scale per section {score(unevened, one):.3f}, "
                    f"one per ion and section {score(ready, one):.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
