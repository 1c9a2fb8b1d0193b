"""Figures of a run, as SVG: evidence for the number of clusters, and what would merge and split next."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

_CURVES = (
    ("silhouette", "#0072B2", "silhouette of the agreement"),
    ("stability", "#009E73", "agreement of two halves of the pixels (ARI)"),
    ("eigengap", "#D55E00", "relative eigengap"),
    ("isotope_kappa", "#CC79A7", "agreement of 13C isotopes (kappa); not used to choose"),
)
_MIXED = "#808080"


def as_svg(figure: Figure) -> str:
    """A figure as an SVG element, without what stands before it in a file."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def count_curves(counts: Sequence[dict[str, Any]]) -> str:
    """Evidence over the number of clusters, the chosen number marked; empty where none was sought.

    Parameters
    ----------
    counts : sequence of dict
        Rows of `Votes.counts`.
    """
    if len(counts) < 2:
        return ""
    table = pd.DataFrame(counts)
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for name, color, label in _CURVES:
        if name in table:
            axes.plot(table["clusters"], table[name], color=color, lw=1.3, label=label)
    for chosen in table.loc[table["chosen"], "clusters"]:
        axes.axvline(chosen, color="0.5", lw=1, ls="--")
    axes.set(xlabel="number of clusters", ylim=(min(0.0, float(table["silhouette"].min())), 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=7, frameon=False)
    return as_svg(figure)


def merge_tree(agreement: Sequence[Sequence[float]], ions: pd.DataFrame, colors: Sequence[str]) -> str:
    """Dendrogram of more and smaller groups than clusters, in the colours of these; empty without.

    Parameters
    ----------
    agreement : M x M numbers
        Share of the clusterings in which ions of two branches are together.
    ions : DataFrame
        The ion table: branch, cluster, mz, centrality.
    colors : sequence of str
        Of clusters 1..K.
    """
    together = np.asarray(agreement, dtype=float)
    there = np.unique(ions["branch"]) if "branch" in ions else np.empty(0, int)
    there = there[there > 0]  # a section of a cohort may not have the ions of each
    if len(there) < 2 or len(together) < there[-1]:
        return ""
    together = together[np.ix_(there - 1, there - 1)]
    leaves = [ions[ions["branch"] == number] for number in there]
    clusters = [_cluster_of(leaf) for leaf in leaves]
    apart = np.clip(1 - together, 0, 1)
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), "average")
    below = [{cluster} for cluster in clusters]
    for left, right, *_ in tree:
        below.append(below[int(left)] | below[int(right)])

    def color(node: int) -> str:
        (cluster, *others) = below[node]
        return _MIXED if others or not cluster else colors[cluster - 1]

    figure = Figure(figsize=(6.4, 0.9 + 0.17 * len(leaves)), layout="constrained")
    axes = figure.add_subplot()
    dendrogram(
        tree, ax=axes, orientation="left", link_color_func=color, leaf_font_size=8,
        labels=[_leaf_name(leaf, cluster) for leaf, cluster in zip(leaves, clusters, strict=True)],
    )  # fmt: skip
    axes.set(xlabel="share of the clusterings that keep them apart", xlim=(1.02, 0))
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    return as_svg(figure)


def _cluster_of(branch: pd.DataFrame) -> int:
    """The cluster of most of its ions; 0 where none is in one."""
    clustered = branch.loc[branch["cluster"] > 0, "cluster"]
    return int(clustered.mode().iloc[0]) if len(clustered) else 0


def _leaf_name(branch: pd.DataFrame, cluster: int) -> str:
    """Cluster, number of ions, and the m/z of the ion that is most like its cluster."""
    central = branch["mz"].to_numpy()[branch["centrality"].argmax()]
    words = f"{len(branch)} ion{'' if len(branch) == 1 else 's'}, m/z {central:.4f}"
    return f"cluster {cluster}: {words}" if cluster else f"unassigned: {words}"
