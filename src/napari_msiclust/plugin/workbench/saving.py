"""A corrected result as a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_msiclust.errors import MsiclustError
from napari_msiclust.plugin.layers import IonDataset
from napari_msiclust.reading import source_record
from napari_msiclust.results.corrections import History
from napari_msiclust.results.exports import write_result
from napari_msiclust.results.overlay import Histology


def save_result(
    history: History, dataset: IonDataset, folder: Path, histology: Histology | None = None
) -> Path:
    """Write the result as corrected so far; the source is described where its file is still there."""
    images = history.basis.images
    return write_result(history.with_evidence(), images, folder, source_of(dataset), histology)


def source_of(dataset: IonDataset) -> dict[str, Any] | None:
    """What was read and how (`describe_source`); None if the file is gone."""
    try:
        with dataset.reading.opened(dataset.path) as file:
            return source_record(dataset.reading, file)
    except (MsiclustError, OSError):
        return None
