"""Corrections of a result by hand: edits, undo and redo, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.errors import InputError
from napari_msiclust.learning.ion_clustering import Embedding
from napari_msiclust.results.cluster_result import ClusterResult, dominant_cluster_map
from napari_msiclust.results.colors import cluster_color_names
from napari_msiclust.results.edits import (
    LEARNED,
    MANUAL,
    MANUAL_BIN,
    REFINED,
    Edit,
    Labeling,
    LinkIsotopes,
    Relabel,
    edit_to_dict,
)
from napari_msiclust.results.evidence import collect_evidence, pearson
from napari_msiclust.results.ion_basis import IonBasis
from napari_msiclust.results.surrogate import Surrogate, fit_surrogate

Sums = tuple[npt.NDArray[np.float64], ...]

_CERTAIN = 1.0  # the confidence of a label that a person gave
_IONS_PER_BLOCK = 64


@dataclass(frozen=True, eq=False)
class Corrected:
    """A result after some edits.

    Attributes
    ----------
    result : ClusterResult
        With the columns `label_origin` (learned, manual, refined), `pinned` and `learned_cluster` in
        its ion table, and `name` and `color` in its cluster table. The cluster numbers are those of
        the learned result and stay: a cluster without ions has a row with 0 ions and an empty image.
        Its evidence is that of the learned labels; `with_evidence` brings it up to date.
    labels : Labeling
    sums : tuple of ndarray of float64, shape (P,)
        For each cluster the sum of the scaled ion images of its ions.
    basis : IonBasis
    """

    result: ClusterResult
    labels: Labeling
    sums: Sums
    basis: IonBasis

    @cached_property
    def surrogate(self) -> Surrogate:
        """The decision tree that imitates these labels."""
        return fit_surrogate(self.basis.attributes, self.labels.cluster)


@dataclass(frozen=True, eq=False)
class History:
    """A result, the edits made to it, and the way back and forth.

    Attributes
    ----------
    states : tuple of Corrected
        After 0, 1, 2, ... edits; arrays that an edit leaves alone are shared.
    edits : tuple of Edit
        One fewer than states.
    position : int
        The state that is shown; later ones can be redone.
    """

    states: tuple[Corrected, ...]
    edits: tuple[Edit, ...] = ()
    position: int = 0

    @classmethod
    def begin(cls, result: ClusterResult, basis: IonBasis) -> History:
        """A history without edits."""
        return cls((_learned(result, basis),))

    @property
    def current(self) -> Corrected:
        """The state that is shown."""
        return self.states[self.position]

    @property
    def basis(self) -> IonBasis:
        """Images and features that questions are answered from."""
        return self.current.basis

    @property
    def done(self) -> tuple[Edit, ...]:
        """The edits that are in force."""
        return self.edits[: self.position]

    def applied(
        self,
        edit: Edit,
        embedding: Embedding | None = None,
        embedded: npt.NDArray[np.intp] | None = None,
    ) -> History:
        """The history with one more edit; what had been undone is forgotten.

        Parameters
        ----------
        edit : Edit
        embedding : Embedding, optional
            What a network that was trained on makes of the ions.
        embedded : ndarray of int, optional
            Rows of these ions, where they are others than before.

        Raises
        ------
        InputError
            The edit does not fit the clusters.
        """
        labels = edit.apply(self.current.labels)
        edits = (*self.done, edit)
        before = self.current if embedding is None else _with_embedding(self.current, embedding, embedded)
        state = _corrected(before, labels, edits, _earlier(self.states[0].result))
        return replace(
            self,
            states=(*self.states[: self.position + 1], state),
            edits=edits,
            position=self.position + 1,
        )

    def undone(self) -> History:
        """One edit back; the same history where there is none."""
        return replace(self, position=max(self.position - 1, 0))

    def redone(self) -> History:
        """One edit forth; the same history where there is none."""
        return replace(self, position=min(self.position + 1, len(self.edits)))

    def steps(self) -> list[str]:
        """Every edit in words, those that were undone included."""
        return [edit.describe(state.labels) for edit, state in zip(self.edits, self.states, strict=False)]

    def way_back(self, ions: Sequence[int]) -> Relabel:
        """The edit that returns ions to where learning had put them."""
        learned = self.states[0].result.ions["learned_cluster"].to_numpy()[list(ions)].tolist()
        bins = [self.states[0].labels.bin[ion] or MANUAL_BIN for ion in ions]
        return Relabel(
            tuple(ions),
            tuple(learned),
            tuple("" if cluster else name for cluster, name in zip(learned, bins, strict=True)),
            LEARNED,
            "back to the learned cluster",
        )

    def with_evidence(self) -> ClusterResult:
        """The current result with evidence for its labels; takes a second for thousands of ions.

        Stability is that of the learning, which edits do not change.
        """
        if not self.position:
            return self.current.result
        given, labels = self.current.labels.by_hand, self.current.labels.cluster
        learned = self.current.result.evidence
        used = np.flatnonzero(labels > 0)
        if not len(used):
            return self.current.result
        images = self.basis.images
        evidence = collect_evidence(
            images.mz[used],
            labels[used],
            self.basis.flat[used],
            polarity=images.polarity,
            ions=len(images),
            by_hand=given[used],
        )
        evidence = replace(evidence, stability=learned.stability, runs=learned.runs)
        return replace(self.current.result, evidence=evidence)


@dataclass(frozen=True, eq=False)
class Relearning:
    """New labels as an edit, and the embedding of the network that gave them, with its rows."""

    edit: Relabel
    embedding: Embedding
    embedded: npt.NDArray[np.intp]

    def apply(self, history: History) -> History:
        """The history with the new labels, but for ions that were corrected in the meantime.

        Raises
        ------
        InputError
            No label changes.
        """
        edit, labels = self.edit, history.current.labels
        kept = [at for at, ion in enumerate(edit.ions) if not labels.pinned[ion]]
        if not kept:
            raise InputError("no label changed", fix="nothing is left to do: all follow the corrections")
        edit = replace(
            edit,
            ions=tuple(edit.ions[at] for at in kept),
            clusters=tuple(edit.clusters[at] for at in kept),
            bins=("",) * len(kept),
            confidence=tuple(edit.confidence[at] for at in kept),
        )
        return history.applied(edit, self.embedding, self.embedded)


def replay(history: History, edits: Sequence[Edit]) -> History:
    """Apply edits one after the other, as after loading a result with its provenance."""
    for edit in edits:
        history = history.applied(edit)
    return history


def isotope_links(ions: pd.DataFrame) -> LinkIsotopes:
    """The edit that keeps every ion that may be a 13C isotope with the ion it is one of.

    Raises
    ------
    InputError
        There are none, or all are together already.
    """
    mz, parent = ions["mz"].to_numpy(), ions["isotope_of"].to_numpy(dtype=np.float64)
    isotopes = np.flatnonzero(np.isfinite(parent) & (ions["cluster"].to_numpy() > 0))
    parents = np.array([int(np.abs(mz - parent[ion]).argmin()) for ion in isotopes], dtype=np.intp)
    cluster = ions["cluster"].to_numpy()
    apart = cluster[isotopes] != cluster[parents] if len(isotopes) else np.zeros(0, bool)
    if not apart.any():
        raise InputError("all ions that may be 13C isotopes are with their ions", fix="nothing is left to do")
    return LinkIsotopes(tuple(isotopes.tolist()), tuple(parents.tolist()))


def learned_labels(ions: pd.DataFrame, count: int) -> Labeling:
    """The labels of an ion table with `count` clusters; corrections that were saved with it still count."""
    origin = tuple(map(str, ions["label_origin"])) if "label_origin" in ions else (LEARNED,) * len(ions)
    pinned = ions["pinned"].astype(str) == "True" if "pinned" in ions else np.zeros(len(ions), dtype=bool)
    confidence = ions["confidence"].to_numpy(dtype=np.float64)
    return Labeling(
        cluster=ions["cluster"].to_numpy(dtype=np.int64),
        bin=tuple(map(str, ions["bin"])),
        origin=origin,
        pinned=np.asarray(pinned),
        count=count,
        confidence={ion: float(confidence[ion]) for ion, name in enumerate(origin) if name == REFINED},
    )


def _learned(result: ClusterResult, basis: IonBasis) -> Corrected:
    ions = result.ions
    count = len(result.mean_images)
    cluster = ions["cluster"].to_numpy(dtype=np.int64)
    members = np.bincount(cluster, minlength=count + 1)[1:]
    grid = result.grid
    means = np.nan_to_num(result.mean_images[:, grid.rows, grid.cols].astype(np.float64))
    labels = learned_labels(ions, count)
    named = result.clusters.assign(
        name=[labels.name(number) for number in result.clusters["cluster"]],
        color=cluster_color_names(count)[: len(result.clusters)],
    )
    sums = tuple(mean * size for mean, size in zip(means, members, strict=True))
    learned = ions.get("learned_cluster", ions["cluster"]).to_numpy(dtype=np.int64)
    provenance = {**result.provenance, "corrections": _provenance(_earlier(result), (), labels)}
    tagged = replace(result, ions=_tagged(ions, labels, learned), clusters=named, provenance=provenance)
    return Corrected(tagged, labels, sums, basis)


def _earlier(result: ClusterResult) -> Sequence[dict[str, Any]]:
    """Edits that were made to a result before it was opened."""
    earlier: Sequence[dict[str, Any]] = (result.provenance.get("corrections") or {}).get("edits", ())
    return earlier


def _with_embedding(
    before: Corrected, embedding: Embedding, embedded: npt.NDArray[np.intp] | None
) -> Corrected:
    """The same labels with other features of the ions."""
    rows = before.result.embedded if embedded is None else embedded
    result = replace(before.result, embedding=embedding, embedded=rows)
    return replace(before, result=result, basis=before.basis.with_features(result))


def _corrected(
    before: Corrected, labels: Labeling, edits: tuple[Edit, ...], earlier: Sequence[dict[str, Any]]
) -> Corrected:
    old, basis = before.labels, before.basis
    changed = np.flatnonzero(labels.cluster != old.cluster)
    touched = sorted({*labels.cluster[changed].tolist(), *old.cluster[changed].tolist()} - {0})
    result = before.result
    if len(changed) or labels.count > old.count:
        sums = _moved_sums(before, labels, changed, basis)
        ions = _with_centrality(result.ions, labels, touched, basis)
        sizes = np.maximum(np.bincount(labels.cluster, minlength=labels.count + 1)[1:], 1)
        means = np.stack([total / size for total, size in zip(sums, sizes, strict=True)]).astype(np.float32)
        images = basis.images.grid.image(means)
        dominant = dominant_cluster_map(means, basis.images.grid, basis.hotspot_quantile)
        result = replace(result, mean_images=images, dominant_cluster_map=dominant)
    else:
        sums, ions = before.sums, result.ions
    ions = _tagged(ions, labels, ions["learned_cluster"].to_numpy())
    provenance = {**result.provenance, "corrections": _provenance(earlier, edits, labels)}
    clusters = _cluster_table(ions, labels, result.dominant_cluster_map)
    return Corrected(
        replace(result, ions=ions, clusters=clusters, provenance=provenance), labels, sums, basis
    )


def _moved_sums(before: Corrected, labels: Labeling, changed: npt.NDArray[np.intp], basis: IonBasis) -> Sums:
    """Sums after ions changed their clusters; a cluster that moves as a whole needs no ion image."""
    old = before.labels
    sums = list(before.sums)
    sums += [np.zeros_like(sums[0]) for _ in range(labels.count - len(sums))]
    sizes = np.bincount(old.cluster, minlength=labels.count + 1)
    for source, target in sorted(set(zip(old.cluster[changed], labels.cluster[changed], strict=True))):
        group = changed[(old.cluster[changed] == source) & (labels.cluster[changed] == target)]
        whole = source > 0 and len(group) == sizes[source]
        moving = before.sums[source - 1] if whole else _sum_of(basis, group)
        if source > 0:
            sums[source - 1] = sums[source - 1] - moving
        if target > 0:
            sums[target - 1] = sums[target - 1] + moving
    left = np.bincount(labels.cluster, minlength=labels.count + 1)
    return tuple(
        np.zeros_like(total) if not left[1 + at] else total.clip(min=0) for at, total in enumerate(sums)
    )


def _sum_of(basis: IonBasis, ions: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    total = np.zeros(basis.images.values.shape[1])
    for first in range(0, len(ions), _IONS_PER_BLOCK):
        total += basis.scaled(ions[first : first + _IONS_PER_BLOCK]).sum(axis=0, dtype=np.float64)
    return total


def _with_centrality(
    ions: pd.DataFrame, labels: Labeling, touched: Sequence[int], basis: IonBasis
) -> pd.DataFrame:
    centrality = ions["centrality"].to_numpy(copy=True)
    centrality[labels.cluster == 0] = 0
    for cluster in touched:
        rows = labels.members(cluster)
        if len(rows):
            flat = basis.flat[rows]
            centrality[rows] = pearson(flat, flat.mean(axis=0, keepdims=True))[:, 0].round(6)
    return ions.assign(centrality=centrality)


def _tagged(ions: pd.DataFrame, labels: Labeling, learned: npt.NDArray[np.int64]) -> pd.DataFrame:
    """The ion table with the labels; the confidence of a label that a person gave is 1."""
    manual = np.array(labels.origin) == MANUAL
    learned_confidence = ions.get("learned_confidence", ions["confidence"])
    confidence = learned_confidence.to_numpy(dtype=np.float64, copy=True)
    confidence[list(labels.confidence)] = list(labels.confidence.values())
    table = ions.assign(
        cluster=labels.cluster,
        bin=list(labels.bin),
        confidence=np.where(manual, _CERTAIN, confidence),
        label_origin=list(labels.origin),
        pinned=labels.pinned,
        learned_cluster=learned,
        learned_confidence=learned_confidence,
    )
    return table


def _cluster_table(ions: pd.DataFrame, labels: Labeling, dominant: npt.NDArray[np.uint16]) -> pd.DataFrame:
    """One row for each cluster number; the mean confidence is that of the labels not given by hand."""
    colors = cluster_color_names(labels.count)
    pixels = np.bincount(dominant.ravel(), minlength=labels.count + 1)
    mz, centrality = ions["mz"].to_numpy(), ions["centrality"].to_numpy()
    confidence, manual = ions["confidence"].to_numpy(), ions["label_origin"].to_numpy() == MANUAL
    rows = []
    for cluster in range(1, labels.count + 1):
        member = labels.members(cluster)
        learned = member[~manual[member]]
        rows.append(
            {
                "cluster": cluster,
                "ions": len(member),
                "mean_confidence": round(float(confidence[learned].mean()), 6) if len(learned) else _CERTAIN,
                "central_mz": float(mz[member[centrality[member].argmax()]]) if len(member) else 0.0,
                "dominant_pixels": int(pixels[cluster]),
                "name": labels.name(cluster),
                "color": labels.colors.get(cluster, colors[cluster - 1]),
            }
        )
    return pd.DataFrame(rows)


def _provenance(
    earlier: Sequence[dict[str, Any]], edits: tuple[Edit, ...], labels: Labeling
) -> dict[str, Any]:
    """The record of corrections; `earlier` ones were in the result that was opened."""
    origins = np.array(labels.origin)
    return {
        "edits": [*earlier, *(edit_to_dict(edit) for edit in edits)],
        "ions": {str(name): int((origins == name).sum()) for name in np.unique(origins)},
        "pinned": int(labels.pinned.sum()),
    }
