"""Centroids of many pixels become ions: none merged, none split, up to the resolution of the data."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_list import IonList
from napari_msiclust.msi.peaks import PeakSettings, peak_steps
from napari_msiclust.msi.resolution import MassScatter, estimate_scatter
from napari_msiclust.progress import drain
from tests.imzml_files import Layout, MadeSpectrum, write_made

FloatArray = npt.NDArray[np.float64]
PIXELS = 400
INSTRUMENTS = st.one_of(
    st.builds(MassScatter, st.floats(1, 40), st.just(0.0)),  # time of flight
    st.builds(MassScatter, st.floats(0.5, 5), st.just(0.5)),  # orbital trap
    st.builds(MassScatter, st.floats(0.6, 2), st.just(1.0)),  # ion cyclotron resonance
)
SEEDS = st.integers(0, 2**32 - 1)


def _apart(rng: np.random.Generator, scatter: MassScatter, count: int, deviations: float) -> FloatArray:
    """Some m/z with at least so many standard deviations between them."""
    low, high = scatter.warp(np.array([150.0, 1500.0]))
    free = rng.uniform(0, high - low - count * deviations, count)
    return scatter.unwarp(low + np.sort(free) + deviations * np.arange(count))


def _centroids(
    rng: np.random.Generator, scatter: MassScatter, ions: FloatArray, noise: int = 0
) -> list[FloatArray]:
    """Each pixel has two ions in three, scattered, and centroids from nowhere."""
    spectra = []
    for _ in range(PIXELS):
        present = ions[rng.random(len(ions)) < 2 / 3]
        seen = present + rng.normal(size=len(present)) * scatter.at(present)
        spectra.append(np.sort(np.concatenate([seen, rng.uniform(150, 1500, noise)])))
    return spectra


def _picked(spectra: list[FloatArray]) -> IonList:
    made = [
        MadeSpectrum(k % 20 + 1, k // 20 + 1, None, mz, np.full(len(mz), 7.0)) for k, mz in enumerate(spectra)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = write_made(Path(folder) / "made.imzML", made, Layout(checksum=None))
        with open_imzml(path) as file:
            return drain(peak_steps(file, PeakSettings()))


@settings(deadline=None, max_examples=12)
@given(INSTRUMENTS, SEEDS, st.sampled_from([0, 30]))
def test_ions_that_lie_apart_are_neither_split_nor_lost(scatter: MassScatter, seed: int, noise: int) -> None:
    rng = np.random.default_rng(seed)
    ions = _apart(rng, scatter, 120, 12)
    found = _picked(_centroids(rng, scatter, ions, noise))
    assert len(found) == len(ions)
    assert (np.abs(found.mz - ions) < scatter.at(ions)).all()


@settings(deadline=None, max_examples=12)
@given(INSTRUMENTS, SEEDS, st.floats(6, 9))
def test_neighbours_six_deviations_apart_are_two_ions(
    scatter: MassScatter, seed: int, deviations: float
) -> None:
    """Even where every ion has such a neighbour, which could be taken for the scatter of one."""
    rng = np.random.default_rng(seed)
    lighter = _apart(rng, scatter, 60, 30)
    heavier = lighter + deviations * scatter.at(lighter)
    found = _picked(_centroids(rng, scatter, np.sort(np.concatenate([lighter, heavier]))))
    assert len(found) == 120
    assert (np.abs(found.mz[::2] - lighter) < scatter.at(lighter)).all()
    assert (np.abs(found.mz[1::2] - heavier) < scatter.at(heavier)).all()
    windows = found.own_windows
    assert windows is not None
    assert (windows.high[:-1] < windows.low[1:]).all()


@settings(deadline=None, max_examples=12)
@given(INSTRUMENTS, SEEDS)
def test_what_the_scatter_hides_is_one_ion(scatter: MassScatter, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lighter = _apart(rng, scatter, 60, 30)
    ions = np.sort(np.concatenate([lighter, lighter + scatter.at(lighter)]))
    assert len(_picked(_centroids(rng, scatter, ions))) == 60


@settings(deadline=None, max_examples=30)
@given(INSTRUMENTS, SEEDS, st.sampled_from([0, 30]))
def test_the_scatter_follows_the_instrument(scatter: MassScatter, seed: int, noise: int) -> None:
    rng = np.random.default_rng(seed)
    spectra = _centroids(rng, scatter, _apart(rng, scatter, 120, 12), noise)
    found = estimate_scatter(spectra)
    mz = np.array([200.0, 500.0, 1200.0])
    assert found.at(mz) == pytest.approx(scatter.at(mz), rel=0.15)
    assert found.exponent == pytest.approx(scatter.exponent, abs=0.15)
