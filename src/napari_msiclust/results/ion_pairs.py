"""Pairs of ions that their masses say belong together: 13C isotopes, adducts, loss of water.

Found from the m/z alone, so that no ion image takes part: such pairs may be held against clusters.
Charge 1 is taken for granted, as MALDI and DESI give it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Polarity = Literal["positive", "negative"]
Family = Literal["isotope", "adduct"]

ISOTOPE = "13C isotopes"
CARBON_13_STEP = 1.00335
PAIR_TOLERANCE = 0.02
# Differences that mean nothing: some units away, each unit with the mass defect of an average molecule,
# since m/z crowd around such steps and a difference between them would meet no pair at all.
_UNIT = 1.00048
_DECOY_UNITS = (-7, -6, -5, -4, -3, 3, 4, 5, 6, 7)
_LEAST_DECOY = 3.5  # Da; below lie isotopes and double bonds
_LEAST_EXCESS = 2.33  # standard deviations; one in a hundred by chance

Indices = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MassDifference:
    """A difference of two m/z with a chemical meaning.

    Attributes
    ----------
    name : str
        For people.
    step : float
        Da, positive.
    family : {'isotope', 'adduct'}
    """

    name: str
    step: float
    family: Family = "adduct"


# Differences of the adducts' masses, from the atomic masses of IUPAC (2021).
_ALWAYS = (
    MassDifference(ISOTOPE, CARBON_13_STEP, "isotope"),
    MassDifference("loss of water", 18.010565),
)
_BY_POLARITY: dict[Polarity, tuple[MassDifference, ...]] = {
    "positive": (
        MassDifference("[M+Na]+ and [M+H]+", 21.981944),
        MassDifference("[M+K]+ and [M+H]+", 37.955882),
        MassDifference("[M+K]+ and [M+Na]+", 15.973938),
        MassDifference("[M+NH4]+ and [M+H]+", 17.026549),
    ),
    "negative": (
        MassDifference("[M+Cl]- and [M-H]-", 35.976678),
        MassDifference("[M+HCOO]- and [M-H]-", 46.005479),
        MassDifference("[M+CH3COO]- and [M-H]-", 60.021129),
    ),
}


@dataclass(frozen=True, eq=False)
class IonPairs:
    """All pairs of ions of one mass difference.

    Attributes
    ----------
    difference : MassDifference
    lighter, heavier : ndarray of int, shape (n,)
        Rows of the m/z list.
    by_chance : float
        Pairs to be expected if the difference meant nothing: the mean over nearby differences that do.
    excess : float
        Pairs beyond these, in standard deviations.
    """

    difference: MassDifference
    lighter: Indices
    heavier: Indices
    by_chance: float
    excess: float

    @property
    def evident(self) -> bool:
        """Whether there are more pairs than accident explains; of isotopes, which are everywhere, always."""
        return self.difference.family == "isotope" or self.excess > _LEAST_EXCESS


def mass_differences(polarity: Polarity | None) -> tuple[MassDifference, ...]:
    """What is looked for; without a known polarity, only what is the same in both."""
    return _ALWAYS if polarity is None else _ALWAYS + _BY_POLARITY[polarity]


def ion_pairs(mz: Floats, polarity: Polarity | None, tolerance: float = PAIR_TOLERANCE) -> list[IonPairs]:
    """Pairs of each mass difference.

    Parameters
    ----------
    mz : ndarray of shape (N,)
        In any order.
    polarity : {'positive', 'negative'} or None
        None: unknown.
    tolerance : float
        Da.
    """
    return [_of_difference(mz, difference, tolerance) for difference in mass_differences(polarity)]


def _of_difference(mz: Floats, difference: MassDifference, tolerance: float) -> IonPairs:
    lighter, heavier = pairs_apart(mz, difference.step, tolerance)
    steps = [difference.step + units * _UNIT for units in _DECOY_UNITS]
    decoys = [len(pairs_apart(mz, step, tolerance)[0]) for step in steps if step > _LEAST_DECOY]
    mean, spread = float(np.mean(decoys)), float(np.std(decoys, ddof=1))
    excess = (len(lighter) - mean) / max(spread, mean**0.5, 1.0)
    return IonPairs(difference, lighter, heavier, mean, excess)


def pairs_apart(mz: Floats, step: float, tolerance: float = PAIR_TOLERANCE) -> tuple[Indices, Indices]:
    """Rows (lighter, heavier) of all pairs of ions that lie `step` +- `tolerance` Da apart."""
    order = np.argsort(mz, kind="stable")
    ascending = mz[order]
    begin = np.searchsorted(ascending, ascending + step - tolerance, side="left")
    end = np.searchsorted(ascending, ascending + step + tolerance, side="right")
    found = end - begin
    lighter = np.repeat(np.arange(len(mz)), found)
    place = np.arange(len(lighter)) - np.repeat(np.cumsum(found) - found, found)
    heavier = begin[lighter] + place
    return order[lighter], order[heavier]
