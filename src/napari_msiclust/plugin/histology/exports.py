"""Layers on the other image's grid."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer

from napari_msiclust.plugin.histology.groups import (
    full_resolution,
    in_um,
    pixel_to_world,
    placed,
    plane_shape,
)
from napari_msiclust.plugin.layers import LayerTuple
from napari_msiclust.registration.geometry import embed
from napari_msiclust.registration.resample import resample, resample_like


def onto(layer: Layer, target: Layer) -> LayerTuple:
    """A layer of ions on the grid of the histology; measured values and labels stay as they are.

    A stack is resampled plane by plane when it is looked at or saved.
    """
    data = full_resolution(layer)
    matrices = pixel_to_world(layer), pixel_to_world(target)
    shape = plane_shape(target)

    def one(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return resample(plane, matrices[0], shape, matrices[1])

    if layer.ndim == 2:
        moved: Any = one(np.asarray(data))
    else:
        planes = da.asarray(data).rechunk((*(1,) * (layer.ndim - 2), *data.shape[-2:]))  # type: ignore[no-untyped-call]
        moved = planes.map_blocks(
            lambda block: one(block.reshape(block.shape[-2:])).reshape((*block.shape[:-2], *shape)),
            dtype=data.dtype,
            chunks=(*planes.chunks[:-2], (shape[0],), (shape[1],)),
            meta=np.empty((0,) * layer.ndim, data.dtype),
        )
    leading = layer.ndim - 2
    settings = {
        "name": f"{layer.name} on {target.name}",
        "scale": (*layer.scale[:leading], *target.scale[-2:]),
        "affine": _embedded(target, layer.ndim),
        "units": (*layer.units[:leading], *(("um", "um") if in_um(target) else ("pixel", "pixel"))),
        "axis_labels": layer.axis_labels,
        "visible": False,
        "metadata": {"channels": list(layer.metadata["channels"])} if "channels" in layer.metadata else {},
    }
    if isinstance(layer, Labels):
        return moved, settings | {"features": layer.features, "colormap": layer.colormap}, "labels"
    limits = {"contrast_limits": layer.contrast_limits, "colormap": layer.colormap.name}
    return moved, settings | limits, "image"


def histology_onto(fixed: Image, target: Layer) -> LayerTuple:
    """The histology on the grid of the ions, averaged over their pixels."""
    pixels = resample_like(
        np.asarray(full_resolution(fixed)), pixel_to_world(fixed), plane_shape(target), pixel_to_world(target)
    )
    settings = {
        "name": f"{fixed.name} on the ions' grid",
        "scale": target.scale[-2:],
        "affine": _embedded(target, 2),
        "units": target.units[-2:],
        "axis_labels": target.axis_labels[-2:],
        "rgb": fixed.rgb,
        "visible": False,
    }
    return pixels, settings, "image"


def _embedded(layer: Layer, ndim: int) -> npt.NDArray[np.float64]:
    return embed(placed(layer), ndim)
