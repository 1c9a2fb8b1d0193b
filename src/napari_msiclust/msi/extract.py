"""All ion images of a file in one pass."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import InputError
from napari_msiclust.msi import cache as image_cache
from napari_msiclust.msi.imzml import ImzmlFile
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.peaks import MzList, is_profile_axis, pick_peaks
from napari_msiclust.progress import Progress, ProgressCallback, drain

DEFAULT_TOLERANCE_PPM = 20.0

Normalization = Literal["tic", "rms", "median"]
_NORMS: dict[str, Callable[[npt.NDArray[np.float64]], float]] = {
    "tic": lambda spectrum: float(spectrum.sum()),
    "rms": lambda spectrum: float(np.sqrt(np.mean(spectrum**2))) if len(spectrum) else 0.0,
    "median": lambda spectrum: float(np.median(spectrum[spectrum > 0])) if (spectrum > 0).any() else 0.0,
}

_Steps = Generator[Progress, None, npt.NDArray[np.float32]]


def extract_ion_images(
    file: ImzmlFile,
    mz: Sequence[float] | npt.NDArray[np.float64] | MzList | None = None,
    *,
    tolerance_ppm: float = DEFAULT_TOLERANCE_PPM,
    normalization: Normalization | None = None,
    cache: bool = True,
    progress: ProgressCallback | None = None,
) -> IonImages:
    """Ion images of a file.

    Parameters
    ----------
    file : ImzmlFile
    mz : array of float or MzList, optional
        m/z to image. None takes the file's own axis where it is centroided and shared by all
        pixels, and otherwise peaks picked from the mean spectrum.
    tolerance_ppm : float
        Intensities within this distance of an m/z are summed. The file's own axis needs none.
    normalization : {'tic', 'rms', 'median'}, optional
        Divides each spectrum by its sum, root mean square, or median of positive values; the mean
        of the divisors is kept as a factor, so that intensities stay in their range.
    cache : bool
        Reuse an earlier extraction of the same file with the same settings, and keep this one.
    progress : callable, optional
        Receives `Progress`.

    Returns
    -------
    IonImages
        m/z ascending, values (N, P) float32, pixels in the file's order.

    Raises
    ------
    InputError
        A setting is out of range.
    FileFormatError
        The data of a spectrum are damaged.
    """
    if not (0 < tolerance_ppm < 1e5):
        raise InputError(f"tolerance_ppm is {tolerance_ppm}", fix="give a value between 0 and 100000")
    if normalization is not None and normalization not in _NORMS:
        raise InputError(f"unknown normalization {normalization!r}", fix=f"choose one of {', '.join(_NORMS)}")
    axis = file.shared_mz()
    own_axis = mz is None and axis is not None and not _is_profile(file, axis)
    targets = _targets(file, mz, axis if own_axis else None, tolerance_ppm)
    key = image_cache.cache_key(file, targets.mz.tobytes(), tolerance_ppm, normalization, own_axis)
    values = image_cache.load(key) if cache else None
    if values is None or values.shape != (len(targets.mz), len(file)):
        if own_axis and axis is not None:
            steps = _take_axis(file, np.argsort(axis, kind="stable"), normalization)
        else:
            steps = _sum_windows(file, targets.mz, tolerance_ppm, normalization)
        values = drain(steps, progress)
        if cache:
            image_cache.store(key, values)
    return IonImages(targets.mz, values, file.grid, targets.names)


def _is_profile(file: ImzmlFile, axis: npt.NDArray[np.float64]) -> bool:
    return file.metadata.spectrum_type == "profile" or is_profile_axis(axis)


def _targets(
    file: ImzmlFile,
    mz: Sequence[float] | npt.NDArray[np.float64] | MzList | None,
    own_axis: npt.NDArray[np.float64] | None,
    tolerance_ppm: float,
) -> MzList:
    if isinstance(mz, MzList):
        return mz
    if mz is not None:
        values = np.sort(np.asarray(mz, dtype=np.float64).ravel())
        if not len(values) or not (np.isfinite(values) & (values > 0)).all():
            raise InputError("the m/z list is empty or holds a value that is no positive number")
    elif own_axis is not None:
        values = np.sort(own_axis)
    else:
        values = pick_peaks(file, tolerance_ppm)
    return MzList(values, ("",) * len(values))


def _take_axis(file: ImzmlFile, order: npt.NDArray[np.intp], normalization: Normalization | None) -> _Steps:
    """Columns of a shared axis, in the given order."""
    values = np.empty((len(order), len(file)), dtype=np.float32)
    divisor = np.ones(len(file))
    for first, block in file.intensity_blocks():
        values[:, first : first + len(block)] = block.T[order]
        if normalization is not None:
            norm = _NORMS[normalization]
            divisor[first : first + len(block)] = [norm(row.astype(np.float64)) for row in block]
        yield Progress("reading ion images", first + len(block), len(file))
    return _normalized(values, divisor, normalization)


def _sum_windows(
    file: ImzmlFile,
    targets: npt.NDArray[np.float64],
    tolerance_ppm: float,
    normalization: Normalization | None,
) -> _Steps:
    """Sums of the intensities within the tolerance of each target."""
    reach = targets * tolerance_ppm * 1e-6
    low, high = targets - reach, targets + reach
    values = np.empty((len(targets), len(file)), dtype=np.float32)
    divisor = np.ones(len(file))
    for pixel, (mz, intensity) in enumerate(file.spectra()):
        if len(mz) > 1 and (mz[1:] < mz[:-1]).any():
            order = np.argsort(mz, kind="stable")
            mz, intensity = mz[order], intensity[order]
        running = np.concatenate(([0.0], np.cumsum(intensity)))
        values[:, pixel] = running[np.searchsorted(mz, high, "right")] - running[np.searchsorted(mz, low)]
        if normalization is not None:
            divisor[pixel] = _NORMS[normalization](intensity)
        if pixel % 512 == 511 or pixel == len(file) - 1:
            yield Progress("reading ion images", pixel + 1, len(file))
    return _normalized(values, divisor, normalization)


def _normalized(
    values: npt.NDArray[np.float32], divisor: npt.NDArray[np.float64], normalization: Normalization | None
) -> npt.NDArray[np.float32]:
    if normalization is None:
        return values
    usable = divisor > 0
    factor = (
        np.where(usable, divisor[usable].mean() / np.where(usable, divisor, 1), 0)
        if usable.any()
        else divisor
    )
    values *= factor.astype(np.float32)
    return values
