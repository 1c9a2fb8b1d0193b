"""Reading against its peers, side by side in one run; every figure is a ratio.

Contenders take turns, and the best turn of each counts. Seconds are of the wall clock; the processor's
are in brackets, as they tell more on a machine that others use too.

python benchmarks/reading.py [--pixels 100000] [--large 300000] [--rounds 3] [--imzy]
(generated files, up to 3.6 GB, go to a temporary folder)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from large_files import IONS, PEAKS, write_continuous, write_processed
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.scan import read_index

DATA = Path(os.environ.get("MSICLUST_TEST_DATA", Path(__file__).parent.parent / ".." / "shared" / "data"))
# The peak that getrusage tells is inherited from the parent process; this one is not.
_PEAK = (
    "status = lambda name: next(int(line.split()[1]) for line in open('/proc/self/status') "
    "if line.startswith(name));"
)
PPM = 10.0

Floats = npt.NDArray[np.float64]
Images = npt.NDArray[np.float32]


@dataclass
class Took:
    """Seconds of the best turn, on the wall clock and of the processor."""

    wall: float = np.inf
    processor: float = np.inf

    def time(self, work: Callable[..., Any], *arguments: object, **settings: object) -> Any:
        """One turn; returns what the work does."""
        wall, processor = time.perf_counter(), time.process_time()
        result = work(*arguments, **settings)
        self.wall = min(self.wall, time.perf_counter() - wall)
        self.processor = min(self.processor, time.process_time() - processor)
        return result

    def __str__(self) -> str:
        return f"{self.wall:.3g} s ({self.processor:.3g})"

    def against(self, peer: Took) -> str:
        """How many times as fast as a peer."""
        return f"{peer.wall / self.wall:.1f}x ({peer.processor / self.processor:.1f}x)"


def pyimzml_parser(path: Path) -> object:
    from pyimzml.ImzMLParser import ImzMLParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ImzMLParser(str(path))


def pyimzml_loop(parser: object, ions: Floats, pixels: int) -> Images:
    """The best one-pass loop with pyimzML: two searches and a running sum for each spectrum."""
    low, high = ions * (1 - PPM * 1e-6), ions * (1 + PPM * 1e-6)
    values = np.empty((len(ions), pixels), np.float32)
    for pixel in range(pixels):
        mz, intensity = parser.getspectrum(pixel)  # type: ignore[attr-defined]
        running = np.concatenate(([0.0], np.cumsum(intensity, dtype=np.float64)))
        values[:, pixel] = running[np.searchsorted(mz, high, "right")] - running[np.searchsorted(mz, low)]
    return values


def index_ratio(path: Path, label: str, rounds: int) -> None:
    ours, theirs = Took(), Took()
    for _ in range(rounds):
        index = ours.time(read_index, path)
        theirs.time(pyimzml_parser, path)
    code = (
        f"{_PEAK} from pathlib import Path; from napari_msiclust.msi.scan import read_index;"
        f"before = status('VmRSS'); spectra = len(read_index(Path({str(path)!r})));"
        "print((status('VmHWM') - before) * 1024 / spectra)"
    )
    growth = float(_in_new_process(code))
    print(
        f"index, {label}, {len(index)} pixels: {ours}, pyimzML {theirs}: "  # type: ignore[arg-type]
        f"{ours.against(theirs)} (target 10); memory grows by {growth:.0f} bytes a pixel (target 100)"
    )


def _in_new_process(code: str, **environment: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    return done.stdout


def start_up(folder: Path, path: Path) -> None:
    """What the first extraction of a process costs: on a new machine, and later."""
    code = (
        "import time; from napari_msiclust import open_imzml, extract_ion_images;"
        f"f = open_imzml({str(path)!r}); t = time.process_time();"
        "from napari_msiclust.msi import kernels; print(time.process_time() - t)"
    )
    first, later = (float(_in_new_process(code, NUMBA_CACHE_DIR=str(folder / "machine"))) for _ in range(2))
    print(f"compiled loops: {first:.1f} s when they are first used, {later:.2f} s in every later process")


def extraction_ratios(folder: Path, pixels: int, rounds: int, with_imzy: bool) -> None:
    path = folder / "generated.imzML"
    ions = write_processed(path, pixels)
    start_up(folder, path)
    opening, ours, cached, parsing, loop, imzy = (Took() for _ in range(6))
    os.environ["MSICLUST_CACHE"] = str(folder / "cache")
    for turn in range(rounds):
        with opening.time(open_imzml, path) as file:
            values = ours.time(extract_ion_images, file, ions, tolerance_ppm=PPM, cache=False).values
        parser = parsing.time(pyimzml_parser, path)
        expected = loop.time(pyimzml_loop, parser, ions, pixels)
        if turn == 0:
            np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-3)
        del values, parser
        if with_imzy:
            found = imzy.time(_imzy_reader(path).get_ion_images, ions, ppm=PPM, silent=True)
            flat = np.asarray(found).reshape(len(ions), -1)[:, :pixels]
            unequal = 1 - float(np.isclose(flat, expected, rtol=1e-4, atol=1e-2).mean())
            del found, flat
        del expected
        tolerance = PPM * (1 - 1e-9 * turn)  # so that the cache does not have it yet
        with open_imzml(path) as file:
            cached.time(extract_ion_images, file, ions, tolerance_ppm=tolerance)
    print(
        f"{IONS} ions, processed, {pixels} pixels, values equal: {ours}, pyimzML loop {loop}: "
        f"{ours.against(loop)} (target 4)"
    )
    print(f"  opening: {opening}, pyimzML {parsing}: {opening.against(parsing)}")
    print(f"  into the cache on disk: {cached}: {cached.against(loop)}")
    if with_imzy:
        print(
            f"  imzy get_ion_images: {imzy}: {ours.against(imzy)} (target 10); {unequal:.4%} of the values "
            "differ, as imzy rounds the ends of its windows to 0.0001"
        )
    for part in (path, path.with_suffix(".ibd")):
        part.unlink()


def _imzy_reader(path: Path) -> Any:
    from imzy import get_reader

    return get_reader(path)


def continuous_ratio(path: Path, rounds: int) -> None:
    ibd = path.with_suffix(".ibd")
    plain, ours = Took(), Took()
    with open_imzml(path) as file:
        for _ in range(5 * rounds):
            plain.time(np.fromfile, ibd, np.float32)
            ours.time(extract_ion_images, file, cache=False)
    print(
        f"continuous extraction: {ours}, numpy.fromfile {plain}: "
        f"{ours.wall / plain.wall:.1f}x its time (target at most 3)"
    )


def in_place_cost(folder: Path, pixels: int, ions: int, rounds: int) -> None:
    """A view on the .ibd, where an image is one number of every spectrum, against images in one piece."""
    path = folder / "continuous.imzML"
    write_continuous(path, pixels, ions)
    making, copying, one, one_copied, every, every_copied = (Took() for _ in range(6))
    with open_imzml(path) as file:
        for _ in range(rounds):
            view = making.time(extract_ion_images, file, cache=False)
            copy = replace(view, values=copying.time(np.ascontiguousarray, view.values))
            one.time(view.image, ions // 2)
            one_copied.time(copy.image, ions // 2)
            every.time(view.mean_intensity)
            every_copied.time(copy.mean_intensity)
    print(
        f"in place, {pixels} pixels x {ions} m/z: {making}, a copy of it {copying} more; "
        f"one image {one}, of the copy {one_copied}; all images in blocks {every}, of the copy {every_copied}"
    )


def memory(folder: Path, pixels: int, rounds: int) -> None:
    sizes = [pixels // 3, 2 * pixels // 3, pixels]
    paths = [folder / f"m{part}.imzML" for part in sizes]
    for path, part in zip(paths, sizes, strict=True):
        np.save(folder / "ions.npy", write_processed(path, part))
    walls, processors, peaks = ([np.inf] * len(sizes) for _ in range(3))
    for _ in range(rounds):
        for number, path in enumerate(paths):
            code = (
                f"{_PEAK} import time, numpy as np; from napari_msiclust.msi import kernels;"
                "from napari_msiclust import open_imzml, extract_ion_images;"
                f"ions = np.load({str(folder / 'ions.npy')!r});"
                f"t, c = time.perf_counter(), time.process_time(); f = open_imzml({str(path)!r});"
                f"extract_ion_images(f, ions, tolerance_ppm={PPM});"
                "print(time.perf_counter() - t, time.process_time() - c, status('VmHWM') / 1e6)"
            )
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                wall, processor, peak = map(float, _in_new_process(code, MSICLUST_CACHE=cache).split())
            walls[number] = min(walls[number], wall)
            processors[number] = min(processors[number], processor)
            peaks[number] = peak
    for part, wall, processor, peak in zip(sizes, walls, processors, peaks, strict=True):
        print(
            f"{part} pixels x {PEAKS} peaks, {IONS} ions, opening and cache on disk included: {wall:.1f} s, "
            f"{wall / part * 1e6:.1f} us a pixel ({processor / part * 1e6:.1f}), "
            f"peak memory {peak:.2f} GB (target 1.5)"
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pixels", type=int, default=100_000)
    options.add_argument("--large", type=int, default=300_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--imzy", action="store_true", help="also run imzy, which must be installed")
    chosen = options.parse_args()
    real = DATA / "msight" / "prostate_example.imzML"
    if real.exists():
        index_ratio(real, "msight", chosen.rounds)
        continuous_ratio(real, chosen.rounds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_place_cost(folder, 33_000, 422, chosen.rounds)
        extraction_ratios(folder, chosen.pixels, chosen.rounds, chosen.imzy)
        memory(folder, chosen.large, chosen.rounds)
        index_ratio(folder / f"m{chosen.large}.imzML", "generated", 1)


if __name__ == "__main__":
    main()
