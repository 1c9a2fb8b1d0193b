"""From results to napari layers: pure functions that return layer tuples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.utils.colormaps import DirectLabelColormap

from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.layer_record import LayerRecord
from napari_msiclust.reading import ReadingSettings
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.colors import cluster_colors
from napari_msiclust.results.explanation import Explanation
from napari_msiclust.results.exports import SavedResult, dominant_map_tiff, mean_images_tiff
from napari_msiclust.results.ion_stack import IonStack
from napari_msiclust.results.scaled_image import ScaledImage, contrast_limits

if TYPE_CHECKING:
    from napari_msiclust.results.project.content import Project

KEY = "napari_msiclust"
PLANE_AXES = ("y", "x")
_PLAIN = ReadingSettings()

LayerTuple = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True, eq=False)
class IonDataset:
    """Ion images behind a layer.

    Attributes
    ----------
    images : IonImages
    path : Path
        The imzML file they came from.
    reading : ReadingSettings
        How they were read from it.
    """

    images: IonImages
    path: Path
    reading: ReadingSettings = _PLAIN


@dataclass(frozen=True)
class TicImage:
    """Marks a TIC layer; it gives way when the user begins to move through the ions.

    Attributes
    ----------
    path : Path
        The imzML file it came from.
    """

    path: Path


@dataclass(frozen=True, eq=False)
class ClusteredIons:
    """The ion table behind the layers of a result.

    Attributes
    ----------
    ions : DataFrame
        As `ClusterResult.ions`.
    dataset_path : str
        The imzML file the ions came from; empty if unknown.
    project : Project or None
        The project it was opened from, whose corrections can be gone on with.
    saved : SavedResult or None
        The result folder it was opened from.
    """

    ions: pd.DataFrame
    dataset_path: str
    project: Project | None = None
    saved: SavedResult | None = None


def ion_layers(images: IonImages, path: Path) -> list[LayerTuple]:
    """The stack of all ion images, and above it their sum as the TIC image."""
    return [
        stack_layer(images, path, path.stem),
        tic_layer(images.tic(), images.grid, path, path.stem),
    ]


def stack_layer(images: IonImages, path: Path, title: str, reading: ReadingSettings = _PLAIN) -> LayerTuple:
    """The stack of all ion images of a file; `title` is what its layers are called."""
    plane = _plane_settings(images.grid)
    return (
        IonStack(images),
        {
            "name": f"{title} ions",
            "scale": (1, *plane["scale"]),
            "units": ("pixel", *plane["units"]),
            "axis_labels": ("ion", *plane["axis_labels"]),
            "colormap": "inferno",
            "contrast_limits": contrast_limits(images.values[len(images) // 2]),
            "metadata": {KEY: IonDataset(images, path, reading)},
        },
        "image",
    )


def tic_layer(tic: npt.NDArray[np.float32], grid: PixelGrid, path: Path, title: str) -> LayerTuple:
    """The TIC image of a file from the total ion current (P,) of its pixels."""
    image = grid.unfold(grid.image(tic))
    return (
        image,
        {
            "name": f"{title} TIC",
            **_plane_settings(grid),
            "colormap": "gray",
            "contrast_limits": contrast_limits(image),
            "metadata": {KEY: TicImage(path)},
        },
        "image",
    )


def _plane_settings(grid: PixelGrid) -> dict[str, Any]:
    """Scale, units and names of the axes of an image on a grid; with z where there are several planes."""
    deep = len(grid.planes) > 1
    unit = "um" if grid.pixel_size_known else "pixel"
    return {
        "scale": (*((1,) if deep else ()), *grid.pixel_size_um),
        "units": (*(("pixel",) if deep else ()), unit, unit),
        "axis_labels": (*(("z",) if deep else ()), *PLANE_AXES),
    }


def result_layers(result: ClusterResult, dataset: IonDataset) -> list[LayerTuple]:
    """Mean ion images and dominant cluster map of a fresh result."""
    clustered = ClusteredIons(result.ions, str(dataset.path))
    return [
        image_layer(mean_images_tiff(result), clustered),
        image_layer(dominant_map_tiff(result), clustered),
    ]


def saved_layers(saved: SavedResult) -> list[LayerTuple]:
    """The same layers from a result folder."""
    clustered = ClusteredIons(saved.ions, saved.source, saved=saved)
    return [image_layer(saved.mean_images, clustered), image_layer(saved.dominant_map, clustered)]


def explanation_layer(explanation: Explanation, grid: PixelGrid) -> LayerTuple:
    """Occlusion maps as one image for each cluster."""
    top = float(np.nanmax(np.abs(explanation.maps), initial=0)) or 1.0
    data, settings, kind = image_layer(
        ScaledImage(
            grid.unfold(explanation.maps),
            grid.physical_pixel_size_um,
            "regions that count",
            tuple(f"cluster {number}" for number in explanation.clusters),
            deep=len(grid.planes) > 1,
        )
    )
    return data, {**settings, "colormap": "RdBu_r", "contrast_limits": (-top, top)}, kind


def image_layers(images: Sequence[ScaledImage]) -> list[LayerTuple]:
    """Layers of images from one file; those with one ion table share it."""
    tables: dict[int, ClusteredIons] = {}
    layers = []
    for image in images:
        if image.ions is not None and _tells_clusters(image.ions):
            tables.setdefault(id(image.ions), ClusteredIons(image.ions, image.source))
        layers.append(image_layer(image, tables.get(id(image.ions))))
    return layers


def _tells_clusters(ions: pd.DataFrame) -> bool:
    """Whether a table from a file is an ion table with clusters."""
    return all(name in ions and ions[name].dtype.kind in "if" for name in ("mz", "cluster"))


def image_layer(image: ScaledImage, clustered: ClusteredIons | None = None) -> LayerTuple:
    """A layer from an image with physical scale; labels come with colours and features."""
    record = LayerRecord.parse(image.extra)
    settings = _place(image) | record.placement(image.pixels.ndim - image.rgb, image.pixel_size_um)
    settings |= {"name": image.name, "metadata": {KEY: clustered} if clustered is not None else {}}
    if "C" in image.axes and image.channels:
        settings["metadata"]["channels"] = list(image.channels)
    pixels = image.pixels
    if image.levels:
        pixels, settings["multiscale"] = [image.pixels, *image.levels], True
    look = record.look()
    if image.kind == "labels":
        whole = isinstance(pixels, np.ndarray)
        count = int(pixels.max(initial=0)) if whole else max(record.colors, default=0)
        settings["features"] = label_features(record.features, count)
        colors = record.label_colors()
        if colors is None and whole:
            colors = label_colormap(max(count, len(settings["features"]) - 1))
        settings |= {"opacity": 0.8, **({} if colors is None else {"colormap": colors})}
        settings |= {name: look[name] for name in ("opacity", "visible", "blending") if name in look}
        return compact_labels(pixels) if whole else pixels, settings, "labels"
    if image.rgb:
        settings["rgb"] = True
        look.pop("colormap", None)
    else:
        settings["colormap"] = "inferno" if image.channels else "gray"
        if "contrast_limits" not in look:
            look["contrast_limits"] = contrast_limits(image.sample)
    return pixels, settings | look, "image"


def _place(image: ScaledImage) -> dict[str, Any]:
    """Scale, place, units and names of the axes, as the format has them."""
    before = (
        *(("cluster" if image.channels else "plane",) if "C" in image.axes else ()),
        *(("z",) if image.deep else ()),
    )
    size = image.pixel_size_um
    return {
        "scale": (*(1 for _ in before), *(size or (1, 1))),
        "translate": (*(0 for _ in before), *image.origin_um),
        "units": (*("pixel" for _ in before), *(("um", "um") if size else ("pixel", "pixel"))),
        "axis_labels": (*before, *PLANE_AXES),
    }


def label_features(columns: dict[str, list[Any]], count: int) -> pd.DataFrame:
    """Features of labels 0..count: row 0 is the background, `index` is the label."""
    table = pd.DataFrame(columns)
    if "index" not in table:
        table.insert(0, "index", table["cluster"] if "cluster" in table else np.arange(len(table)))
    if not (table["index"] == 0).any():
        table = pd.concat([pd.DataFrame({"index": [0]}), table], ignore_index=True)
    return table


def compact_labels(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Labels in 8 bit where they fit: napari colours them anew ten times as fast."""
    fits = labels.dtype.kind in "iu" and labels.min(initial=0) >= 0 and labels.max(initial=0) <= 255
    return labels.astype(np.uint8) if fits else labels


def label_colormap(count: int) -> DirectLabelColormap:
    """Distinct colours of labels 1..count; the background and unknown labels are transparent."""
    colors: dict[int | None, Any] = {None: np.zeros(4), 0: np.zeros(4)}
    colors.update(enumerate(cluster_colors(count), start=1))
    return DirectLabelColormap(color_dict=colors)
