"""Evidence that needs no labels: isotopes, adducts, colocalization, stability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from napari_msiclust.learning.ion_clustering import Votes
from napari_msiclust.results.ion_pairs import ISOTOPE, IonPairs, Polarity, ion_pairs

_IONS_PER_BLOCK = 64

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairAgreement:
    """How often two ions that their masses pair are in one cluster.

    Attributes
    ----------
    name : str
        What the pairs are.
    found : int
        Pairs among all ions.
    by_chance : float
        Pairs to be expected at a mass difference that means nothing.
    evident : bool
        Whether more were found than accident explains; other adducts do not count.
    pairs : int
        Pairs whose ions are both in clusters; only these are judged.
    agreement : float or None
        Share of them in one cluster; None without pairs.
    kappa : float or None
        The same, corrected for chance like Cohen's kappa: 0 is chance, 1 is perfect. None without
        pairs, or if all ions are in one cluster.
    """

    name: str
    found: int
    by_chance: float
    evident: bool
    pairs: int
    agreement: float | None
    kappa: float | None

    @property
    def judged_by_chance(self) -> float:
        """How many of the judged pairs are to be expected by accident."""
        return self.by_chance * self.pairs / max(self.found, 1)


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against a clustering.

    Attributes
    ----------
    ions : int
        All ions, those in bins and unassigned ones included.
    ions_in_clusters : int
    isotope_pairs : int
        Pairs of ions one 13C step (1.00335 +- 0.02 Da) apart, both in clusters.
    isotope_agreement, isotope_kappa : float or None
        Share of these pairs in one cluster, and the same corrected for chance (`PairAgreement`).
    adduct_pairs, adduct_agreement, adduct_kappa
        The same for common adducts of one molecule and the loss of water, of those kinds of pairs that are
        more frequent than by accident.
    pairs : tuple of PairAgreement
        The same for each mass difference that was found.
    colocalization_within, colocalization_between : float or None
        Mean Pearson correlation of ion images in one cluster, and across clusters.
    stability : float or None
        Mean adjusted Rand index of two clusterings with other pixels and other random numbers; None without.
    runs : int
        Clusterings that were compared; 0 for none.
    pairs_by_hand : int
        Pairs of isotopes, adducts and water loss that are not judged, as a person gave one of the labels.
    """

    ions: int
    ions_in_clusters: int
    isotope_pairs: int
    isotope_agreement: float | None
    isotope_kappa: float | None
    adduct_pairs: int
    adduct_agreement: float | None
    adduct_kappa: float | None
    pairs: tuple[PairAgreement, ...]
    colocalization_within: float | None
    colocalization_between: float | None
    stability: float | None
    runs: int
    pairs_by_hand: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def table(self) -> pd.DataFrame:
        """Columns evidence, value, pairs, in words; one row per kind of evidence that is there."""
        rows: list[tuple[str, float | None, int | None, str]] = [
            ("isotopes, kappa", self.isotope_kappa, self.isotope_pairs, self._isotopes()),
            ("adducts, kappa", self.adduct_kappa, self.adduct_pairs, self._adducts()),
            ("colocalization within clusters", self.colocalization_within, None, self._colocalization()),
            ("colocalization between clusters", self.colocalization_between, None, ""),
            ("stability, ARI", self.stability, None, self._stability()),
        ]
        said = [row for row in rows if row[1] is not None]
        return pd.DataFrame(said, columns=["evidence", "value", "pairs", "in words"]).astype(
            {"pairs": "Int64"}
        )

    def sentences(self) -> list[str]:
        """The evidence in words."""
        said = [
            self._coverage(),
            self._isotopes(),
            self._adducts(),
            self._by_hand(),
            self._colocalization(),
            self._stability(),
        ]
        return [sentence for sentence in said if sentence]

    def _coverage(self) -> str:
        if self.ions_in_clusters == self.ions:
            return ""
        return (
            f"{self.ions_in_clusters} of {self.ions} ions ({self.ions_in_clusters / self.ions:.1%}) are in "
            "clusters; what follows is about these."
        )

    def _isotopes(self) -> str:
        if self.isotope_agreement is not None and self.isotope_kappa is not None:
            return (
                f"Of {self.isotope_pairs} pairs of ions that differ by one 13C, {self.isotope_agreement:.0%} "
                f"are in one cluster (kappa {self.isotope_kappa:z.2f}; 0 is chance, 1 is perfect). Isotopes "
                f"of one molecule share its distribution; about {self._accidental_isotopes():.0f} of these "
                "pairs are there by accident."
            )
        if self.isotope_pairs:
            return "All ions are in one cluster, so isotopes cannot tell how good it is."
        if self.pairs_by_hand:
            return "No pair of 13C isotopes is left that a person did not put together or apart."
        return "No two ions differ by one 13C, so isotopes cannot tell how good the clusters are."

    def _accidental_isotopes(self) -> float:
        return sum(pair.judged_by_chance for pair in self.pairs if pair.name == ISOTOPE)

    def _adducts(self) -> str:
        if self.adduct_agreement is None or self.adduct_kappa is None:
            return ""
        kinds = ", ".join(
            f"{pair.pairs} of {pair.name}, {pair.judged_by_chance:.0f} by accident"
            for pair in self.pairs
            if pair.evident and pair.pairs and pair.name != ISOTOPE
        )
        return (
            f"Of {self.adduct_pairs} pairs of ions whose masses fit two forms of one molecule ({kinds}), "
            f"{self.adduct_agreement:.0%} are in one cluster (kappa {self.adduct_kappa:z.2f}). This is "
            "weaker evidence than isotopes: adducts also follow the salts of the tissue."
        )

    def _by_hand(self) -> str:
        if not self.pairs_by_hand:
            return ""
        return (
            f"{self.pairs_by_hand} pairs of isotopes or adducts with an ion that was moved by hand do not "
            "count: what was put together on purpose proves nothing."
        )

    def _colocalization(self) -> str:
        if self.colocalization_within is None or self.colocalization_between is None:
            return ""
        return (
            f"Two ion images in one cluster correlate by {self.colocalization_within:z.2f} on average, "
            f"two in different clusters by {self.colocalization_between:z.2f}."
        )

    def _stability(self) -> str:
        if self.stability is None:
            return ""
        return (
            f"{self.runs} clusterings of separate parts of the pixels, made before training with other "
            f"random numbers, agree by an adjusted Rand index of {self.stability:z.2f} (1: the same "
            "clusters; 0: as if by chance)."
        )


