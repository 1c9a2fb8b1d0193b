"""What each ingredient of the preset `default` buys: runs without it, side by side, over seeds.

Every row changes one setting; the first is the start itself, the clusterings of the pixels that training
begins with, and the second the whole preset. With classes known the score is the adjusted Rand index of
all ions, unassigned ones as a cluster of their own; without, the kappa of 13C pairs and the share of ions
in clusters. Data folder: MSICLUST_TEST_DATA, default ../shared/data.

`--rows start,default --clusters auto,13,20` tells how good the preset itself is, and its start.

usage: python benchmarks/ablation.py [--seeds 0,1,2] [--only msight,...] [--rows start,...] [--out FILE.csv]
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.cluster_count import choose_count
from napari_msiclust.learning.consensus import (
    AgreementTree,
    cluster_range,
    membership,
    pixel_runs,
    standing,
)
from napari_msiclust.learning.consensus_recipe import (
    CONSENSUS_STAGE,
    PixelStart,
    TrainedFusion,
    agreed_clusters,
    pixel_start,
    trained_fusion,
)
from napari_msiclust.learning.device import limited_threads
from napari_msiclust.learning.weights import load_encoder
from napari_msiclust.msi.training_set import TrainingSet, training_set
from napari_msiclust.progress import drain
from napari_msiclust.results.evidence import collect_evidence
from napari_msiclust.results.metrics import Truth
from quality import PROBLEMS

Labels = npt.NDArray[np.int64]
Standing = npt.NDArray[np.float32]
Record = dict[str, Any]
Change = Callable[[ClusterConfig], ClusterConfig]

CLUSTERS = {"msight": 10, "kidney": 10}  # asked for; 13 elsewhere
MEASURES = ("found", "ari", "ari, none left out", "purity", "kappa", "clustered")
CPU = torch.device("cpu")


def changed(part: str, **settings: object) -> Change:
    """A configuration with settings of one of its parts changed."""

    def apply(config: ClusterConfig) -> ClusterConfig:
        return config.model_copy(update={part: getattr(config, part).model_copy(update=settings)})

    return apply


ROWS: dict[str, Change | None] = {
    "start": None,
    "default": lambda config: config,
    "no training": lambda config: config.with_epochs(0),
    "no self-labeling": changed("consensus", refine_epochs=0),
    "views not split": changed("views", split=False),
    "no likeness": changed("consensus", likeness=False),
    "nnclr": lambda config: config.with_objective("nnclr"),
    "no pyramid": changed("fusion", pyramid=False),
    "no linear reading": changed("fusion", pixels=False),
    "embedding alone votes": changed("consensus", use_pixels=False),
    "no smoothing": changed("consensus", smoothing=0.0),
}


def start_alone(prepared: TrainingSet, start: PixelStart, config: ClusterConfig) -> tuple[Labels, Standing]:
    """Clusters that the pixels agree on, without a network."""
    if config.clusters == "auto":
        config = config.model_copy(update={"clusters": choose_count(start.runs, start.apart).clusters})
    assert isinstance(config.clusters, int)
    close = cluster_range(len(prepared.stack), config.clusters)
    runs = drain(pixel_runs(start.pixels, close, config.consensus, stage=CONSENSUS_STAGE, seed=config.seed))
    tree = AgreementTree.of(runs)
    shares = membership(tree.together, tree.cut(config.clusters))
    labels = shares.argmax(axis=1)
    return labels, standing(shares, labels)


class Networks:
    """Networks after contrastive training; rows that differ in what follows share one."""

    def __init__(self, prepared: TrainingSet) -> None:
        self._prepared = prepared
        self._made: dict[str, TrainedFusion] = {}

    def of(self, start: PixelStart, config: ClusterConfig) -> TrainedFusion:
        """A network of its own for the row."""
        prepared, settings = self._prepared, config.consensus
        key = repr((config.contrastive, config.views, config.fusion, settings.likeness, settings.smoothing))
        if key not in self._made:
            encoder, _ = load_encoder(config.encoder, config.weights, config.seed)
            encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            batch = min(config.max_batch, len(prepared.stack) // 2)
            self._made[key] = drain(
                trained_fusion(encoder, prepared.stack, prepared.mask, start, config, batch=batch, device=CPU)
            )
        return copy.deepcopy(self._made[key])


def whole(networks: Networks, start: PixelStart, config: ClusterConfig) -> tuple[Labels, Standing]:
    """Clusters of the recipe with these settings."""
    found = drain(agreed_clusters(networks.of(start, config), start, config))
    return found.labels, found.standing


def scores(
    prepared: TrainingSet, labels: Labels, stand: Standing, truth: Truth | None, least: float
) -> Record:
    """Scores of the labels of the ions that were clustered, and of all of them with none left out."""
    kept = np.where(stand >= least, labels + 1, 0)
    evidence = collect_evidence(prepared.images.mz[prepared.used], kept, prepared.flat)
    record: Record = {
        "found": int(kept.max()),
        "kappa": evidence.isotope_kappa,
        "clustered": float((kept > 0).mean()),
    }
    if truth is not None:
        every = np.zeros((2, len(prepared.images)), dtype=np.int64)
        every[:, prepared.used] = kept, labels + 1
        quality = truth.score(every[0])
        record |= {
            "ari": quality.ari,
            "purity": quality.purity,
            "ari, none left out": truth.score(every[1]).ari,
        }
    return record


def run(
    name: str, seed: int, rows: list[str], clusters: list[int | Literal["auto"]], threads: int
) -> Iterator[Record]:
    """One record for each row and number of clusters."""
    images, truth = PROBLEMS[name][1]()
    config = ClusterConfig(seed=seed, device="cpu")
    prepared = training_set(images, config)
    networks = Networks(prepared)
    starts: dict[float | None, PixelStart] = {}
    for row, asked in product(rows, clusters):
        change = ROWS[row] or (lambda config: config)
        settings = change(config.model_copy(update={"clusters": asked}))
        smoothing = settings.consensus.smoothing
        began = time.perf_counter()
        with limited_threads(threads):
            if smoothing not in starts:
                starts[smoothing] = drain(pixel_start(prepared.stack, prepared.mask, settings))
            start = starts[smoothing]
            if ROWS[row] is None:
                labels, stand = start_alone(prepared, start, settings)
            else:
                labels, stand = whole(networks, start, settings)
        yield (
            {"data": name, "row": row, "asked": asked, "seed": seed}
            | scores(prepared, labels, stand, truth, settings.consensus.min_standing)
            | {"seconds": round(time.perf_counter() - began, 1)}
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default="uterus13,kidney,msight")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--clusters", help="auto, or numbers; the number of classes if not given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="add the records to this table")
    options = parser.parse_args()
    records: list[Record] = []
    for seed in map(int, options.seeds.split(",")):
        for name in options.only.split(","):
            given = options.clusters or str(CLUSTERS.get(name, 13))
            clusters: list[int | Literal["auto"]] = [
                "auto" if one == "auto" else int(one) for one in given.split(",")
            ]
            for record in run(name, seed, options.rows.split(","), clusters, options.threads):
                print(record, flush=True)
                records.append(record)
                if options.out is not None:
                    pd.DataFrame(records).to_csv(options.out, index=False)
    table = pd.DataFrame(records)
    measures = [name for name in MEASURES if name in table]
    shown = table.groupby(["data", "row", "asked"], sort=False)[measures]
    spread = (shown.max() - shown.min()).add_suffix(" spread")
    pd.set_option("display.width", 250)
    print(pd.concat([shown.mean(), spread], axis=1).round(3).to_string())


if __name__ == "__main__":
    main()
