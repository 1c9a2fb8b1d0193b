"""Molecular classes and pathways that are more frequent in a cluster than chance allows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control, hypergeom

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi.ion_list import NAME
from napari_msiclust.msi.mz_lists import read_mz_list
from napari_msiclust.results.metrics import match_mz

COLUMNS = (
    "cluster",
    "kind",
    "set",
    "in_cluster",
    "cluster_size",
    "in_all",
    "all",
    "fold",
    "p",
    "q",
    "molecules",
)
_SET_COLUMN = re.compile(r"class|pathway|categor|ontology|superfamily", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*[;|]\s*")
_SMALLEST_SET = 2
# A label stands apart from a formula (`C16H32O2 13C`); an isotope within one is an atom (`[13C]C15H32O2`).
_LABEL = re.compile(r"(?<!\S)\[?(?:13C|2H|15N|18O|34S)\d*\]?(?!\S)|\(i\d+\)$|(?<![A-Za-z])i\d+$")
_MASS_NUMBER = re.compile(r"\[\d+\]?|\b(?:13(?=C)|2(?=H)|15(?=N)|18(?=O)|34(?=S))")
_ATOMS = re.compile(r"([A-Z][a-z]?)(\d*)")
_CHANGED = re.compile(r"\s*[+-].*$")
# Names hold signs of their own (`12-HETE`, `Vitamin-K`): only what makes ions of molecules is taken off them.
_GAINED = r"\+\s*\d*(?:HCOO|CHO2|FA|CH3COO|C2H3O2|HAc|Hac|Ac|ACN|CH3OH|NH4|Na|K|Li|Rb|Cs|Ag|Cl|Br|H)"
_CHANGES = rf"(?:\s*(?:{_GAINED}|-\s*\d*(?:H2O|NH3|CO2|CH3|H)))+"
_OF_M = rf"\[M(?:{_CHANGES})?\]|\(M{_CHANGES}\)|(?:\bM)?{_CHANGES}"
_ION = re.compile(rf"(?:\[([^][]+?){_CHANGES}\]|(.+?)[\s_]*(?:{_OF_M}))(?:\d*[+-])?")


def molecule_of(formula: str) -> str:
    """The neutral formula, as `C16H32O2` of `C16H32O2+Na`, `C16H32O2 13C` and `[13C]C15H32O2+H`.

    What is no plain formula is left as it is, without adduct and label.
    """
    neutral = re.sub(r"[][]", "", _MASS_NUMBER.sub("", _CHANGED.sub("", name_of(formula)))).strip()
    atoms = _ATOMS.findall(neutral)
    if "".join(map("".join, atoms)) != neutral:
        return neutral
    counts: Counter[str] = Counter()
    for element, count in atoms:
        counts[element] += int(count or 1)
    ordered = sorted(counts, key=lambda atom: ("C" not in counts or atom not in ("C", "H"), atom))
    return "".join(f"{atom}{counts[atom] if counts[atom] > 1 else ''}" for atom in ordered)


def name_of(ion: str) -> str:
    """The name of a molecule, as `PC(34:1)` of `PC(34:1)+Na`, `PC(34:1) [M+H]+` and `[PC(34:1)-H]-`."""
    name = _LABEL.sub("", ion.strip()).strip()
    found = _ION.fullmatch(name)
    return name if found is None else (found[1] or found[2]).strip()


def read_annotations(path: str | Path, sets: Sequence[str] = ()) -> pd.DataFrame:
    """Annotations with the sets that each belongs to.

    Parameters
    ----------
    path : path
        A CSV table with an m/z column, a formula or a name, and columns with the sets, as METASPACE or LIPID
        MAPS export it; a cell may hold several sets with ; or | between.
    sets : sequence of str
        The columns with sets; those whose names hold class, pathway, category, or ontology if empty.

    Returns
    -------
    DataFrame
        Columns mz, molecule, kind (the set column), set; one row for each set of each annotation,
        ascending by mz.

    Raises
    ------
    FileFormatError
        The table is no such table, or has none of the columns.
    """
    ions = read_mz_list(path)
    table = ions.columns
    given = {str(name).lower(): str(name) for name in table.columns}
    missing = [name for name in sets if name.lower() not in given]
    if missing:
        raise FileFormatError(
            f"no column {missing[0]}", fix=f"choose of {', '.join(given.values())}", path=path
        )
    chosen = [given[name.lower()] for name in sets] or [
        name for name in given.values() if _SET_COLUMN.search(name)
    ]
    if not chosen:
        raise FileFormatError(
            "no column of classes or pathways",
            fix="name a column class or pathway, or say which one it is (--column)",
            path=path,
        )
    molecule = _molecules(table, given)
    parts = []
    for kind in chosen:
        split = table[kind].fillna("").astype(str).map(_SEPARATOR.split)
        long = pd.DataFrame({"mz": ions.mz, "molecule": molecule, "kind": kind, "set": split}).explode("set")
        parts.append(long[(long["set"] != "") & (long["molecule"] != "")])
    return pd.concat(parts).sort_values("mz", kind="stable", ignore_index=True)


def _molecules(table: pd.DataFrame, given: dict[str, str]) -> pd.Series[str]:
    """What is counted once: the neutral formula, or else the name without its adduct."""
    if "formula" in given:
        return table[given["formula"]].fillna("").astype(str).map(molecule_of)
    if NAME in table:
        return table[NAME].fillna("").astype(str).map(name_of)
    return pd.Series([f"row {row + 1}" for row in range(len(table))], index=table.index)


def enrich(ions: pd.DataFrame, annotations: pd.DataFrame) -> pd.DataFrame:
    """Over-represented sets of each cluster.

    A molecule counts once, however many of its isotopes and adducts were measured: in the cluster
    that holds most of its ions; between equals in the one of the more confident ions. What is drawn from
    are all annotated molecules in clusters, so that a set is not enriched merely because it is what
    instruments see. One-sided hypergeometric test; q after Benjamini and Hochberg, J. R. Stat. Soc. B
    1995, 57, 289, over all clusters and all sets of a kind.

    Parameters
    ----------
    ions : DataFrame
        An ion table: mz, cluster, confidence if there is one.
    annotations : DataFrame
        As `read_annotations` gives it.

    Returns
    -------
    DataFrame
        One row per cluster and set that share a molecule, the smallest q first: cluster, kind, set,
        in_cluster (molecules of the set in the cluster), cluster_size (molecules in the cluster), in_all
        (molecules of the set), all (molecules), fold (how many times more than expected), p, q, molecules
        (their formulas, with ; between).

    Raises
    ------
    InputError
        None of the annotations is among the ions in clusters.
    """
    members = _clusters_of_molecules(ions, annotations)
    if members.empty:
        raise InputError(
            "none of the annotations is an ion in a cluster", fix="give annotations of the same experiment"
        )
    rows: list[dict[str, object]] = []
    for kind, sets in annotations[annotations["molecule"].isin(members.index)].groupby("kind", sort=False):
        rows += _of_kind(str(kind), sets, members)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["q", "p", "cluster"], kind="stable", ignore_index=True)


def _clusters_of_molecules(ions: pd.DataFrame, annotations: pd.DataFrame) -> pd.Series[int]:
    """Cluster of each molecule (index) that has an ion in one."""
    ions = ions.sort_values("mz", kind="stable", ignore_index=True)
    rows = match_mz(*(table["mz"].to_numpy(dtype=np.float64) for table in (annotations, ions)))
    found = pd.DataFrame({"molecule": annotations["molecule"], "row": rows})[rows >= 0].drop_duplicates()
    confidence = ions["confidence"] if "confidence" in ions else pd.Series(1.0, index=ions.index)
    found = found.assign(
        cluster=ions["cluster"].to_numpy()[found["row"]], confidence=confidence.to_numpy()[found["row"]]
    )
    votes = found[found["cluster"] > 0].groupby(["molecule", "cluster"], as_index=False)
    counted = votes.agg(ions=("row", "size"), confidence=("confidence", "sum"))
    ordered = counted.sort_values(["ions", "confidence", "cluster"], ascending=[False, False, True])
    return ordered.drop_duplicates("molecule").set_index("molecule")["cluster"].sort_index()


def _of_kind(kind: str, sets: pd.DataFrame, members: pd.Series[int]) -> list[dict[str, object]]:
    """All tests of one kind of sets; rows without a shared molecule count as tests and are left out."""
    groups = {
        str(name): sorted(set(group["molecule"]))
        for name, group in sets.groupby("set")
        if group["molecule"].nunique() >= _SMALLEST_SET
    }
    sizes = members.value_counts()
    tested: list[dict[str, object]] = []
    p: list[float] = []
    for cluster in sorted(sizes.index):
        for name, molecules in groups.items():
            here = [molecule for molecule in molecules if members[molecule] == cluster]
            size, total = int(sizes[cluster]), len(members)
            p.append(float(hypergeom.sf(len(here) - 1, total, len(molecules), size)))
            tested.append(
                {
                    "cluster": int(cluster),
                    "kind": kind,
                    "set": name,
                    "in_cluster": len(here),
                    "cluster_size": size,
                    "in_all": len(molecules),
                    "all": total,
                    "fold": round(len(here) * total / (size * len(molecules)), 3),
                    "molecules": "; ".join(here),
                }
            )
    q: npt.NDArray[np.float64] = false_discovery_control(p, method="bh") if p else np.empty(0)
    return [
        row | {"p": chance, "q": float(controlled)}
        for row, chance, controlled in zip(tested, p, q, strict=True)
        if row["in_cluster"]
    ]