def collect_evidence(
    mz: npt.NDArray[np.float64],
    labels: Labels,
    flat_images: npt.NDArray[np.float32],
    *,
    polarity: Polarity | None = None,
    ions: int | None = None,
    runs: npt.NDArray[np.int64] | None = None,
    by_hand: npt.NDArray[np.bool_] | None = None,
) -> Evidence:
    """Evidence for clusters of n ions.

    Parameters
    ----------
    mz : ndarray of shape (n,)
    labels : ndarray of shape (n,)
        Clusters from 1 on; 0 for an ion in no cluster.
    flat_images : ndarray of shape (n, pixels)
        On-tissue pixels of the training images.
    polarity : {'positive', 'negative'}, optional
        Which adducts may be there; unknown if not given.
    ions : int, optional
        All ions, those set aside before training included; n if not given.
    runs : ndarray of int, shape (R, n), optional
        Labels of R clusterings that differ in their pixels and random numbers.
    by_hand : ndarray of bool, shape (n,), optional
        Ions that a person put where they are, isotopes perhaps that were linked as such; a pair with one
        of them is no evidence.
    """
    found = ion_pairs(mz, polarity)
    learned = labels if by_hand is None else np.where(by_hand, 0, labels)
    counted = [pairs for pairs in found if pairs.evident]
    isotopes = _pooled([pairs for pairs in counted if pairs.difference.family == "isotope"], learned, ISOTOPE)
    adducts = _pooled([pairs for pairs in counted if pairs.difference.family == "adduct"], learned, "adducts")
    within, between = colocalization(flat_images, labels)
    return Evidence(
        ions=len(mz) if ions is None else ions,
        ions_in_clusters=int((labels > 0).sum()),
        isotope_pairs=isotopes.pairs,
        isotope_agreement=isotopes.agreement,
        isotope_kappa=isotopes.kappa,
        adduct_pairs=adducts.pairs,
        adduct_agreement=adducts.agreement,
        adduct_kappa=adducts.kappa,
        pairs=tuple(_pooled([pairs], learned, pairs.difference.name) for pairs in found),
        colocalization_within=_rounded(within),
        colocalization_between=_rounded(between),
        stability=None if runs is None else _rounded(stability(runs)),
        runs=0 if runs is None else len(runs),
        pairs_by_hand=_pooled(counted, labels, "").pairs - _pooled(counted, learned, "").pairs,
    )


def isotope_agreement(mz: npt.NDArray[np.float64], labels: Labels) -> PairAgreement:
    """Agreement of the 13C pairs among n ions; labels from 1 on, 0 for an ion in no cluster."""
    return _pooled(_isotopes(mz), labels, ISOTOPE)


