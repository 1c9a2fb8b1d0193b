"""What questions about ions are answered from: small images and features of every ion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.errors import InputError
from napari_msiclust.msi.attributes import spatial_attributes
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import ClusterResult

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class IonBasis:
    """Training images and features of all N ions of a result.

    Attributes
    ----------
    images : IonImages
        With the on-tissue mask of the result.
    flat : ndarray of float32, shape (N, pixels)
        On-tissue pixels of the training images, 0..1.
    features : ndarray of float32, shape (N, D)
        Of the encoder, centred and of unit length; zero for an ion that it did not see.
    image_size : int
    hotspot_quantile : float
    """

    images: IonImages
    flat: FloatArray
    features: FloatArray
    image_size: int
    hotspot_quantile: float

    @classmethod
    def of(cls, result: ClusterResult, images: IonImages) -> IonBasis:
        """The basis of a result; takes seconds for thousands of ions.

        Raises
        ------
        InputError
            The ion images are not those of the result.
        """
        if len(images) != len(result.ions) or not np.allclose(images.mz, result.ions["mz"]):
            raise InputError("the ion images are not those of the result", fix="open the file it came from")
        images = images.with_mask(result.grid.mask)
        size, quantile = result.config.image_size, result.config.hotspot_quantile
        stack, mask = images.training_stack(size, quantile)
        return cls(images, stack[:, mask], _all_features(result), size, quantile)

    def with_features(self, result: ClusterResult) -> IonBasis:
        """The same ion images with the features of another embedding."""
        return replace(self, features=_all_features(result))

    @cached_property
    def directions(self) -> FloatArray:
        """`flat` with every row at unit length."""
        return unit_rows(self.flat)

    @cached_property
    def attributes(self) -> pd.DataFrame:
        """Where each of the N ions is (`spatial_attributes`)."""
        return spatial_attributes(self.images, self.hotspot_quantile)

    def scaled(self, ions: npt.ArrayLike) -> FloatArray:
        """Ion images in full resolution, clipped and scaled to 0..1; shape (n, P)."""
        blocks = [block for _, block in take_ions(self.images, ions).scaled(self.hotspot_quantile)]
        return np.concatenate(blocks) if blocks else np.empty((0, self.images.values.shape[1]), np.float32)

    def shrink(self, image: npt.ArrayLike) -> FloatArray:
        """An image on the pixel grid (H, W) in the form of `flat`; shape (pixels,)."""
        grid = self.images.grid
        values = np.asarray(image, dtype=np.float32)[grid.rows, grid.cols]
        one = IonImages(np.ones(1), values[None], grid)
        stack, mask = one.training_stack(self.image_size, 1.0)
        small: FloatArray = stack[0, mask]
        return small


def take_ions(images: IonImages, ions: npt.ArrayLike) -> IonImages:
    """Some of the ion images, read into memory."""
    rows = np.asarray(ions, dtype=np.intp)
    return replace(
        images,
        mz=images.mz[rows],
        values=np.asarray(images.values[rows], dtype=np.float32),
        names=tuple(images.names[row] for row in rows),
        columns=images.columns.iloc[rows].reset_index(drop=True),
    )


def unit_rows(rows: FloatArray) -> FloatArray:
    """Rows at unit length; zero rows stay zero."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    directions: FloatArray = (rows / np.where(norm > 1e-12, norm, np.inf)).astype(np.float32)
    return directions


def _all_features(result: ClusterResult) -> FloatArray:
    """Features in table order."""
    learned = np.asarray(result.embedding.features, dtype=np.float32)
    features = np.zeros((len(result.ions), learned.shape[1]), dtype=np.float32)
    if len(learned):
        features[result.embedded] = unit_rows(learned - learned.mean(axis=0))
    return features
