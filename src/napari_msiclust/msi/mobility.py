"""Ions that share an m/z but differ in ion mobility."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from napari_msiclust.errors import Stopped
from napari_msiclust.msi.imzml import ImzmlFile
from napari_msiclust.msi.intervals import Intervals
from napari_msiclust.msi.ion_list import MOBILITY, IonList
from napari_msiclust.msi.windows import Windows
from napari_msiclust.progress import Progress

_BINS = 256
_SMOOTHING = 2.0  # bins
_CERTAINTY = 4.0  # standard deviations of counting noise between two peaks
_LEAST_HEIGHT = 0.02  # of the highest peak of the same m/z
_SAMPLE = 300

FloatArray = npt.NDArray[np.float64]


def split_by_mobility(
    file: ImzmlFile, ions: IonList, *, stop: threading.Event | None = None
) -> Generator[Progress, None, IonList]:
    """Split each ion into the peaks of its mobility, in one pass.

    The mobilities of all values within an ion's m/z window are counted in a histogram. Two maxima
    are two ions if the valley between them is deeper than counting noise; it is where their windows
    meet.

    Parameters
    ----------
    file : ImzmlFile
        With ion mobility.
    ions : IonList
        With windows of m/z that do not overlap.

    Returns
    -------
    IonList
        One row per pair of m/z and mobility, with windows of both.
    """
    windows = ions.own_windows
    if windows is None:
        return ions
    low, high = _mobility_range(file)
    locate = Intervals(np.unique(np.concatenate([windows.low, np.nextafter(windows.high, np.inf)])))
    first = locate.locate(windows.low)
    row = np.full(locate.count, len(ions), np.int64)
    row[first] = np.arange(len(ions))
    counts = np.zeros((len(ions) + 1, _BINS))
    for block in file.reader.blocks():
        if stop is not None and stop.is_set():
            raise Stopped
        if block.mobility is not None:
            used = (block.intensity > 0) & np.isfinite(block.mobility)
            place = np.clip((block.mobility[used] - low) * (_BINS / (high - low)), 0, _BINS - 1).astype(
                np.int64
            )
            np.add.at(counts, (row[locate.locate(block.mz[used])], place), 1)
        yield Progress("picking mobilities", block.last, len(file))
    edges = np.linspace(low, high, _BINS + 1)
    edges[0], edges[-1] = -np.inf, np.inf
    return _split(ions, windows, counts[:-1], edges, (high - low) / _BINS)


def _mobility_range(file: ImzmlFile) -> tuple[float, float]:
    pixels = np.linspace(0, len(file) - 1, min(_SAMPLE, len(file))).astype(int)
    every = [file.reader.spectrum(int(pixel))[2] for pixel in pixels]
    values = np.concatenate([one for one in every if one is not None])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    pad = max(0.01 * (high - low), 1e-9 * max(abs(high), 1.0))
    return low - pad, high + pad


def _split(ions: IonList, windows: Windows, counts: FloatArray, edges: FloatArray, width: float) -> IonList:
    rows, centres, lows, highs = [], [], [], []
    middle = np.arange(_BINS) + 0.5
    for row, count in enumerate(counts):
        cuts = _valleys(count)
        for begin, end in itertools.pairwise(cuts):
            weight = count[begin:end].sum()
            rows.append(row)
            centre = (count[begin:end] * middle[begin:end]).sum() / weight if weight else (begin + end) / 2
            centres.append(centre)
            lows.append(edges[begin])
            highs.append(np.nextafter(edges[end], -np.inf) if end < _BINS else np.inf)
    place = np.array(rows)
    start = edges[1] - width
    columns = ions.columns.iloc[place].reset_index(drop=True)
    columns.insert(0, MOBILITY, (start + np.array(centres) * width).round(6))
    return IonList(
        ions.mz[place],
        pd.DataFrame(columns),
        Windows(windows.low[place], windows.high[place], np.array(lows), np.array(highs)),
    )


def _valleys(count: FloatArray) -> list[int]:
    """Bins at which the mobility peaks of an ion meet, with both ends of the axis."""
    smooth = gaussian_filter1d(count, _SMOOTHING)
    noise = np.sqrt(smooth / (2 * np.sqrt(np.pi) * _SMOOTHING)) * _CERTAINTY
    tops, shape = find_peaks(np.concatenate(([0.0], smooth, [0.0])), prominence=1e-9)
    tops = tops - 1
    real = shape["prominences"] > np.maximum(noise[tops], _LEAST_HEIGHT * smooth.max(initial=0.0))
    tops = tops[real]
    inner = [begin + int(smooth[begin:end].argmin()) for begin, end in itertools.pairwise(tops)]
    return [0, *inner, _BINS]
