from __future__ import annotations

from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.results.enrichment import enrich, molecule_of, name_of, read_annotations


@pytest.mark.parametrize(
    "ion",
    [
        "C16H32O2",
        " C16H32O2 ",
        "C16H32O2+Na",
        "C16H32O2-H",
        "C16H32O2 + K",
        "[C16H32O2+H]+",
        "C16H32O2-H2O+H",
        "C16H32O2 [M+H]+",
        "C16H32O2+NH4 13C",
        "C16H32O2 i1",
        "C16H32O2(i2)",
        "[13C]C15H32O2+H",
        "[13C1]C15H32O2",
        "[13C2]C14H32O2-H",
        "[13C]2C14H32O2",
        "C15[13C]H32O2",
        "[C15[13C]H32O2+H]+",
        "13C1C15H32O2",
        "C16H31[2H]O2+H-H2O",
    ],
)
def test_one_molecule_has_one_formula(ion: str) -> None:
    assert molecule_of(ion) == "C16H32O2"


@pytest.mark.parametrize(
    "formula", ["C6H18OSi2", "C3H5Li3", "C10H12Ni2", "C10H12Ni", "(CH3)2CO", "Glucose", "ClNa", ""]
)
def test_a_neutral_formula_stays(formula: str) -> None:
    assert molecule_of(formula) == formula
    assert molecule_of(f"{formula}+H") == formula


@pytest.mark.parametrize(
    "ion",
    [
        "PC(34:1)",
        "PC(34:1)+H",
        "PC(34:1)+Na",
        "PC(34:1)+K",
        "PC(34:1)-H",
        "PC(34:1)+H-H2O",
        "PC(34:1) + NH4",
        "PC(34:1)+H+",
        "PC(34:1) [M+H]+",
        "PC(34:1)[M-H]-",
        "PC(34:1) [M]+",
        "PC(34:1) [M-H2O+H]+",
        "PC(34:1) (M+2H)2+",
        "PC(34:1) M+CH3COO",
        "[PC(34:1)+H]+",
        "PC(34:1)+H 13C",
    ],
)
def test_one_molecule_has_one_name(ion: str) -> None:
    assert name_of(ion) == "PC(34:1)"


@pytest.mark.parametrize(
    "name",
    ["12-HETE", "Vitamin-K", "(+)-catechin", "N-acetyl-Hexosamine", "PC(O-34:1)", "[6]-gingerol", "Ca2+"],
)
def test_a_name_with_signs_stays(name: str) -> None:
    assert name_of(name) == name
    assert name_of(f"{name} [M+H]+") == name


def _annotated(sizes: dict[str, int]) -> pd.DataFrame:
    """Annotations of one molecule per m/z: set to number of molecules."""
    names = [name for name, count in sizes.items() for _ in range(count)]
    return pd.DataFrame(
        {
            "mz": 100.0 + np.arange(len(names)),
            "molecule": [f"C{row}H" for row in range(len(names))],
            "kind": "class",
            "set": names,
        }
    )


def _ions(clusters: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"mz": 100.0 + np.arange(len(clusters)), "cluster": clusters, "confidence": 0.5})


def test_the_test_is_hypergeometric() -> None:
    # 10 molecules, 4 of set A; cluster 1 holds 5, of which 3 are of A
    annotations = _annotated({"A": 4, "B": 6})
    table = enrich(_ions([1, 1, 1, 2, 1, 1, 2, 2, 2, 2]), annotations).set_index(["cluster", "set"])
    row = table.loc[(1, "A")]
    expected = sum(comb(4, k) * comb(6, 5 - k) for k in (3, 4)) / comb(10, 5)
    assert row["p"] == pytest.approx(expected)
    assert (row["in_cluster"], row["cluster_size"], row["in_all"], row["all"]) == (3, 5, 4, 10)
    assert row["fold"] == pytest.approx(3 / (5 * 4 / 10))
    assert row["molecules"] == "C0H; C1H; C2H"


