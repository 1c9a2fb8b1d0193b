from __future__ import annotations

import xml.etree.ElementTree as ET

from napari_msiclust.results.figures import count_curves, merge_tree

COUNTS = [
    {"clusters": k, "silhouette": 0.9 - 0.1 * abs(k - 4), "stability": 0.8, "eigengap": 0.1 * k}
    for k in range(2, 8)
]
AGREEMENT = [[0.9, 0.6, 0.1], [0.6, 0.9, 0.1], [0.1, 0.1, 0.9]]


def _texts(svg: str) -> list[str]:
    return [comment.split("-->")[0].strip() for comment in svg.split("<!--")[1:]]


def test_the_curves_name_what_they_show() -> None:
    svg = count_curves(COUNTS, 4)
    ET.fromstring(svg)
    assert {"number of clusters", "silhouette of the agreement", "relative eigengap"} <= set(_texts(svg))


def test_nothing_is_drawn_where_nothing_was_chosen() -> None:
    assert count_curves([], 4) == ""
    assert merge_tree([], []) == ""
    assert merge_tree([[1.0]], ["cluster 1"]) == ""
    assert merge_tree(AGREEMENT, ["cluster 1", "cluster 2"]) == ""  # a cluster came by hand


def test_the_tree_puts_clusters_that_are_nearly_one_side_by_side() -> None:
    svg = merge_tree(AGREEMENT, ["cluster 1", "cluster 2", "cluster 3"])
    ET.fromstring(svg)
    leaves = [text for text in _texts(svg) if text.startswith("cluster ")]
    assert sorted(leaves) == ["cluster 1", "cluster 2", "cluster 3"]
    assert abs(leaves.index("cluster 1") - leaves.index("cluster 2")) == 1
