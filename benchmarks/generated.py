"""Generated tissues with known classes, for benchmarks and tests.

Two sources of anatomy: `generate` invents one, in a section of one of several shapes; `sibling` takes the
class-mean ion images of a labelled file, so that the anatomy is a real one and only the noise is new.
Both draw ions alike: a class pattern mixed with a little of another one, a slow variation of its own,
Poisson counts, row gains of the instrument, dropped pixels, hotspots. Ions come in molecules: protonated,
sodiated, potassiated, and their 13C isotopes. Ions that belong in no cluster can be added: structureless,
off the tissue, sparse, duplicate, and empty ones; `kinds` tells which is which, and their label is -1.

    from generated import Recipe, generate, sibling
    tissue = generate(Recipe(shape="kidney", counts=3, structureless=60, seed=1))
    tissue.images, tissue.labels, tissue.kinds

usage: python benchmarks/generated.py OUT.imzML [--of LABELLED.imzML] [--shape oval] [--size 96,96] ...
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyimzml.ImzMLWriter import ImzMLWriter
from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

from napari_msiclust import extract_ion_images, open_imzml
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.tissue import estimate_tissue

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

UNLABELLED = -1
_PROTON, _SODIUM, _POTASSIUM, _CARBON_13 = 1.007276, 22.989218, 38.963158, 1.003355
_MOST_ALIKE = 0.75  # Pearson correlation of two class patterns at most


@dataclass(frozen=True)
class Recipe:
    """What to generate; the defaults resemble a good measurement."""

    shape: str = "oval"  # oval, kidney, ring, sections, or wedge; of no meaning to `sibling`
    size: tuple[int, int] = (96, 96)  # rows and columns, a margin beside the tissue included
    classes: int = 10  # of no meaning to `sibling`
    ions: int = 300  # with a class; the ions beside them come on top
    counts: float = 12.0  # median over the ions of the counts in a bright pixel
    spread: float = 0.7  # of the counts over the ions: sigma of their logarithm
    mixing: float = 0.25  # largest share of another class in an ion
    variation: float = 0.15  # own slow variation of an ion, relative
    background: float = 0.03  # signal off the tissue, relative to a bright pixel
    lines: float = 0.08  # row gains: standard deviation; one row in fifty is nearly lost if > 0
    dropout: float = 0.15  # largest share of pixels that an ion loses
    hotspots: float = 0.3  # share of the ions with one to five pixels, 5 to 20 times too bright
    structureless: int = 0  # the pixels of real ions, shuffled
    off_tissue: int = 0  # as of a matrix: bright beside the tissue, dim on it
    sparse: int = 0  # a handful of pixels
    duplicates: int = 0  # the same values under a nearby m/z
    empty: int = 0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Generated:
    """Ion images whose truth is known.

    Attributes
    ----------
    images : IonImages
        Its mask is the true tissue; `columns` holds molecule and adduct.
    labels : ndarray of int64, shape (N,)
        Class of each ion; -1 where it belongs in none.
    kinds : ndarray of str, shape (N,)
        ion, structureless, off_tissue, sparse, duplicate, or empty.
    """

    images: IonImages
    labels: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.str_]

    def without_mask(self) -> IonImages:
        """The ion images as a file would give them: the tissue is not known."""
        return self.images.with_mask(self.images.grid.acquired)

    def write(self, path: Path) -> None:
        """Write the ions as continuous imzML, and mz, label, kind beside it as `<stem>.csv`."""
        grid = self.images.grid
        with ImzMLWriter(str(path), mode="continuous", spec_type="centroid", polarity="positive") as writer:
            for pixel, (row, col) in enumerate(zip(grid.rows, grid.cols, strict=True)):
                writer.addSpectrum(
                    self.images.mz, self.images.values[:, pixel], (int(col) + 1, int(row) + 1, 1)
                )
        table = pd.DataFrame({"mz": self.images.mz, "label": self.labels, "kind": self.kinds})
        table.to_csv(path.with_suffix(".csv"), index=False, lineterminator="\n")


def generate(recipe: Recipe) -> Generated:
    """A tissue of invented anatomy."""
    rng = np.random.default_rng(recipe.seed)
    tissue = OUTLINES[recipe.shape](*_coordinates(recipe.size))
    patterns = _anatomy(tissue, recipe.classes, rng)
    sizes = rng.dirichlet(np.full(recipe.classes, 3.0)) * 0.8 + 0.2 / recipe.classes
    ions = _molecules(rng.choice(recipe.classes, recipe.ions, p=sizes), rng)
    return _draw(patterns, tissue, ions, recipe, rng)


def sibling(labelled: Path, recipe: Recipe) -> Generated:
    """A tissue with the anatomy, the m/z and the class sizes of a labelled file.

    Parameters
    ----------
    labelled : path
        An imzML file; the classes of its m/z stand beside it in `<stem>.csv` (mz, label).
    """
    rng = np.random.default_rng(recipe.seed)
    with open_imzml(labelled) as file:
        images = extract_ion_images(file, cache=False)
    truth = pd.read_csv(labelled.with_suffix(".csv")).sort_values("mz", kind="stable")
    labels = truth["label"].to_numpy(dtype=np.int64)
    tissue = estimate_tissue(images)
    scaled = images.grid.image(np.concatenate([block for _, block in images.scaled()]))
    patterns = np.stack([_clean_mean(scaled[labels == label], tissue) for label in range(labels.max() + 1)])
    factors = [new / old for new, old in zip(recipe.size, tissue.shape, strict=True)]
    patterns = np.stack(
        [zoom(pattern, factors, order=1, grid_mode=True, mode="nearest") for pattern in patterns]
    )
    tissue = zoom(tissue.astype(float), factors, order=1, grid_mode=True, mode="nearest") > 0.5
    ions = pd.DataFrame({"mz": images.mz, "label": labels, "molecule": "", "adduct": ""})
    return _draw(patterns, tissue, ions, recipe, rng)


# -- anatomy ----------------------------------------------------------------------------------------


def _coordinates(size: tuple[int, int]) -> tuple[Array, Array]:
    """Coordinates v (down) and u (across), -1..1 within the margin."""
    v, u = np.meshgrid(*(np.linspace(-1.12, 1.12, length) for length in size), indexing="ij")
    return v, u


OUTLINES: dict[str, Callable[[Array, Array], Mask]] = {
    "oval": lambda v, u: np.hypot(0.95 * u, 1.05 * v + 0.12 * u**2) < 1,
    "kidney": lambda v, u: (np.hypot(1.05 * u, v) < 1) & (np.hypot(u - 0.95, 1.3 * v) > 0.5),
    "ring": lambda v, u: (np.hypot(u, v) < 1) & (np.hypot(u + 0.1, v - 0.05) > 0.36),
    "sections": lambda v, u: (np.hypot(2.1 * (u + 0.5), v) < 1) | (np.hypot(2.2 * (u - 0.53), 1.25 * v) < 1),
    "wedge": lambda v, u: (v > -0.95) & (v < 0.95) & (np.abs(u) < 0.55 + 0.4 * v) & (u + v < 1.6),
}


def _anatomy(tissue: Mask, classes: int, rng: np.random.Generator) -> Array:
    """Patterns (classes, H, W) in 0..1: regions of the tissue, each class bright in one to three of them."""
    regions = _regions(tissue, classes + 3, rng)
    patterns: list[Array] = []
    for _ in range(200 * classes):
        weight = 0.04 + 0.1 * rng.random(len(regions))
        bright = rng.choice(len(regions), rng.integers(1, 4), replace=False)
        weight[bright] = rng.uniform(0.5, 1, len(bright))
        pattern = np.tensordot(weight, regions, 1) * _slow_field(tissue.shape, 0.2, rng) * tissue
        if all(np.corrcoef(pattern[tissue], other[tissue])[0, 1] < _MOST_ALIKE for other in patterns):
            patterns.append(pattern / pattern.max())
        if len(patterns) == classes:
            return np.stack(patterns)
    raise ValueError(f"{classes} classes are too many for this tissue")


def _regions(tissue: Mask, count: int, rng: np.random.Generator) -> Array:
    """Soft regions (count, H, W): a rind, and cells of irregular outline within it."""
    height, width = tissue.shape
    depth = distance_transform_edt(tissue)
    depth /= depth.max()
    seeds = np.argwhere(tissue & (depth > 0.25))
    seeds = seeds[rng.choice(len(seeds), count - 1, replace=False)]
    row, col = np.mgrid[0:height, 0:width]
    bend = [gaussian_filter(rng.normal(size=tissue.shape), min(tissue.shape) / 12) for _ in range(2)]
    row, col = (
        line + 0.08 * min(tissue.shape) * b / b.std() for line, b in zip((row, col), bend, strict=True)
    )
    nearest = np.argmin([np.hypot(row - r, col - c) for r, c in seeds], axis=0) + 1
    nearest[depth < 0.2] = 0
    hard = np.stack([(nearest == region) & tissue for region in range(count)]).astype(float)
    return np.stack([gaussian_filter(region, min(tissue.shape) / 80) for region in hard])


def _slow_field(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> Array:
    """A smooth positive field with mean about 1."""
    field = gaussian_filter(rng.normal(size=shape), min(shape) / 6)
    return np.exp(strength * field / field.std())


def _clean_mean(scaled: npt.NDArray[np.float32], tissue: Mask) -> Array:
    """Mean of the ion images of one class, with what noise is left smoothed away; 0..1."""
    weight = np.maximum(gaussian_filter(tissue.astype(float), 0.7), 1e-6)
    mean = gaussian_filter(np.nan_to_num(scaled.mean(axis=0)) * tissue, 0.7) / weight * tissue
    return mean / np.quantile(mean[tissue], 0.999)


# -- ions -------------------------------------------------------------------------------------------


def _molecules(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> pd.DataFrame:
    """Ions mz, label, molecule, adduct, by m/z: one class for all ions of a molecule."""
    rows: list[tuple[float, int, str, str]] = []
    while len(rows) < len(labels):
        label, mass, molecule = int(labels[len(rows)]), float(rng.uniform(250, 900)), f"M{len(rows):04d}"
        forms = [("+H", mass + _PROTON)]
        forms += [("+Na", mass + _SODIUM)] * (rng.random() < 0.3) + [("+K", mass + _POTASSIUM)] * (
            rng.random() < 0.3
        )
        for adduct, mz in forms:
            rows.append((mz, label, molecule, adduct))
            if rng.random() < 0.3:
                rows.append((mz + _CARBON_13, label, molecule, f"{adduct} 13C"))
    table = pd.DataFrame(rows[: len(labels)], columns=["mz", "label", "molecule", "adduct"])
    table["mz"] = (table["mz"] * (1 + rng.normal(0, 2e-6, len(table)))).round(4)
    return table.sort_values("mz", kind="stable", ignore_index=True)


def _draw(
    patterns: Array, tissue: Mask, ions: pd.DataFrame, recipe: Recipe, rng: np.random.Generator
) -> Generated:
    """Counts of all ions, and of those beside them."""
    gains = _row_gains(tissue.shape[0], recipe.lines, rng)
    values = [
        _counts(_blend(patterns, label, tissue, recipe, rng), gains, recipe, rng) for label in ions["label"]
    ]
    beside, kinds = _beside(values, tissue, gains, recipe, rng)
    table = pd.concat([ions.assign(kind="ion"), _beside_table(kinds, ions, rng)], ignore_index=True)
    order = np.argsort(table["mz"].to_numpy(), kind="stable")
    table = table.iloc[order].reset_index(drop=True)
    stack = np.stack(values + beside)[order].astype(np.float32)
    rows, cols = (
        axis.ravel().astype(np.int32) for axis in np.mgrid[0 : tissue.shape[0], 0 : tissue.shape[1]]
    )
    images = IonImages(
        mz=table["mz"].to_numpy(dtype=np.float64),
        values=stack.reshape(len(stack), -1),
        grid=PixelGrid(tissue.shape, rows, cols, (50.0, 50.0), tissue),
        columns=table[["molecule", "adduct"]],
    )
    return Generated(images, table["label"].to_numpy(dtype=np.int64), table["kind"].to_numpy(dtype=np.str_))


def _blend(patterns: Array, label: int, tissue: Mask, recipe: Recipe, rng: np.random.Generator) -> Array:
    """The noiseless image of one ion."""
    other = patterns[(label + rng.integers(1, len(patterns))) % len(patterns)]
    image = patterns[label] + rng.uniform(0, recipe.mixing) * other
    return image * _slow_field(tissue.shape, recipe.variation, rng) * tissue + recipe.background


def _counts(image: Array, gains: Array, recipe: Recipe, rng: np.random.Generator) -> Array:
    """A measurement of a noiseless image: counts, times a gain of this ion."""
    bright = recipe.counts * rng.lognormal(0, recipe.spread)
    counted = rng.poisson(bright * image * gains).astype(np.float64)
    counted[rng.random(image.shape) < rng.uniform(0, recipe.dropout)] = 0
    if rng.random() < recipe.hotspots:
        hot = rng.integers(0, counted.size, rng.integers(1, 6))
        counted.flat[hot] = (counted.max() + 1) * rng.uniform(5, 20, len(hot))
    return counted * rng.lognormal(5, 1)


def _row_gains(height: int, strength: float, rng: np.random.Generator) -> Array:
    gains = np.exp(rng.normal(0, strength, (height, 1)))
    if strength > 0:
        gains[rng.random(height) < 0.02] *= 0.2
    return gains


def _beside(
    values: list[Array], tissue: Mask, gains: Array, recipe: Recipe, rng: np.random.Generator
) -> tuple[list[Array], list[str]]:
    """Images and kinds of the ions that belong in no cluster."""

    def like(ion: int) -> Array:
        return values[ion].copy()

    def shuffled() -> Array:
        return rng.permutation(like(rng.integers(len(values))).ravel()).reshape(tissue.shape)

    def off_tissue() -> Array:
        matrix = np.where(tissue, rng.uniform(0.05, 0.3), 1.0) * _slow_field(tissue.shape, 0.1, rng)
        return _counts(matrix, gains, recipe, rng)

    def sparse() -> Array:
        image = np.zeros(tissue.shape)
        few = rng.integers(0, image.size, rng.integers(1, max(2, image.size // 500)))
        image.flat[few] = rng.lognormal(5, 1, len(few))
        return image

    made: list[Array] = []
    kinds: list[str] = []
    for kind, count, make in (
        ("structureless", recipe.structureless, shuffled),
        ("off_tissue", recipe.off_tissue, off_tissue),
        ("sparse", recipe.sparse, sparse),
        ("duplicate", recipe.duplicates, None),
        ("empty", recipe.empty, lambda: np.zeros(tissue.shape)),
    ):
        for number in range(count):
            made.append(like(number % len(values)) if make is None else make())
            kinds.append(kind)
    return made, kinds


def _beside_table(kinds: list[str], ions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """m/z at random; a duplicate lies 5 ppm above the ion it repeats, as when a peak is picked twice."""
    mz = rng.uniform(ions["mz"].min(), ions["mz"].max(), len(kinds))
    doubled = np.flatnonzero(np.array(kinds) == "duplicate")
    mz[doubled] = ions["mz"].to_numpy()[np.arange(len(doubled)) % len(ions)] * (1 + 5e-6)
    return pd.DataFrame({"mz": mz.round(4), "label": UNLABELLED, "molecule": "", "adduct": "", "kind": kinds})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--of", type=Path, help="a labelled imzML file whose anatomy to take")
    for field in fields(Recipe):
        kind = {"shape": str, "size": str}.get(field.name, type(field.default))
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=None)
    options = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    out, labelled = options.pop("out"), options.pop("of", None)
    if "size" in options:
        height, width = map(int, options["size"].split(","))
        options["size"] = (height, width)
    recipe = Recipe(**options)
    tissue = generate(recipe) if labelled is None else sibling(labelled, recipe)
    tissue.write(out)
    print(f"{out}: {len(tissue.labels)} ions, {tissue.labels.max() + 1} classes, {recipe}")


if __name__ == "__main__":
    main()
