"""What the pixels alone say about the likeness of ions: the start that training has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SIGMAS = (0.0, 0.7, 1.0, 1.5, 2.0)
_AS_GOOD = 0.99  # of the best score: the least smoothing that reaches it is taken
_COMPONENTS, _NEIGHBORS = 20, 7
_SPLITS = 2
_ALIKE = 1e-6  # what rounding makes of rows of length 1 that are the same
_MOST_PIXELS = 20_000  # of a section that are enough to choose the smoothing


@dataclass(frozen=True, eq=False)
class PixelFeatures:
    """On-tissue pixels of all ions, made comparable.

    Attributes
    ----------
    values : ndarray of float32, shape (N, P)
        Square roots of the scaled intensities, which evens out counting noise; smoothed by `sigma`.
    sigma : float
        In pixels.
    scores : dict
        Sigma tried -> how well the nearest neighbours found on one half of the pixels predict the
        other half.
    roots : ndarray of float32, shape (N, P)
        The same square roots before they are smoothed.
    mask : ndarray of bool, shape (S, S)
        Where the P pixels lie.
    """

    values: FloatArray
    sigma: float
    scores: dict[float, float]
    roots: FloatArray
    mask: Mask

    def seen_by(self, half: Mask) -> FloatArray:
        """The values (N, P) as they are where only some pixels (P,) were measured.

        Smoothing would carry noise of the others over.
        """
        if self.sigma == 0:
            return self.values
        weight, image = np.zeros((2, *self.mask.shape), np.float32)
        weight[self.mask] = half
        reached = _reached(weight, self.sigma)
        seen = np.empty_like(self.roots)
        for row, into in zip(self.roots, seen, strict=True):
            image[self.mask] = row * half
            into[:] = (gaussian_filter(image, self.sigma) / reached)[self.mask]
        return seen


def pixel_features(stack: FloatArray, mask: Mask, smoothing: float | None, seed: int) -> PixelFeatures:
    """Comparable pixels of ion images (N, S, S) on a tissue (S, S).

    Parameters
    ----------
    smoothing : float or None
        Sigma of a Gaussian in pixels; None takes the least smoothing whose nearest neighbours predict
        held-out pixels nearly as well as those of the best one.
    """
    roots = np.sqrt(stack)
    scores = {} if smoothing is not None else held_out_scores(roots, mask, seed)
    sigma = smoothing if smoothing is not None else _least(scores)
    values = smooth(roots, mask.astype(np.float32), sigma)[:, mask]
    return PixelFeatures(values, sigma, scores, values if sigma == 0 else roots[:, mask], mask)


def held_out_scores(roots: FloatArray, mask: Mask, seed: int) -> dict[float, float]:
    """How well neighbours found on half of the pixels predict the other half, for each smoothing.

    The two halves share no noise, so that smoothing only pays as far as it brings ions together that
    really are alike, and blurring anatomy away costs.
    """
    rng = np.random.default_rng(seed)
    total = dict.fromkeys(SIGMAS, 0.0)
    for _ in range(_SPLITS):
        half = rng.random(mask.shape) < 0.5
        given, held = mask & half, mask & ~half
        pixels = np.flatnonzero(held)
        pixels = rng.choice(pixels, min(len(pixels), _MOST_PIXELS), replace=False)
        target = unit_rows(roots.reshape(len(roots), -1)[:, pixels])
        for sigma in SIGMAS:
            seen = smooth(roots, given.astype(np.float32), sigma)[:, given if sigma == 0 else mask]
            total[sigma] += _prediction(principal_components(seen, _COMPONENTS, seed), target)
    return {sigma: score / _SPLITS for sigma, score in total.items()}


def _prediction(features: FloatArray, target: FloatArray) -> float:
    """Mean correlation of each ion with the mean of its nearest neighbours."""
    count = min(_NEIGHBORS, len(features) - 1)
    index = NearestNeighbors(n_neighbors=count + 1).fit(directions(features))
    near = index.kneighbors(directions(features), return_distance=False)[:, 1:]
    predicted = unit_rows(np.stack([target[row].mean(axis=0) for row in near]))
    return float((predicted * target).sum(axis=1).mean())


def _least(scores: dict[float, float]) -> float:
    enough = max(scores.values()) * _AS_GOOD if max(scores.values()) > 0 else -np.inf
    return min(sigma for sigma, score in scores.items() if score >= enough)


def smooth(images: FloatArray, weight: FloatArray, sigma: float) -> FloatArray:
    """Images (N, S, S) convolved with a Gaussian, normalized to the pixels that count (S, S)."""
    if sigma == 0:
        return images * weight
    reached = _reached(weight, sigma)
    smoothed = np.empty_like(images)
    for image, into in zip(images, smoothed, strict=True):
        into[:] = gaussian_filter(image * weight, sigma) / reached
    return smoothed


def _reached(weight: FloatArray, sigma: float) -> FloatArray:
    """What a Gaussian gathers of the pixels that count (S, S), kept away from zero."""
    found: FloatArray = np.maximum(gaussian_filter(weight, sigma), 1e-3)
    return found


def principal_components(values: FloatArray, components: int, seed: int) -> FloatArray:
    """Scores (N, components) of the standardized rows; fewer where there are fewer ions."""
    rows = unit_rows(values)
    most = min(components, len(rows) - 1, rows.shape[1])
    if most < 1 or np.ptp(rows, axis=0).max() < _ALIKE:
        return np.zeros((len(rows), 1), np.float32)
    scores: FloatArray = PCA(most, svd_solver=_solver(rows, most), random_state=seed).fit_transform(rows)
    return scores.astype(np.float32)


def _solver(rows: FloatArray, components: int) -> str:
    return "randomized" if components < 0.5 * min(rows.shape) else "full"


def unit_rows(values: FloatArray) -> FloatArray:
    """Rows centred and of length 1: their products are Pearson correlations. Constant rows stay 0."""
    return directions(values - values.mean(axis=1, keepdims=True))


def directions(values: FloatArray) -> FloatArray:
    """Rows of length 1; zero rows stay zero."""
    length = np.linalg.norm(values, axis=1, keepdims=True)
    scaled: FloatArray = (values / np.where(length > 1e-9, length, np.inf)).astype(np.float32)
    return scaled
