"""A corrected result as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_msiclust.errors import MsiclustError
from napari_msiclust.plugin.layers import IonDataset
from napari_msiclust.results.corrections import History
from napari_msiclust.results.exports import describe_source, write_result


def save_result(history: History, dataset: IonDataset, folder: Path) -> Path:
    """Write the result as corrected so far; the source is described where its file is still there."""
    images = history.basis.images
    return write_result(history.with_evidence(), images, folder, source_of(dataset))


def source_of(dataset: IonDataset) -> dict[str, Any] | None:
    """What was read and how (`describe_source`); None if the file is gone."""
    try:
        with dataset.reading.opened(dataset.path) as file:
            imzml, data = file.path, file.ibd_path
    except (MsiclustError, OSError):
        return None
    return describe_source(imzml, data, **dataset.reading.settings())
