"""Layers as images with physical scale, for every writer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from napari.layers._multiscale_data import MultiScaleData

from napari_msiclust.errors import InputError
from napari_msiclust.plugin.layer_record import LayerRecord, top_color
from napari_msiclust.plugin.layers import KEY, ClusteredIons, IonDataset
from napari_msiclust.results.colors import cluster_color_names
from napari_msiclust.results.ion_stack import ion_names
from napari_msiclust.results.ion_table import ion_table
from napari_msiclust.results.scaled_image import ScaledImage


def image_of_layer(path: str, data: Any, attributes: dict[str, Any], kind: str) -> ScaledImage:
    """The image behind a layer; its pixels stay where they are.

    Parameters
    ----------
    path : str
        Where it is to be written, for messages.
    data, attributes
        As napari hands them to a writer.
    kind : {'image', 'labels'}

    Raises
    ------
    InputError
        It has more axes than a stack of z planes.
    """
    pixels = data[0] if isinstance(data, MultiScaleData | list) else data
    rgb, deep = bool(attributes.get("rgb")), "z" in attributes.get("axis_labels", ())
    if pixels.ndim - rgb - deep not in ((2,) if rgb else (2, 3)) or (rgb and deep):
        raise InputError(
            f"a layer with {pixels.ndim} axes", fix="choose rows and columns, a stack, or z planes", path=path
        )
    record = LayerRecord.of(attributes)
    um = record.um
    here = record.translate[-2:] if len(record.translate) >= 2 else (0.0, 0.0)
    y, x = np.multiply(here, um or (1, 1)).tolist()
    size = None if um is None else tuple(np.multiply(record.scale[-2:], um).tolist())
    behind = attributes.get("metadata", {}).get(KEY)
    stack = pixels.ndim - rgb - deep == 3
    channels = _channels(attributes) if stack else ()
    channels = channels if stack and len(channels) == len(pixels) else ()
    table = _table(behind)
    return ScaledImage(
        pixels=pixels,
        pixel_size_um=size,
        name=str(attributes.get("name", "")),
        channels=channels,
        kind="labels" if kind == "labels" else "image",
        rgb=rgb,
        extra=record.to_json(),
        deep=deep,
        origin_um=(y, x),
        colors=_colors(attributes, behind, len(pixels) if stack else 1) if kind == "image" else (),
        ions=table,
        source=_source(behind),
    )


def _channels(attributes: dict[str, Any]) -> tuple[str, ...]:
    own = attributes.get("metadata", {})
    if isinstance(own.get(KEY), IonDataset):
        return ion_names(own[KEY].images)
    return tuple(map(str, own.get("channels") or ()))


def _colors(attributes: dict[str, Any], behind: Any, count: int) -> tuple[str, ...]:
    if attributes.get("rgb"):
        return ()
    if count > 1 and isinstance(behind, ClusteredIons):
        return tuple(cluster_color_names(count))
    color = top_color(attributes.get("colormap"))
    return (color,) * count if color else ()


def _table(behind: Any) -> pd.DataFrame | None:
    if isinstance(behind, ClusteredIons):
        return behind.ions
    return ion_table(behind.images) if isinstance(behind, IonDataset) else None


def _source(behind: Any) -> str:
    if isinstance(behind, ClusteredIons):
        return behind.dataset_path
    return str(behind.path) if isinstance(behind, IonDataset) else ""
