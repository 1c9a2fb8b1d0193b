"""Figures of a run, as SVG: evidence for the number of clusters, and which clusters are nearly one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

_CURVES = (
    ("silhouette", "#0072B2", "silhouette of the agreement"),
    ("stability", "#009E73", "agreement of two halves of the pixels (ARI)"),
    ("eigengap", "#D55E00", "relative eigengap"),
)


def as_svg(figure: Figure) -> str:
    """A figure as an SVG element, without what stands before it in a file."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def count_curves(counts: Sequence[dict[str, Any]], chosen: int) -> str:
    """Evidence over the number of clusters, the chosen number marked; empty where none was chosen.

    Parameters
    ----------
    counts : sequence of dict
        Rows of `ClusterCount.curves`.
    """
    if len(counts) < 2:
        return ""
    table = pd.DataFrame(counts)
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for name, color, label in _CURVES:
        axes.plot(table["clusters"], table[name], color=color, lw=1.3, label=label)
    axes.axvline(chosen, color="0.5", lw=1, ls="--")
    axes.set(xlabel="number of clusters", ylim=(min(0.0, float(table["silhouette"].min())), 1.02))
    axes.legend(fontsize=7, frameon=False)
    return as_svg(figure)


def merge_tree(agreement: Sequence[Sequence[float]], names: Sequence[str]) -> str:
    """Dendrogram of the clusters by how often clusterings put their ions together.

    Parameters
    ----------
    agreement : K x K numbers
        Share of the clusterings in which ions of two clusters are together.
    names : sequence of str
        Of the K clusters.
    """
    together = np.asarray(agreement, dtype=float)
    if len(together) < 2 or len(together) != len(names):
        return ""
    apart = np.clip(1 - together, 0, 1)
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), "average")
    figure = Figure(figsize=(6.4, 0.9 + 0.17 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    dendrogram(
        tree, ax=axes, orientation="left", labels=list(names), color_threshold=0,
        above_threshold_color="#0072B2", leaf_font_size=8,
    )  # fmt: skip
    axes.set(xlabel="share of the clusterings that keep them apart", xlim=(1.02, 0))
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    return as_svg(figure)
