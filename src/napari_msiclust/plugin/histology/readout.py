"""From layers to regions and measured images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels, Layer, Shapes

from napari_msiclust.errors import InputError
from napari_msiclust.plugin.histology.groups import (
    cluster_layers,
    dataset_of,
    full_resolution,
    in_um,
    ion_dataset,
    pixel_to_world,
)
from napari_msiclust.plugin.layers import KEY, LayerTuple
from napari_msiclust.registration.geometry import apply
from napari_msiclust.results.geojson import ImportedRegions, read_regions, write_clusters
from napari_msiclust.results.readout import MeasuredClusters, read_out
from napari_msiclust.results.regions import (
    PolygonRegion,
    Region,
    ellipse_outline,
    painted_regions,
    single_outline,
)

_AREAS = ("rectangle", "ellipse", "polygon")


def region_layers(layers: Iterable[Layer]) -> list[Layer]:
    """Layers that hold regions: Shapes, and Labels that are no result."""
    return [
        layer
        for layer in layers
        if isinstance(layer, Shapes | Labels) and dataset_of(layer) is None and KEY not in layer.metadata
    ]


def regions_of(layer: Layer) -> list[Region]:
    """Regions of a Shapes or Labels layer, in um of the world.

    Names come from the features `name` and `classification`, where there are such.

    Raises
    ------
    InputError
        The layer has more than two axes.
    """
    if layer.ndim != 2:
        raise InputError("regions with more than rows and columns", fix="draw them in a flat layer")
    to_world = pixel_to_world(layer)
    if isinstance(layer, Labels):
        table = layer.features
        names = (
            dict(zip(table["index"], table["name"], strict=True)) if {"index", "name"} <= set(table) else {}
        )
        return list(painted_regions(np.asarray(full_resolution(layer)), to_world, names))
    regions: list[Region] = []
    for number, (corners, kind) in enumerate(zip(layer.data, layer.shape_type, strict=True)):
        if kind in _AREAS:
            outline = ellipse_outline(corners) if kind == "ellipse" else np.asarray(corners)
            name = _feature(layer, "name", number) or f"region {number + 1}"
            world = apply(to_world, outline)
            regions.append(PolygonRegion(name, ((world,),), _feature(layer, "classification", number)))
    return regions


def _feature(layer: Layer, column: str, row: int) -> str:
    if column not in layer.features:
        return ""
    value = layer.features[column].iloc[row]
    return "" if pd.isna(value) else str(value)


def imported_layer(path: Path, fixed: Layer) -> tuple[LayerTuple, ImportedRegions]:
    """QuPath's annotations as a Shapes layer on the histology."""
    imported = read_regions(path, pixel_to_world(fixed))
    unit = ("um", "um") if in_um(fixed) else ("pixel", "pixel")
    settings: dict[str, Any] = {
        "name": path.stem,
        "shape_type": "polygon",
        "features": pd.DataFrame(
            {
                "name": [region.name for region in imported.regions],
                "classification": [region.classification for region in imported.regions],
            }
        ),
        "face_color": "transparent",
        "edge_color": "#E69F00",
        "edge_width": float(np.mean(fixed.scale[-2:])) * 4,
        "text": {"string": "{name}", "color": "#E69F00", "size": 10},
        "units": unit,
        "axis_labels": ("y", "x"),
    }
    return ([single_outline(region) for region in imported.regions], settings, "shapes"), imported


def read_group(regions: Sequence[Region], group: Sequence[Layer], *, with_ions: bool) -> pd.DataFrame:
    """The readout of one MSI dataset in regions.

    Raises
    ------
    InputError
        There is nothing to read out, or the regions lie elsewhere.
    """
    dominant, means = cluster_layers(group)
    dataset = ion_dataset(group)
    if dataset is not None and len(dataset.images.grid.planes) > 1:
        raise InputError("the dataset has several z planes", fix="read out one plane at a time")
    if dominant is None and dataset is None:
        raise InputError("no ion images and no clusters", fix="open the imzML file or a result")
    clusters = None
    on_grid: Layer = (
        next(layer for layer in group if layer.metadata.get(KEY) is dataset) if dataset else dominant
    )
    if dominant is not None:
        mean_images = None if means is None else np.asarray(full_resolution(means))
        clusters = MeasuredClusters(
            np.asarray(full_resolution(dominant)), mean_images, cluster_names(dominant)
        )
    if dataset is not None:
        acquired = dataset.images.grid.acquired
    elif clusters is not None and clusters.mean_images is not None:
        acquired = np.isfinite(clusters.mean_images[0])
    else:
        acquired = np.ones(np.shape(full_resolution(on_grid)), dtype=bool)
    images = dataset.images if dataset is not None and (with_ions or clusters is None) else None
    return read_out(regions, acquired, pixel_to_world(on_grid), clusters, images)


def cluster_names(dominant: Labels) -> dict[int, str]:
    """Names that the user gave to clusters."""
    table = dominant.features
    if not {"index", "name"} <= set(table):
        return {}
    return {
        int(index): str(name)
        for index, name in zip(table["index"], table["name"], strict=True)
        if not pd.isna(name) and str(name)
    }


def export_clusters(path: Path, group: Sequence[Layer], fixed: Layer) -> int:
    """Write the dominant cluster map as QuPath annotations on the histology; how many clusters.

    Raises
    ------
    InputError
        There is no dominant cluster map.
    """
    dominant, _ = cluster_layers(group)
    if dominant is None:
        raise InputError("no dominant cluster map", fix="cluster the ions, or open a result")
    shown = np.asarray(full_resolution(dominant))
    colors = {int(cluster): dominant.get_color(int(cluster)) for cluster in np.unique(shown[shown > 0])}
    return write_clusters(
        path, shown, pixel_to_world(dominant), pixel_to_world(fixed), cluster_names(dominant), colors
    )
