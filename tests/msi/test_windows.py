"""Sums within windows, held against their definition."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_msiclust.msi import kernels
from napari_msiclust.msi.spectra import SpectrumBlock
from napari_msiclust.msi.windows import CellSums, ColumnSums, Windows

FloatArray = npt.NDArray[np.float64]


def _block(rng: np.random.Generator, lengths: list[int], dtype: type, *, mobility: bool) -> SpectrumBlock:
    """Spectra in no order, some empty; m/z are whole numbers, so that many fall on ends of windows."""
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    count = int(starts[-1])
    drift = rng.integers(0, 12, count).astype(np.float64) if mobility else None
    mz = rng.integers(95, 125, count).astype(np.float64)
    return SpectrumBlock(0, len(lengths), starts, mz, rng.integers(0, 50, count).astype(dtype), drift)


def _windows(rng: np.random.Generator, count: int, *, mobility: bool) -> Windows:
    """Windows that overlap, lie apart, or hold one value only."""
    low = np.sort(rng.integers(90, 130, count)).astype(np.float64)
    high = low + rng.integers(0, 8, count)
    if not mobility:
        return Windows(low, high)
    begin = rng.integers(-2, 10, count).astype(np.float64)
    end = begin + rng.integers(0, 9, count)
    begin[0], end[0] = -np.inf, np.inf
    return Windows(low, high, begin, end)


def _by_definition(block: SpectrumBlock, windows: Windows) -> FloatArray:
    sums = np.zeros((len(windows), len(block)))
    for ion in range(len(windows)):
        inside = (block.mz >= windows.low[ion]) & (block.mz <= windows.high[ion])
        if windows.mobility_low is not None and windows.mobility_high is not None:
            assert block.mobility is not None
            inside &= block.mobility >= windows.mobility_low[ion]
            inside &= block.mobility <= windows.mobility_high[ion]
        for pixel in range(len(block)):
            own = slice(block.starts[pixel], block.starts[pixel + 1])
            sums[ion, pixel] = block.intensity[own][inside[own]].sum()
    return sums


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 40), min_size=1, max_size=40),
    st.integers(1, 20),
    st.booleans(),
    st.sampled_from([np.float32, np.float64]),
)
def test_each_window_has_its_sum(
    seed: int, lengths: list[int], ions: int, mobility: bool, dtype: type
) -> None:
    rng = np.random.default_rng(seed)
    block, windows = _block(rng, lengths, dtype, mobility=mobility), _windows(rng, ions, mobility=mobility)
    images = np.full((ions, len(lengths) + 2), -1, np.float32)
    CellSums(windows)(block, images[:, 1:-1])
    np.testing.assert_array_equal(images[:, 1:-1], _by_definition(block, windows))
    assert (images[:, [0, -1]] == -1).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_of_a_shared_axis_add_up(dtype: type) -> None:
    rng = np.random.default_rng(0)
    axis = rng.permutation(np.arange(95.0, 125.0))
    intensity = rng.integers(0, 50, 7 * 30).astype(dtype)
    starts = np.arange(0, 7 * 30 + 1, 30)
    windows = _windows(rng, 15, mobility=False)
    images = np.empty((15, 7), np.float32)
    ColumnSums(windows, axis)(SpectrumBlock(0, 7, starts, np.empty(0), intensity, None), images)
    whole = SpectrumBlock(0, 7, starts, np.tile(axis, 7), intensity, None)
    np.testing.assert_array_equal(images, _by_definition(whole, windows))


def test_threads_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(0)
    windows = _windows(rng, 20, mobility=False)
    sums = CellSums(windows)
    blocks = [_block(rng, [300] * 50, np.float32, mobility=False) for _ in range(8)]
    found = [np.empty((20, 50), np.float32) for _ in blocks]
    threads = [threading.Thread(target=sums, args=pair) for pair in zip(blocks, found, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for block, images in zip(blocks, found, strict=True):
        np.testing.assert_array_equal(images, _by_definition(block, windows))


def test_loops_are_compiled_without_a_folder_for_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that nobody can write to, for a user without a home."""
    njit = kernels.numba.njit

    def no_folder(*arguments: object, cache: bool = False, **settings: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*arguments, **settings)

    monkeypatch.setattr(kernels.numba, "njit", no_folder)
    double = kernels._compiled("i8(i8)")(lambda value: 2 * value)
    assert double(21) == 42
