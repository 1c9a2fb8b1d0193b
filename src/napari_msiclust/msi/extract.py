"""All ion images of a file in one pass, in bounded memory."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import InputError, Stopped
from napari_msiclust.msi import cache as image_cache
from napari_msiclust.msi.cache import CacheSink, ImageSink, MemorySink
from napari_msiclust.msi.imzml import ImzmlFile
from napari_msiclust.msi.index import ArrayKind
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.ion_list import DEFAULT_TOLERANCE, IonList, Tolerance
from napari_msiclust.msi.peaks import PeakSettings, is_profile, peak_steps
from napari_msiclust.msi.spectra import SpectrumBlock
from napari_msiclust.msi.windows import CellSums, ColumnSums, Windows
from napari_msiclust.progress import Progress, ProgressCallback, drain

DEFAULT_MEMORY_BYTES = 512 << 20
_LARGEST_TILE = 4096
_REFERENCE_SPECTRA = 1_000
_MOST_THREADS = 6

Normalization = Literal["tic", "rms", "median"]
NORMALIZATIONS: tuple[Normalization, ...] = ("tic", "rms", "median")
_FillImages = Callable[[SpectrumBlock, npt.NDArray[np.float32]], None]


def extract_ion_images(
    file: ImzmlFile,
    mz: Sequence[float] | npt.NDArray[np.float64] | IonList | None = None,
    *,
    tolerance_ppm: float | None = None,
    tolerance_da: float | None = None,
    normalization: Normalization | None = None,
    peaks: PeakSettings | None = None,
    cache: bool = True,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    progress: ProgressCallback | None = None,
) -> IonImages:
    """Ion images of a file.

    Parameters
    ----------
    file : ImzmlFile
    mz : array of float or IonList, optional
        m/z to image. None takes the file's own axis where it is centroided and shared by all
        pixels, and otherwise peaks picked from the spectra.
    tolerance_ppm, tolerance_da : float, optional
        Half width of an m/z window, in ppm or in Da; 20 ppm if neither is given. Intensities in the
        window are summed. The file's own axis needs none, and picked peaks bring their own windows.
    normalization : {'tic', 'rms', 'median'}, optional
        Divides each spectrum by its sum, root mean square, or median of positive values; the result
        is multiplied by the mean divisor of up to 1,000 evenly spread spectra, so that intensities
        stay in their range.
    peaks : PeakSettings, optional
        How peaks are picked.
    cache : bool
        Reuse an earlier extraction of the same file with the same settings, and keep this one.
        Without it, values are in memory, or a view on the .ibd where its layout allows that.
    memory_bytes : int
        About how much memory may be used while reading, besides values that are kept in memory.
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
    OutputError
        The cache cannot be written.
    """
    tolerance = Tolerance.of(tolerance_ppm, tolerance_da)
    steps = extraction_steps(
        file,
        mz,
        tolerance=tolerance,
        normalization=normalization,
        peaks=peaks,
        cache=cache,
        memory_bytes=memory_bytes,
    )
    return drain(steps, progress)


def extraction_steps(
    file: ImzmlFile,
    mz: Sequence[float] | npt.NDArray[np.float64] | IonList | None = None,
    *,
    tolerance: Tolerance = DEFAULT_TOLERANCE,
    normalization: Normalization | None = None,
    peaks: PeakSettings | None = None,
    cache: bool = True,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, IonImages]:
    """`extract_ion_images` as a generator of `Progress` that `stop` ends with `Stopped`."""
    if normalization is not None and normalization not in NORMALIZATIONS:
        choices = ", ".join(NORMALIZATIONS)
        raise InputError(f"unknown normalization {normalization!r}", fix=f"choose one of {choices}")
    axis = file.shared_mz()
    order: npt.NDArray[np.intp] | None = None
    if mz is None and axis is not None and not file.has_mobility and not is_profile(file, axis):
        order = np.argsort(axis, kind="stable")
        ions = IonList(axis[order])
    elif mz is None:
        ions = yield from _picked(file, peaks or PeakSettings(), cache=cache, stop=stop)
    else:
        ions = mz if isinstance(mz, IonList) else IonList.of(mz)
    make_fill: Callable[[], _FillImages]
    if order is None:
        windows = ions.windows(tolerance, with_mobility=file.has_mobility)
        identity, make_fill = windows.to_bytes(), partial(_windowed, file, axis, windows)
    else:
        identity, make_fill = ions.mz.tobytes(), partial(_own_axis, order)
    shape = (len(ions), len(file))
    key = image_cache.cache_key(file, identity, normalization, order is not None)
    values = image_cache.load(key) if cache else None
    if values is None or values.shape != shape:
        plan = _Plan(file, make_fill(), shape, normalization, memory_bytes, stop)
        sink: ImageSink | None = CacheSink.if_room(key, shape) if cache else None
        values = None
        if sink is None and order is not None and normalization is None:
            values = _in_place(file, order)
        if values is None:
            values = yield from _read(plan, sink or MemorySink(shape))
    polarity = None if file.metadata.polarity == "mixed" else file.metadata.polarity
    return IonImages(ions.mz, values, file.grid, ions.names, ions.table(), polarity)


def _picked(
    file: ImzmlFile, settings: PeakSettings, *, cache: bool, stop: threading.Event | None
) -> Generator[Progress, None, IonList]:
    """Picked ions, or those that were picked earlier with the same settings."""
    key = image_cache.cache_key(file, settings)
    ions = image_cache.load_ions(key) if cache else None
    if ions is None:
        ions = yield from peak_steps(file, settings, stop=stop)
        if cache:
            image_cache.keep_ions(key, ions)
    return ions


def _own_axis(order: npt.NDArray[np.intp]) -> _FillImages:
    """Columns of a shared axis, by m/z."""
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    in_order = bool((place == order).all())

    def fill(block: SpectrumBlock, images: npt.NDArray[np.float32]) -> None:
        images[slice(None) if in_order else place] = block.intensity.reshape(len(block), -1).T

    return fill


def _windowed(file: ImzmlFile, axis: npt.NDArray[np.float64] | None, windows: Windows) -> _FillImages:
    """Sums within windows."""
    if axis is None or file.has_mobility:
        return CellSums(windows, axis)
    return ColumnSums(windows, axis)


def _in_place(file: ImzmlFile, order: npt.NDArray[np.intp]) -> npt.NDArray[np.float32] | None:
    """Ion images as a view (N, P) on the .ibd, if it holds just these numbers; else None.

    The cache is preferred where it has room: there, an ion image is one piece, here it is one number
    from every spectrum.
    """
    part = file.index.intensity
    steps = np.diff(part.offsets)
    plain = part.kinds == (ArrayKind(np.dtype("<f4"), zlib=False),)
    sorted_axis = bool((order == np.arange(len(order))).all())
    if (
        not plain
        or not sorted_axis
        or len(steps) == 0
        or steps[0] <= 0
        or steps[0] % 4
        or (steps != steps[0]).any()
    ):
        return None
    if any(block.repaired for block in file.reader.blocks()):
        return None
    width = int(steps[0]) // 4
    stored: npt.NDArray[np.float32] = np.memmap(
        file.ibd_path, "<f4", "r", int(part.offsets[0]), ((len(file) - 1) * width + len(order),)
    )
    return np.lib.stride_tricks.as_strided(
        stored, (len(order), len(file)), (4, int(steps[0])), writeable=False
    )


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is read, and how."""

    file: ImzmlFile
    fill: _FillImages
    shape: tuple[int, int]
    normalization: Normalization | None
    memory_bytes: int
    stop: threading.Event | None

    @property
    def threads(self) -> int:
        """One more than there are cores, as some wait for the disk; but few."""
        return min(_MOST_THREADS, (os.cpu_count() or 1) + 1)

    def tiles(self) -> list[list[int]]:
        """Edges of the blocks of each tile; a tile is what one thread reads and writes at a time."""
        room = self.memory_bytes // (2 * self.threads)
        largest = int(np.clip(room // (8 * max(self.shape[0], 1)), 16, _LARGEST_TILE))
        tiles: list[list[int]] = []
        current = [0]
        for edge in self.file.reader.block_edges()[1:]:
            current.append(edge)
            if edge - current[0] >= largest:
                tiles.append(current)
                current = [edge]
        return [*tiles, current] if len(current) > 1 else tiles


def _read(plan: _Plan, sink: ImageSink) -> Generator[Progress, None, npt.NDArray[np.float32]]:
    """Read all tiles with a few threads, in the order of the file; the sink gets each when it is done."""
    waiting: deque[Future[int]] = deque()
    pool = ThreadPoolExecutor(plan.threads, thread_name_prefix="msiclust-read")
    try:
        reference = _mean_divisor(plan)
        for edges in plan.tiles():
            waiting.append(pool.submit(_read_tile, plan, sink, edges, reference))
            if len(waiting) > plan.threads:
                yield Progress("reading ion images", waiting.popleft().result(), plan.shape[1])
            if plan.stop is not None and plan.stop.is_set():
                raise Stopped
        while waiting:
            yield Progress("reading ion images", waiting.popleft().result(), plan.shape[1])
        return sink.finish()
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        sink.discard()
        raise
    finally:
        pool.shutdown(wait=True)


def _read_tile(plan: _Plan, sink: ImageSink, edges: list[int], reference: float) -> int:
    """Read some neighbouring pixels; returns the pixel behind the last."""
    first = edges[0]
    tile = sink.tile(first, edges[-1])
    for begin, end in itertools.pairwise(edges):
        block = plan.file.reader.block(begin, end)
        images = tile[:, begin - first : end - first]
        plan.fill(block, images)
        if plan.normalization is not None:
            divisor = _divisors(block, plan.normalization)
            factor = np.divide(reference, divisor, out=np.zeros(len(block)), where=divisor > 0)
            images *= factor.astype(np.float32)
    sink.write(first, tile)
    return edges[-1]


def _divisors(block: SpectrumBlock, normalization: Normalization) -> npt.NDArray[np.float64]:
    """What each spectrum (n,) of a block is divided by."""
    if normalization == "tic":
        return block.sums()
    if normalization == "rms":
        length = np.maximum(np.diff(block.starts), 1)
        return np.sqrt(block.sums(block.intensity.astype(np.float64) ** 2) / length)
    spectra = [
        block.intensity[begin:end] for begin, end in zip(block.starts[:-1], block.starts[1:], strict=True)
    ]
    return np.array([np.median(one[one > 0]) if (one > 0).any() else 0.0 for one in spectra])


def _mean_divisor(plan: _Plan) -> float:
    if plan.normalization is None:
        return 1.0
    pixels = np.linspace(0, len(plan.file) - 1, min(_REFERENCE_SPECTRA, len(plan.file))).astype(int)
    divisors = [
        _divisors(plan.file.reader.block(pixel, pixel + 1), plan.normalization)[0] for pixel in pixels
    ]
    used = [divisor for divisor in divisors if divisor > 0]
    return float(np.mean(used)) if used else 1.0
