"""Accuracy of registration on synthetic pairs with a known transform, and of the shared tissue.

Landmarks: exact pairs under random transforms. Automatic: sections with ions and a stain of their
own contrast, turned, flipped, rescaled, warped, noisy (`tests/section_pairs.py`); the same with five
times the noise; and stains of another section, which have no right answer and must not be trusted.
Real tissue: turned by known angles, with and without a flip; how far each result is from the others.
Data folder: MSICLUST_TEST_DATA, default ../shared/data.

usage: python benchmarks/registration.py [--cases 200] [--odd-cases 50] [--first-seed 1000]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from skimage.transform import downscale_local_mean

from napari_msiclust import extract_ion_images, open_imzml
from napari_msiclust.progress import drain
from napari_msiclust.registration.automatic import automatic_steps, between_pixel_centres
from napari_msiclust.registration.channels import ion_channels, stain_channels
from napari_msiclust.registration.geometry import apply, similarity
from napari_msiclust.registration.landmarks import KINDS, fit_landmarks

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.section_pairs import SectionPair, section_pair

DATA = Path(os.environ.get("MSICLUST_TEST_DATA", "../shared/data"))
HE_PIXEL_UM = 2.7
WELL = 2.0  # pixels of the ion images


@dataclass(frozen=True)
class Case:
    """One automatic registration."""

    error_pixels: float
    trust: float
    trusted: bool
    seconds: float


def landmark_errors(count: int, first_seed: int) -> float:
    """Largest error in um over random transforms of every kind, over a field of 10 mm."""
    worst = 0.0
    field = np.array([[0, 0], [0, 10_000], [10_000, 0], [10_000, 10_000]])
    for seed in range(first_seed, first_seed + count):
        rng = np.random.default_rng(seed)
        for kind in KINDS:
            scale = 1.0 if kind == "rigid" else rng.uniform(0.2, 5)
            true = similarity(
                scale, rng.uniform(0, 7), rng.uniform(-1e4, 1e4, 2), flipped=bool(rng.random() < 0.5)
            )
            if kind == "affine":
                true[:2, :2] += rng.normal(0, 0.1, (2, 2)) * scale
            moving = rng.uniform(0, 10_000, (int(rng.integers(4, 12)), 2))
            found = fit_landmarks(moving, apply(true, moving), kind).matrix
            worst = max(worst, float(np.abs(apply(found, field) - apply(true, field)).max()))
    return worst


def automatic_case(pair: SectionPair) -> Case:
    begun = time.perf_counter()
    sizes = pair.images.grid.pixel_size_um, (pair.stain_pixel_um, pair.stain_pixel_um)
    steps = automatic_steps(ion_channels(pair.images), stain_channels(pair.stain, sizes[1]))
    found = drain(steps)
    seconds = time.perf_counter() - begun
    matrix = between_pixel_centres(found.matrix, *sizes)
    return Case(pair.error_pixels(matrix), found.trust, found.trusted, seconds)


def auc(trust: np.ndarray, well: np.ndarray) -> float:
    """Chance that a good registration is trusted more than a failed one."""
    good, bad = trust[well], trust[~well]
    if not len(good) or not len(bad):
        return float("nan")
    return float(((good[:, None] > bad) + 0.5 * (good[:, None] == bad)).mean())


def report(name: str, cases: list[Case]) -> None:
    error = np.array([case.error_pixels for case in cases])
    trusted = np.array([case.trusted for case in cases])
    well = error <= WELL
    print(
        f"{name}: {len(cases)} cases, within {WELL:g} pixels {well.mean():.1%}, "
        f"median error of those {np.median(error[well]) if well.any() else float('nan'):.2f}, "
        f"trusted {trusted.mean():.1%}, trusted but wrong {(trusted & ~well).sum()}, "
        f"right but not trusted {(~trusted & well).sum()}, "
        f"median {np.median([case.seconds for case in cases]):.1f} s",
        flush=True,
    )


def real_tissue(folder: Path) -> None:
    with open_imzml(folder / "prostate_example.imzML") as file:
        images = extract_ion_images(file, cache=False)
    stain = tifffile.imread(folder / "prostate_he_example.tif", is_ome=False)
    small = downscale_local_mean(stain, (4, 4, 1)).astype(np.uint8)
    size = HE_PIXEL_UM * 4
    moving = ion_channels(images)
    points = (np.stack((images.grid.rows, images.grid.cols), axis=1) + 0.5) * images.grid.pixel_size_um
    placed, trust = [], []
    for flipped in (False, True):
        view, back = (small[:, ::-1], flipped_back(small, size)) if flipped else (small, np.eye(3))
        for _ in range(4):
            stained = stain_channels(np.ascontiguousarray(view), (size, size))
            found = drain(automatic_steps(moving, stained))
            placed.append(apply(back @ found.matrix, points))
            trust.append(found.trust)
            back = back @ np.array([[0, 1, 0], [-1, 0, view.shape[1] * size], [0, 0, 1.0]])
            view = np.rot90(view)
    middle = np.median(placed, axis=0)
    scale = np.sqrt(abs(np.linalg.det(found.matrix)))
    apart = [np.sqrt(((there - middle) ** 2).sum(axis=1).mean()) / (25 * scale) for there in placed]
    print(
        f"real tissue, 8 orientations: RMS distance from their median {max(apart):.2f} pixels at most, "
        f"trust {min(trust):.2f} to {max(trust):.2f}"
    )


def flipped_back(image: np.ndarray, size: float) -> np.ndarray:
    """From a mirrored image to the image, in um from the outer corner."""
    return np.array([[1, 0, 0], [0, -1, image.shape[1] * size], [0, 0, 1.0]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--odd-cases", type=int, default=50)
    parser.add_argument("--first-seed", type=int, default=1000)
    given = parser.parse_args()
    first = given.first_seed
    print(f"landmarks: largest error {landmark_errors(given.cases, first):.1e} um", flush=True)
    if (DATA / "msight").is_dir():
        real_tissue(DATA / "msight")
    else:
        print(f"real tissue: skipped, {DATA / 'msight'} is not there (set MSICLUST_TEST_DATA)")
    kinds = {
        "ordinary": (given.cases, {}),
        "five times the noise": (given.odd_cases, {"noise": 5.0}),
        "another section": (given.odd_cases, {"unrelated": True}),
    }
    everything: list[Case] = []
    for number, (name, (count, settings)) in enumerate(kinds.items()):
        seeds = range(first + 10_000 * number, first + 10_000 * number + count)
        cases = [automatic_case(section_pair(seed, **settings)) for seed in seeds]
        report(name, cases)
        everything += cases
    trust = np.array([case.trust for case in everything])
    well = np.array([case.error_pixels <= WELL for case in everything])
    print(f"trust separates {well.sum()} right from {(~well).sum()} wrong: AUC {auc(trust, well):.3f}")


if __name__ == "__main__":
    main()