def _isotopes(mz: npt.NDArray[np.float64]) -> list[IonPairs]:
    return [pairs for pairs in ion_pairs(mz, None) if pairs.difference.family == "isotope"]


def with_isotopes(votes: Votes, mz: npt.NDArray[np.float64]) -> Votes:
    """Votes of n ions whose evidence for the number of clusters tells of isotopes, too.

    Adds isotope_kappa: agreement of 13C pairs, corrected for chance, at each number. It is there to look
    at and decides nothing. Without a pair it is left out.
    """
    pairs = _isotopes(mz)
    found = [_pooled(pairs, labels, ISOTOPE).kappa for labels in votes.cuts]
    kappas = [kappa for kappa in found if kappa is not None]
    if not kappas or len(kappas) < len(found):
        return votes
    return replace(votes, counts=votes.counts.assign(isotope_kappa=kappas))


def _pooled(found: Sequence[IonPairs], labels: Labels, name: str) -> PairAgreement:
    """Agreement over the pairs of some mass differences."""
    none = np.empty(0, dtype=np.intp)
    lighter = np.concatenate([none, *(pairs.lighter for pairs in found)])
    heavier = np.concatenate([none, *(pairs.heavier for pairs in found)])
    judged = (labels[lighter] > 0) & (labels[heavier] > 0)
    agreement, kappa = None, None
    if judged.any():
        agreement = float((labels[lighter] == labels[heavier])[judged].mean())
        chance = float(((np.bincount(labels[labels > 0]) / (labels > 0).sum()) ** 2).sum())
        kappa = (agreement - chance) / (1 - chance) if chance < 1 else None
    return PairAgreement(
        name,
        found=len(lighter),
        by_chance=round(sum(pairs.by_chance for pairs in found), 1),
        evident=any(pairs.evident for pairs in found),
        pairs=int(judged.sum()),
        agreement=_rounded(agreement),
        kappa=_rounded(kappa),
    )


def colocalization(flat_images: npt.NDArray[np.float32], labels: Labels) -> tuple[float | None, float | None]:
    """Mean Pearson correlation of ion images (n, pixels) within and between clusters.

    The sum of all correlations of two groups of ions is the product of the sums of their standardized
    images, so that no n x n matrix is needed. None where there is no pair.
    """
    clustered = np.flatnonzero(labels > 0)
    groups, member = np.unique(labels[clustered], return_inverse=True)
    sums = np.zeros((len(groups), flat_images.shape[1]))
    own = np.zeros(len(groups))  # each ion's correlation with itself: 1, or 0 if it is constant
    for first in range(0, len(clustered), _IONS_PER_BLOCK):
        rows = _standardized(flat_images[clustered[first : first + _IONS_PER_BLOCK]])
        block = member[first : first + len(rows)]
        np.add.at(sums, block, rows)
        np.add.at(own, block, np.square(rows, dtype=np.float64).sum(axis=1))
    sizes = np.bincount(member, minlength=len(groups)).astype(float)
    together = np.square(sums).sum(axis=1)
    pairs_within, pairs_all = float((sizes * (sizes - 1)).sum()), float(sizes.sum() * (sizes.sum() - 1))
    within = float((together - own).sum())
    everything = float(np.square(sums.sum(axis=0)).sum() - own.sum())
    pairs_between = pairs_all - pairs_within
    return (
        within / pairs_within if pairs_within else None,
        (everything - within) / pairs_between if pairs_between else None,
    )


def stability(runs: npt.NDArray[np.int64]) -> float | None:
    """Mean adjusted Rand index of two of R runs (R, n), over the ions in clusters of both.

    None for R < 2, or if all ions are one cluster or each is its own: that says nothing.
    """
    scores = []
    for one, other in combinations(runs, 2):
        both = (one > 0) & (other > 0)
        if both.any() and 1 < max(len(np.unique(run[both])) for run in (one, other)) < both.sum():
            scores.append(float(adjusted_rand_score(one[both], other[both])))
    return float(np.mean(scores)) if scores else None


def pearson(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Pearson correlation of each row of `one` (n, P) with each row of `other` (m, P); 0 if constant."""
    left, right = (_standardized(rows) for rows in (one, other))
    product: npt.NDArray[np.float32] = left @ right.T
    return product


def _standardized(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    centred = rows - rows.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    scaled: npt.NDArray[np.float32] = centred / np.where(norm > 1e-12, norm, np.inf)
    return scaled


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
