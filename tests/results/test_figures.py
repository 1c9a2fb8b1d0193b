from __future__ import annotations

import xml.etree.ElementTree as ET

import pandas as pd

from napari_msiclust.results.figures import count_curves, merge_tree

COUNTS = [
    {
        "clusters": k,
        "silhouette": 0.9 - 0.1 * abs(k - 4),
        "stability": 0.8,
        "eigengap": 0.1 * k,
        "chosen": k == 4,
    }
    for k in range(2, 8)
]
AGREEMENT = [[0.9, 0.6, 0.1], [0.6, 0.9, 0.1], [0.1, 0.1, 0.9]]
IONS = pd.DataFrame(
    {
        "mz": [100.0, 200.0, 300.0, 400.0, 500.0],
        "branch": [1, 3, 2, 1, 0],
        "cluster": [2, 1, 2, 2, 0],
        "centrality": [0.5, 0.9, 0.9, 0.8, 0.0],
    }
)
COLORS = ("#ff0000", "#0000ff")


def _texts(svg: str) -> list[str]:
    return [comment.split("-->")[0].strip() for comment in svg.split("<!--")[1:]]


def test_the_curves_name_what_they_show() -> None:
    svg = count_curves(COUNTS)
    ET.fromstring(svg)
    assert {"number of clusters", "silhouette of the agreement", "relative eigengap"} <= set(_texts(svg))


def test_nothing_is_drawn_where_nothing_was_chosen() -> None:
    assert count_curves([]) == ""
    assert merge_tree([], IONS, COLORS) == ""
    assert merge_tree([[1.0]], IONS, COLORS) == ""
    assert merge_tree(AGREEMENT, IONS.drop(columns="branch"), COLORS) == ""  # of another recipe


def test_agreement_of_isotopes_is_drawn_where_there_is_one() -> None:
    label = "agreement of 13C isotopes (kappa); not used to choose"
    assert label not in _texts(count_curves(COUNTS))
    assert label in _texts(count_curves([row | {"isotope_kappa": 0.5} for row in COUNTS]))


def test_the_tree_puts_branches_of_a_cluster_side_by_side_in_its_colour() -> None:
    svg = merge_tree(AGREEMENT, IONS, COLORS)
    ET.fromstring(svg)
    leaves = [text for text in _texts(svg) if text.startswith("cluster ")]
    first, second, other = (
        "cluster 2: 2 ions, m/z 400.0000",
        "cluster 2: 1 ion, m/z 300.0000",
        "cluster 1: 1 ion, m/z 200.0000",
    )
    assert sorted(leaves) == sorted([first, second, other])
    assert abs(leaves.index(first) - leaves.index(second)) == 1
    assert COLORS[1] in svg  # the two of cluster 2 meet
    assert COLORS[0] not in svg  # the one of cluster 1 meets nothing of its own


def test_a_branch_without_ions_is_left_out() -> None:
    ions = IONS[IONS["branch"] != 2]
    leaves = [text for text in _texts(merge_tree(AGREEMENT, ions, COLORS)) if " ion" in text]
    assert sorted(leaves) == ["cluster 1: 1 ion, m/z 200.0000", "cluster 2: 2 ions, m/z 400.0000"]


def test_a_branch_of_ions_in_no_cluster_is_said_to_be_one() -> None:
    ions = IONS.assign(cluster=[2, 0, 2, 2, 0])
    assert "unassigned: 1 ion, m/z 200.0000" in _texts(merge_tree(AGREEMENT, ions, COLORS))
