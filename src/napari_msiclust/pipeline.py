"""The main job: from ion images to a result."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.recipe import learn_clusters
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.training_set import training_set
from napari_msiclust.progress import Progress, ProgressCallback, drain
from napari_msiclust.provenance import provenance_of
from napari_msiclust.results.cluster_result import ClusterResult, build_result


def cluster_ions(
    images: IonImages, config: ClusterConfig | None = None, progress: ProgressCallback | None = None
) -> ClusterResult:
    """Group co-localized ions.

    Parameters
    ----------
    images : IonImages
        Ion images of one experiment.
    config : ClusterConfig, optional
        Settings; the preset `default` where none are given.
    progress : callable, optional
        Receives `Progress`.

    Returns
    -------
    ClusterResult

    Raises
    ------
    InputError
        There are fewer ions with signal than clusters, or a setting does not fit the machine.
    FileFormatError
        The weights cannot be loaded.
    """
    return drain(clustering_steps(images, config or ClusterConfig()), progress)


def clustering_steps(
    images: IonImages,
    config: ClusterConfig,
    *,
    threads: int | None = None,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, ClusterResult]:
    """`cluster_ions` as a generator of `Progress` that `stop` ends with `Stopped`.

    Parameters
    ----------
    threads : int, optional
        CPU threads for training; None takes one per core.
    """
    started = time.perf_counter()
    yield Progress("preparing images", 0, 1)
    prepared = training_set(images, config)
    clustering = yield from learn_clusters(prepared.stack, prepared.mask, config, threads=threads, stop=stop)
    yield Progress("summarizing", 0, 1)
    result = build_result(prepared, clustering, config, provenance_of(clustering, started))
    yield Progress("summarizing", 1, 1)
    return result
