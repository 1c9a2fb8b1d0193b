"""From a project to layers; heavy to import, so the window's thread leaves that to a worker."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from napari_msiclust.errors import MsiclustError
from napari_msiclust.msi.extract import extraction_steps
from napari_msiclust.plugin.histology.groups import REGISTERED
from napari_msiclust.plugin.layers import (
    KEY,
    ClusteredIons,
    IonDataset,
    LayerTuple,
    image_layer,
    stack_layer,
    tic_layer,
)
from napari_msiclust.progress import Progress
from napari_msiclust.reading import ReadingSettings
from napari_msiclust.registration.geometry import embed
from napari_msiclust.results.colors import colors_of
from napari_msiclust.results.exports import dominant_map_tiff, mean_images_tiff
from napari_msiclust.results.project.content import Project
from napari_msiclust.results.project.project_file import read_project

_PICTURES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp"})


@dataclass(frozen=True, eq=False)
class Found:
    """A project that was read.

    Attributes
    ----------
    path : Path
    project : Project
    data : Path or None
        Where its data lie now.
    histology : Path or None
        Where the image that the ions are registered to lies now.
    """

    path: Path
    project: Project
    data: Path | None
    histology: Path | None

    @property
    def lacks_data(self) -> bool:
        """Whether the ion images are neither in it nor where they were."""
        return self.data is None and self.project.images is None

    def onto(self, dataset: IonDataset) -> Found:
        """The same with data that are open; its ion images are taken if they are of the same m/z."""
        same = np.array_equal(dataset.images.mz, self.project.learned.ions["mz"])
        images = dataset.images if same else self.project.images
        return replace(self, data=dataset.path, project=replace(self.project, images=images))


@dataclass(frozen=True, eq=False)
class Restored:
    """Layers of a project; `message` tells what is missing."""

    found: Found
    layers: tuple[LayerTuple, ...]
    message: str


def finding_steps(path: Path) -> Generator[Progress, None, Found]:
    """Read a project and look for what it links to; generator of `Progress`.

    Raises
    ------
    FileFormatError
        As `read_project`.
    """
    yield Progress("project", 0, 0)
    project = read_project(path)
    yield Progress("looking for its data", 0, 0)
    data = None if project.data is None else project.data.locate(path)
    histology = None if project.histology is None else project.histology.locate(path)
    if histology is not None and histology.suffix.lower() not in _PICTURES:
        histology = None
    return Found(path, project, data, histology)


def restoring_steps(
    found: Found, *, stop: threading.Event | None = None
) -> Generator[Progress, None, Restored]:
    """Layers of a project: ion images, their TIC, and the result as it was."""
    project, message = found.project, ""
    dataset = None
    try:
        dataset = yield from _dataset_steps(found, stop)
    except MsiclustError as error:
        message = f"{error}; the result is shown without its ion images"
    if dataset is None and not message:
        message = f"{project.data_path or 'Its data'}: not found; the result is shown without its ion images"
    result = project.current
    path = project.data_path if dataset is None else str(dataset.path)
    clustered = ClusteredIons(result.ions, path, project)
    layers = []
    if dataset is not None:
        title, images = dataset.path.stem, dataset.images
        layers.append(stack_layer(images, dataset.path, title, dataset.reading))
        tic = tic_layer(images.tic(), images.grid, dataset.path, title)
        tic[1]["visible"] = False
        layers.append(tic)
    means = image_layer(mean_images_tiff(result), clustered)
    dominant = image_layer(dominant_map_tiff(result), clustered)
    colors = {None: np.zeros(4), 0: np.zeros(4)} | dict(enumerate(colors_of(result.clusters), start=1))
    dominant[1]["colormap"] = DirectLabelColormap(color_dict=colors)
    layers += [means, dominant]
    if project.registration is not None:
        for data, settings, _ in layers:
            settings["affine"] = embed(project.registration.matrix, np.ndim(data))
            settings["metadata"][REGISTERED] = project.registration
    return Restored(found, tuple(layers), message)


def _dataset_steps(
    found: Found, stop: threading.Event | None
) -> Generator[Progress, None, IonDataset | None]:
    project = found.project
    if found.data is None and project.images is None:
        return None
    reading = ReadingSettings()
    if project.images is not None:
        where = found.data or Path(project.data_path or found.path)
        try:
            reading = ReadingSettings.from_record(project.reading)
        except MsiclustError:  # a list of m/z that is gone; it is not needed
            reading = ReadingSettings()
        return IonDataset(project.images, where, reading)
    if found.data is None:
        return None
    reading = ReadingSettings.from_record(project.reading)
    with reading.opened(found.data) as file:
        if reading == ReadingSettings():
            images = yield from extraction_steps(file, stop=stop)
        else:
            yield Progress("reading ion images", 0, 0)
            images = reading.images(file)
    if images.mz.tolist() != project.learned.ions["mz"].tolist():
        return None
    return IonDataset(images, found.data, reading)


def is_open(dataset: IonDataset, layer_metadata: object) -> bool:
    """Whether a layer holds the very same ion images."""
    if not isinstance(layer_metadata, IonDataset):
        return False
    return layer_metadata.path == dataset.path and np.array_equal(layer_metadata.images.mz, dataset.images.mz)


def dataset_in(layers: tuple[LayerTuple, ...]) -> IonDataset | None:
    """The ion images among some layers."""
    found = (settings["metadata"].get(KEY) for _, settings, _ in layers)
    return next((one for one in found if isinstance(one, IonDataset)), None)
