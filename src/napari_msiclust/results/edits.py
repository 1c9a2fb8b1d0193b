"""Edits of labels by hand: what a person may change about clusters, each a plain frozen value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from napari_msiclust.errors import InputError

LEARNED, MANUAL, REFINED = "learned", "manual", "refined"
MANUAL_BIN = "set aside"
MOST_CLUSTERS = 500

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")

Ions = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Labeling:
    """Labels of N ions and how they came about; edits return a new one.

    Attributes
    ----------
    cluster : ndarray of int64, shape (N,)
        1..count; 0 in a bin.
    bin : tuple of str, length N
        Name of the bin; empty for an ion in a cluster.
    origin : tuple of str, length N
        'learned', 'manual', or 'refined' (learned again from corrections).
    pinned : ndarray of bool, shape (N,)
        Ions that refining leaves where they are.
    count : int
        Clusters so far. Numbers are never given twice: a cluster that was merged away stays empty.
    names, colors : mapping of int to str
        Of renamed and recoloured clusters.
    confidence : mapping of int to float
        Of ions that were learned again.
    """

    cluster: npt.NDArray[np.int64]
    bin: tuple[str, ...]
    origin: tuple[str, ...]
    pinned: npt.NDArray[np.bool_]
    count: int
    names: Mapping[int, str] = field(default_factory=dict)
    colors: Mapping[int, str] = field(default_factory=dict)
    confidence: Mapping[int, float] = field(default_factory=dict)

    @property
    def by_hand(self) -> npt.NDArray[np.bool_]:
        """Ions that a person put where they are, pinned there or not, shape (N,)."""
        manual: npt.NDArray[np.bool_] = np.array(self.origin) == MANUAL
        return manual

    def members(self, cluster: int) -> npt.NDArray[np.intp]:
        """Ions of a cluster, ascending."""
        return np.flatnonzero(self.cluster == cluster)

    def name(self, cluster: int) -> str:
        """What a cluster is called."""
        return self.names.get(cluster, f"cluster {cluster}")


@dataclass(frozen=True)
class Move:
    """Move ions to a cluster; they are pinned there."""

    ions: Ions
    cluster: int

    def apply(self, labels: Labeling) -> Labeling:
        """The labels after the edit."""
        _check_cluster(labels, self.cluster)
        return _relabeled(labels, self.ions, [self.cluster] * len(self.ions), pin=True)

    def describe(self, labels: Labeling) -> str:
        """The edit in words."""
        return f"move {_ions(self.ions)} to {labels.name(self.cluster)}"


@dataclass(frozen=True)
class Pin:
    """Accept ions where they are, or let them go."""

    ions: Ions
    pinned: bool = True

    def apply(self, labels: Labeling) -> Labeling:
        """The labels after the edit."""
        pinned = labels.pinned.copy()
        pinned[_rows(labels, self.ions)] = self.pinned
        return replace(labels, pinned=pinned)

    def describe(self, labels: Labeling) -> str:
        """The edit in words."""
        return f"{'accept' if self.pinned else 'unpin'} {_ions(self.ions)}"


@dataclass(frozen=True)
class Merge:
    """Put the ions of several clusters into the first of them."""

    clusters: tuple[int, ...]

    def apply(self, labels: Labeling) -> Labeling:
        """The labels after the edit."""
        if len(set(self.clusters)) < 2:
            raise InputError("one cluster cannot be merged", fix="choose two or more clusters")
        for cluster in self.clusters:
            _check_cluster(labels, cluster)
        rows = np.flatnonzero(np.isin(labels.cluster, self.clusters[1:]))
        return _relabeled(labels, rows.tolist(), [self.clusters[0]] * len(rows))

    def describe(self, labels: Labeling) -> str:
        """The edit in words."""
        return "merge " + " and ".join(labels.name(cluster) for cluster in self.clusters)


@dataclass(frozen=True)
class Split:
    """Take parts out of a cluster; each becomes a new cluster, what is in no part stays."""

    cluster: int
    parts: tuple[Ions, ...]

    def apply(self, labels: Labeling) -> Labeling:
        """The labels after the edit."""
        _check_cluster(labels, self.cluster)
        rows = [ion for part in self.parts for ion in part]
        if (
            not rows
            or len(set(rows)) < len(rows)
            or (labels.cluster[_rows(labels, rows)] != self.cluster).any()
        ):
            raise InputError(
                f"the parts are not parts of {labels.name(self.cluster)}", fix="choose ions of it"
            )
        if len(rows) == len(labels.members(self.cluster)):
            raise InputError("nothing would be left of the cluster", fix="leave out at least one ion")
        if labels.count + len(self.parts) > MOST_CLUSTERS:
            raise InputError(f"there would be more than {MOST_CLUSTERS} clusters", fix="merge some first")
        targets = [labels.count + 1 + part for part, ions in enumerate(self.parts) for _ in ions]
        grown = replace(labels, count=labels.count + len(self.parts))
        return _relabeled(grown, rows, targets)

    def describe(self, labels: Labeling) -> str:
        """The edit in words."""
        return f"split {labels.name(self.cluster)} in {len(self.parts) + 1}"


@dataclass(frozen=True)
class Rename:
    """Call a cluster something."""

    cluster: int
    name: str

    def apply(self, labels: Labeling) -> Labeling:
        """The labels after the edit."""
        _check_cluster(labels, self.cluster)
        name = " ".join(self.name.split())
        names = {number: other for number, other in labels.names.items() if number != self.cluster}
        taken = {labels.name(number) for number in range(1, labels.count + 1) if number != self.cluster}
        if name in taken:
            raise InputError(f"another cluster is called {name!r}", fix="choose another name")
        return replace(labels, names={**names, self.cluster: name} if name else names)

    def describe(self, labels: Labeling) -> str:
        """The edit in words."""
        return f"rename {labels.name(self.cluster)} to {self.name}"


@dataclass(frozen=True)
class Recolor:
    """Show a cluster in another colour ('#RRGGBB')."""

    cluster: int
    color: str

    def apply(self, labels: Labeling) -> Labeling:
        """The labels after the edit."""
        _check_cluster(labels, self.cluster)
        if not _COLOR.fullmatch(self.color):
            raise InputError(f"{self.color!r} is not a colour", fix="give it as #RRGGBB")
        return replace(labels, colors={**labels.colors, self.cluster: self.color.upper()})

    def describe(self, labels: Labeling) -> str:
        """The edit in words."""
        return f"recolour {labels.name(self.cluster)} to {self.color}"


@dataclass(frozen=True)
class SetAside:
    """Send ions to a bin."""

    ions: Ions
    bin: str = MANUAL_BIN

    def apply(self, labels: Labeling) -> Labeling:
        """The labels after the edit."""
        if not self.bin.strip():
            raise InputError("the bin has no name", fix="give it one")
        return _relabeled(labels, self.ions, [0] * len(self.ions), bins=[self.bin] * len(self.ions), pin=True)

    def describe(self, labels: Labeling) -> str:
        """The edit in words."""
        return f"send {_ions(self.ions)} to the bin {self.bin!r}"


@dataclass(frozen=True)
class LinkIsotopes:
    """Put isotopes into the cluster of the ion that they are isotopes of.

    Attributes
    ----------
    isotopes, parents : tuple of int
        Rows, pair by pair; the isotope of an isotope follows the first ion.
    """

    isotopes: Ions
    parents: Ions

    def apply(self, labels: Labeling) -> Labeling:
        """The labels after the edit."""
        if len(self.isotopes) != len(self.parents):
            raise InputError("not as many parents as isotopes", fix="give each isotope its ion")
        parent = dict(zip(self.isotopes, self.parents, strict=True))
        roots = []
        for ion in self.isotopes:
            root, seen = parent[ion], {ion}
            while root in parent and root not in seen:
                seen.add(root)
                root = parent[root]
            roots.append(root)
        targets = labels.cluster[_rows(labels, roots)].tolist() if roots else []
        moved = [(ion, cluster) for ion, cluster in zip(self.isotopes, targets, strict=True) if cluster > 0]
        return _relabeled(labels, [ion for ion, _ in moved], [cluster for _, cluster in moved], pin=True)

    def describe(self, labels: Labeling) -> str:
        """The edit in words."""
        return f"keep {_ions(self.isotopes)} with the ions that they are isotopes of"


@dataclass(frozen=True)
class Relabel:
    """Give ions the labels of another run or of an earlier state; without a confidence, the learned one."""

    ions: Ions
    clusters: Ions
    bins: tuple[str, ...]
    origin: str
    what: str
    confidence: tuple[float, ...] = ()

    def apply(self, labels: Labeling) -> Labeling:
        """The labels after the edit."""
        if not len(self.ions) == len(self.clusters) == len(self.bins):
            raise InputError("not as many labels as ions", fix="give each ion a cluster and a bin")
        if self.clusters and not 0 <= min(self.clusters) <= max(self.clusters) <= labels.count:
            raise InputError(f"there is no cluster {max(self.clusters)}", fix=f"choose 0 to {labels.count}")
        if len(self.confidence) not in (0, len(self.ions)) or not all(
            0 <= one <= 1 for one in self.confidence
        ):
            raise InputError("a confidence is missing or not from 0 to 1", fix="give each ion one, or none")
        labels = _relabeled(labels, self.ions, self.clusters, bins=self.bins, origin=self.origin)
        fresh = dict(zip(self.ions, self.confidence, strict=False))
        return replace(labels, confidence={**labels.confidence, **fresh})

    def describe(self, labels: Labeling) -> str:
        """The edit in words."""
        return f"{self.what}: {_ions(self.ions)}"


Edit = Move | Pin | Merge | Split | Rename | Recolor | SetAside | LinkIsotopes | Relabel
_KINDS: dict[str, type[Edit]] = {
    kind.__name__: kind
    for kind in (Move, Pin, Merge, Split, Rename, Recolor, SetAside, LinkIsotopes, Relabel)
}


def edit_to_dict(edit: Edit) -> dict[str, Any]:
    """An edit as plain JSON values."""
    values = {item.name: getattr(edit, item.name) for item in fields(edit)}
    return {"edit": type(edit).__name__, **values}


def edit_from_dict(values: Mapping[str, Any]) -> Edit:
    """The edit that `edit_to_dict` wrote.

    Raises
    ------
    InputError
        It is no edit.
    """
    try:
        kind = _KINDS[values["edit"]]
        arguments = {name: value for name, value in values.items() if name != "edit"}
        if strange := arguments.keys() - {item.name for item in fields(kind)}:
            raise KeyError(min(strange))
        return TypeAdapter[Edit](kind).validate_python(arguments)
    except (KeyError, TypeError, ValidationError) as error:
        raise InputError(f"not an edit: {str(values)[:200]}") from error


def _relabeled(
    labels: Labeling,
    ions: Iterable[int],
    clusters: Iterable[int],
    *,
    bins: Iterable[str] | None = None,
    origin: str = MANUAL,
    pin: bool = False,
) -> Labeling:
    rows = _rows(labels, ions)
    cluster, bin_names, origins, pinned = (
        labels.cluster.copy(), list(labels.bin), list(labels.origin), labels.pinned.copy()
    )  # fmt: skip
    cluster[rows] = np.fromiter(clusters, np.int64, len(rows))
    for row, name in zip(rows, bins if bins is not None else [""] * len(rows), strict=True):
        bin_names[row], origins[row] = name, origin
    if pin:
        pinned[rows] = True
    confidence = {ion: value for ion, value in labels.confidence.items() if ion not in rows}
    return replace(
        labels,
        cluster=cluster,
        bin=tuple(bin_names),
        origin=tuple(origins),
        pinned=pinned,
        confidence=confidence,
    )


def _rows(labels: Labeling, ions: Iterable[int]) -> npt.NDArray[np.intp]:
    rows = np.array(list(ions), dtype=np.intp)
    if not len(rows):
        raise InputError("no ion is selected", fix="select one or more ions")
    if rows.min() < 0 or rows.max() >= len(labels.cluster):
        raise InputError(f"there are {len(labels.cluster)} ions, not {rows.max() + 1}")
    return rows


def _check_cluster(labels: Labeling, cluster: int) -> None:
    if not 1 <= cluster <= labels.count:
        raise InputError(f"there is no cluster {cluster}", fix=f"choose 1 to {labels.count}")


def _ions(ions: Ions) -> str:
    return "1 ion" if len(ions) == 1 else f"{len(ions)} ions"
