from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_msiclust.errors import InputError
from napari_msiclust.registration.geometry import Matrix, apply, flip, is_mirrored, quarter_turn, similarity
from napari_msiclust.registration.landmarks import KINDS, TransformKind, fit_landmarks

FIELD = np.array([[0, 0], [0, 9000], [9000, 0], [9000, 9000]])


def _true(kind: TransformKind, rng: np.random.Generator) -> Matrix:
    scale = 1.0 if kind == "rigid" else rng.uniform(0.2, 5)
    matrix = similarity(scale, rng.uniform(0, 7), rng.uniform(-9e3, 9e3, 2), flipped=bool(rng.random() < 0.5))
    if kind == "affine":
        matrix[:2, :2] += rng.normal(0, 0.1, (2, 2)) * scale
    return matrix


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 10**6))
def test_exact_pairs_give_the_exact_transform(kind: TransformKind, seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = _true(kind, rng)
    moving = np.array([[500, 600], [600, 8000], [8200, 900], [7000, 7700]]) + rng.uniform(-400, 400, (4, 2))
    fit = fit_landmarks(moving, apply(true, moving), kind)
    np.testing.assert_allclose(apply(fit.matrix, FIELD), apply(true, FIELD), atol=1e-6)
    assert fit.rms_um < 1e-6
    assert fit.leave_one_out_um is not None
    assert fit.leave_one_out_um < 1e-5


def test_a_wrong_landmark_is_seen_in_residuals_and_leave_one_out() -> None:
    rng = np.random.default_rng(1)
    moving = rng.uniform(0, 9000, (8, 2))
    fixed = apply(similarity(1.2, 0.4, (30, -50)), moving)
    fixed[3] += (300, 0)
    fit = fit_landmarks(moving, fixed)
    assert fit.residuals_um.argmax() == 3
    assert fit.rms_um == pytest.approx(np.sqrt((fit.residuals_um**2).mean()))
    assert fit.leave_one_out_um is not None
    assert fit.leave_one_out_um > fit.rms_um


def test_leave_one_out_is_what_it_says() -> None:
    rng = np.random.default_rng(2)
    moving = rng.uniform(0, 9000, (6, 2))
    fixed = apply(similarity(0.8, 2, (1, 2)), moving) + rng.normal(0, 20, (6, 2))
    by_hand = []
    for left_out in range(6):
        others = np.delete(np.arange(6), left_out)
        matrix = fit_landmarks(moving[others], fixed[others], mirrored=False).matrix
        by_hand.append(np.linalg.norm(apply(matrix, moving[left_out]) - fixed[left_out]))
    fit = fit_landmarks(moving, fixed)
    assert fit.leave_one_out_um == pytest.approx(np.sqrt(np.mean(np.square(by_hand))))


def test_landmarks_on_a_line_warn() -> None:
    moving = np.array([[0, 0], [10, 1000], [-5, 2000], [0, 3000.0]])
    fit = fit_landmarks(moving, apply(similarity(1, 0.3), moving))
    assert any("line" in warning for warning in fit.warnings)
    exact = moving * (0, 1)
    with pytest.raises(InputError, match="one line"):
        fit_landmarks(exact, exact, "affine")


def test_a_mirrored_set_warns() -> None:
    moving = np.array([[0, 0], [0, 1000], [800, 0], [900, 700.0]])
    mirrored = apply(similarity(1, 0.3, flipped=True), moving)
    fit = fit_landmarks(moving, mirrored)
    assert is_mirrored(fit.matrix)
    assert any("mirror" in warning for warning in fit.warnings)
    unflipped = fit_landmarks(moving, mirrored, mirrored=False)
    assert not is_mirrored(unflipped.matrix)
    assert any("flip" in warning for warning in unflipped.warnings)
    assert unflipped.rms_um > 100
    assert not fit_landmarks(moving, mirrored, mirrored=True).warnings


@pytest.mark.parametrize(
    ("moving", "fixed", "kind", "said"),
    [
        ([[0, 0]], [[1, 1]], "similarity", "too few"),
        ([[0, 0], [1, 1]], [[1, 1], [2, 2]], "affine", "takes 3"),
        ([[0, 0], [1, 1]], [[1, 1]], "rigid", "partners"),
        ([[5, 5], [5, 5], [5, 5]], [[1, 1], [2, 2], [3, 4]], "similarity", "one spot"),
    ],
)
def test_impossible_sets_are_refused(moving: object, fixed: object, kind: TransformKind, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit_landmarks(moving, fixed, kind)


def test_two_pairs_follow_the_flip_of_the_user() -> None:
    moving, fixed = np.array([[0, 0], [0, 100.0]]), np.array([[10, 10], [10, 110.0]])
    assert not is_mirrored(fit_landmarks(moving, fixed).matrix)
    turned = fit_landmarks(moving, fixed, mirrored=True)
    assert is_mirrored(turned.matrix)
    assert turned.rms_um == pytest.approx(0, abs=1e-9)


def test_presets_turn_as_seen_on_the_screen() -> None:
    right_of_centre = np.array([[5, 9]])
    np.testing.assert_allclose(apply(quarter_turn((5, 5), clockwise=True), right_of_centre), [[9, 5]])
    np.testing.assert_allclose(apply(quarter_turn((5, 5), clockwise=False), right_of_centre), [[1, 5]])
    np.testing.assert_allclose(apply(flip((5, 5), horizontal=True), right_of_centre), [[5, 1]])
    np.testing.assert_allclose(apply(flip((5, 5), horizontal=False), [[9, 4]]), [[1, 4]])
