"""How near ions may lie to be told apart, and how well the scatter of an instrument is found.

python benchmarks/alignment.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from large_files import Floats, write_spectra
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.peaks import PeakSettings, peak_steps
from napari_msiclust.msi.resolution import MassScatter, estimate_scatter
from napari_msiclust.progress import drain

INSTRUMENTS = {
    "time of flight": MassScatter(5, 0.0),
    "orbital trap": MassScatter(1, 0.5),
    "ion cyclotron resonance": MassScatter(1, 1.0),
}
MZ = np.array([200.0, 500.0, 1200.0])
PRESENT = 2 / 3  # share of the pixels that have an ion


def apart(rng: np.random.Generator, scatter: MassScatter, count: int, deviations: float) -> Floats:
    """Some m/z with at least so many standard deviations between them."""
    low, high = scatter.warp(np.array([150.0, 1500.0]))
    free = rng.uniform(0, high - low - count * deviations, count)
    return scatter.unwarp(low + np.sort(free) + deviations * np.arange(count))


def centroids(rng: np.random.Generator, scatter: MassScatter, ions: Floats, pixels: int) -> list[Floats]:
    spectra = []
    for _ in range(pixels):
        own = ions[rng.random(len(ions)) < PRESENT]
        spectra.append(np.sort(own + rng.normal(size=len(own)) * scatter.at(own)))
    return spectra


def pairs_found(
    rng: np.random.Generator, scatter: MassScatter, deviations: float, pixels: int
) -> tuple[int, int]:
    """Ions found, and ions there, where every ion has a neighbour of the same height."""
    lighter = apart(rng, scatter, 75, 40)
    ions = np.sort(np.concatenate([lighter, lighter + deviations * scatter.at(lighter)]))
    spectra = centroids(rng, scatter, ions, pixels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.imzML"
        write_spectra(path, pixels, ((mz, np.full(len(mz), 7.0)) for mz in spectra))
        with open_imzml(path) as file:
            return len(drain(peak_steps(file, PeakSettings()))), len(ions)


def main() -> None:
    rng = np.random.default_rng(0)
    for name, scatter in INSTRUMENTS.items():
        found = [
            estimate_scatter(centroids(rng, scatter, apart(rng, scatter, 120, 12), 300)) for _ in range(20)
        ]
        ratio = np.array([one.at(MZ) / scatter.at(MZ) for one in found])
        exponents = [one.exponent for one in found]
        print(
            f"{name}: scatter found to true at m/z 200 to 1200: {ratio.min():.2f} to {ratio.max():.2f}; "
            f"exponent {min(exponents):.2f} to {max(exponents):.2f}, true {scatter.exponent}"
        )
        for deviations in (1.0, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0):
            counts = [pairs_found(rng, scatter, deviations, pixels) for pixels in (300, 2000)]
            shown = "; ".join(
                f"{ions} of {there} ions in {pixels} pixels"
                for pixels, (ions, there) in zip((300, 2000), counts, strict=True)
            )
            print(f"  pairs {deviations:g} standard deviations apart: {shown}")


if __name__ == "__main__":
    main()
