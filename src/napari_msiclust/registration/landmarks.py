"""From landmark pairs to a transform, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import InputError
from napari_msiclust.registration.geometry import Matrix, Points, apply, is_mirrored

TransformKind = Literal["rigid", "similarity", "affine"]
KINDS: tuple[TransformKind, ...] = get_args(TransformKind)
LEAST_PAIRS: dict[TransformKind, int] = {"rigid": 2, "similarity": 2, "affine": 3}

_THINNEST = 0.05  # of the landmarks' longer spread; thinner sets count as a line
_LEAST_TO_JUDGE = 3  # pairs from which a mirrored set can be told


@dataclass(frozen=True, eq=False)
class LandmarkFit:
    """A transform fitted to N landmark pairs.

    Attributes
    ----------
    kind : {'rigid', 'similarity', 'affine'}
    matrix : ndarray of float64, shape (3, 3)
        From the moving image to the fixed one, in um.
    residuals_um : ndarray of float64, shape (N,)
        Distance of each moved landmark to its partner, in um of the fixed image.
    rms_um : float
        Root mean square of the residuals.
    leave_one_out_um : float or None
        Root mean square distance of each landmark under the transform fitted to all others: what to
        expect between the landmarks. None with too few pairs.
    warnings : tuple of str
    """

    kind: TransformKind
    matrix: Matrix
    residuals_um: npt.NDArray[np.float64]
    rms_um: float
    leave_one_out_um: float | None
    warnings: tuple[str, ...] = field(default=())


def fit_landmarks(
    moving_um: npt.ArrayLike,
    fixed_um: npt.ArrayLike,
    kind: TransformKind = "similarity",
    *,
    mirrored: bool | None = None,
) -> LandmarkFit:
    """Least-squares transform between landmark pairs.

    Parameters
    ----------
    moving_um, fixed_um : array of shape (N, 2)
        (y, x) of the pairs, in um.
    kind : {'rigid', 'similarity', 'affine'}
    mirrored : bool, optional
        Whether the section was turned over; by default whatever fits the landmarks better. Two
        pairs cannot tell, so they are taken as not turned over.

    Raises
    ------
    InputError
        There are too few pairs, or landmarks coincide, or an affine transform was asked of
        landmarks on one line.
    """
    moving = np.asarray(moving_um, dtype=np.float64).reshape(-1, 2)
    fixed = np.asarray(fixed_um, dtype=np.float64).reshape(-1, 2)
    if len(moving) != len(fixed):
        raise InputError(f"{len(moving)} landmarks have {len(fixed)} partners", fix="place both of each pair")
    if len(moving) < LEAST_PAIRS[kind]:
        raise InputError(
            f"{len(moving)} landmark pairs are too few for {'an' if kind == 'affine' else 'a'} {kind} "
            f"transform, which takes {LEAST_PAIRS[kind]}",
            fix="place more landmarks",
        )
    matrix = _fitted(moving, fixed, kind, mirrored)
    residuals = np.linalg.norm(apply(matrix, moving) - fixed, axis=1)
    return LandmarkFit(
        kind,
        matrix,
        residuals,
        _rms(residuals),
        _leave_one_out(moving, fixed, kind, is_mirrored(matrix)),
        tuple(_warnings(moving, fixed, matrix, mirrored)),
    )


def _fitted(moving: Points, fixed: Points, kind: TransformKind, mirrored: bool | None) -> Matrix:
    spread = min(_spread(moving)[0], _spread(fixed)[0])
    if not np.isfinite(spread) or spread <= 0:
        raise InputError("all landmarks lie on one spot", fix="place them far apart")
    if kind == "affine":
        if min(_thinness(moving), _thinness(fixed)) < 1e-6:
            raise InputError(
                "the landmarks lie on one line, which leaves an affine transform open",
                fix="place one beside the line, or choose similarity",
            )
        return _affine(moving, fixed)
    if mirrored is None:
        mirrored = _fits_better_mirrored(moving, fixed, kind)
    return _similarity(moving, fixed, kind, mirrored=mirrored)


def _fits_better_mirrored(moving: Points, fixed: Points, kind: TransformKind) -> bool:
    if len(moving) < _LEAST_TO_JUDGE:
        return False
    plain, turned = (
        _rms(np.linalg.norm(apply(_similarity(moving, fixed, kind, mirrored=over), moving) - fixed, axis=1))
        for over in (False, True)
    )
    return turned < plain * (1 - 1e-9) - 1e-9


def _similarity(moving: Points, fixed: Points, kind: TransformKind, *, mirrored: bool) -> Matrix:
    """Umeyama (1991), least-squares estimation of transformation parameters between two point patterns."""
    from_middle, to_middle = moving.mean(axis=0), fixed.mean(axis=0)
    source, target = moving - from_middle, fixed - to_middle
    left, strength, right = np.linalg.svd(target.T @ source)
    hand = np.sign(np.linalg.det(left) * np.linalg.det(right)) * (-1.0 if mirrored else 1.0)
    signs = np.array([1.0, hand])
    rotation = left @ np.diag(signs) @ right
    scale = 1.0 if kind == "rigid" else float((strength * signs).sum() / (source**2).sum())
    matrix = np.eye(3)
    matrix[:2, :2] = scale * rotation
    matrix[:2, 2] = to_middle - matrix[:2, :2] @ from_middle
    return matrix


def _affine(moving: Points, fixed: Points) -> Matrix:
    middle = moving.mean(axis=0)
    design = np.column_stack([moving - middle, np.ones(len(moving))])
    solved, *_ = np.linalg.lstsq(design, fixed, rcond=None)
    matrix = np.eye(3)
    matrix[:2, :2] = solved[:2].T
    matrix[:2, 2] = solved[2] - matrix[:2, :2] @ middle
    return matrix


def _leave_one_out(moving: Points, fixed: Points, kind: TransformKind, mirrored: bool) -> float | None:
    count = len(moving)
    if count <= LEAST_PAIRS[kind]:
        return None
    distances = []
    for left_out in range(count):
        others = np.arange(count) != left_out
        try:
            matrix = _fitted(moving[others], fixed[others], kind, mirrored)
        except InputError:  # without this one the others lie on a line
            return None
        distances.append(np.linalg.norm(apply(matrix, moving[left_out]) - fixed[left_out]))
    return _rms(np.array(distances))


def _warnings(moving: Points, fixed: Points, matrix: Matrix, mirrored: bool | None) -> list[str]:
    warnings = []
    if len(moving) > 2 and min(_thinness(moving), _thinness(fixed)) < _THINNEST:
        warnings.append(
            "The landmarks lie almost on one line: across it the transform is a guess. Place one beside it."
        )
    turned_over = is_mirrored(matrix)
    if mirrored is None and turned_over:
        warnings.append(
            "The landmarks mirror the section. That is right if it was turned over; else two are swapped."
        )
    if mirrored is not None and len(moving) >= _LEAST_TO_JUDGE:
        judged = _fits_better_mirrored(moving, fixed, "similarity")
        if judged != mirrored:
            warnings.append(
                "The landmarks fit better "
                + ("mirrored: flip, or check for swapped landmarks." if judged else "without the mirroring.")
            )
    return warnings


def _spread(points: Points) -> npt.NDArray[np.float64]:
    """Root mean square distances along and across the points' main axis."""
    values: npt.NDArray[np.float64] = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    spread: npt.NDArray[np.float64] = np.pad(values, (0, 2 - len(values))) / np.sqrt(len(points))
    return spread


def _thinness(points: Points) -> float:
    along, across = _spread(points)
    return float(across / along) if along > 0 else 0.0


def _rms(distances: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt((distances**2).mean()))
