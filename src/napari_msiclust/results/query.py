"""Which ions are co-localized with something: an ion, a painted region, the channel of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.errors import InputError
from napari_msiclust.results.ion_basis import FloatArray, IonBasis, unit_rows

_TEACHERS = 10


@dataclass(frozen=True, eq=False)
class Query:
    """A question as two directions, one among images and one among features.

    Attributes
    ----------
    title : str
    direction : ndarray of float32, shape (pixels,)
        A small image of unit length.
    feature : ndarray of float32, shape (D,)
        Of unit length; zero where the encoder knows nothing like it.
    ion : int or None
        The ion that was asked for.
    """

    title: str
    direction: FloatArray
    feature: FloatArray
    ion: int | None = None

    def rank(self, basis: IonBasis, ions: pd.DataFrame) -> pd.DataFrame:
        """All other ions, the most co-localized first.

        Parameters
        ----------
        basis : IonBasis
        ions : DataFrame
            Ion table of the result.

        Returns
        -------
        DataFrame
            ion (row of the ion table), mz, annotation, cluster, cosine (between the images, 0..1),
            learned (cosine between centred features, -1..1).
        """
        table = pd.DataFrame(
            {
                "ion": np.arange(len(ions)),
                "mz": ions["mz"].to_numpy(),
                "annotation": ions["annotation"].to_numpy(),
                "cluster": ions["cluster"].to_numpy(),
                "cosine": (basis.directions @ self.direction).round(6),
                "learned": (basis.features @ self.feature).round(6),
            }
        )
        others = table[table["ion"] != self.ion] if self.ion is not None else table
        return others.sort_values(["cosine", "mz"], ascending=[False, True], ignore_index=True)


def like_ion(basis: IonBasis, ion: int) -> Query:
    """The question what is co-localized with an ion."""
    return Query(f"m/z {basis.images.mz[ion]:.4f}", basis.directions[ion], basis.features[ion], ion)


def like_image(basis: IonBasis, image: npt.ArrayLike, title: str) -> Query:
    """The question what is co-localized with an image on the pixel grid.

    The encoder has not seen such an image: its feature is the mean feature of the ten ions with the
    largest cosine, weighted by it.

    Parameters
    ----------
    image : array of shape (H, W)
        Mask of a region or values of a channel; what is negative or not finite counts as zero.

    Raises
    ------
    InputError
        Its shape is not that of the grid, or it is empty on the tissue.
    """
    values = np.asarray(image, dtype=np.float32)
    if values.shape != basis.images.grid.shape:
        raise InputError(f"the image has the shape {values.shape}, not {basis.images.grid.shape}")
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
    direction = unit_rows(basis.shrink(values)[None])[0]
    if not direction.any():
        raise InputError("the region covers no tissue", fix="paint on the tissue, or check the registration")
    cosine = basis.directions @ direction
    teachers = np.argsort(-cosine, kind="stable")[:_TEACHERS]
    feature = unit_rows((cosine[teachers, None] * basis.features[teachers]).sum(axis=0, keepdims=True))[0]
    return Query(title, direction, feature)


def sample_on_grid(
    image: npt.ArrayLike, to_image: npt.NDArray[np.float64], shape: tuple[int, int]
) -> FloatArray:
    """Values of another image at the pixels of the grid, averaged over each pixel's area.

    Parameters
    ----------
    image : array of shape (h, w)
    to_image : ndarray of shape (3, 3)
        Affine map from (row, column, 1) of the grid to that of the image.
    shape : tuple of int
        (H, W) of the grid.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Zero where the image does not reach.
    """
    from scipy.ndimage import map_coordinates

    pixels = np.asarray(image, dtype=np.float32)
    finest = float(np.abs(to_image[:2, :2]).sum(axis=1).max())
    points = int(np.clip(np.ceil(finest), 1, 8))
    offsets = (np.arange(points) + 0.5) / points - 0.5
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    total = np.zeros(shape, dtype=np.float64)
    for down in offsets:
        for across in offsets:
            at = np.stack([rows + down, cols + across, np.ones(shape)]).reshape(3, -1)
            place = (to_image @ at)[:2].reshape(2, *shape)
            total += map_coordinates(pixels, place, order=0, mode="constant", cval=0.0)
    return (total / points**2).astype(np.float32)
