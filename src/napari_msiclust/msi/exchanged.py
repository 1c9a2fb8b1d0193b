"""Notice files that name m/z intensities, and intensities m/z."""

from __future__ import annotations

import itertools
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.data_file import DataFile
from napari_msiclust.msi.faults import Finding
from napari_msiclust.msi.index import INTENSITY_ARRAY, MZ_ARRAY, SpectrumIndex
from napari_msiclust.msi.spectra import SpectrumReader

_SAMPLE = 20
_FEWEST_SPECTRA = 3
_FEWEST_VALUES = 8  # fewer numbers ascend by chance
_HIGHEST_MZ = 1e5

FloatArray = npt.NDArray[np.float64]


def find_exchange(index: SpectrumIndex, ibd_path: Path) -> list[Finding]:
    """An error if m/z and intensity are exchanged in all spectra that are looked at.

    That is so if every array of intensities ascends within the range of m/z, no array of m/z does, and
    the former agree better from spectrum to spectrum. Peak lists in the order of their intensities are
    told from that by the last.
    """
    long = np.flatnonzero(index.intensity.lengths >= _FEWEST_VALUES)
    if len(long) < _FEWEST_SPECTRA:
        return []
    chosen = long[np.unique(np.linspace(0, len(long) - 1, _SAMPLE).astype(int))]
    mz, intensity = [], []
    with closing(DataFile(ibd_path)) as data:
        reader = SpectrumReader(index, data, data, shared_axis=False, skip_damaged=True)
        for pixel in chosen:
            one, other, _ = reader.spectrum(int(pixel))
            if not _is_axis(other) or _is_axis(one):
                return []
            mz.append(np.sort(np.nan_to_num(one)))
            intensity.append(other)
    if not _disagreement(intensity) < _disagreement(mz):
        return []
    return [
        Finding(
            "error",
            f"m/z and intensity are exchanged: in all of {len(chosen)} spectra looked at, the intensities "
            "ascend as m/z do, and the m/z do not",
            "ion images would be drawn of intensities",
            f"exchange the terms {MZ_ARRAY} and {INTENSITY_ARRAY} in the file, or export it again; to read "
            "it as it is, open it as damaged",
            recoverable=True,
        )
    ]


def _is_axis(values: FloatArray) -> bool:
    """Whether values could be m/z: ascending, and in their range."""
    inside = 0 < values[0] < values[-1] <= _HIGHEST_MZ
    return bool(inside and (np.diff(values) >= 0).all())


def _disagreement(axes: list[FloatArray]) -> float:
    """Median relative distance to the nearest value of the next spectrum; the axes ascend."""
    distances = []
    for one, other in itertools.pairwise(axes):
        right = np.clip(np.searchsorted(other, one), 1, len(other) - 1)
        distance = np.minimum(np.abs(other[right] - one), np.abs(other[right - 1] - one))
        distances.append(distance / np.maximum(np.abs(one), np.finfo(np.float64).tiny))
    return float(np.median(np.concatenate(distances)))
