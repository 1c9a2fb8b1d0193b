"""Damage valid files in random ways, and see that reading ends in a clear error or a correct read.

python benchmarks/mutations.py [--files 2000]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from napari_msiclust.errors import MsiclustError
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml

sys.path.insert(0, str(Path(__file__).parent.parent))
_SLOW_SECONDS = 10.0


def _columns(path: Path) -> set[tuple[float, ...]]:
    """What is read of the spectra: two sums of each."""
    with open_imzml(path) as file:
        images = extract_ion_images(file, [200.0, 500.0], tolerance_da=50, cache=False)
    return {tuple(column) for column in images.values.T.tolist()}


def main() -> None:
    from tests.imzml_files import Layout, MadeSpectrum, write_made
    from tests.imzml_mutations import mutate

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=2_000)
    count = options.parse_args().files
    rng = np.random.default_rng(1)
    axis = np.sort(rng.uniform(100, 900, 40).astype(np.float32)).astype(float)
    spectra = [
        MadeSpectrum(k % 5 + 1, k // 5 + 1, None, axis, np.ceil(99 * rng.random(40))) for k in range(20)
    ]
    layouts = (
        Layout(),
        Layout(mode="continuous"),
        Layout(intensity_zlib=True, mz_zlib=True, groups=False),
        Layout(comments=True, single_quotes=True),
    )
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        originals = []
        for number, layout in enumerate(layouts):
            path = write_made(Path(name) / f"{number}.imzML", spectra, layout)
            originals.append((path.read_bytes(), path.with_suffix(".ibd").read_bytes(), _columns(path)))
        path = Path(name) / "broken.imzML"
        for seed in range(count):
            xml, ibd, known = originals[seed % len(originals)]
            broken_xml, broken_ibd, fault = mutate(xml, ibd, np.random.default_rng(seed))
            path.write_bytes(broken_xml)
            path.with_suffix(".ibd").write_bytes(broken_ibd)
            start = time.perf_counter()
            try:
                found = _columns(path)
                wrong = broken_ibd == ibd and not found <= known
                ends["WRONG NUMBERS" if wrong else "read"] += 1
                if wrong:
                    print(f"seed {seed}: {fault}: wrong numbers")
            except MsiclustError:
                ends["clear error"] += 1
            except Exception as error:  # noqa: BLE001 - counting them is what this script is for
                ends[f"CRASH {type(error).__name__}"] += 1
                print(f"seed {seed}: {fault}: {error!r}")
            if time.perf_counter() - start > _SLOW_SECONDS:
                ends["SLOW"] += 1
                print(f"seed {seed}: {fault}: slow")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{count} damaged files: {dict(ends)}; peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
