"""How far the m/z of one ion scatter from spectrum to spectrum, judged from the data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_FARTHEST_PPM = 1000.0
_STEP_PPM = 0.25
_CORE = 0.6827  # share of a normal distribution within one standard deviation
_REFERENCE_MZ = 500.0
_LEAST_PAIRS = 200
SMALLEST_PPM = 0.2

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MassScatter:
    """Standard deviation of an ion's m/z over spectra, as a power law.

    Attributes
    ----------
    ppm : float
        At m/z 500.
    exponent : float
        0 where it is the same in ppm everywhere (time of flight), 0.5 for orbital traps, 1 for
        ion cyclotron resonance.
    """

    ppm: float
    exponent: float = 0.0

    def at(self, mz: FloatArray) -> FloatArray:
        """Standard deviation in Da at each m/z (N,)."""
        return mz * 1e-6 * self.ppm * (mz / _REFERENCE_MZ) ** self.exponent

    def warp(self, mz: FloatArray) -> FloatArray:
        """An axis on which one unit is one standard deviation everywhere."""
        if abs(self.exponent) < 1e-6:
            return np.log(mz) * (1e6 / self.ppm)
        power = (mz / _REFERENCE_MZ) ** -self.exponent
        return (1.0 - power) * (1e6 / (self.ppm * self.exponent))

    def unwarp(self, place: FloatArray) -> FloatArray:
        """The m/z of places on that axis."""
        if abs(self.exponent) < 1e-6:
            return np.exp(place * (self.ppm / 1e6))
        power = 1.0 - place * (self.ppm * self.exponent / 1e6)
        return _REFERENCE_MZ * np.maximum(power, 1e-12) ** (-1.0 / self.exponent)


def estimate_scatter(spectra: Sequence[FloatArray]) -> MassScatter:
    """Scatter of the m/z of ions, from the centroids of some spectra.

    Distances between centroids of different spectra have a core, the scatter of single ions, on a
    flat background of unrelated ions. The core's half width, in three ranges of m/z where there is
    enough to see, gives the power law.

    Parameters
    ----------
    spectra : sequence of ndarray
        Ascending m/z of the centroids of each spectrum.
    """
    centre, distance = _distances(spectra)
    whole = _core_width(distance)
    if whole is None:
        return MassScatter(5.0)
    cuts = np.quantile(centre, (1 / 3, 2 / 3))
    part = np.searchsorted(cuts, centre)
    points = []
    for number in range(3):
        width = _core_width(distance[part == number])
        if width is not None:
            points.append((math.log(np.median(centre[part == number]) / _REFERENCE_MZ), math.log(width)))
    if len(points) < 3:
        return MassScatter(whole)
    slope = np.polyfit([point[0] for point in points], [point[1] for point in points], 1)[0]
    exponent = float(np.clip(slope, 0.0, 1.0))
    middle = np.mean([log_width - exponent * log_mz for log_mz, log_width in points])
    return MassScatter(max(float(np.exp(middle)), SMALLEST_PPM), exponent)


def _distances(spectra: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """m/z and distance in ppm of neighbouring centroids of two spectra."""
    centres, distances = [np.empty(0)], [np.empty(0)]
    for one, other in itertools.pairwise(spectra):
        if not len(one) or not len(other):
            continue
        right = np.clip(np.searchsorted(other, one), 1, max(len(other) - 1, 1))
        for place in (right - 1, np.minimum(right, len(other) - 1)):
            distance = np.abs(other[place] / one - 1) * 1e6
            near = distance < _FARTHEST_PPM
            centres.append(one[near])
            distances.append(distance[near])
    return np.concatenate(centres), np.concatenate(distances)


def _core_width(distance: FloatArray) -> float | None:
    """Standard deviation behind the core of distances; None if there is none to see."""
    bins = int(_FARTHEST_PPM / _STEP_PPM)
    count = np.bincount((distance / _STEP_PPM).astype(np.int64), minlength=bins)[:bins].astype(np.float64)
    excess = np.cumsum(count - count[bins // 2 :].mean())[: bins // 2]
    total = float(excess.max(initial=0.0))
    if total < _LEAST_PAIRS:
        return None
    place = int(np.searchsorted(np.maximum.accumulate(excess), _CORE * total))
    before = excess[place - 1] if place else 0.0
    inside = (_CORE * total - before) / max(excess[place] - before, 1e-12)
    width = (place + float(np.clip(inside, 0.0, 1.0))) * _STEP_PPM / math.sqrt(2)
    return max(width, SMALLEST_PPM)
