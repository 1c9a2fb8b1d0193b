"""Whether a cohort finds in two parts of a tissue what one clustering finds in the whole.

The tissue is cut in two along its longer side, the second part is turned by 90 degrees and its intensities
are multiplied by a number, and the parts are clustered jointly. Reported is the share of the ions with the
same cluster as in the whole, clusters matched one to one, over the ions that both put into a cluster and
over all ions (in the same cluster, or in none in both). Two clusterings of the whole with other random
numbers say how much of the disagreement is none of the cutting. Runs whose folder is there already are not
repeated. Data folder: MSICLUST_TEST_DATA, default ../shared/data.

usage: python benchmarks/cohort.py --out DIR [--file FILE.imzML] [--clusters auto|10] [--seeds 0,1] ...
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from napari_msiclust import ClusterConfig, extract_ion_images, open_imzml
from napari_msiclust.msi.cohort import Section, cohort_of
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.pipeline import clustering_steps, cohort_steps
from napari_msiclust.progress import drain
from napari_msiclust.results.cohort_exports import write_cohort
from napari_msiclust.results.exports import IONS, is_result_folder, read_ion_table, write_result

DATA = Path(os.environ.get("MSICLUST_TEST_DATA", "../shared/data"))
MSIGHT = DATA / "msight" / "prostate_example.imzML"

Labels = npt.NDArray[np.int64]


def halves(images: IonImages, factor: float) -> list[Section]:
    """The two halves of a tissue, the second turned by 90 degrees and brighter by a factor."""
    grid = images.grid
    across = int(np.argmax(grid.shape))
    place = (grid.rows, grid.cols)[across]
    second = place >= np.median(place)
    parts = []
    for chosen in (~second, second):
        rows, cols = grid.rows[chosen], grid.cols[chosen]
        part = replace(images, values=np.asarray(images.values[:, chosen]), grid=_grid_of(grid, rows, cols))
        parts.append(part)
    parts[1] = replace(turned(parts[1]), values=parts[1].values * np.float32(factor))
    return [Section("first half", parts[0]), Section("second half, turned", parts[1])]


def turned(images: IonImages) -> IonImages:
    """A section turned by 90 degrees."""
    rows, cols = images.grid.cols, images.grid.rows.max() - images.grid.rows
    return replace(images, grid=_grid_of(images.grid, rows, cols))


def _grid_of(grid: PixelGrid, rows: npt.NDArray[np.int32], cols: npt.NDArray[np.int32]) -> PixelGrid:
    """A grid of other places, all of them tissue."""
    rows, cols = rows - rows.min(), cols - cols.min()
    mask = np.zeros((int(rows.max()) + 1, int(cols.max()) + 1), dtype=bool)
    mask[rows, cols] = True
    return replace(
        grid, shape=mask.shape, rows=rows, cols=cols, mask=mask, origin=(1, 1), plane_shape=mask.shape
    )


def agreement(one: Labels, other: Labels) -> tuple[float, float, int]:
    """Share of the ions with the same cluster, of those in both and of all; how many are in both."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    inner = table[1:, 1:]
    same = float(inner[linear_sum_assignment(-inner)].sum())
    return same / inner.sum(), (same + table[0, 0]) / len(one), int(inner.sum())


def labels(folder: Path, mz: npt.NDArray[np.float64]) -> Labels:
    """Cluster of each ion of a result, which has to list these m/z."""
    ions = read_ion_table(folder / IONS)
    if len(ions) != len(mz) or not np.allclose(ions["mz"], mz, rtol=1e-9):
        raise SystemExit(f"{folder} holds other ions than the file")
    found: Labels = ions["cluster"].to_numpy(dtype=np.int64)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--file", type=Path, default=MSIGHT)
    parser.add_argument("--clusters", default="auto", help="auto, or a number")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--factor", type=float, default=7.3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with open_imzml(options.file) as file:
        images = extract_ion_images(file)
    rows = []
    seeds = [int(seed) for seed in options.seeds.split(",")]
    for seed in seeds:
        clusters = "auto" if options.clusters == "auto" else int(options.clusters)
        config = ClusterConfig(clusters=clusters, seed=seed, device="cpu")
        whole, joint = options.out / f"whole-{seed}", options.out / f"joint-{seed}"
        if not is_result_folder(whole):
            result = drain(clustering_steps(images, config, threads=options.threads))
            write_result(result, images, whole)
        if not is_result_folder(joint):
            cohort = cohort_of(halves(images, options.factor), config)
            write_cohort(drain(cohort_steps(cohort, config, threads=options.threads)), joint)
        rows.append(
            (f"whole and joint, seed {seed}", *agreement(labels(whole, images.mz), labels(joint, images.mz)))
        )
        print(rows[-1], flush=True)
    first = labels(options.out / f"whole-{seeds[0]}", images.mz)
    for seed in seeds[1:]:
        other = labels(options.out / f"whole-{seed}", images.mz)
        rows.append((f"whole, seeds {seeds[0]} and {seed}", *agreement(first, other)))
    table = pd.DataFrame(rows, columns=["compared", "same, of those in both", "same, of all", "in both"])
    print(table.round(4).to_string(index=False))


if __name__ == "__main__":
    main()
