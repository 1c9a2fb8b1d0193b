"""A trained result applied to another section: no training, the same cluster numbers."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError
from napari_msiclust.learning.fusion_training import SHARPNESS
from napari_msiclust.learning.ion_clustering import Embedding, IonClustering
from napari_msiclust.learning.trained_network import (
    ClusterDirections,
    TrainedNetwork,
    probabilities,
    without_views,
)
from napari_msiclust.learning.training import check_stop
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.training_set import training_set
from napari_msiclust.progress import Progress
from napari_msiclust.provenance import provenance_of
from napari_msiclust.results.cluster_result import ClusterResult, build_result
from napari_msiclust.results.exports import read_clusters, read_embedding, read_result

NEW_PATTERN = "new pattern"
STAGE = "assigning ions"


def assignment_steps(
    result: Path, images: IonImages, *, stop: threading.Event | None = None
) -> Generator[Progress, None, ClusterResult]:
    """Give the ions of another section the clusters of a result; generator of `Progress`.

    The section's tissue is laid into the square of the first one, so that both should lie alike. An ion
    goes to the cluster whose mean direction in the embedding is nearest, by the labels as corrected; one that
    lies farther from it than the cluster's own ions do is a new pattern.

    Parameters
    ----------
    result : Path
        Folder of a result with its trained network.
    images : IonImages
        Of the other section.
    stop : threading.Event, optional
        Set it to end with `Stopped`.

    Raises
    ------
    FileFormatError
        A file of the result is missing or damaged.
    InputError
        The result is of a cohort, holds no trained network or no cluster, or no ion image has a signal.
    """
    started = time.perf_counter()
    saved = read_result(result)
    if "cohort" in saved.run:
        raise InputError(
            "is of several sections, which its network reads side by side",
            fix="cluster them again together with the new one",
            path=result,
        )
    embedding, embedded = read_embedding(result, saved.run)
    config = ClusterConfig.model_validate(saved.run["config"])
    labels = saved.ions["cluster"].to_numpy(dtype=np.int64)[embedded]
    if not labels.any():
        raise InputError(
            "no ion of the result is in a cluster", fix="cluster the first section again", path=result
        )
    yield Progress(STAGE, 0, 2)
    network = TrainedNetwork(embedding.network, config)
    prepared = training_set(images, config, network.side)
    check_stop(stop)
    yield Progress(STAGE, 1, 2)
    features = network.embed(prepared.stack, prepared.mask)
    known = ClusterDirections(embedding.features, labels, centred=network.centred, views=network.views)
    likeness = known.likeness(features)
    strange = known.unlike(likeness)
    nearest = known.clusters[likeness.argmax(axis=1)]
    given = np.where(strange, 0, nearest)
    clustering = IonClustering(
        labels=given,
        nearest=nearest,
        confidence=probabilities(likeness, SHARPNESS).max(axis=1).astype(np.float64),
        embedding=Embedding(
            features,
            embedding.encoder,
            embedding.weights,
            embedding.weights_sha256,
            without_views(embedding.network),
        ),
        history=pd.DataFrame(columns=["stage", "epoch", "loss", "confident_fraction"]),
        seconds={},
        notes=_notes(given),
        device="cpu",
        threads=torch.get_num_threads(),
    )
    clusters = read_clusters(result)
    made = build_result(
        prepared,
        clustering,
        config,
        {
            **provenance_of(clustering, started, images.notes, tissue_given=images.grid.masked),
            "assigned_from": str(result.resolve()),
        },
        clusters=int(clusters["cluster"].max()),
        left_out=(NEW_PATTERN, "less like its nearest cluster than the ions of that cluster are"),
    )
    named = [name for name in ("name", "color") if name in clusters]
    made.clusters[named] = clusters.set_index("cluster")[named].reindex(made.clusters["cluster"]).to_numpy()
    yield Progress(STAGE, 2, 2)
    return made


def _notes(given: npt.NDArray[np.int64]) -> tuple[str, ...]:
    new = int((given == 0).sum())
    if not new:
        return ()
    return (
        f"{new} of {len(given)} ions are like no cluster of the result; they are in the bin {NEW_PATTERN!r}",
    )
