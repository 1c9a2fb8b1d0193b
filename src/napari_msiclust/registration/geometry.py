"""3 x 3 matrices over (y, x, 1) in micrometres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]


def apply(matrix: Matrix, points: npt.ArrayLike) -> Points:
    """Points (N, 2) through a matrix."""
    given = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    moved: Points = given @ matrix[:2, :2].T + matrix[:2, 2]
    return moved


def similarity(
    scale: float, angle: float, shift: npt.ArrayLike = (0.0, 0.0), *, flipped: bool = False
) -> Matrix:
    """Flip left to right if asked, then scale, rotate by `angle` (radians, from x towards y), shift."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    matrix[:2, :2] = scale * np.array([[cos, sin], [-sin, cos]])
    if flipped:
        matrix[:2, 1] *= -1
    matrix[:2, 2] = shift
    return matrix


def scaling(pixel_size_um: tuple[float, float]) -> Matrix:
    """From pixels (row, column) to micrometres."""
    return np.diag([pixel_size_um[0], pixel_size_um[1], 1.0])


def shifting(shift: npt.ArrayLike) -> Matrix:
    """A shift by (y, x)."""
    matrix = np.eye(3)
    matrix[:2, 2] = shift
    return matrix


def around(center: npt.ArrayLike, linear: Matrix) -> Matrix:
    """A matrix that works about a centre (y, x), which it leaves where it is."""
    middle = np.asarray(center, dtype=np.float64)
    result: Matrix = shifting(middle) @ linear @ shifting(-middle)
    return result


def flip(center: npt.ArrayLike, *, horizontal: bool) -> Matrix:
    """Mirror left to right, or top to bottom, about a centre (y, x)."""
    return around(center, np.diag([1.0, -1.0, 1.0] if horizontal else [-1.0, 1.0, 1.0]))


def quarter_turn(center: npt.ArrayLike, *, clockwise: bool) -> Matrix:
    """Turn by 90 degrees about a centre (y, x), as seen with y pointing down."""
    y_from_x = 1.0 if clockwise else -1.0
    return around(center, np.array([[0, y_from_x, 0], [-y_from_x, 0, 0], [0, 0, 1.0]]))


def is_mirrored(matrix: Matrix) -> bool:
    """Whether a matrix swaps left and right hand."""
    return bool(np.linalg.det(matrix[:2, :2]) < 0)


def area_factor(matrix: Matrix) -> float:
    """By how much a matrix enlarges areas."""
    (a, b), (c, d) = matrix[:2, :2].tolist()
    return float(abs(a * d - b * c))


def scale_of(matrix: Matrix) -> float:
    """By how much a matrix enlarges lengths, on average."""
    return float(area_factor(matrix) ** 0.5)


def embed(matrix: Matrix, ndim: int) -> Matrix:
    """The matrix in the last two of `ndim` axes; the others stay as they are."""
    whole = np.eye(ndim + 1)
    whole[-3:-1, -3:-1] = matrix[:2, :2]
    whole[-3:-1, -1] = matrix[:2, 2]
    return whole
