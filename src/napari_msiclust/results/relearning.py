"""From corrections to labels that follow from them: the network trains on."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace

import numpy as np

from napari_msiclust.errors import InputError
from napari_msiclust.learning.relearn import relearn
from napari_msiclust.learning.trained_network import TrainedNetwork
from napari_msiclust.progress import Progress
from napari_msiclust.results.corrections import History, Relearning
from napari_msiclust.results.edits import REFINED, Relabel


def relearning_steps(
    history: History, *, threads: int | None = None, stop: threading.Event | None = None
) -> Generator[Progress, None, Relearning]:
    """Train the network of a result further on its corrected labels; generator of `Progress`.

    Pinned ions stay where they are, and so do ions in a bin that the network never saw; one that was put
    into a cluster since, it sees now.

    Raises
    ------
    InputError
        The result holds no trained network, or all its ions are in one cluster.
    Stopped
        `stop` was set.
    """
    result, labels = history.current.result, history.current.labels
    embedding, config = result.embedding, result.config
    network = TrainedNetwork(embedding.network, config)
    stack, mask = history.basis.images.training_stack(network.side, config.hotspot_quantile)
    fresh = (labels.cluster > 0) & stack.any(axis=(1, 2))
    fresh[result.embedded] = False
    rows = np.union1d(result.embedded, np.flatnonzero(fresh))
    clusters = np.unique(labels.cluster[rows][labels.cluster[rows] > 0])
    if len(clusters) < 2:
        where = "all ions are in one cluster" if len(clusters) else "no ion is in a cluster"
        raise InputError(where, fix="move ions so that there are two clusters")
    features = np.zeros((len(labels.cluster), embedding.features.shape[1]), np.float32)
    features[result.embedded] = embedding.features
    if fresh.any():
        features[fresh] = network.embed(stack[fresh], mask)
    found = yield from relearn(
        embedding.network,
        features[rows],
        stack[rows],
        mask,
        labels.cluster[rows],
        labels.pinned[rows],
        config,
        repeated=result.evidence.stability,
        threads=threads,
        stop=stop,
    )
    moved = np.flatnonzero(found.labels != labels.cluster[rows])
    return Relearning(
        Relabel(
            tuple(rows[moved].tolist()),
            tuple(found.labels[moved].tolist()),
            ("",) * len(moved),
            REFINED,
            "learn again from the corrections",
            tuple(found.confidence[moved].round(6).tolist()),
        ),
        replace(embedding, features=found.features, network=found.network),
        rows,
    )
