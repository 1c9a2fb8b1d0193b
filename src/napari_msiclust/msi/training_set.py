"""What goes into a clustering: the on-tissue mask, the ions that take part, their square images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.tissue import estimate_tissue
from napari_msiclust.msi.triage import bin_counts, set_aside_empty, structure_scores, structured, triage

_MOST_VALUES = 1e8  # of the square images in memory


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Ion images ready for clustering.

    Attributes
    ----------
    images : IonImages
        All N ions, with the on-tissue mask.
    bins : DataFrame
        N rows: bin and scores of each ion, as `triage` gives them.
    used : ndarray of int, shape (n,)
        Rows of the ions that are in no bin.
    stack : ndarray of float32, shape (n, S, S)
        Their square images in 0..1, zero off the tissue.
    mask : ndarray of bool, shape (S, S)
        On-tissue pixels of the stack.
    """

    images: IonImages
    bins: pd.DataFrame
    used: npt.NDArray[np.intp]
    stack: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]

    @property
    def flat(self) -> npt.NDArray[np.float32]:
        """On-tissue pixels of the stack; shape (n, pixels)."""
        return self.stack[:, self.mask]


def training_set(images: IonImages, config: ClusterConfig, side: int | None = None) -> TrainingSet:
    """Estimate the tissue where no mask is given, set ions aside, and make the square images.

    Parameters
    ----------
    images : IonImages
    config : ClusterConfig
    side : int, optional
        Side of the square images; as the recipe wants it if not given.

    Raises
    ------
    InputError
        Fewer than two ions are left.
    """
    return prepared(*judged(images, config), config, side)


def judged(images: IonImages, config: ClusterConfig) -> tuple[IonImages, pd.DataFrame]:
    """The ion images with their tissue, estimated where no mask is given, and the bin of each ion."""
    structure = structure_scores(images)
    images = on_tissue(images, config, structure)
    return images, triage(images, config.triage, structure=structure)


def prepared(
    images: IonImages, bins: pd.DataFrame, config: ClusterConfig, side: int | None = None
) -> TrainingSet:
    """The square images of the ions that are in no bin.

    Parameters
    ----------
    images : IonImages
        With the on-tissue mask.
    bins : DataFrame
        As `triage` gives them.
    side : int, optional
        As for `training_set`.

    Raises
    ------
    InputError
        Fewer than two ions are left.
    """
    stack, mask = images.training_stack(side or _side(images, config), config.hotspot_quantile)
    has_signal: npt.NDArray[np.bool_] = stack.max(axis=(1, 2)) > 0
    bins = set_aside_empty(bins, has_signal)
    used = np.flatnonzero(bins["bin"] == "")
    if len(used) < 2:
        raise InputError(
            f"{len(used)} of {len(images)} ion images have a signal to go by (in bins: {bin_counts(bins)})",
            fix="check the m/z list and the tolerance, or switch bins of the triage off",
        )
    return TrainingSet(images, bins, used, stack[used], mask)


def on_tissue(images: IonImages, config: ClusterConfig, structure: npt.NDArray[np.float64]) -> IonImages:
    """The images with their tissue: as given, or estimated where that is wanted and none was given.

    Parameters
    ----------
    structure : ndarray of shape (N,)
        As `structure_scores` gives it.
    """
    if config.tissue != "estimate" or images.grid.masked:
        return images
    shaped = structured(structure, config.triage)
    return images.with_mask(estimate_tissue(images, config.hotspot_quantile, shaped))


def _side(images: IonImages, config: ClusterConfig) -> int:
    """Side of the training images in pixels: the tissue's own where the recipe wants it."""
    if config.recipe == "published":
        return config.image_size
    rows, cols = (np.flatnonzero(images.grid.mask.any(axis=axis)) for axis in (1, 0))
    own = max(rows[-1] - rows[0], cols[-1] - cols[0]) + 1
    return int(min(own, max(config.image_size, np.sqrt(_MOST_VALUES / len(images)))))
