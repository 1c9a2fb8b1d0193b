"""Which m/z to image: the file's own axis, peaks of the mean spectrum, or a user's list."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi.imzml import ImzmlFile

MAX_PEAKS = 1500
MIN_PIXEL_FREQUENCY = 0.01
_MZ_RANGE = (0.1, 1e5)
_MZ_COLUMNS = ("mz", "m/z", "m_z", "mass", "mz_value")
_NAME_COLUMNS = ("name", "annotation", "label", "moleculenames", "molecule", "ion", "formula")

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MzList:
    """m/z values to image, ascending, and their names.

    Attributes
    ----------
    mz : ndarray of float64, shape (N,)
    names : tuple of str, length N
        Empty strings where an ion has no name.
    """

    mz: FloatArray
    names: tuple[str, ...]


def read_mz_list(path: str | Path) -> MzList:
    """Read m/z values and optional names from a CSV file.

    Parameters
    ----------
    path : path
        Text with a header line; a column `mz` (or `m/z`, `mass`), optionally `name`. Lines that
        start with # are skipped.

    Raises
    ------
    FileFormatError
        The file is missing, has no m/z column, or a value in it is no positive number.
    """
    path = Path(path)
    try:
        lines = [line for line in path.read_text("utf-8-sig").splitlines() if not line.startswith("#")]
        table = pd.read_csv(io.StringIO("\n".join(lines)), sep=_separator(lines), skipinitialspace=True)
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except (OSError, ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f"not a CSV table ({error})", fix="give a column named mz", path=path
        ) from error
    columns = {str(name).strip().lower(): name for name in table.columns}
    mz_column = next((columns[name] for name in _MZ_COLUMNS if name in columns), None)
    if mz_column is None:
        found = ", ".join(map(str, table.columns[:6]))
        raise FileFormatError(f"no m/z column (found: {found})", fix="name the column mz", path=path)
    mz = pd.to_numeric(table[mz_column], errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(mz) & (mz > 0)))
    if len(bad) or not len(mz):
        fault = f"row {bad[0] + 1} has no positive m/z" if len(bad) else "the table has no rows"
        raise FileFormatError(fault, fix="give one m/z per row", path=path)
    name_column = next((columns[name] for name in _NAME_COLUMNS if name in columns), None)
    names = [""] * len(mz) if name_column is None else table[name_column].fillna("").astype(str).tolist()
    order = np.argsort(mz, kind="stable")
    return MzList(mz[order], tuple(names[row] for row in order))


def _separator(lines: list[str]) -> str:
    """The separator that is most frequent in the header line."""
    header = next((line for line in lines if line.strip()), "")
    return max(",;\t", key=header.count)


def is_profile_axis(mz: FloatArray) -> bool:
    """Whether an m/z axis (M,) is sampled evenly, as profile data are, rather than at peaks."""
    steps = np.diff(mz)
    if len(steps) < 100 or not (steps > 0).all():
        return False
    return bool(np.median(np.abs(np.log(steps[1:] / steps[:-1]))) < 0.1)


def pick_peaks(file: ImzmlFile, tolerance_ppm: float) -> FloatArray:
    """Peaks (N,) of the mean spectrum, ascending; at most `MAX_PEAKS`, the most intense.

    Raises
    ------
    InputError
        No peak stands out.
    """
    axis = file.shared_mz()
    if axis is not None:
        peaks, height = _profile_peaks(axis, _mean_on_axis(file, len(axis)))
    else:
        peaks, height = _binned_peaks(file, tolerance_ppm)
    if not len(peaks):
        raise InputError("no peak stands out in the mean spectrum", fix="give a list of m/z", path=file.path)
    strongest = np.argsort(-height, kind="stable")[:MAX_PEAKS]
    return np.sort(peaks[strongest])


def _mean_on_axis(file: ImzmlFile, length: int) -> FloatArray:
    total = np.zeros(length)
    for _, block in file.intensity_blocks():
        total += block.sum(axis=0, dtype=np.float64)
    return total / len(file)


def _profile_peaks(mz: FloatArray, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(mz, kind="stable")
    mz, mean = mz[order], mean[order]
    noise = float(np.median(np.abs(np.diff(mean)))) if len(mean) > 1 else 0.0
    tops, shape = find_peaks(mean, prominence=max(8 * noise, 1e-3 * float(mean.max(initial=0.0)), 1e-30))
    near = np.clip(tops[:, None] + np.arange(-1, 2), 0, len(mz) - 1)
    centroid = (mz[near] * mean[near]).sum(axis=1) / np.maximum(mean[near].sum(axis=1), 1e-30)
    return centroid, shape["prominences"]


def _binned_peaks(file: ImzmlFile, tolerance_ppm: float) -> tuple[FloatArray, FloatArray]:
    """Peaks of a histogram with bins of a quarter of the tolerance on a logarithmic m/z axis."""
    width = max(math.log1p(tolerance_ppm * 1e-6) / 4, 1e-6)
    first = math.log(_MZ_RANGE[0])
    bins = int((math.log(_MZ_RANGE[1]) - first) / width) + 1
    intensity, moment, pixels = np.zeros(bins), np.zeros(bins), np.zeros(bins, dtype=np.int64)
    for mz, values in file.spectra():
        if is_profile_axis(mz):
            tops, _ = find_peaks(values)
            mz, values = mz[tops], values[tops]
        keep = (mz > _MZ_RANGE[0]) & (mz < _MZ_RANGE[1]) & (values > 0)
        mz, values = mz[keep], values[keep]
        place = ((np.log(mz) - first) / width).astype(np.int64)
        np.add.at(intensity, place, values)
        np.add.at(moment, place, values * mz)
        pixels[np.unique(place)] += 1
    smooth = gaussian_filter1d(intensity, 2.0)
    tops, _ = find_peaks(smooth, distance=4)
    reach = np.clip(tops[:, None] + np.arange(-4, 5), 0, bins - 1)
    height = intensity[reach].sum(axis=1)
    often = pixels[reach].max(axis=1) >= max(1, MIN_PIXEL_FREQUENCY * len(file))
    keep = often & (height > 1e-6 * height.max(initial=0.0)) & (height > 0)
    centroid = moment[reach].sum(axis=1)[keep] / height[keep]
    return centroid, height[keep]
