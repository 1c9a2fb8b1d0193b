"""Clusters in words: a shallow decision tree on named spatial attributes that imitates them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

_FOLDS = 5
_LEAST_DEPTH, _MOST_DEPTH = 2, 6
_LEAF = 3  # ions at least

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rule:
    """Why ions are in a cluster.

    Attributes
    ----------
    cluster : int
    conditions : str
        In words; all of them hold.
    ions : int
        Ions that meet the conditions.
    in_cluster : int
        Those of them that are in the cluster.
    members : int
        All ions of the cluster.
    """

    cluster: int
    conditions: str
    ions: int
    in_cluster: int
    members: int

    def sentence(self) -> str:
        """The rule in one sentence."""
        return (
            f"{self.conditions}: {self.in_cluster} of the {self.ions} ions of which this is true are in "
            f"cluster {self.cluster}, which has {self.members}."
        )


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A tree that imitates clusters.

    Attributes
    ----------
    fidelity : float or None
        Share of ions whose cluster is foretold by trees that have not seen them (five-fold
        cross-validation); None with fewer than five ions or a single cluster.
    chance : float
        Share of the largest cluster: what saying nothing would get.
    depth : int
        Conditions in a rule at most.
    rules : dict
        Cluster to `Rule`.
    """

    fidelity: float | None
    chance: float
    depth: int
    rules: dict[int, Rule]
    _tree: DecisionTreeClassifier
    _attributes: pd.DataFrame

    def sentence(self) -> str:
        """How far the rules can be trusted."""
        if self.fidelity is None:
            return "There are too few ions or clusters to say in words what they have in common."
        return (
            f"A decision tree of at most {self.depth} questions about where an ion is foretells the cluster "
            f"of {self.fidelity:.0%} of ions it has not seen (always naming the largest cluster: "
            f"{self.chance:.0%}). Its rules put the clusters into words; they are no part of the method. "
            "Intensities are relative to the mean of the tissue."
        )

    def reason(self, row: int) -> str:
        """What the tree asks about one ion, with its answers, and where it puts such ions.

        Parameters
        ----------
        row : int
            Row of the attributes the tree was made from.
        """
        if self.fidelity is None:
            return self.sentence()
        values = self._attributes.iloc[[row]].to_numpy()
        path = self._tree.decision_path(values).indices
        conditions = _in_words(_bounds(self._tree, path, list(self._attributes.columns))) or "Any ion"
        return (
            f"{conditions}: cluster {self._tree.predict(values)[0]}, says a decision tree that foretells "
            f"{self.fidelity:.0%} of ions it has not seen."
        )


def fit_surrogate(attributes: pd.DataFrame, labels: Labels) -> Surrogate:
    """A tree from attributes (n rows) to clusters (n,), for the ions in clusters (labels from 1 on)."""
    clustered = labels > 0
    known, chosen = attributes[clustered].reset_index(drop=True), labels[clustered]
    values = known.to_numpy(dtype=np.float64)
    clusters = len(np.unique(chosen))
    depth = min(max(math.ceil(math.log2(max(clusters, 1))) + 1, _LEAST_DEPTH), _MOST_DEPTH)
    tree = DecisionTreeClassifier(
        max_depth=depth, min_samples_leaf=min(_LEAF, max(1, len(chosen) // 4)), random_state=0
    )
    fidelity = None
    if clusters > 1 and len(chosen) >= _FOLDS:
        folds = KFold(_FOLDS, shuffle=True, random_state=0)
        fidelity = float((cross_val_predict(tree, values, chosen, cv=folds) == chosen).mean())
    if len(chosen):
        tree.fit(values, chosen)
    sizes = np.bincount(chosen, minlength=1)
    return Surrogate(
        fidelity=fidelity,
        chance=float(sizes.max() / max(len(chosen), 1)),
        depth=depth,
        rules=_rules(tree, values, chosen, list(known.columns)) if len(chosen) else {},
        _tree=tree,
        _attributes=attributes,
    )


def _rules(
    tree: DecisionTreeClassifier, values: npt.NDArray[np.float64], labels: Labels, names: list[str]
) -> dict[int, Rule]:
    """For each cluster the leaf that holds most of its ions."""
    leaves = tree.apply(values)
    rules = {}
    for cluster in np.unique(labels).tolist():
        own = leaves[labels == cluster]
        leaf = int(np.bincount(own).argmax())
        here = labels[leaves == leaf]
        path = tree.decision_path(values[leaves == leaf][:1]).indices
        conditions = _in_words(_bounds(tree, path, names))
        rules[cluster] = Rule(
            cluster, conditions or "Any ion", len(here), int((here == cluster).sum()), len(own)
        )
    return rules


def _bounds(
    tree: DecisionTreeClassifier, path: npt.NDArray[np.int32], names: list[str]
) -> dict[str, tuple[float, float]]:
    """Lower and upper bound of each attribute that is asked for on the way to a leaf."""
    structure = tree.tree_
    bounds: dict[str, tuple[float, float]] = {}
    for node, then in pairwise(path):
        name, threshold = names[structure.feature[node]], float(structure.threshold[node])
        low, high = bounds.get(name, (-math.inf, math.inf))
        if then == structure.children_left[node]:
            bounds[name] = (low, min(high, threshold))
        else:
            bounds[name] = (max(low, threshold), high)
    return bounds


def _in_words(bounds: dict[str, tuple[float, float]]) -> str:
    said = []
    for name, (low, high) in bounds.items():
        if math.isinf(low):
            said.append(f"{name} at most {high:.2f}")
        elif math.isinf(high):
            said.append(f"{name} over {low:.2f}")
        else:
            said.append(f"{name} between {low:.2f} and {high:.2f}")
    text = ", ".join(said)
    return text[:1].upper() + text[1:]
