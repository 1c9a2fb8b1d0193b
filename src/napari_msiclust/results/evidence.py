"""Evidence that needs no labels: isotope agreement and colocalization."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

CARBON_13_STEP = 1.00335
ISOTOPE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against a clustering.

    Attributes
    ----------
    isotope_pairs : int
        Pairs of ions one 13C step (1.00335 +- 0.02) apart.
    isotope_agreement : float or None
        Share of the pairs in one cluster; None without pairs.
    isotope_kappa : float or None
        The same, corrected for chance like Cohen's kappa: 0 is chance, 1 is perfect.
    colocalization_within, colocalization_between : float or None
        Mean Pearson correlation of ion images in one cluster, and across clusters.
    """

    isotope_pairs: int
    isotope_agreement: float | None
    isotope_kappa: float | None
    colocalization_within: float | None
    colocalization_between: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def sentences(self) -> list[str]:
        """The evidence in words."""
        said = []
        if self.isotope_agreement is not None and self.isotope_kappa is not None:
            said.append(
                f"Of {self.isotope_pairs} pairs of ions that differ by one 13C, {self.isotope_agreement:.0%} "
                f"are in one cluster (kappa {self.isotope_kappa:.2f}; 0 is chance, 1 is perfect). Such pairs "
                "are often isotopes of one molecule and then share its distribution."
            )
        elif self.isotope_pairs:
            said.append("All ions are in one cluster, so isotopes cannot tell how good it is.")
        else:
            said.append("No two ions differ by one 13C, so isotopes cannot tell how good the clusters are.")
        if self.colocalization_within is not None and self.colocalization_between is not None:
            said.append(
                f"Two ion images in one cluster correlate by {self.colocalization_within:.2f} on average, "
                f"two in different clusters by {self.colocalization_between:.2f}."
            )
        return said


def collect_evidence(
    mz: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], flat_images: npt.NDArray[np.float32]
) -> Evidence:
    """Evidence for clusters of n ions.

    Parameters
    ----------
    mz, labels : ndarray of shape (n,)
    flat_images : ndarray of shape (n, pixels)
        On-tissue pixels of the training images.
    """
    first, second = isotope_pairs(mz)
    agreement, kappa = None, None
    if len(first):
        agreement = float((labels[first] == labels[second]).mean())
        chance = float(((np.bincount(labels) / len(labels)) ** 2).sum())
        kappa = (agreement - chance) / (1 - chance) if chance < 1 else None
    correlation = pearson(flat_images, flat_images)
    same = labels[:, None] == labels[None, :]
    apart = ~same
    np.fill_diagonal(same, val=False)
    return Evidence(
        isotope_pairs=len(first),
        isotope_agreement=_rounded(agreement),
        isotope_kappa=_rounded(kappa),
        colocalization_within=_rounded(float(correlation[same].mean()) if same.any() else None),
        colocalization_between=_rounded(float(correlation[apart].mean()) if apart.any() else None),
    )


def isotope_pairs(mz: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Indices of all pairs of ions one 13C step apart (singly charged)."""
    step = mz[None, :] - mz[:, None]
    first, second = np.nonzero(np.abs(step - CARBON_13_STEP) <= ISOTOPE_TOLERANCE)
    return first, second


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
