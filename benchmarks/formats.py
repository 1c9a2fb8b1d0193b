"""Formats of the real tissue: seconds to write, bytes, seconds to read, and whether the numbers are the same.

A second part writes imzML of more and more pixels in processes of their own, for the memory that each takes.

python benchmarks/formats.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_msiclust import extract_ion_images, open_imzml
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.imzml_export import write_imzml
from napari_msiclust.results.ion_stack import ion_images_as_stack
from napari_msiclust.results.ome_tiff import read_ome_tiff, write_ome_tiff
from napari_msiclust.results.ome_zarr import write_ome_zarr
from napari_msiclust.results.ome_zarr_reading import read_ome_zarr

DATA = Path(os.environ.get("MSICLUST_TEST_DATA", Path(__file__).parent.parent / ".." / "shared" / "data"))
PIXELS = (1_000, 50_000, 200_000)


def main() -> None:
    if sys.argv[1:2] == ["--imzml"]:
        write_random(int(sys.argv[2]), Path(sys.argv[3]))
        return
    path = DATA / "msight" / "prostate_example.imzML"
    if not path.exists():
        sys.exit(f"{path} is not there (set MSICLUST_TEST_DATA)")
    with open_imzml(path) as file:
        images = extract_ion_images(file, cache=False)
    stack = ion_images_as_stack(images, "ion images")
    expected = np.asarray(stack.pixels)
    ways: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
        "x.ome.tif": (lambda p: write_ome_tiff(p, stack), lambda p: read_ome_tiff(p).pixels),
        "x.ome.zarr": (lambda p: write_ome_zarr(p, stack), lambda p: read_ome_zarr(p)[0].pixels),
        "x.imzML": (lambda p: write_imzml(p, images), read_images),
    }
    print(
        f"{len(images)} ions, {images.values.shape[1]} pixels, {images.values.nbytes / 1e6:.0f} MB of numbers"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, (write, read) in ways.items():
            start = time.perf_counter()
            write(Path(folder) / name)
            written = time.perf_counter()
            again = np.asarray(read(Path(folder) / name))
            done = time.perf_counter()
            size = sum(entry.stat().st_size for entry in Path(folder).rglob("*") if entry.is_file())
            same = np.array_equal(again, expected, equal_nan=True)
            print(
                f"{name:12} written in {written - start:5.2f} s, {size / 1e6:6.1f} MB, read in "
                f"{done - written:5.2f} s, {'the same' if same else 'OTHER'} numbers"
            )
            subprocess.run(["rm", "-r", *map(str, Path(folder).iterdir())], check=True)
        for pixels in PIXELS:
            command = [sys.executable, __file__, "--imzml", str(pixels), folder]
            subprocess.run(command, check=True)


def read_images(path: Path) -> object:
    with open_imzml(path) as file:
        images = extract_ion_images(file, cache=False)
    return images.grid.image(images.values)


def peak_memory() -> float:
    """Most memory of this process so far, in MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def write_random(pixels: int, folder: Path) -> None:
    before = peak_memory()
    number = np.arange(pixels)
    places = np.stack((number % 1000 + 1, number // 1000 + 1, 0 * number + 1), axis=1).astype(np.int32)
    images = IonImages(
        np.linspace(100, 900, 50),
        np.random.default_rng(0).random((50, pixels), dtype=np.float32),
        PixelGrid.from_positions(places, (10.0, 10.0)),
    )
    start = time.perf_counter()
    write_imzml(folder / "large.imzML", images)
    seconds = time.perf_counter() - start
    peak = peak_memory() - before - images.values.nbytes / 1e6
    print(f"imzML of {pixels:7} pixels: {seconds:5.2f} s, {peak:6.0f} MB of memory beside the numbers")


if __name__ == "__main__":
    main()
