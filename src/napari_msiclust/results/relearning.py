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

    Pinned ions stay where they are. Ions that were set aside by hand stay aside.

    Raises
    ------
    InputError
        The result holds no trained network, or all its ions are in one cluster.
    Stopped
        `stop` was set.
    """
    result, labels = history.current.result, history.current.labels
    embedding, config = result.embedding, result.config
    side = TrainedNetwork(embedding.network, config).side
    rows = result.embedded
    if len(np.unique(labels.cluster[rows][labels.cluster[rows] > 0])) < 2:
        raise InputError("all ions are in one cluster", fix="split it, or move ions to another one")
    stack, mask = history.basis.images.training_stack(side, config.hotspot_quantile)
    found = yield from relearn(
        embedding.network,
        embedding.features,
        stack[rows],
        mask,
        labels.cluster[rows],
        labels.pinned[rows],
        config,
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
        ),
        replace(embedding, features=found.features, network=found.network),
    )
