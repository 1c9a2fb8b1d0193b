"""Pick the ions of a file: peaks of shared profile axes, aligned centroids of single spectra."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from scipy.signal import find_peaks, peak_widths

from napari_msiclust.errors import InputError, Stopped
from napari_msiclust.msi.imzml import ImzmlFile
from napari_msiclust.msi.ion_list import IonList
from napari_msiclust.msi.mobility import split_by_mobility
from napari_msiclust.msi.resolution import MassScatter, estimate_scatter
from napari_msiclust.msi.spectra import SpectrumBlock
from napari_msiclust.msi.windows import Windows
from napari_msiclust.progress import Progress

_SAMPLE = 300
_BINS_PER_DEVIATION = 2.0
_MOST_BINS = 12_000_000  # about 0.4 GB while peaks are found
_SMOOTHING = 1.5  # bins
_REACH = 4.5  # standard deviations on either side of a peak
_CERTAINTY = 4.0  # standard deviations of counting noise between two peaks
_BACKGROUND_REACH = 100  # bins
_PROFILE_NOISE = 8.0
_SKYLINE_NOISE = 30.0

FloatArray = npt.NDArray[np.float64]
_Steps = Generator[Progress, None, IonList]


@dataclass(frozen=True)
class PeakSettings:
    """How ions are picked.

    Attributes
    ----------
    max_peaks : int
        The most intense ones are kept.
    min_pixel_frequency : float
        Least share of the pixels in which an ion occurs.
    """

    max_peaks: int = 1500
    min_pixel_frequency: float = 0.01

    def __post_init__(self) -> None:
        if self.max_peaks < 1 or not 0 <= self.min_pixel_frequency <= 1:
            raise InputError(
                f"max_peaks is {self.max_peaks}, min_pixel_frequency {self.min_pixel_frequency}",
                fix="give at least 1 peak and a share between 0 and 1",
            )


def is_profile_axis(mz: FloatArray) -> bool:
    """Whether an m/z axis (M,) is sampled evenly, as profile data are, rather than at peaks."""
    steps = np.diff(mz)
    if len(steps) < 100 or not (steps > 0).all():
        return False
    return bool(np.median(np.abs(np.log(steps[1:] / steps[:-1]))) < 0.1)


def is_profile(file: ImzmlFile, axis: FloatArray) -> bool:
    """Whether a shared axis is that of profile data: what the file says, else what the axis shows."""
    return file.metadata.spectrum_type == "profile" or is_profile_axis(axis)


def peak_steps(file: ImzmlFile, settings: PeakSettings, *, stop: threading.Event | None = None) -> _Steps:
    """Ions of a file, ascending by m/z, with their windows.

    Raises
    ------
    InputError
        No peak stands out.
    Stopped
        `stop` was set.
    """
    axis = file.shared_mz()
    if axis is not None:
        mean, skyline = yield from mean_and_skyline(file, len(axis), stop=stop)
        ions = _profile_peaks(axis, mean, skyline)
    else:
        ions = yield from _aligned_centroids(file, settings, stop)
    if not len(ions):
        raise InputError("no peak stands out in the spectra", fix="give a list of m/z", path=file.path)
    strongest = np.argsort(-ions.columns["intensity"].to_numpy(), kind="stable")[: settings.max_peaks]
    ions = _take(ions, np.sort(strongest))
    if file.has_mobility:
        ions = yield from split_by_mobility(file, ions, stop=stop)
    return ions


def _take(ions: IonList, rows: npt.NDArray[np.intp]) -> IonList:
    own = ions.own_windows
    windows = None if own is None else Windows(own.low[rows], own.high[rows])
    return IonList(ions.mz[rows], ions.columns.iloc[rows].reset_index(drop=True), windows)


def mean_and_skyline(
    file: ImzmlFile, length: int, *, stop: threading.Event | None = None
) -> Generator[Progress, None, tuple[FloatArray, FloatArray]]:
    """Mean and maximum (skyline) over all spectra of a shared axis, each (M,), in one pass."""
    total, skyline = np.zeros(length), np.zeros(length)
    for block in _watched(file, "mean spectrum", stop):
        values = block.intensity.reshape(len(block), -1)
        total += values.sum(axis=0, dtype=np.float64)
        np.maximum(skyline, values.max(axis=0), out=skyline)
        yield Progress("mean spectrum", block.last, len(file))
    return total / len(file), skyline


def _watched(
    file: ImzmlFile, stage: str, stop: threading.Event | None
) -> Generator[SpectrumBlock, None, None]:
    for block in file.reader.blocks():
        if stop is not None and stop.is_set():
            raise Stopped
        yield block


def _profile_peaks(axis: FloatArray, mean: FloatArray, skyline: FloatArray) -> IonList:
    """Peaks of the mean spectrum, and of the skyline where the mean has none: rare but intense ions."""
    order = np.argsort(axis, kind="stable")
    mz, mean, skyline = axis[order], mean[order], skyline[order]
    found = _tops(mz, mean, _PROFILE_NOISE)
    rare = _tops(mz, skyline, _SKYLINE_NOISE)
    if len(found):
        nearest = np.clip(np.searchsorted(found["mz"], rare["mz"]), 1, max(len(found) - 1, 1))
        near = np.zeros(len(rare), bool)
        for place in (nearest - 1, np.minimum(nearest, len(found) - 1)):
            other = found.iloc[place].reset_index(drop=True)
            near |= ((rare["low"] <= other["high"]) & (rare["high"] >= other["low"])).to_numpy()
        rare = rare[~near]
    table = pd.concat([found, rare], ignore_index=True).sort_values("mz", ignore_index=True)
    places = np.clip(np.searchsorted(mz, table["mz"].to_numpy()), 0, max(len(mz) - 1, 0))
    columns = pd.DataFrame({"intensity": mean[places]})
    windows = Windows(table["low"].to_numpy(np.float64), table["high"].to_numpy(np.float64))
    return IonList(table["mz"].to_numpy(np.float64), columns, windows)


def _tops(mz: FloatArray, spectrum: FloatArray, noises: float) -> pd.DataFrame:
    """m/z (centroid) and both ends of the peaks that stand out of a spectrum."""
    if len(mz) < 3:
        return pd.DataFrame({"mz": mz, "low": mz, "high": mz})
    noise = float(np.median(np.abs(np.diff(spectrum))))
    least = max(noises * noise, 1e-3 * float(spectrum.max(initial=0.0)), 1e-30)
    tops, shape = find_peaks(spectrum, prominence=least)
    widths = peak_widths(
        spectrum, tops, 0.8, (shape["prominences"], shape["left_bases"], shape["right_bases"])
    )
    near = np.clip(tops[:, None] + np.arange(-1, 2), 0, len(mz) - 1)
    centroid = (mz[near] * spectrum[near]).sum(axis=1) / np.maximum(spectrum[near].sum(axis=1), 1e-30)
    low, high = (np.interp(ends, np.arange(len(mz)), mz) for ends in widths[2:])
    middle = (centroid[1:] + centroid[:-1]) / 2
    low[1:], high[:-1] = np.maximum(low[1:], middle), np.minimum(high[:-1], np.nextafter(middle, 0))
    return pd.DataFrame({"mz": centroid, "low": low, "high": high})


def _aligned_centroids(file: ImzmlFile, settings: PeakSettings, stop: threading.Event | None) -> _Steps:
    """Ions that centroids of many spectra agree on.

    A histogram whose bins follow the scatter of the instrument counts the centroids of all spectra.
    Its smoothed maxima are ions if the valley between two of them is deeper than counting noise; a
    window ends at the valley, or where the scatter of the ion ends.
    """
    sample = [file.spectrum(int(k)) for k in np.linspace(0, len(file) - 1, min(_SAMPLE, len(file)))]
    shapes = [is_profile_axis(mz) for mz, _ in sample if len(mz) > 100]
    profile = bool(shapes) and float(np.mean(shapes)) > 0.5
    scatter = estimate_scatter([np.sort(_centroids(mz, values, profile=profile)[0]) for mz, values in sample])
    histogram = _Histogram(scatter, *_mz_range(sample))
    for block in _watched(file, "picking peaks", stop):
        histogram.add(*_centroids(block.mz, block.intensity, profile=profile))
        yield Progress("picking peaks", block.last, len(file))
    step = _profile_step(sample) if profile else None
    return histogram.peaks(len(file), settings.min_pixel_frequency, step)


def _mz_range(sample: list[tuple[FloatArray, FloatArray]]) -> tuple[float, float]:
    """A little more than the m/z that were seen."""
    every = np.concatenate([mz for mz, _ in sample])
    every = every[np.isfinite(every) & (every > 0)]
    if not len(every):
        return 1.0, 2.0
    return float(every.min()) * 0.9, float(every.max()) * 1.1


def _profile_step(sample: list[tuple[FloatArray, FloatArray]]) -> float:
    """Median relative distance of neighbouring points."""
    return float(np.median(np.concatenate([np.diff(mz) / mz[1:] for mz, _ in sample if len(mz) > 1])))


def _centroids(
    mz: FloatArray, intensity: npt.NDArray[np.floating], *, profile: bool
) -> tuple[FloatArray, npt.NDArray[np.floating]]:
    """m/z and intensity of the centroids; for profile data, the local maxima."""
    if profile and len(mz) > 2:
        middle = intensity[1:-1]
        rising = (
            (middle > intensity[:-2]) & (middle >= intensity[2:]) & (mz[:-2] < mz[1:-1]) & (mz[1:-1] < mz[2:])
        )
        top = np.flatnonzero(rising) + 1
        near = top[:, None] + np.arange(-1, 2)
        weight = intensity[near].astype(np.float64)
        return (mz[near] * weight).sum(axis=1) / weight.sum(axis=1), intensity[top]
    kept = intensity > 0
    return mz[kept], intensity[kept]


class _Histogram:
    """Counts and intensities of centroids on an axis that follows the scatter of the instrument."""

    def __init__(self, scatter: MassScatter, low: float, high: float) -> None:
        self._scatter = scatter
        ends = scatter.warp(np.array([low, high]))
        self._first = float(ends[0])
        self._scale = min(_BINS_PER_DEVIATION, _MOST_BINS / max(float(ends[1] - ends[0]), 1e-9))
        bins = int((ends[1] - ends[0]) * self._scale) + 2
        self._count = np.zeros(bins, np.int32)
        self._intensity, self._moment = np.zeros(bins), np.zeros(bins)

    def add(self, mz: FloatArray, intensity: npt.NDArray[np.floating]) -> None:
        """Count centroids (V,)."""
        inside = np.isfinite(mz) & (mz > 0)
        mz, intensity = mz[inside], intensity[inside].astype(np.float64)
        place = (self._scatter.warp(mz) - self._first) * self._scale
        inside = (place >= 0) & (place < len(self._count) - 1)
        bins, mz, intensity = place[inside].astype(np.int64), mz[inside], intensity[inside]
        np.add.at(self._count, bins, 1)
        np.add.at(self._intensity, bins, intensity)
        np.add.at(self._moment, bins, intensity * mz)

    def peaks(self, pixels: int, min_frequency: float, step: float | None) -> IonList:
        """The ions, with their windows; `step` is the relative distance of profile points."""
        smooth = gaussian_filter1d(self._count.astype(np.float32), _SMOOTHING)
        # Variance of counting noise behind a Gaussian filter, Poisson: height / (2 sqrt(pi) sigma).
        noise = np.sqrt(smooth / (2 * np.sqrt(np.pi) * _SMOOTHING)) * _CERTAINTY
        background = uniform_filter1d(np.minimum(smooth, np.median(smooth) + noise), _BACKGROUND_REACH)
        tops, shape = find_peaks(smooth, prominence=1e-9)
        real = shape["prominences"] > np.maximum(noise[tops], 0.05 * smooth[tops])
        real &= smooth[tops] > background[tops] + np.sqrt(background[tops]) * _CERTAINTY
        tops = tops[real]
        if not len(tops):
            return IonList(np.empty(0), pd.DataFrame({"intensity": np.empty(0)}))
        reach = _REACH * self._scale
        between = itertools.pairwise(tops)
        valley = np.array([begin + smooth[begin:end].argmin() for begin, end in between], dtype=np.int64)
        low = np.maximum(np.concatenate(([0], valley)), np.floor(tops - reach).astype(int))
        high = np.minimum(np.concatenate((valley, [len(smooth) - 1])), np.ceil(tops + reach).astype(int) + 1)
        low, high = np.maximum(low, 0), np.minimum(high, len(smooth) - 1)
        ends = np.stack([low, high], axis=1).ravel()
        parts = (self._count, self._intensity, self._moment)
        count, intensity, moment = (np.add.reduceat(part, ends, dtype=np.float64)[::2] for part in parts)
        kept = (count >= max(1.0, min_frequency * pixels)) & (intensity > 0)
        mz = moment[kept] / intensity[kept]
        edges = [self._scatter.unwarp(place[kept] / self._scale + self._first) for place in (low, high)]
        if step is not None:  # a profile peak is wider than the scatter of its top
            middle = np.concatenate(([0.0], (mz[1:] + mz[:-1]) / 2, [np.inf]))
            edges[0] = np.maximum(np.minimum(edges[0], mz * (1 - 2 * step)), middle[:-1])
            edges[1] = np.minimum(np.maximum(edges[1], mz * (1 + 2 * step)), np.nextafter(middle[1:], 0))
        columns = pd.DataFrame(
            {
                "pixel_frequency": np.minimum(count[kept] / pixels, 1.0).round(6),
                "intensity": intensity[kept] / pixels,
            }
        )
        return IonList(mz, columns, Windows(edges[0], np.nextafter(edges[1], 0)))
