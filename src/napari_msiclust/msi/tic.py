"""Total ion current: the sum of each spectrum."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import Stopped
from napari_msiclust.msi.spectra import SpectrumReader
from napari_msiclust.progress import Progress


def tic_steps(
    reader: SpectrumReader, *, stop: threading.Event | None = None
) -> Generator[Progress, None, npt.NDArray[np.float32]]:
    """Total ion current (P,) of all spectra, as a generator of `Progress` that `stop` ends with `Stopped`.

    Raises
    ------
    FileFormatError
        The data of a spectrum are damaged.
    """
    edges = reader.block_edges()
    total = np.zeros(edges[-1], np.float32)
    for first, last in itertools.pairwise(edges):
        if stop is not None and stop.is_set():
            raise Stopped
        total[first:last] = reader.block(first, last).sums()
        yield Progress("total ion current", last, edges[-1])
    return total
