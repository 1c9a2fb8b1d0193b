"""The embedding of ions in two dimensions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_msiclust.results.ion_basis import FloatArray, IonBasis

_LEAST_IONS = 5
_DIMENSIONS = 30


def pca_projection(basis: IonBasis, *, components: int = 2) -> FloatArray:
    """First principal components of the features (N, components).

    Of the ion images themselves where there are no features.
    """
    values = basis.features if basis.features.any() else basis.flat
    centred = values - values.mean(axis=0)
    components = min(components, *centred.shape)
    gram = centred @ centred.T if len(centred) <= centred.shape[1] else None
    if gram is not None:
        strength, vectors = np.linalg.eigh(gram.astype(np.float64))
        best = np.argsort(-strength)[:components]
        projected = vectors[:, best] * np.sqrt(strength[best].clip(min=0))
    else:
        _, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        projected = centred @ vectors[:, ::-1][:, :components]
    largest = np.abs(projected).argmax(axis=0)  # the sign of a component is arbitrary: largest entry positive
    projected = projected * np.sign(projected[largest, np.arange(projected.shape[1])])
    padded = np.zeros((len(centred), max(components, 2)), dtype=np.float32)
    padded[:, : projected.shape[1]] = projected
    return padded


def tsne_projection(basis: IonBasis, seed: int = 0) -> FloatArray:
    """t-SNE of the first 30 principal components (N, 2); the PCA itself for fewer than five ions."""
    from sklearn.manifold import TSNE

    start = pca_projection(basis, components=_DIMENSIONS)
    count = len(start)
    if count < _LEAST_IONS:
        return start[:, :2]
    method = TSNE(
        perplexity=min(30.0, (count - 1) / 3), init="pca", random_state=seed, n_jobs=1, metric="cosine"
    )
    placed: FloatArray = method.fit_transform(start + 1e-9).astype(np.float32)
    return placed


def inside_polygon(
    points: npt.NDArray[np.float64], polygon: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Which points (n, 2) lie inside a polygon (m, 2)."""
    from matplotlib.path import Path

    if len(polygon) < 3:
        return np.zeros(len(points), dtype=bool)
    inside: npt.NDArray[np.bool_] = Path(polygon).contains_points(points)
    return inside
