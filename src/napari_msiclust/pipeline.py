"""The main job: from ion images to a result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.ion_clustering import IonClustering
from napari_msiclust.learning.recipe import learn_clusters
from napari_msiclust.msi.cohort import Cohort
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.training_set import TrainingSet, training_set
from napari_msiclust.progress import Progress, ProgressCallback, drain
from napari_msiclust.provenance import provenance_of
from napari_msiclust.results.cluster_result import ClusterResult, build_result
from napari_msiclust.results.cohort_result import CohortResult, cohort_result
from napari_msiclust.results.evidence import with_isotopes


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
    prepared, clustering = yield from _learned(lambda: training_set(images, config), config, threads, stop)
    result = build_result(
        prepared,
        clustering,
        config,
        provenance_of(clustering, started, images.notes, tissue_given=images.grid.masked),
    )
    yield Progress("summarizing", 1, 1)
    return result


def cohort_steps(
    cohort: Cohort,
    config: ClusterConfig,
    *,
    threads: int | None = None,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, CohortResult]:
    """Group the ions of several sections jointly; generator of `Progress`.

    Parameters
    ----------
    cohort : Cohort
        As `cohort_of` joins it, with the same settings.
    threads, stop
        As for `clustering_steps`.

    Raises
    ------
    InputError, FileFormatError
        As `cluster_ions`.
    """
    started = time.perf_counter()
    prepared, clustering = yield from _learned(lambda: cohort.training_set(config), config, threads, stop)
    provenance = provenance_of(clustering, started, cohort.images.notes)
    result = cohort_result(cohort, prepared, clustering, config, provenance)
    yield Progress("summarizing", 1, 1)
    return result


def _learned(
    prepare: Callable[[], TrainingSet],
    config: ClusterConfig,
    threads: int | None,
    stop: threading.Event | None,
) -> Generator[Progress, None, tuple[TrainingSet, IonClustering]]:
    """Prepare the ion images and cluster them."""
    yield Progress("preparing images", 0, 1)
    prepared = prepare()
    clustering = yield from learn_clusters(prepared.stack, prepared.mask, config, threads=threads, stop=stop)
    if clustering.votes is not None:
        votes = with_isotopes(clustering.votes, prepared.images.mz[prepared.used])
        clustering = replace(clustering, votes=votes)
    yield Progress("summarizing", 0, 1)
    return prepared, clustering
