"""Why an ion is in its cluster, in words, and which regions of the tissue a trained network goes by."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.ion_images import squares_to_grid
from napari_msiclust.progress import Progress
from napari_msiclust.results.corrections import History


@dataclass(frozen=True, eq=False)
class Explanation:
    """Occlusion maps of clusters.

    Attributes
    ----------
    clusters : ndarray of int64, shape (K,)
        Numbers of the clusters that have ions.
    maps : ndarray of float32, shape (K, H, W)
        How much the likeness to a cluster, beyond that to its strongest rival, falls if a region becomes
        that of an average cluster: positive where it speaks for the cluster. NaN off the tissue.
    """

    clusters: npt.NDArray[np.int64]
    maps: npt.NDArray[np.float32]


def reason(history: History, ion: int) -> str:
    """Why an ion is where it is, in words; the first call after an edit takes seconds for thousands of ions.

    A decision tree that imitates the clusters (`Corrected.surrogate`) speaks for an ion in a cluster, its
    bin for another one.

    Parameters
    ----------
    ion : int
        Row of the ion table.
    """
    ions = history.current.result.ions
    about = ions.iloc[ion]
    if not about["cluster"]:
        why = about.get("bin_reason") or about.get("bin")
        return f"m/z {about['mz']:.4f} is in no cluster{f': {why}' if why else ''}."
    words = history.current.surrogate.reason(ion)
    return f"m/z {about['mz']:.4f} is in cluster {about['cluster']}. {words}"


def explanation_steps(
    history: History, *, stop: threading.Event | None = None
) -> Generator[Progress, None, Explanation]:
    """Occlusion maps of the clusters as they are now; generator of `Progress`.

    Raises
    ------
    InputError
        The result holds no trained network, or no ion of it is in a cluster any more.
    Stopped
        `stop` was set.
    """
    from napari_msiclust.learning.explain import occlusion_maps  # need torch, which takes seconds to import
    from napari_msiclust.learning.trained_network import ClusterDirections, TrainedNetwork

    result, images = history.current.result, history.basis.images
    labels = history.current.labels.cluster[result.embedded]
    network = TrainedNetwork(result.embedding.network, result.config)
    known = ClusterDirections(result.embedding.features, labels, centred=network.centred)
    stack, mask = images.training_stack(network.side, result.config.hotspot_quantile)
    stack = stack[result.embedded]
    means = np.stack([stack[labels == k].mean(axis=0) for k in known.clusters])

    def score(squares: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return known.likeness(network.embed(squares, mask))

    maps = yield from occlusion_maps(means, mask, score, stop=stop)
    return Explanation(known.clusters, squares_to_grid(maps, images.grid.mask))
