"""Small sections for tests of cohorts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages


def block(
    mz: npt.ArrayLike,
    values: npt.ArrayLike | None = None,
    shape: tuple[int, int] = (3, 4),
    pixel_size_um: tuple[float, float] | None = (50.0, 50.0),
    **more: object,
) -> IonImages:
    """Ion images of a rectangle; by default every pixel holds the number of its ion, from 1 on."""
    axis = np.asarray(mz, float)
    rows, cols = np.indices(shape).reshape(2, -1)
    grid = PixelGrid.from_positions(np.stack((cols + 1, rows + 1), axis=1).astype(np.int32), pixel_size_um)
    if values is None:
        values = np.repeat(np.arange(1.0, len(axis) + 1)[:, None], len(rows), axis=1)
    return IonImages(axis, np.asarray(values, np.float32), grid, **more)  # type: ignore[arg-type]


def without(images: IonImages, ions: list[int]) -> IonImages:
    """The ion images without some of them."""
    kept = np.delete(np.arange(len(images)), ions)
    return replace(
        images,
        mz=images.mz[kept],
        values=np.asarray(images.values)[kept],
        names=tuple(images.names[ion] for ion in kept),
        columns=pd.DataFrame(images.columns.iloc[kept]).reset_index(drop=True),
    )
