"""A first registration without landmarks."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from napari_msiclust.errors import Stopped
from napari_msiclust.progress import Progress
from napari_msiclust.registration.channels import Channels
from napari_msiclust.registration.geometry import Matrix, around, is_mirrored, shifting, similarity
from napari_msiclust.registration.landmarks import TransformKind
from napari_msiclust.registration.matching import Matcher

_COARSE, _MIDDLE, _FINE = 48, 96, 256  # working pixels along the longer side
_ANGLES = np.deg2rad(np.arange(0, 360, 6))
_SCALE_STEP = 0.08
_STARTS = 10
_SAME_ANGLE = np.deg2rad(20)
_TRUSTED = 0.2
_FREEDOM = {"rigid": 3, "similarity": 4, "affine": 6}


@dataclass(frozen=True, eq=False)
class AutomaticRegistration:
    """The best transform found, and how far to trust it.

    Attributes
    ----------
    matrix : ndarray of float64, shape (3, 3)
        From the moving image to the fixed one, in um.
    match : float
        0..1, share of the stain's variance that the ion images explain.
    trust : float
        0..1, how much of what the best other orientation leaves unexplained this one explains.
    """

    matrix: Matrix
    match: float
    trust: float

    @property
    def trusted(self) -> bool:
        """Whether the orientation stands out from all others."""
        return self.trust >= _TRUSTED

    def sentence(self) -> str:
        """What the user should know."""
        facts = f"match {self.match:.2f}, trust {self.trust:.2f}"
        if self.trusted:
            return f"Automatic start found ({facts}). Check it, and refine it with landmarks."
        return (
            f"Do not rely on the automatic start ({facts}): another orientation fits about as well. "
            "Set the orientation with flip and turn, or place landmarks."
        )


@dataclass(frozen=True, eq=False)
class _Candidate:
    score: float
    matrix: Matrix


def automatic_steps(
    moving: Channels,
    fixed: Channels,
    kind: TransformKind = "similarity",
    *,
    scale: float = 1.0,
    scale_range: float = 1.25,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, AutomaticRegistration]:
    """Find the transform under which the ion images explain the stain best.

    All orientations with and without a flip, and all shifts, are tried on small images; the best
    distinct ones are refined at double resolution, and the best of them once more in full.

    Parameters
    ----------
    moving, fixed : Channels
        Of the ion images and of the stain.
    kind : {'rigid', 'similarity', 'affine'}
        A rigid transform has exactly the given scale.
    scale : float
        Expected um of the fixed image per um of the moving one: 1 if both pixel sizes are right.
    scale_range : float
        The scale is sought between `scale` divided and multiplied by this factor.
    stop : Event, optional
        Ends the search.

    Raises
    ------
    Stopped
        The event was set.
    """
    longest = max(moving.extent_um)
    search = Matcher(moving, fixed, longest / _COARSE, scale)
    found = []
    for turn, angle in enumerate(_ANGLES, start=1):
        if stop is not None and stop.is_set():
            raise Stopped
        for flipped in (False, True):
            for tried in _scales(scale, 1.0 if kind == "rigid" else scale_range):
                linear = similarity(tried, angle, flipped=flipped)
                found.append(_Candidate(*search.best_shift(linear)))
        yield Progress("trying orientations", turn, len(_ANGLES))
    free = _FREEDOM[kind]
    middle = Matcher(moving, fixed, longest / _MIDDLE, scale)
    starts = _distinct(found)
    refined = []
    for number, start in enumerate(starts, start=1):
        if stop is not None and stop.is_set():
            raise Stopped
        refined.append(_refined(middle, start.matrix, moving, min(free, _FREEDOM["similarity"])))
        yield Progress("refining", number, len(starts) + 1)
    best, *others = _distinct(refined)
    rival = others[0].score if others else 0.0
    fine = Matcher(moving, fixed, longest / _FINE, scale)
    final = _refined(fine, best.matrix, moving, free)
    yield Progress("refining", len(starts) + 1, len(starts) + 1)
    return AutomaticRegistration(
        final.matrix, final.score, max(0.0, (best.score - rival) / max(1 - rival, 1e-9))
    )


def expected_scale(moving: Channels, tissue: npt.NDArray[np.bool_], fixed: Channels) -> float:
    """Scale from the areas of the two tissues, where a pixel size is unknown.

    Parameters
    ----------
    tissue : ndarray of bool, shape (H, W)
        On-tissue pixels of the moving image. The last channel of `fixed` is its tissue mask.
    """
    areas = [
        mask.sum() * channels.pixel_size_um[0] * channels.pixel_size_um[1]
        for mask, channels in ((tissue, moving), (fixed.values[-1], fixed))
    ]
    return float(np.sqrt(areas[1] / areas[0]))


def between_pixel_centres(
    matrix: Matrix, moving_pixel_um: tuple[float, float], fixed_pixel_um: tuple[float, float]
) -> Matrix:
    """A transform between the outer corners of two fields, as one between their first pixels' centres."""
    into = shifting(np.array(moving_pixel_um) / 2)
    out = shifting(-np.array(fixed_pixel_um) / 2)
    result: Matrix = out @ matrix @ into
    return result


def _scales(scale: float, scale_range: float) -> npt.NDArray[np.float64]:
    reach = np.log(scale_range)
    count = 2 * int(np.ceil(reach / _SCALE_STEP)) + 1
    scales: npt.NDArray[np.float64] = scale * np.exp(np.linspace(-reach, reach, count))
    return scales


def _distinct(candidates: list[_Candidate]) -> list[_Candidate]:
    """The best candidates of different orientations, best first."""
    kept: list[_Candidate] = []
    for candidate in sorted(candidates, key=lambda one: -one.score):
        if not any(_same_orientation(candidate.matrix, other.matrix) for other in kept):
            kept.append(candidate)
        if len(kept) == _STARTS:
            break
    return kept


def _same_orientation(one: Matrix, other: Matrix) -> bool:
    if is_mirrored(one) != is_mirrored(other):
        return False
    turn = one[:2, :2] @ np.linalg.inv(other[:2, :2])
    return bool(abs(np.arctan2(turn[0, 1] - turn[1, 0], turn[0, 0] + turn[1, 1])) < _SAME_ANGLE)


def _refined(matcher: Matcher, start: Matrix, moving: Channels, freedom: int) -> _Candidate:
    """The best transform near a start; shift, angle, then scale, then aspect and shear are free."""
    extent = np.array(moving.extent_um)
    step = 1.5 * matcher.pixel_um / extent.max()

    def changed(change: npt.NDArray[np.float64]) -> Matrix:
        shift_y, shift_x, angle, growth, aspect, shear = np.pad(change, (0, 6 - freedom))
        linear = similarity(np.exp(growth), angle)
        linear[:2, :2] @= np.array([[np.exp(aspect), shear], [0, np.exp(-aspect)]])
        shift = np.array([shift_y, shift_x]) * extent.max()
        result: Matrix = start @ shifting(shift) @ around(extent / 2, linear)
        return result

    sizes = step * np.array([1, 1, 2, 2, 2, 2])[:freedom]
    found = minimize(
        lambda change: -matcher.score(changed(change)),
        np.zeros(freedom),
        method="Nelder-Mead",
        options={
            "initial_simplex": np.vstack([np.zeros(freedom), np.diag(sizes)]),
            "xatol": 0.02 * step,
            "fatol": 1e-6,
            "maxfev": 60 * freedom,
        },
    )
    return _Candidate(-float(found.fun), changed(found.x))
