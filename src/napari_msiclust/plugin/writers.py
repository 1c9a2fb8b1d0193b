"""Writers of layers, for File > Save."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_msiclust.errors import InputError
from napari_msiclust.plugin.layer_files import image_of_layer
from napari_msiclust.plugin.layers import KEY, ClusteredIons, IonDataset
from napari_msiclust.results.ion_table import write_ion_table as write_table_file
from napari_msiclust.results.ome_tiff import write_ome_tiff

if TYPE_CHECKING:
    from napari_msiclust.results.ome_zarr import Version


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer (rows and columns, a stack of them, z planes, or RGB) as OME-TIFF."""
    write_ome_tiff(Path(path), image_of_layer(path, data, attributes, "image"))
    return [path]


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer with its features as OME-TIFF."""
    write_ome_tiff(Path(path), image_of_layer(path, data, attributes, "labels"))
    return [path]


def write_zarr(path: str, layers: list[Any]) -> list[str]:
    """Write an image layer and labels layers as OME-Zarr 0.5."""
    return _write_zarr(path, layers, "0.5")


def write_zarr_04(path: str, layers: list[Any]) -> list[str]:
    """Write an image layer and labels layers as OME-Zarr 0.4, for programs that do not know 0.5 yet."""
    return _write_zarr(path, layers, "0.4")


def _write_zarr(path: str, layers: list[Any], version: Version) -> list[str]:
    from napari_msiclust.results.ome_zarr import write_ome_zarr

    images = [image_of_layer(path, *layer) for layer in layers]
    labels = [one for one in images if one.kind == "labels"]
    shown = [one for one in images if one.kind == "image"] or labels[:1]
    if len(shown) != 1 or (shown == labels[:1] and len(labels) > 1):
        raise InputError(
            "an OME-Zarr folder holds one image and its labels", fix="select one image layer", path=path
        )
    write_ome_zarr(Path(path), shown[0], labels if shown[0].kind == "image" else (), version)
    return [path]


def write_imzml(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the ion images behind a layer, or the mean ion images of a result, as continuous imzML."""
    from napari_msiclust.results.imzml_export import mean_images_as_ions
    from napari_msiclust.results.imzml_export import write_imzml as write_pair

    behind = _behind(attributes)
    target = Path(path)
    if isinstance(behind, IonDataset):
        if target.resolve() == behind.path.resolve():
            raise InputError("is the file that the ions came from", fix="choose another name", path=path)
        write_pair(target, behind.images)
    elif isinstance(behind, ClusteredIons):
        write_pair(target, mean_images_as_ions(image_of_layer(path, data, attributes, "image")))
    else:
        raise InputError("this layer has no ions", fix="choose ion images or a result", path=path)
    return [path]


def write_montages(path: str, layers: list[Any]) -> list[str]:
    """Write a PNG per cluster from the layers of ion images and of their result."""
    from napari_msiclust.results.montage import write_montages as write_pictures

    dataset, clustered = _dataset(path, layers), _clustered(layers)
    if clustered is None:
        raise InputError("no clusters", fix="select a layer of the result, too", path=path)
    return [str(one) for one in write_pictures(Path(path), dataset.images, clustered.ions)]


def write_anndata(path: str, layers: list[Any]) -> list[str]:
    """Write AnnData (pixels by ions) from the layers of ion images and, if it is there, of their result."""
    from napari_msiclust.results.anndata_export import Clusters
    from napari_msiclust.results.anndata_export import write_anndata as write_table

    dataset, clustered = _dataset(path, layers), _clustered(layers)
    clusters = None
    if clustered is not None:
        maps = {kind: data for data, attributes, kind in layers if _behind(attributes) is clustered}
        means, dominant = (np.asarray(maps[kind]) if kind in maps else None for kind in ("image", "labels"))
        clusters = Clusters(clustered.ions, dominant, means)
    write_table(Path(path), dataset.images, clusters)
    return [path]


def _dataset(path: str, layers: list[Any]) -> IonDataset:
    """The ion images behind one of the layers."""
    found = [_behind(attributes) for _, attributes, _ in layers]
    datasets = [one for one in found if isinstance(one, IonDataset)]
    if len(datasets) != 1:
        raise InputError(f"{len(datasets)} layers of ion images", fix="select one", path=path)
    return datasets[0]


def _clustered(layers: list[Any]) -> ClusteredIons | None:
    """The ion table behind the layers."""
    found = (_behind(attributes) for _, attributes, _ in layers)
    return next((one for one in found if isinstance(one, ClusteredIons)), None)


def _behind(attributes: dict[str, Any]) -> Any:
    return attributes.get("metadata", {}).get(KEY)


def write_ion_table(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the ion table behind a result's layer as CSV or Parquet."""
    clustered = _behind(attributes)
    if not isinstance(clustered, ClusteredIons):
        raise InputError(
            "this layer has no ion table", fix="choose a layer of a clustering result", path=path
        )
    write_table_file(clustered.ions, Path(path))
    return [path]
