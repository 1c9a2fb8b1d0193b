"""How far the m/z of one ion scatter from spectrum to spectrum, judged from the data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_FARTHEST_PPM = 1000.0
_STEP_PPM = 0.05
_CORE, _CORE_DEVIATIONS = 0.3829, 0.5  # share of a normal distribution within half a standard deviation
_TRUST = 3.0  # standard deviations
_ROUNDS = 8
_REFERENCE_MZ = 500.0
_LEAST_PAIRS = 200
_RANGES = 8  # of m/z, equally wide on a logarithmic axis
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
    flat background of unrelated ions. The core's width, in the ranges of m/z where there is enough to
    see, gives the power law.

    Parameters
    ----------
    spectra : sequence of ndarray
        Ascending m/z of the centroids of each spectrum.
    """
    centre, distance = _distances(spectra)
    whole = _core_width(distance)
    if whole is None:
        return MassScatter(5.0)
    place = np.log(centre / _REFERENCE_MZ)
    low, high = np.quantile(place, (0.01, 0.99))
    ends = np.linspace(low, high, _RANGES + 1)
    part = np.searchsorted(ends[1:-1], place)
    points = []
    for number in range(_RANGES):
        own = part == number
        width = _core_width(distance[own])
        if width is not None:
            points.append((float(np.median(place[own])), math.log(width), math.sqrt(own.sum())))
    if len(points) < 3:
        return MassScatter(whole)
    log_mz, log_width, weight = np.array(points).T
    exponent = float(np.clip(np.polyfit(log_mz, log_width, 1, w=weight)[0], 0.0, 1.0))
    middle = np.average(log_width - exponent * log_mz, weights=weight**2)
    return MassScatter(max(float(np.exp(middle)), SMALLEST_PPM), exponent)


def _distances(spectra: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """m/z and distance in ppm of centroids of two spectra that are each other's nearest."""
    centres, distances = [np.empty(0)], [np.empty(0)]
    for one, other in itertools.pairwise(spectra):
        if not len(one) or not len(other):
            continue
        there, back = _nearest(one, other), _nearest(other, one)
        mutual = back[there] == np.arange(len(one))
        distance = np.abs(other[there] / one - 1) * 1e6
        near = mutual & (distance < _FARTHEST_PPM)
        centres.append(one[near])
        distances.append(distance[near])
    return np.concatenate(centres), np.concatenate(distances)


def _nearest(values: FloatArray, others: FloatArray) -> npt.NDArray[np.intp]:
    """Which of some ascending values is nearest to each value."""
    right = np.clip(np.searchsorted(others, values), 1, max(len(others) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(others) - 1)
    nearest: npt.NDArray[np.intp] = np.where(values - others[left] <= others[right] - values, left, right)
    return nearest


def _core_width(distance: FloatArray) -> float | None:
    """Standard deviation behind the core of distances; None if there is none to see.

    What lies farther than a normal distribution reaches is left out, over and over: distances to
    neighbours of an ion, where it is missing itself.
    """
    bins = int(_FARTHEST_PPM / _STEP_PPM)
    count = np.bincount((distance / _STEP_PPM).astype(np.int64), minlength=bins)[:bins].astype(np.float64)
    excess = np.maximum.accumulate(np.cumsum(count - count[bins // 2 :].mean())[: bins // 2])
    if excess[-1] < _LEAST_PAIRS:
        return None
    reach, width = len(excess), SMALLEST_PPM
    for _ in range(_ROUNDS):
        wanted = _CORE * excess[reach - 1]
        place = int(np.searchsorted(excess, wanted))
        before = excess[place - 1] if place else 0.0
        inside = (wanted - before) / max(excess[place] - before, 1e-12)
        spread = (place + float(np.clip(inside, 0.0, 1.0))) * _STEP_PPM / _CORE_DEVIATIONS
        width = spread / math.sqrt(2)  # both centroids scatter
        reach = min(reach, max(math.ceil(_TRUST * spread / _STEP_PPM), 1))
    return max(width, SMALLEST_PPM)
