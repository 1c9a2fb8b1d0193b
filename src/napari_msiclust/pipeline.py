"""The main job: from ion images to a result."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from importlib import metadata
from typing import Any

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.ion_clustering import IonClustering
from napari_msiclust.learning.recipe import learn_clusters
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.training_set import training_set
from napari_msiclust.progress import Progress, ProgressCallback, drain
from napari_msiclust.results.cluster_result import ClusterResult, build_result

_PACKAGES = ("napari-msiclust", "torch", "numpy", "scikit-learn", "scipy", "pandas")


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
    result = build_result(prepared, clustering, config, _provenance(clustering, started))
    yield Progress("summarizing", 1, 1)
    return result


def _provenance(clustering: IonClustering, started: float) -> dict[str, Any]:
    return {
        "weights": {"origin": clustering.embedding.weights, "sha256": clustering.embedding.weights_sha256},
        "device": clustering.device,
        "threads": clustering.threads,
        "seconds": {
            **{stage: round(seconds, 3) for stage, seconds in clustering.seconds.items()},
            "total": round(time.perf_counter() - started, 3),
        },
        "peak_memory_bytes": peak_memory_bytes(),
        "notes": list(clustering.notes),
        "cluster_counts": clustering.counts.to_dict("records"),
        "versions": {"python": sys.version.split()[0]} | {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def peak_memory_bytes() -> int | None:
    """Largest resident memory of this process so far; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        import psutil

        return getattr(psutil.Process().memory_info(), "peak_wset", None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
