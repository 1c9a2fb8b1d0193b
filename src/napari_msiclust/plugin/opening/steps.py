"""From a file to its layers, as steps; heavy to import, so the window's thread leaves that to the worker."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from napari_msiclust.errors import FileFormatError, MsiclustError
from napari_msiclust.msi.damage import Damage, damage_steps
from napari_msiclust.msi.imzml import ImzmlFile
from napari_msiclust.msi.open_file import open_msi_polarities
from napari_msiclust.msi.tic import tic_steps
from napari_msiclust.plugin.layers import LayerTuple, stack_layer, tic_layer
from napari_msiclust.progress import Progress
from napari_msiclust.reading import ReadingSettings


@dataclass(frozen=True)
class Opened:
    """All layers were handed over; `warnings` is what the user should know of the file."""

    warnings: tuple[str, ...]


def opening_steps(
    path: Path, *, damaged: bool = False, stop: threading.Event | None = None
) -> Generator[Progress | LayerTuple, None, Opened]:
    """Layers of a file, each as soon as it is there: first all TIC images, then all stacks.

    A file of both polarities has a TIC image and a stack for each.

    Parameters
    ----------
    damaged : bool
        Take what can be read of a damaged file.

    Raises
    ------
    MsiclustError
        The file cannot be read.
    Stopped
        `stop` was set.
    """
    yield Progress("index", 0, 0)
    files = open_msi_polarities(path, damaged=damaged)
    try:
        titles = [_title(file, one_of_several=len(files) > 1, damaged=damaged) for file in files]
        for file, title in zip(files, titles, strict=True):
            tic = yield from tic_steps(file.reader, stop=stop)
            yield tic_layer(tic, file.grid, path, title)

        from napari_msiclust.msi.extract import extraction_steps  # takes longer than the TIC

        faults: list[MsiclustError] = []
        for file, title in zip(files, titles, strict=True):
            try:
                images = yield from extraction_steps(file, stop=stop)
            except MsiclustError as error:  # the other polarity may be sound
                faults.append(error)
                continue
            sign = file.metadata.polarity
            polarity = sign if len(files) > 1 and sign != "mixed" else None
            yield stack_layer(images, path, title, ReadingSettings(polarity=polarity, damaged=damaged))
        if faults:
            raise faults[0]
    finally:
        for file in files:
            file.close()
    return Opened(files[0].warnings)


def opening_or_damage_steps(
    path: Path, *, damaged: bool, stop: threading.Event
) -> Generator[Progress | LayerTuple, None, Opened | Damage]:
    """`opening_steps`; a damaged file ends in what can be read of it, if that is anything."""
    try:
        return (yield from opening_steps(path, damaged=damaged, stop=stop))
    except FileFormatError as error:
        if damaged:
            raise
        try:
            return (yield from damage_steps(path, error, stop=stop))
        except FileFormatError:
            raise error from None


def _title(file: ImzmlFile, *, one_of_several: bool, damaged: bool) -> str:
    """What the layers of a file are called."""
    polarity = f" {file.metadata.polarity}" if one_of_several else ""
    return f"{file.path.stem}{polarity}{' (readable part)' if damaged else ''}"
