"""Registrations in files: JSON, and CSV of the landmark pairs."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.errors import FileFormatError, OutputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.registration.geometry import Matrix, Points, apply, shifting
from napari_msiclust.registration.landmarks import LandmarkFit, TransformKind

FORMAT, VERSION = "napari-msiclust registration", 1
COLUMNS = ("number", "fixed_x_um", "fixed_y_um", "moving_x_um", "moving_y_um")
_LARGEST_FILE = 10_000_000


@dataclass(frozen=True, eq=False)
class LandmarkPairs:
    """Numbered landmarks, (y, x) in um.

    Attributes
    ----------
    numbers : ndarray of int, shape (N,)
    fixed_um, moving_um : ndarray of float64, shape (N, 2)
    """

    numbers: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    fixed_um: Points = field(default_factory=lambda: np.empty((0, 2)))
    moving_um: Points = field(default_factory=lambda: np.empty((0, 2)))

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class Registration:
    """A transform between two images, and what it was made from.

    Attributes
    ----------
    matrix : ndarray of float64, shape (3, 3)
        From the moving image to the fixed one: (y, x, 1) in um, origins at the centres of the first pixels.
    kind : str
        'rigid', 'similarity', 'affine', or 'manual' for presets alone.
    pairs : LandmarkPairs
    fixed, moving : dict
        Plain facts: name, pixel_size_um (height, width), and for the moving one origin_um (y, x), where
        its first pixel lies in the coordinates of the file.
    errors : dict
        rms_um, leave_one_out_um, residuals_um, where landmarks gave the transform.
    """

    matrix: Matrix
    kind: str
    pairs: LandmarkPairs = field(default_factory=LandmarkPairs)
    fixed: dict[str, Any] = field(default_factory=dict)
    moving: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, Any] = field(default_factory=dict)

    def for_origin(self, origin_um: Sequence[float] | None) -> Registration:
        """The same registration for another dataset of the section, which begins elsewhere.

        Parameters
        ----------
        origin_um : (y, x) or None
            Where its first pixel lies in the coordinates of its file (`grid_origin_um`).
        """
        own = self.moving.get("origin_um")
        if own is None or origin_um is None:
            return self
        offset = np.asarray(origin_um, dtype=np.float64) - np.asarray(own, dtype=np.float64)
        pairs = LandmarkPairs(self.pairs.numbers, self.pairs.fixed_um, self.pairs.moving_um - offset)
        moving = self.moving | {"origin_um": [float(length) for length in origin_um]}
        return Registration(self.matrix @ shifting(offset), self.kind, pairs, self.fixed, moving, self.errors)


def grid_origin_um(grid: PixelGrid) -> list[float]:
    """(y, x) of the centre of a grid's first pixel in the raster of its file, in um."""
    return [float((first - 0.5) * size) for first, size in zip(grid.origin, grid.pixel_size_um, strict=True)]


def fit_errors(fit: LandmarkFit) -> dict[str, Any]:
    """A fit's errors as plain JSON values."""
    return {
        "rms_um": fit.rms_um,
        "leave_one_out_um": fit.leave_one_out_um,
        "residuals_um": fit.residuals_um.tolist(),
    }


