"""The layers of one MSI dataset, which lie on one grid and move together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.layers._multiscale_data import MultiScaleData

from napari_msiclust.plugin.layers import KEY, ClusteredIons, IonDataset, TicImage
from napari_msiclust.registration.geometry import Matrix, embed
from napari_msiclust.registration.start import FixedImage, MovingImages
from napari_msiclust.registration.transforms import Registration

UM = "micrometer"
REGISTERED = "napari_msiclust_registration"  # among the metadata of layers that were registered
_SMALLEST_LEVEL = 1000  # pixels along the longer side, of a pyramid's level to look at


def dataset_of(layer: Layer) -> str | None:
    """What the layers of one dataset have in common; None for other layers."""
    match layer.metadata.get(KEY):
        case IonDataset(path=path) | TicImage(path=path):
            return str(Path(path).resolve())
        case ClusteredIons(dataset_path=path) as clustered:
            return str(Path(path).resolve()) if path else f"result {id(clustered)}"
    return None


def moving_layers(layers: Iterable[Layer]) -> list[Layer]:
    """Layers of MSI datasets."""
    return [layer for layer in layers if dataset_of(layer) is not None]


def fixed_layers(layers: Iterable[Layer]) -> list[Layer]:
    """Images that can be registered to: all that belong to no dataset and are no preview."""
    return [
        layer
        for layer in layers
        if isinstance(layer, Image)
        and dataset_of(layer) is None
        and layer.ndim == 2
        and KEY not in layer.metadata
    ]


def group_of(layers: Iterable[Layer], dataset: str) -> list[Layer]:
    """All layers of a dataset."""
    return [layer for layer in layers if dataset_of(layer) == dataset]


def ion_dataset(group: Iterable[Layer]) -> IonDataset | None:
    """The ion images of a group, if they are open."""
    found = (layer.metadata.get(KEY) for layer in group)
    return next((dataset for dataset in found if isinstance(dataset, IonDataset)), None)


def cluster_layers(group: Sequence[Layer]) -> tuple[Labels | None, Image | None]:
    """The latest dominant cluster map of a group, and the mean ion images beside it."""
    of_result = [layer for layer in group if isinstance(layer.metadata.get(KEY), ClusteredIons)]
    dominant = next((layer for layer in reversed(of_result) if isinstance(layer, Labels)), None)
    if dominant is None:
        return None, None
    beside = (layer for layer in of_result if layer.metadata[KEY] is dominant.metadata[KEY])
    return dominant, next((layer for layer in beside if isinstance(layer, Image)), None)


def place(layers: Iterable[Layer], matrix: Matrix) -> None:
    """Move layers by a matrix in um; nothing is resampled."""
    for layer in layers:
        layer.affine = embed(matrix, layer.ndim)


def placed(layer: Layer) -> Matrix:
    """The matrix in um by which a layer was moved."""
    whole = np.asarray(layer.affine.affine_matrix, dtype=np.float64)
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = whole[-3:-1, -3:-1], whole[-3:-1, -1]
    return matrix


def remember_registration(layers: Iterable[Layer], registration: Registration) -> None:
    """Keep a registration with the layers that it moves."""
    for layer in layers:
        layer.metadata = {**layer.metadata, REGISTERED: registration}


def registration_of(layers: Iterable[Layer]) -> Registration | None:
    """How layers lie on the histology; None if they were never moved."""
    for layer in layers:
        matrix, kept = placed(layer), layer.metadata.get(REGISTERED)
        if isinstance(kept, Registration) and np.allclose(kept.matrix, matrix):
            return kept
        if not np.allclose(matrix, np.eye(3)):
            return Registration(matrix, "manual")
    return None


def pixel_to_world(layer: Layer) -> Matrix:
    """From (row, column, 1) of a layer to (y, x, 1) in the world."""
    corners = [
        layer.data_to_world((*(0,) * (layer.ndim - 2), *corner))[-2:] for corner in ((0, 0), (1, 0), (0, 1))
    ]
    matrix = np.eye(3)
    matrix[:2, 2] = corners[0]
    matrix[:2, 0] = np.subtract(corners[1], corners[0])
    matrix[:2, 1] = np.subtract(corners[2], corners[0])
    return matrix


def in_um(layer: Layer) -> bool:
    """Whether a layer has a physical scale."""
    return all(str(unit) == UM for unit in layer.units[-2:])


def pixel_size(layer: Layer) -> tuple[float, float]:
    """(height, width) of a layer's pixels in the world's unit."""
    height, width = (float(length) for length in layer.scale[-2:])
    return height, width


def plane_shape(layer: Layer) -> tuple[int, int]:
    """Rows and columns of a layer, at full resolution."""
    data = full_resolution(layer)
    rows, cols = data.shape[:2] if getattr(layer, "rgb", False) else data.shape[-2:]
    return int(rows), int(cols)


def full_resolution(layer: Layer) -> Any:
    """The data of a layer; the largest level of a pyramid."""
    return layer.data[0] if isinstance(layer.data, MultiScaleData) else layer.data


def current_plane(layer: Layer, point: Sequence[float]) -> Any:
    """The plane (H, W) of a layer that is shown at a point of the world.

    Parameters
    ----------
    point : sequence of float
        `viewer.dims.point`.
    """
    data = full_resolution(layer)
    if layer.ndim == 2:
        return np.asarray(data)
    place_in_data = layer.world_to_data(np.asarray(point)[-layer.ndim :])[: layer.ndim - 2]
    index = tuple(
        int(np.clip(round(float(where)), 0, length - 1))
        for where, length in zip(place_in_data, data.shape, strict=False)
    )
    return np.asarray(data[index])


def moving_images(group: Sequence[Layer]) -> MovingImages:
    """What is compared with the optical image: all ions if open, else mean images, else what there is."""
    dataset = ion_dataset(group)
    if dataset is not None and len(dataset.images.grid.planes) == 1:
        grid = dataset.images.grid
        return MovingImages(dataset.images, grid.pixel_size_um, grid.pixel_size_known)
    images = [layer for layer in group if isinstance(layer, Image)]
    best = max(images, key=lambda layer: (layer.ndim == 3, layer.ndim == 2), default=group[0])
    pixels = np.asarray(full_resolution(best), dtype=np.float64)
    return MovingImages(pixels.reshape(-1, *pixels.shape[-2:]), pixel_size(best), in_um(best))


def fixed_image(layer: Layer) -> FixedImage:
    """The optical image, or the level of its pyramid that is just large enough."""
    full = plane_shape(layer)
    pixels, shape = layer.data, full
    if isinstance(layer.data, MultiScaleData):
        for level in layer.data:
            if max(level.shape[:2]) >= _SMALLEST_LEVEL or pixels is layer.data:
                pixels, shape = level, level.shape[:2]
    size = pixel_size(layer)
    level_size = size[0] * full[0] / shape[0], size[1] * full[1] / shape[1]
    return FixedImage(pixels, level_size, size, in_um(layer))
