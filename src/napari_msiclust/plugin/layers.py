"""From results to napari layers: pure functions that return layer tuples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.utils.colormaps import DirectLabelColormap

from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.ion_stack import IonStack
from napari_msiclust.reading import ReadingSettings
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.colors import cluster_colors
from napari_msiclust.results.exports import SavedResult, dominant_map_tiff, mean_images_tiff
from napari_msiclust.results.ome_tiff import TiffImage

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


def contrast_limits(image: npt.ArrayLike) -> tuple[float, float]:
    """0 to the 0.999 quantile of the finite values, never empty."""
    values = np.asarray(image)
    finite = values[np.isfinite(values)]
    top = float(np.quantile(finite, 0.999)) if finite.size else 0.0
    top = top or (float(finite.max()) if finite.size else 0.0)
    return (0.0, top if top > 0 else 1.0)


def result_layers(result: ClusterResult, dataset: IonDataset) -> list[LayerTuple]:
    """Mean ion images and dominant cluster map of a fresh result."""
    clustered = ClusteredIons(result.ions, str(dataset.path))
    return [
        image_layer(mean_images_tiff(result), clustered),
        image_layer(dominant_map_tiff(result), clustered),
    ]


def saved_layers(saved: SavedResult) -> list[LayerTuple]:
    """The same layers from a result folder."""
    source = saved.run.get("input") or {}
    clustered = ClusteredIons(saved.ions, str(source.get("path", "")), saved=saved)
    return [image_layer(saved.mean_images, clustered), image_layer(saved.dominant_map, clustered)]


def image_layer(image: TiffImage, clustered: ClusteredIons | None = None) -> LayerTuple:
    """A layer from an image with physical scale; labels come with colours and features."""
    stack = "C" in image.axes
    before = (
        *(("cluster" if image.channels else "plane",) if stack else ()),
        *(("z",) if image.deep else ()),
    )
    size = image.pixel_size_um
    settings: dict[str, Any] = {
        "name": image.name,
        "scale": (*(1 for _ in before), *(size or (1, 1))),
        "units": (*("pixel" for _ in before), *(("um", "um") if size else ("pixel", "pixel"))),
        "axis_labels": (*before, *PLANE_AXES),
        "metadata": {KEY: clustered} if clustered is not None else {},
    }
    if stack and image.channels:
        settings["metadata"]["channels"] = list(image.channels)
    if image.kind == "labels":
        count = int(image.pixels.max(initial=0))
        settings["features"] = label_features(image.extra.get("features") or {}, count)
        settings["colormap"] = label_colormap(max(count, len(settings["features"]) - 1))
        settings["opacity"] = 0.8
        return compact_labels(image.pixels), settings, "labels"
    if image.rgb:
        settings["rgb"] = True
    else:
        settings["colormap"] = image.extra.get("colormap", "inferno" if image.channels else "gray")
        limits = image.extra.get("contrast_limits")
        settings["contrast_limits"] = tuple(limits) if limits else contrast_limits(image.pixels)
    return image.pixels, settings, "image"


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