def test_q_is_that_of_benjamini_and_hochberg_over_all_tests() -> None:
    annotations = _annotated({"A": 5, "B": 5, "C": 5})
    table = enrich(_ions([1] * 5 + [2] * 5 + [3] * 5), annotations)
    assert table["p"].tolist() == pytest.approx([1 / comb(15, 5)] * 3)
    assert table["q"].tolist() == pytest.approx(
        [9 / 3 / comb(15, 5)] * 3
    )  # nine tests, six of them with p = 1


def test_isotopes_and_adducts_of_a_molecule_count_once(tmp_path: Path) -> None:
    formulas = ["C6H12O6+H", "C6H12O6+Na", "[13C]C5H12O6+H", "C5H9NO4", "C5H5N5", "C9H13N3O5"]
    table = pd.DataFrame({"mz": 100.0 + np.arange(6), "formula": formulas, "class": list("SSSANN")})
    table.to_csv(tmp_path / "a.csv", index=False)
    annotations = read_annotations(tmp_path / "a.csv")
    result = enrich(_ions([1, 1, 1, 1, 2, 2]), annotations)
    assert result["all"].unique().tolist() == [4]
    assert set(result["set"]) == {"N"}  # S and A have one molecule each
    assert result["cluster_size"].tolist() == [2]


def test_a_molecule_in_two_clusters_belongs_to_the_one_with_most_of_its_ions() -> None:
    annotations = _annotated({"A": 6})
    annotations["molecule"] = ["X", "X", "X", "Y", "Y", "Z"]
    ions = _ions([1, 1, 2, 1, 2, 0])
    ions["confidence"] = [0.5, 0.5, 0.9, 0.5, 0.9, 0.9]
    table = enrich(ions, annotations).set_index("cluster")
    assert table.loc[1, "molecules"] == "X"
    assert table.loc[2, "molecules"] == "Y"  # a tie, to the more confident ion
    assert "Z" not in "".join(table["molecules"])  # in no cluster


def test_chance_is_seldom_enriched() -> None:
    rng = np.random.default_rng(0)
    annotations = _annotated(dict.fromkeys("ABCDEFGH", 20))
    false = [
        (enrich(_ions(rng.integers(1, 6, 160).tolist()), annotations)["q"] < 0.05).any() for _ in range(40)
    ]
    assert np.mean(false) < 0.15


def test_several_sets_in_a_cell_and_chosen_columns(tmp_path: Path) -> None:
    table = (
        "m/z;formula;Main Class;pathways;fdr\n100;CH4;GP;a|b;0.1\n101;C2H6;GP | ST;b;0.1\n102;C3H8;;;0.1\n"
    )
    (tmp_path / "a.csv").write_text(table)
    both = read_annotations(tmp_path / "a.csv")
    assert sorted(zip(both["kind"], both["set"], strict=True)) == [
        ("Main Class", "GP"), ("Main Class", "GP"), ("Main Class", "ST"),
        ("pathways", "a"), ("pathways", "b"), ("pathways", "b"),
    ]  # fmt: skip
    assert set(read_annotations(tmp_path / "a.csv", ["PATHWAYS"])["kind"]) == {"pathways"}
    with pytest.raises(FileFormatError, match="no column organ"):
        read_annotations(tmp_path / "a.csv", ["organ"])


def test_names_stand_in_for_formulas(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mz,name,class\n100,PC 34:1+H,PC\n101,PC 34:1+Na,PC\n102,PE 36:2,PE\n")
    assert read_annotations(tmp_path / "a.csv")["molecule"].tolist() == ["PC 34:1", "PC 34:1", "PE 36:2"]


def test_tables_that_do_not_help(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mz,formula\n100,CH4\n")
    with pytest.raises(FileFormatError, match="classes or pathways"):
        read_annotations(tmp_path / "a.csv")
    with pytest.raises(InputError, match="none of the annotations"):
        enrich(_ions([1, 2]), _annotated({"A": 2}).assign(mz=[900.0, 901.0]))
    with pytest.raises(InputError, match="none of the annotations"):
        enrich(_ions([0, 0]), _annotated({"A": 2}))
    assert enrich(_ions([1, 2]), _annotated({"A": 1, "B": 1})).empty  # sets of one molecule say nothing
