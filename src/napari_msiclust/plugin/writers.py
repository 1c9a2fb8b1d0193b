"""Writers of layers, for File > Save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_msiclust.errors import InputError
from napari_msiclust.plugin.layer_files import image_of_layer
from napari_msiclust.plugin.layers import KEY, ClusteredIons
from napari_msiclust.results.ion_table import write_ion_table as write_table_file
from napari_msiclust.results.ome_tiff import write_ome_tiff


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer (rows and columns, a stack of them, z planes, or RGB) as OME-TIFF."""
    write_ome_tiff(Path(path), image_of_layer(path, data, attributes, "image"))
    return [path]


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer with its features as OME-TIFF."""
    write_ome_tiff(Path(path), image_of_layer(path, data, attributes, "labels"))
    return [path]


def write_ion_table(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the ion table behind a result's layer as CSV or Parquet."""
    clustered = attributes.get("metadata", {}).get(KEY)
    if not isinstance(clustered, ClusteredIons):
        raise InputError(
            "this layer has no ion table", fix="choose a layer of a clustering result", path=path
        )
    write_table_file(clustered.ions, Path(path))
    return [path]
