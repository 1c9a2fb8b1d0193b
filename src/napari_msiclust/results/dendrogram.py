"""Which clusters are alike: the tree in which they would merge, and how one would split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from napari_msiclust.errors import InputError
from napari_msiclust.results.edits import Labeling, Split
from napari_msiclust.results.evidence import pearson
from napari_msiclust.results.ion_basis import IonBasis


@dataclass(frozen=True)
class Node:
    """A merge of the tree.

    Attributes
    ----------
    clusters : tuple of int
        Numbers of the clusters below it, in the order of the leaves.
    left, right : float
        Where its two branches stand, in leaves from 0.
    left_height, right_height, height : float
        Distance (1 - Pearson correlation, averaged) at which the branches begin and at which they meet.
    """

    clusters: tuple[int, ...]
    left: float
    right: float
    left_height: float
    right_height: float
    height: float


@dataclass(frozen=True)
class ClusterTree:
    """Average-linkage tree of the clusters that have ions.

    Attributes
    ----------
    leaves : tuple of int
        Cluster numbers, like ones side by side.
    nodes : tuple of Node
        By height; one fewer than leaves.
    """

    leaves: tuple[int, ...]
    nodes: tuple[Node, ...]


def cluster_tree(basis: IonBasis, labels: Labeling) -> ClusterTree:
    """Tree of the clusters' mean ion images."""
    numbers = [number for number in range(1, labels.count + 1) if len(labels.members(number))]
    if len(numbers) < 2:
        return ClusterTree(tuple(numbers), ())
    means = np.stack([basis.flat[labels.members(number)].mean(axis=0) for number in numbers])
    merges = _average_linkage(means)
    below: list[tuple[int, ...]] = [(leaf,) for leaf in range(len(numbers))]
    for one, other, *_ in merges:
        below.append(below[int(one)] + below[int(other)])
    order = below[-1]
    place = {leaf: float(order.index(leaf)) for leaf in order}
    at, height = [place[leaf] for leaf in range(len(numbers))], [0.0] * len(numbers)
    nodes = []
    for step, (one, other, distance, _) in enumerate(merges):
        left, right = int(one), int(other)
        members = tuple(numbers[leaf] for leaf in below[len(numbers) + step])
        nodes.append(Node(members, at[left], at[right], height[left], height[right], float(distance)))
        at.append((at[left] + at[right]) / 2)
        height.append(float(distance))
    return ClusterTree(tuple(numbers[leaf] for leaf in order), tuple(nodes))


def split_in(basis: IonBasis, labels: Labeling, cluster: int, parts: int = 2) -> Split:
    """The split of a cluster where its ion images are least alike.

    Raises
    ------
    InputError
        It has fewer ions than parts.
    """
    rows = labels.members(cluster)
    if len(rows) < parts:
        raise InputError(f"{labels.name(cluster)} has {len(rows)} ions and cannot be split in {parts}")
    found = fcluster(_average_linkage(basis.flat[rows]), parts, criterion="maxclust")
    numbers, counts = np.unique(found, return_counts=True)
    if len(numbers) < 2:
        raise InputError(f"the ion images of {labels.name(cluster)} are all alike", fix="split it by hand")
    largest = numbers[counts.argmax()]
    return Split(
        cluster, tuple(tuple(rows[found == number].tolist()) for number in numbers if number != largest)
    )


def _average_linkage(flat: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    distance = np.clip(1 - pearson(flat, flat), 0, None).astype(np.float64)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, val=0)
    merges: npt.NDArray[np.float64] = linkage(squareform(distance, checks=False), method="average")
    return merges
