"""Readers: imzML, OME-TIFF, and result folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import napari
from napari.utils.notifications import show_warning

from napari_msiclust.msi.analyze import ANALYZE_SUFFIXES
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import refuse_raw_folder
from napari_msiclust.msi.open_file import open_msi
from napari_msiclust.plugin.current_ion import follow_current_plane
from napari_msiclust.plugin.layers import LayerTuple, image_layer, ion_layers, saved_layers
from napari_msiclust.results.exports import is_result_folder, read_result
from napari_msiclust.results.ome_tiff import is_readable, read_ome_tiff

Paths = str | Sequence[str]
Reader = Callable[[Paths], list[LayerTuple]]


def get_imzml_reader(path: Paths) -> Reader | None:
    """Reader of .imzML and Analyze 7.5 files: a TIC image and one stack of ion images for each."""
    return read_imzml_layers if all(_is_msi(Path(one)) for one in _each(path)) else None


def get_raw_reader(path: Paths) -> Reader | None:
    """Reader that names a converter for raw data of instrument vendors."""
    return _refuse_raw if all(Path(one).suffix.lower() in (".d", ".raw") for one in _each(path)) else None


def _refuse_raw(path: Paths) -> list[LayerTuple]:
    for one in _each(path):
        refuse_raw_folder(Path(one))
    return []


def _is_msi(path: Path) -> bool:
    """Whether a file is imzML, or a header with the m/z file that only mass spectrometry has."""
    if path.suffix.lower() == ".imzml":
        return True
    return path.suffix.lower() in ANALYZE_SUFFIXES and path.with_suffix(".t2m").exists()


def get_ome_tiff_reader(path: Paths) -> Reader | None:
    """Reader of OME-TIFF files with their physical scale; leaves other files to other readers."""
    return _read_ome_tiff if all(is_readable(Path(one)) for one in _each(path)) else None


def get_result_reader(path: Paths) -> Reader | None:
    """Reader of result folders: mean ion images, dominant cluster map, and the ion table."""
    return _read_results if all(is_result_folder(Path(one)) for one in _each(path)) else None


def _each(path: Paths) -> list[str]:
    return [path] if isinstance(path, str) else list(path)


def read_imzml_layers(path: Paths) -> list[LayerTuple]:
    """Layers of one or more imzML files."""
    layers: list[LayerTuple] = []
    for one in map(Path, _each(path)):
        with open_msi(one) as file:
            layers += ion_layers(extract_ion_images(file), one)
            for warning in file.warnings:
                show_warning(f"{one.name}: {warning}")
    _set_up_viewer()
    return layers


def _read_ome_tiff(path: Paths) -> list[LayerTuple]:
    layers = [image_layer(read_ome_tiff(Path(one))) for one in _each(path)]
    _set_up_viewer()
    return layers


def _read_results(path: Paths) -> list[LayerTuple]:
    layers = [layer for one in _each(path) for layer in saved_layers(read_result(Path(one)))]
    _set_up_viewer()
    return layers


def _set_up_viewer() -> None:
    """Scale bar and plane label in the viewer that opens the file, if there is one."""
    viewer = napari.current_viewer()
    if viewer is not None:
        follow_current_plane(viewer)
