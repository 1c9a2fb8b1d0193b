"""Where layers lie relative to the pixel grid; through napari's public transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Shapes

from napari_msiclust.errors import InputError
from napari_msiclust.results.query import sample_on_grid
from napari_msiclust.results.regions import PolygonRegion, ellipse_outline
from napari_msiclust.results.stains import stain_channel

FloatArray = npt.NDArray[np.float64]


def plane_to_world(layer: Layer) -> FloatArray:
    """Affine map (3, 3) from rows and columns of a layer to the last two world axes."""
    corners = np.zeros((3, layer.ndim))
    corners[1, -2] = corners[2, -1] = 1
    world = np.array([layer.data_to_world(corner)[-2:] for corner in corners])
    matrix = np.eye(3)
    matrix[:2, 0], matrix[:2, 1], matrix[:2, 2] = world[1] - world[0], world[2] - world[0], world[0]
    return matrix


def grid_to_layer(on_grid: Layer, other: Layer) -> FloatArray:
    """Affine map (3, 3) from rows and columns of the grid to those of another layer."""
    matrix: FloatArray = np.linalg.inv(plane_to_world(other)) @ plane_to_world(on_grid)
    return matrix


def pixel_under(on_grid: Layer, position: tuple[float, ...]) -> tuple[int, int]:
    """Row and column of the grid at a world position."""
    place = np.linalg.inv(plane_to_world(on_grid)) @ np.array([*position[-2:], 1.0])
    return round(float(place[0])), round(float(place[1]))


Point = Sequence[float]


def region_of(layer: Layer, on_grid: Layer, shape: tuple[int, int], point: Point) -> npt.NDArray[np.bool_]:
    """Pixels of the grid (H, W) that a shapes or labels layer covers.

    `point` is the world position of the sliders, for layers with more than two axes.

    Raises
    ------
    InputError
        It covers none.
    """
    if isinstance(layer, Shapes):
        back = grid_to_layer(layer, on_grid)
        polygons = tuple((_on_grid(_outline(layer, at), back),) for at in range(layer.nshapes))
        pixels = np.indices(shape, dtype=np.float64).reshape(2, -1).T
        mask = PolygonRegion(layer.name, polygons).contains(pixels).reshape(shape)
    else:
        plane = current_plane(layer, point)
        mask = sample_on_grid(plane > 0, grid_to_layer(on_grid, layer), shape) >= 0.5
    if not mask.any():
        raise InputError(f"{layer.name} covers no pixel", fix="draw or paint on the tissue")
    return mask


def channel_of(
    layer: Image, channel: str, on_grid: Layer, shape: tuple[int, int], point: Point
) -> npt.NDArray[np.float32]:
    """Values (H, W) of an image layer, or of a channel of a colour image, at the pixels of the grid."""
    image = current_plane(layer, point)
    values = stain_channel(image, channel) if layer.rgb else np.asarray(image, dtype=np.float32)
    return sample_on_grid(values, grid_to_layer(on_grid, layer), shape)


def current_plane(layer: Image | Labels, point: Point) -> npt.NDArray[Any]:
    """The rows and columns of a layer that are shown, in full resolution."""
    data = layer.data[0] if layer.multiscale else layer.data
    axes = data.ndim - (1 if getattr(layer, "rgb", False) else 0)
    for place in layer.world_to_data(point[-layer.ndim :])[: axes - 2]:
        data = data[int(np.clip(round(float(place)), 0, len(data) - 1))]
    return np.asarray(data)


def _outline(layer: Shapes, at: int) -> FloatArray:
    corners = np.asarray(layer.data[at], dtype=np.float64)[:, -2:]
    return ellipse_outline(corners) if layer.shape_type[at] == "ellipse" else corners


def _on_grid(corners: FloatArray, back: FloatArray) -> FloatArray:
    whole = np.column_stack([corners, np.ones(len(corners))])
    return (whole @ back.T)[:, :2]
