"""Learn labels again from corrected ones, without training the encoder anew."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

_DIMENSIONS = 50
_FOLDS = 5
_ROUNDS = 5
_WEIGHT_OF_FIXED = 5.0


def refine_labels(
    features: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    fixed: npt.NDArray[np.bool_],
    seed: int = 0,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Labels that follow from corrections: a warm start from them on the features that are there.

    Each ion that is not fixed gets the label that a linear classifier gives it which learned from the
    other folds of the ions, where fixed ions count five times; repeated until the labels settle.

    Parameters
    ----------
    features : ndarray of shape (n, D)
    labels : ndarray of int64, shape (n,)
        Corrected labels.
    fixed : ndarray of bool, shape (n,)
        Ions that keep their labels.

    Returns
    -------
    labels : ndarray of int64, shape (n,)
    confidence : ndarray of float64, shape (n,)
        Probability of the label.
    """
    size = min(_DIMENSIONS, *features.shape)
    points = PCA(size, random_state=seed, svd_solver="full").fit_transform(features)
    points /= max(float(points.std()), 1e-12)
    labels = labels.copy()
    confidence = np.ones(len(labels))
    with threadpool_limits(1):
        for _ in range(_ROUNDS):
            if len(np.unique(labels)) < 2:
                break
            found, probability = _out_of_fold(points, labels, fixed, seed)
            confidence = probability
            fresh = np.where(fixed, labels, found)
            settled = np.array_equal(fresh, labels)
            labels = fresh
            if settled:
                break
    return labels, np.where(fixed, 1.0, confidence)


def _out_of_fold(
    points: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    fixed: npt.NDArray[np.bool_],
    seed: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Label and probability of every ion from a classifier that did not learn from it.

    Fixed ions are always learned from: they are given, not predicted. So are the ions of clusters with
    fewer members than folds, whose clusters would vanish otherwise.
    """
    sizes = np.bincount(labels)
    given = fixed | (sizes[labels] < _FOLDS)
    found, probability = labels.copy(), np.ones(len(labels))
    open_rows = np.flatnonzero(~given)
    folds = min(_FOLDS, len(open_rows))
    if folds < 2:
        return found, probability
    weight = np.where(fixed, _WEIGHT_OF_FIXED, 1.0)
    for learn, ask in KFold(folds, shuffle=True, random_state=seed).split(open_rows):
        rows = np.concatenate([np.flatnonzero(given), open_rows[learn]])
        if len(np.unique(labels[rows])) < 2:
            continue
        model = LogisticRegression(C=1.0, max_iter=300).fit(points[rows], labels[rows], weight[rows])
        chances = model.predict_proba(points[open_rows[ask]])
        found[open_rows[ask]] = model.classes_[chances.argmax(axis=1)]
        probability[open_rows[ask]] = chances.max(axis=1)
    return found, probability
