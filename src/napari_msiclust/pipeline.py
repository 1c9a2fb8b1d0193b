"""The main job: from ion images to a result."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Generator
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError
from napari_msiclust.learning.ion_clustering import IonClustering
from napari_msiclust.learning.recipe import learn_clusters
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.tissue import estimate_tissue
from napari_msiclust.msi.triage import bin_counts, set_aside_empty, structure_scores, structured, triage
from napari_msiclust.progress import Progress, ProgressCallback, drain
from napari_msiclust.results.cluster_result import ClusterResult, build_result

_MOST_VALUES = 1e8  # of the training images in memory
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
    structure = structure_scores(images)
    if config.tissue == "estimate" and np.array_equal(images.grid.mask, images.grid.acquired):
        shaped = structured(structure, config.triage)
        images = images.with_mask(estimate_tissue(images, config.hotspot_quantile, shaped))
    stack, mask = images.training_stack(_side(images, config), config.hotspot_quantile)
    has_signal: npt.NDArray[np.bool_] = stack.max(axis=(1, 2)) > 0
    bins = set_aside_empty(triage(images, config.triage, structure=structure), has_signal)
    used = np.flatnonzero(bins["bin"] == "")
    if len(used) < 2:
        raise InputError(
            f"{len(used)} of {len(images)} ion images can be clustered ({bin_counts(bins)})",
            fix="check the m/z list and the tolerance, or switch bins of the triage off",
        )
    stack = stack[used]
    clustering = yield from learn_clusters(stack, mask, config, threads=threads, stop=stop)
    yield Progress("summarizing", 0, 1)
    result = build_result(
        images, stack, mask, used, bins, clustering, config, _provenance(clustering, started)
    )
    yield Progress("summarizing", 1, 1)
    return result


def _side(images: IonImages, config: ClusterConfig) -> int:
    """Side of the training images in pixels: the tissue's own where the recipe wants it."""
    if config.recipe == "published":
        return config.image_size
    rows, cols = (np.flatnonzero(images.grid.mask.any(axis=axis)) for axis in (1, 0))
    own = max(rows[-1] - rows[0], cols[-1] - cols[0]) + 1
    return int(min(own, max(config.image_size, np.sqrt(_MOST_VALUES / len(images)))))


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
