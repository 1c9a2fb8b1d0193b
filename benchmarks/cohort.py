"""Whether a cohort finds in two parts of a tissue what one clustering finds in the whole.

The tissue is cut in two along its longer side, the second part is turned by 90 degrees and its intensities
are multiplied by a number, and the parts are clustered jointly. Reported is the share of the ions with the
same cluster as in the whole, clusters matched one to one, over the ions that both put into a cluster and
over all ions (in the same cluster, or in none in both). Clusterings of the whole with other random numbers
say how much of the disagreement is none of the cutting. Data folder: MSICLUST_TEST_DATA, default
../shared/data.

usage: python benchmarks/cohort.py [--file FILE.imzML] [--clusters 6,8,10,12] [--seeds 0,1,2] [--factor 7.3]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from ablation import Networks, whole
from napari_msiclust import ClusterConfig, extract_ion_images, open_imzml
from napari_msiclust.learning.consensus_recipe import pixel_start
from napari_msiclust.learning.device import limited_threads
from napari_msiclust.msi.cohort import cohort_of
from napari_msiclust.msi.training_set import TrainingSet, training_set
from napari_msiclust.progress import drain
from tissue_halves import Labels, agreement, halves

DATA = Path(os.environ.get("MSICLUST_TEST_DATA", "../shared/data"))
MSIGHT = DATA / "msight" / "prostate_example.imzML"


def clusterings(prepared: TrainingSet, config: ClusterConfig, numbers: list[int]) -> dict[int, Labels]:
    """For each number of clusters the cluster of each ion, 0 for none; one network for all of them."""
    start = drain(pixel_start(prepared.stack, prepared.mask, config))
    networks = Networks(prepared)
    found = {}
    for number in numbers:
        asked = config.model_copy(update={"clusters": number})
        labels, standing = whole(networks, start, asked)
        every = np.zeros(len(prepared.images), dtype=np.int64)
        every[prepared.used] = np.where(standing >= config.consensus.min_standing, labels + 1, 0)
        found[number] = every
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=Path, default=MSIGHT)
    parser.add_argument("--clusters", default="6,8,10,12")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--factor", type=float, default=7.3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with open_imzml(options.file) as file:
        images = extract_ion_images(file)
    numbers = [int(number) for number in options.clusters.split(",")]
    rows = []
    first: dict[int, Labels] = {}
    for seed in map(int, options.seeds.split(",")):
        config = ClusterConfig(seed=seed, device="cpu")
        cohort = cohort_of(halves(images, options.factor), config)
        with limited_threads(options.threads):
            alone = clusterings(training_set(images, config), config, numbers)
            joint = clusterings(cohort.training_set(config), config, numbers)
        for number in numbers:
            rows.append((number, f"whole and joint, seed {seed}", *agreement(alone[number], joint[number])))
            if first:
                rows.append(
                    (number, f"whole, another seed ({seed})", *agreement(first[number], alone[number]))
                )
        first = first or alone
        print(*rows[-2 * len(numbers) :], sep="\n", flush=True)
    table = pd.DataFrame(
        rows, columns=["clusters", "compared", "same, of those in both", "same, of all", "in both"]
    )
    print(table.sort_values("clusters", kind="stable").round(3).to_string(index=False))


if __name__ == "__main__":
    main()
