"""Readers: imzML, OME-TIFF, result folders, and projects.

napari imports this module in the window's thread when a file is dropped: what takes long to import is
imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.utils.notifications import show_warning

from napari_msiclust.msi.analyze import ANALYZE_SUFFIXES
from napari_msiclust.progress import drain

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_msiclust.plugin.layers import LayerTuple
    from napari_msiclust.progress import Progress

Paths = str | Sequence[str]
Reader = Callable[[Paths], list[Any]]


def get_imzml_reader(path: Paths) -> Reader | None:
    """Reader of .imzML and Analyze 7.5 files: a TIC image and one stack of ion images for each."""
    return read_imzml_layers if all(_is_msi(Path(one)) for one in _each(path)) else None


def get_raw_reader(path: Paths) -> Reader | None:
    """Reader that names a converter for raw data of instrument vendors."""
    return _refuse_raw if all(Path(one).suffix.lower() in (".d", ".raw") for one in _each(path)) else None


def _refuse_raw(path: Paths) -> list[LayerTuple]:
    from napari_msiclust.msi.imzml import refuse_raw_folder

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
    from napari_msiclust.results.ome_tiff import is_readable

    return _read_ome_tiff if all(is_readable(Path(one)) for one in _each(path)) else None


def get_ome_zarr_reader(path: Paths) -> Reader | None:
    """Reader of OME-Zarr folders: an image, its labels, and their place; leaves others to other readers."""
    from napari_msiclust.results.ome_zarr_reading import is_readable

    return _read_ome_zarr if all(is_readable(Path(one)) for one in _each(path)) else None


def get_result_reader(path: Paths) -> Reader | None:
    """Reader of result folders: mean ion images, dominant cluster map, and the ion table."""
    from napari_msiclust.results.exports import is_result_folder

    return _read_results if all(is_result_folder(Path(one)) for one in _each(path)) else None


def get_project_reader(path: Paths) -> Reader | None:
    """Reader of projects: ion images, result and corrections as they were."""
    from napari_msiclust.results.project.names import is_project

    return _read_projects if all(is_project(Path(one)) for one in _each(path)) else None


def _read_projects(path: Paths) -> list[LayerTuple]:
    """Layers of projects; in a viewer at work they come in the background, as `read_imzml_layers` does."""
    paths = [Path(one) for one in _each(path)]
    viewer = _viewer_at_work()
    if viewer is not None:
        from napari_msiclust.plugin.projects.opening import open_project

        for one in paths:
            open_project(viewer, one)
        return [(None,)]  # type: ignore[list-item]  # napari's sign that there is nothing to add

    from napari_msiclust.plugin.projects.restoring import finding_steps, restoring_steps

    layers: list[LayerTuple] = []
    for one in paths:
        restored = drain(restoring_steps(drain(finding_steps(one))))
        if restored.message:
            show_warning(f"{one.name}: {restored.message}")
        layers += restored.layers
    _set_up_viewer()
    return layers


def _each(path: Paths) -> list[str]:
    return [path] if isinstance(path, str) else list(path)


def read_imzml_layers(path: Paths) -> list[LayerTuple]:
    """Layers of one or more imzML or Analyze files.

    In a viewer at work they are opened in the background: none is returned, they come one by one.
    """
    paths = [Path(one) for one in _each(path)]
    viewer = _viewer_at_work()
    if viewer is None:
        return [layer for one in paths for layer in _read_now(one)]

    from napari_msiclust.plugin.opening.bar import opening_bar

    bar = opening_bar(viewer)
    for one in paths:
        bar.open(one)
    return [(None,)]  # type: ignore[list-item]  # napari's sign that there is nothing to add


def _viewer_at_work() -> Viewer | None:
    """The viewer, if its window is at work: a script wants its layers now."""
    viewer = napari.current_viewer()
    if viewer is None:
        return None

    from napari_msiclust.plugin.event_loop import handles_events

    return viewer if handles_events() else None


def _read_now(path: Path) -> list[LayerTuple]:
    """The stacks of a file, and above them its TIC images."""
    from napari_msiclust.plugin.layers import KEY, TicImage
    from napari_msiclust.plugin.opening.steps import opening_steps

    layers: list[LayerTuple] = []

    def collect(step: Progress | LayerTuple) -> None:
        if isinstance(step, tuple):
            layers.append(step)

    opened = drain(opening_steps(path), collect)
    for warning in opened.warnings:
        show_warning(f"{path.name}: {warning}")
    _set_up_viewer()
    return sorted(layers, key=lambda layer: isinstance(layer[1]["metadata"][KEY], TicImage))


def _read_ome_tiff(path: Paths) -> list[LayerTuple]:
    from napari_msiclust.plugin.layers import image_layers
    from napari_msiclust.results.ome_tiff import read_ome_tiff

    layers = image_layers([read_ome_tiff(Path(one)) for one in _each(path)])
    _set_up_viewer()
    return layers


def _read_ome_zarr(path: Paths) -> list[LayerTuple]:
    from napari_msiclust.plugin.layers import image_layers
    from napari_msiclust.results.ome_zarr_reading import read_ome_zarr

    layers = [layer for one in _each(path) for layer in image_layers(read_ome_zarr(Path(one)))]
    _set_up_viewer()
    return layers


def _read_results(path: Paths) -> list[LayerTuple]:
    from napari_msiclust.plugin.layers import saved_layers
    from napari_msiclust.results.exports import read_result

    layers = [layer for one in _each(path) for layer in saved_layers(read_result(Path(one)))]
    _set_up_viewer()
    return layers


def _set_up_viewer() -> None:
    """Scale bar and plane label in the viewer that opens the file, if there is one."""
    from napari_msiclust.plugin.current_ion import follow_current_plane

    viewer = napari.current_viewer()
    if viewer is not None:
        follow_current_plane(viewer)
