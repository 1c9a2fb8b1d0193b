"""What a run was: weights, device, times, memory, versions."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from napari_msiclust.learning.ion_clustering import IonClustering

TISSUE = "tissue_mask.npy"  # in the folder of a result whose on-tissue mask was given
_PACKAGES = ("napari-msiclust", "torch", "numpy", "scikit-learn", "scipy", "pandas")


def provenance_of(
    clustering: IonClustering, started: float, notes: Sequence[str] = (), *, tissue_given: bool = False
) -> dict[str, Any]:
    """The record of a run as plain JSON values.

    Parameters
    ----------
    clustering : IonClustering
    started : float
        When it began (`time.perf_counter`).
    notes : sequence of str
        On the ion images; they come before those on the clustering.
    tissue_given : bool
        Whether a mask came with the ion images: it has to be kept, for nothing else tells of it.
    """
    votes = clustering.votes
    return ({"tissue_mask": TISSUE} if tissue_given else {}) | {
        "weights": {"origin": clustering.embedding.weights, "sha256": clustering.embedding.weights_sha256},
        "device": clustering.device,
        "threads": clustering.threads,
        "seconds": {
            **{stage: round(seconds, 3) for stage, seconds in clustering.seconds.items()},
            "total": round(time.perf_counter() - started, 3),
        },
        "peak_memory_bytes": peak_memory_bytes(),
        "notes": [*notes, *clustering.notes],
        "branch_agreement": [] if votes is None else votes.between.round(3).tolist(),
        "cluster_reason": clustering.reason,
        "cluster_counts": [] if votes is None else votes.counts.to_dict("records"),
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
