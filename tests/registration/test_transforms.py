from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.errors import FileFormatError, OutputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.registration.geometry import apply, similarity
from napari_msiclust.registration.landmarks import fit_landmarks
from napari_msiclust.registration.transforms import (
    LandmarkPairs,
    Registration,
    fit_errors,
    grid_origin_um,
    read_landmarks,
    read_registration,
    write_registration,
)


@pytest.fixture
def registration() -> Registration:
    moving = np.array([[0, 0], [10, 1000], [900, 100], [800, 700.0]])
    wrong = np.array([[1, 0], [0, 2], [0, 0], [3, 0]])
    fixed = apply(similarity(1.1, 0.2, (50, 70)), moving) + wrong
    fit = fit_landmarks(moving, fixed)
    pairs = LandmarkPairs(np.array([1, 2, 3, 5]), fixed, moving)
    return Registration(
        fit.matrix,
        "similarity",
        pairs,
        {"name": "H&E", "pixel_size_um": [0.5, 0.5]},
        {"name": "a.imzML", "origin_um": [25.0, 75.0]},
        fit_errors(fit),
    )


def test_json_comes_back(registration: Registration, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_registration(path, registration)
    again = read_registration(path)
    np.testing.assert_array_equal(again.matrix, registration.matrix)
    for name in ("numbers", "fixed_um", "moving_um"):
        np.testing.assert_array_equal(getattr(again.pairs, name), getattr(registration.pairs, name))
    assert (again.kind, again.fixed, again.moving, again.errors) == (
        registration.kind,
        registration.fixed,
        registration.moving,
        registration.errors,
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.json"]


def test_the_file_means_what_it_says(registration: Registration, tmp_path: Path) -> None:
    """The 3 x 3 of the file, used as its own words say, takes a landmark to its partner."""
    path = tmp_path / "r.json"
    write_registration(path, registration)
    facts = json.loads(path.read_text())
    assert facts["axes"] == ["x", "y"]
    matrix = np.array(facts["matrix"])
    for landmark, residual in zip(facts["landmarks"], facts["errors"]["residuals_um"], strict=True):
        moved = matrix @ [*landmark["moving_um"], 1]
        assert np.linalg.norm(moved[:2] - landmark["fixed_um"]) == pytest.approx(residual)


def test_csv_comes_back(registration: Registration, tmp_path: Path) -> None:
    path = tmp_path / "landmarks.csv"
    write_registration(path, registration)
    table = pd.read_csv(path)
    np.testing.assert_allclose(table["residual_um"], registration.errors["residuals_um"])
    np.testing.assert_array_equal(table["fixed_x_um"], registration.pairs.fixed_um[:, 1])
    again = read_landmarks(path)
    np.testing.assert_array_equal(again.fixed_um, registration.pairs.fixed_um)
    np.testing.assert_array_equal(again.moving_um, registration.pairs.moving_um)
    assert again.numbers.tolist() == [1, 2, 3, 5]


def test_another_dataset_of_the_section_lands_on_the_same_spot(registration: Registration) -> None:
    """A crop that begins 4 rows and 2 columns later, and a raster of half the pixel size."""
    size = 50.0
    whole = PixelGrid.from_positions(np.array([[2, 1, 1], [9, 9, 1]], np.int32), (size, size))
    assert grid_origin_um(whole) == [25.0, 75.0]
    crop = PixelGrid.from_positions(np.array([[4, 5, 1], [9, 9, 1]], np.int32), (size, size))
    spot_in_whole, spot_in_crop = np.array([[5, 4]]) * size, np.array([[1, 2]]) * size
    moved = registration.for_origin(grid_origin_um(crop))
    np.testing.assert_allclose(
        apply(moved.matrix, spot_in_crop), apply(registration.matrix, spot_in_whole), atol=1e-9
    )
    fine = PixelGrid.from_positions(np.array([[3, 1, 1], [18, 18, 1]], np.int32), (size / 2, size / 2))
    corner_in_fine = np.array([[-0.5, -0.5]]) * size / 2
    np.testing.assert_allclose(
        apply(registration.for_origin(grid_origin_um(fine)).matrix, corner_in_fine),
        apply(registration.matrix, np.array([[-0.5, -0.5]]) * size),
        atol=1e-9,
    )
    assert registration.for_origin(None) is registration


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "something"}, "not a registration"),
        ({"version": 2}, "version 2"),
        ({"matrix": [[1, 0], [0, 1]]}, "3 x 3"),
        ({"matrix": [[1, 2, 0], [2, 4, 0], [0, 0, 1]]}, "inverted"),
        ({"matrix": [[1, 0, float("nan")], [0, 1, 0], [0, 0, 1]]}, "3 x 3"),
        ({"kind": "elastic"}, "kind"),
        ({"landmarks": [{"number": 1}]}, "fixed_um"),
        ({"landmarks": [{"number": 1, "fixed_um": [1, float("inf")], "moving_um": [1, 2]}]}, "number"),
        ({"fixed": [3]}, "object"),
    ],
)
def test_a_garbled_file_is_named(
    registration: Registration, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = tmp_path / "r.json"
    write_registration(path, registration)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FileFormatError, match=said) as caught:
        read_registration(path)
    assert str(path) in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no such file"):
        read_registration(tmp_path / "none.json")
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_registration(tmp_path / "bad.json")
    (tmp_path / "cut.json").write_text('{"format": ')
    with pytest.raises(FileFormatError, match="damaged JSON"):
        read_registration(tmp_path / "cut.json")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(FileFormatError, match="fixed_x_um"):
        read_landmarks(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("number,fixed_x_um,fixed_y_um,moving_x_um,moving_y_um\n1,2,3,,5\n")
    with pytest.raises(FileFormatError, match="lacks a number"):
        read_landmarks(tmp_path / "b.csv")


def test_a_folder_that_is_not_there(registration: Registration, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_registration(tmp_path / "none" / "r.json", registration)
