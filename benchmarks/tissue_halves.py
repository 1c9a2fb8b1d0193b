"""The two halves of a tissue as sections, and how far two clusterings of its ions agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from napari_msiclust.msi.cohort import Section
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages

Labels = npt.NDArray[np.int64]


def halves(images: IonImages, factor: float) -> list[Section]:
    """The two halves of a tissue, the second turned by 90 degrees and brighter by a factor."""
    grid = images.grid
    across = int(np.argmax(grid.shape))
    place = (grid.rows, grid.cols)[across]
    second = place >= np.median(place)
    parts = []
    for chosen in (~second, second):
        rows, cols = grid.rows[chosen], grid.cols[chosen]
        part = replace(images, values=np.asarray(images.values[:, chosen]), grid=_grid_of(grid, rows, cols))
        parts.append(part)
    parts[1] = replace(turned(parts[1]), values=parts[1].values * np.float32(factor))
    return [Section("first half", parts[0]), Section("second half, turned", parts[1])]


def turned(images: IonImages) -> IonImages:
    """A section turned by 90 degrees."""
    rows, cols = images.grid.cols, images.grid.rows.max() - images.grid.rows
    return replace(images, grid=_grid_of(images.grid, rows, cols))


def _grid_of(grid: PixelGrid, rows: npt.NDArray[np.int32], cols: npt.NDArray[np.int32]) -> PixelGrid:
    """A grid of other places, all of them tissue."""
    rows, cols = rows - rows.min(), cols - cols.min()
    mask = np.zeros((int(rows.max()) + 1, int(cols.max()) + 1), dtype=bool)
    mask[rows, cols] = True
    return replace(
        grid, shape=mask.shape, rows=rows, cols=cols, mask=mask, origin=(1, 1), plane_shape=mask.shape
    )


def agreement(one: Labels, other: Labels) -> tuple[float, float, int]:
    """Share of the ions with the same cluster, of those in both and of all; how many are in both."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    inner = table[1:, 1:]
    same = float(inner[linear_sum_assignment(-inner)].sum())
    return same / inner.sum(), (same + table[0, 0]) / len(one), int(inner.sum())
