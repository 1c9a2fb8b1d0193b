"""Reading against its peers, side by side in one run; every figure is a ratio.

python benchmarks/reading.py [--pixels 100000] [--imzy]     (generated files go to a temporary folder)
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
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.scan import read_index

sys.path.insert(0, str(Path(__file__).parent.parent))
DATA = Path(os.environ.get("MSICLUST_TEST_DATA", Path(__file__).parent.parent / ".." / "shared" / "data"))
# The peak that getrusage tells is inherited from the parent process; this one is not.
_PEAK = (
    "status = lambda name: next(int(line.split()[1]) for line in open('/proc/self/status') "
    "if line.startswith(name));"
)
IONS, PEAKS, PPM = 1500, 1000, 10.0
_ARRAY = (
    '<binaryDataArray encodedLength="0"><referenceableParamGroupRef ref="{}"/>'
    '<cvParam cvRef="IMS" accession="IMS:1000103" name="external array length" value="{}"/>'
    '<cvParam cvRef="IMS" accession="IMS:1000104" name="external encoded length" value="{}"/>'
    '<cvParam cvRef="IMS" accession="IMS:1000102" name="external offset" value="{}"/>'
    "<binary/></binaryDataArray>\n"
)


def generate(path: Path, pixels: int) -> npt.NDArray[np.float64]:
    """A processed file of random centroids around 1,500 ions; returns their m/z."""
    from tests.imzml_files import Layout, MadeSpectrum, write_made

    rng = np.random.default_rng(0)
    base = np.sort(rng.uniform(100, 1000, IONS))
    one = MadeSpectrum(1, 1, None, np.array([100.0]), np.array([1.0]))
    header, footer = (
        write_made(path, [one], Layout(checksum=None)).read_text("latin-1").split("<spectrum ", 1)
    )
    footer = footer.split("</spectrum>", 1)[1]
    uuid = path.with_suffix(".ibd").read_bytes()[:16]
    groups = [part.split('"')[1] for part in header.split("<referenceableParamGroup ")[1:]]
    mz_group, intensity_group = (
        next(name for name in groups if wanted in name.lower()) for wanted in ("mz", "int")
    )
    with path.open("w", encoding="latin-1") as xml, path.with_suffix(".ibd").open("wb") as ibd:
        xml.write(header)
        ibd.write(uuid)
        for pixel in range(pixels):
            chosen = np.sort(rng.permutation(IONS)[:PEAKS])
            mz = np.sort(base[chosen] * (1 + rng.normal(0, 2e-6, PEAKS)))
            ibd.write(mz.tobytes())
            ibd.write(rng.exponential(100, PEAKS).astype(np.float32).tobytes())
            place = 16 + pixel * PEAKS * 12
            xml.write(
                f'<spectrum id="Scan={pixel + 1}" defaultArrayLength="0" index="{pixel}">\n'
                '<scanList count="1"><cvParam cvRef="MS" accession="MS:1000795" name="no combination"/><scan>'
                f'<cvParam cvRef="IMS" accession="IMS:1000050" name="position x" value="{pixel % 500 + 1}"/>'
                f'<cvParam cvRef="IMS" accession="IMS:1000051" name="position y" value="{pixel // 500 + 1}"/>'
                '</scan></scanList><binaryDataArrayList count="2">\n'
                + _ARRAY.format(mz_group, PEAKS, 8 * PEAKS, place)
                + _ARRAY.format(intensity_group, PEAKS, 4 * PEAKS, place + 8 * PEAKS)
                + "</binaryDataArrayList></spectrum>\n"
            )
        xml.write(footer)
    return base


def timed(work: Callable[[], object], rounds: int = 3) -> tuple[float, object]:
    best, result = np.inf, None
    for _ in range(rounds):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return best, result


def pyimzml_parser(path: Path) -> object:
    from pyimzml.ImzMLParser import ImzMLParser

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ImzMLParser(str(path))


def pyimzml_loop(path: Path, base: npt.NDArray[np.float64], pixels: int) -> npt.NDArray[np.float32]:
    """The best one-pass loop with pyimzML: two searches and a running sum for each spectrum."""
    parser = pyimzml_parser(path)
    low, high = base * (1 - PPM * 1e-6), base * (1 + PPM * 1e-6)
    values = np.empty((len(base), pixels), np.float32)
    for pixel in range(pixels):
        mz, intensity = parser.getspectrum(pixel)  # type: ignore[attr-defined]
        running = np.concatenate(([0.0], np.cumsum(intensity, dtype=np.float64)))
        values[:, pixel] = running[np.searchsorted(mz, high, "right")] - running[np.searchsorted(mz, low)]
    return values


def index_ratio(path: Path, label: str) -> None:
    ours, index = timed(lambda: read_index(path))
    theirs, _ = timed(lambda: pyimzml_parser(path), 1)
    code = (
        f"{_PEAK} from pathlib import Path; from napari_msiclust.msi.scan import read_index;"
        f"before = status('VmRSS'); spectra = len(read_index(Path({str(path)!r})));"
        "print((status('VmHWM') - before) * 1024 / spectra)"
    )
    growth = float(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    print(
        f"index, {label}, {len(index)} pixels: {ours:.2f} s, pyimzML {theirs:.2f} s: "  # type: ignore[arg-type]
        f"{theirs / ours:.1f}x (target 10); memory grows by {growth:.0f} bytes a pixel (target 100)"
    )


def extraction_ratios(path: Path, base: npt.NDArray[np.float64], with_imzy: bool) -> None:
    def ours() -> npt.NDArray[np.float32]:
        with open_imzml(path) as file:
            return extract_ion_images(file, base, tolerance_ppm=PPM, cache=False).values

    seconds, values = timed(ours, 2)
    pixels = values.shape[1]  # type: ignore[attr-defined]
    some = min(pixels, 20_000)
    start = time.perf_counter()
    expected = pyimzml_loop(path, base, some)
    peer = (time.perf_counter() - start) - timed(lambda: pyimzml_parser(path), 1)[0]
    peer *= pixels / some
    np.testing.assert_allclose(values[:, :some], expected, rtol=1e-5, atol=1e-3)  # type: ignore[index]
    print(
        f"{IONS} ions, processed, {pixels} pixels: {seconds:.1f} s (opening included), "
        f"pyimzML loop {peer:.1f} s: "
        f"{peer / seconds:.1f}x (target 4); values equal"
    )
    if with_imzy:
        from imzy import get_reader

        reader = get_reader(path)
        start = time.perf_counter()
        theirs = reader.get_ion_images(base, ppm=PPM)
        imzy_seconds = time.perf_counter() - start
        flat = np.asarray(theirs).reshape(len(base), -1)[:, :some]
        print(
            f"imzy get_ion_images: {imzy_seconds:.1f} s: {imzy_seconds / seconds:.1f}x (target 10); "
            f"largest difference {np.nanmax(np.abs(flat - expected)):.3g}"
        )


def continuous_ratio(path: Path) -> None:
    ibd = path.with_suffix(".ibd")
    plain, _ = timed(lambda: np.fromfile(ibd, np.float32))
    with open_imzml(path) as file:
        ours, _ = timed(lambda: extract_ion_images(file, cache=False))
    print(
        f"continuous extraction: {ours:.3f} s, numpy.fromfile {plain:.3f} s: "
        f"{ours / plain:.1f}x (target at most 3)"
    )


def memory(folder: Path, pixels: int) -> None:
    for part in (pixels // 3, 2 * pixels // 3, pixels):
        path = folder / f"m{part}.imzML"
        base = generate(path, part)
        np.save(folder / "base.npy", base)
        code = (
            f"{_PEAK} import time, numpy as np; from napari_msiclust import open_imzml, extract_ion_images;"
            f"base = np.load({str(folder / 'base.npy')!r}); t = time.perf_counter();"
            f"f = open_imzml({str(path)!r});"
            f"extract_ion_images(f, base, tolerance_ppm={PPM}); print(time.perf_counter() - t, "
            "status('VmHWM') / 1e6)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"MSICLUST_CACHE": str(folder / "cache")},
        )
        seconds, peak = map(float, done.stdout.split())
        print(
            f"{part} pixels x {PEAKS} peaks, {IONS} ions: {seconds:.1f} s, "
            f"{seconds / part * 1e6:.1f} us a pixel, "
            f"peak memory {peak:.2f} GB (target 1.5)"
        )
        if part != pixels:
            path.unlink()
            path.with_suffix(".ibd").unlink()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pixels", type=int, default=100_000)
    options.add_argument("--large", type=int, default=300_000)
    options.add_argument("--imzy", action="store_true", help="also run imzy, which must be installed")
    chosen = options.parse_args()
    real = DATA / "msight" / "prostate_example.imzML"
    if real.exists():
        index_ratio(real, "msight")
        continuous_ratio(real)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = generate(folder / "generated.imzML", chosen.pixels)
        extraction_ratios(folder / "generated.imzML", base, chosen.imzy)
        (folder / "generated.ibd").unlink()
        memory(folder, chosen.large)
        index_ratio(folder / f"m{chosen.large}.imzML", "generated")


if __name__ == "__main__":
    main()