def write_registration(path: str | Path, registration: Registration) -> None:
    """Write a registration as JSON (.json), or its landmark pairs as CSV (any other ending).

    The file has points and matrix in (x, y) order. It appears whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    path = Path(path)
    text = registration_json(registration) if path.suffix.lower() == ".json" else _as_csv(registration)
    write_whole(path, text)


def write_whole(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror})", fix="choose a folder you may write to", path=path
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(
            f"cannot be written ({error.strerror})", fix="check rights and free space", path=path
        ) from error


def registration_json(registration: Registration) -> str:
    """The text of a registration file."""
    swapped = _swap(registration.matrix)
    pairs = registration.pairs
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "meaning": "(x, y, 1) in the fixed image = matrix * (x, y, 1) in the moving image; um; "
        "origins at the centres of the first pixels",
        "kind": registration.kind,
        "axes": ["x", "y"],
        "unit": "um",
        "matrix": swapped.tolist(),
        "fixed": registration.fixed,
        "moving": registration.moving,
        "errors": registration.errors,
        "landmarks": [
            {"number": int(number), "fixed_um": fixed[::-1].tolist(), "moving_um": moving[::-1].tolist()}
            for number, fixed, moving in zip(pairs.numbers, pairs.fixed_um, pairs.moving_um, strict=True)
        ],
    }
    return json.dumps(facts, indent=1) + "\n"


def _as_csv(registration: Registration) -> str:
    pairs = registration.pairs
    table = pd.DataFrame(
        np.column_stack([pairs.fixed_um[:, ::-1], pairs.moving_um[:, ::-1]]), columns=COLUMNS[1:]
    )
    table.insert(0, COLUMNS[0], pairs.numbers)
    moved = apply(registration.matrix, pairs.moving_um)
    table["residual_um"] = np.linalg.norm(moved - pairs.fixed_um, axis=1)
    return str(table.to_csv(index=False, lineterminator="\n"))


def read_registration(path: str | Path) -> Registration:
    """Read a registration from JSON.

    Raises
    ------
    FileFormatError
        The file is missing, damaged, of a later version, or not a registration.
    """
    path = Path(path)
    return parse_registration(_text_of(path), path)


def parse_registration(text: str, path: Path) -> Registration:
    """The registration in a text that came from `path`; errors as in `read_registration`."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"damaged JSON ({error})", fix="save the registration again", path=path
        ) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise FileFormatError("not a registration", fix=f"choose a file saved as {FORMAT!r}", path=path)
    if facts.get("version") != VERSION:
        raise FileFormatError(
            f"written as version {facts.get('version')}", fix="update napari-msiclust", path=path
        )
    try:
        return _from_facts(facts)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"lacks or garbles a value ({error})", fix="save the registration again", path=path
        ) from error


def _from_facts(facts: dict[str, Any]) -> Registration:
    matrix = np.array(facts["matrix"], dtype=np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or not np.allclose(matrix[2], [0, 0, 1]):
        raise ValueError("the matrix is not 3 x 3 with the last row 0, 0, 1")
    if abs(np.linalg.det(matrix)) < 1e-12:
        raise ValueError("the matrix cannot be inverted")
    if facts["kind"] not in (*get_args(TransformKind), "manual"):
        raise ValueError(f"kind {facts['kind']!r}")
    listed = facts["landmarks"]
    fixed, moving = (
        np.array([one[name] for one in listed], dtype=np.float64).reshape(-1, 2)[:, ::-1]
        for name in ("fixed_um", "moving_um")
    )
    if not (np.isfinite(fixed).all() and np.isfinite(moving).all()):
        raise ValueError("a landmark is not a number")
    numbers = np.array([int(one["number"]) for one in listed], dtype=np.int64)
    parts = [facts.get(name) or {} for name in ("fixed", "moving", "errors")]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError("fixed, moving or errors is not an object")
    return Registration(_swap(matrix), facts["kind"], LandmarkPairs(numbers, fixed, moving), *parts)


def read_landmarks(path: str | Path) -> LandmarkPairs:
    """Read landmark pairs from CSV.

    Raises
    ------
    FileFormatError
        The file is missing, lacks columns, or holds something else than numbers.
    """
    path = Path(path)
    text = _text_of(path)
    try:
        table = pd.read_csv(StringIO(text))
        values = table[list(COLUMNS)].to_numpy(dtype=np.float64)
    except (KeyError, ValueError, pd.errors.ParserError) as error:
        raise FileFormatError(
            f"not a table of landmarks ({error})", fix=f"give the columns {', '.join(COLUMNS)}", path=path
        ) from error
    if not np.isfinite(values).all():
        raise FileFormatError("a landmark lacks a number", fix="fill it in, or drop the row", path=path)
    return LandmarkPairs(values[:, 0].astype(np.int64), values[:, 2:0:-1].copy(), values[:, 4:2:-1].copy())


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise FileFormatError("is too large", fix="choose a registration or landmarks", path=path)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"cannot be read ({error})", fix="check the file", path=path) from error


def _swap(matrix: Matrix) -> Matrix:
    """Between (y, x) and (x, y) order."""
    order = [1, 0, 2]
    return matrix[np.ix_(order, order)]
