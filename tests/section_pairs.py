"""Pairs of ion images and a stained image of one synthetic section, with the transform between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import affine_transform, binary_dilation, gaussian_filter, map_coordinates

from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.registration.geometry import Matrix, apply, scaling, similarity

FINE = 4  # scene pixels per ion image pixel
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SectionPair:
    """`truth` leads from the moving image (ions) to the fixed one (stain), um, first pixels' centres."""

    images: IonImages
    stain: npt.NDArray[np.uint8]
    stain_pixel_um: float
    truth: Matrix

    def error_pixels(self, matrix: Matrix) -> float:
        """RMS distance to the truth over all acquired pixels, in pixels of the ion images."""
        size = self.images.grid.pixel_size_um
        points = np.stack((self.images.grid.rows, self.images.grid.cols), axis=1) * size
        distance = np.linalg.norm(apply(matrix, points) - apply(self.truth, points), axis=1)
        return float(np.sqrt((distance**2).mean()) / (size[0] * np.sqrt(abs(np.linalg.det(self.truth)))))


def section_pair(seed: int, *, noise: float = 1.0, unrelated: bool = False) -> SectionPair:
    """A random section: anatomy, ions with counting noise, a stain of its own contrast.

    Turned by any angle, flipped in half of the cases, scaled by up to 12 % (as if a pixel size were
    wrong), shifted, and warped by up to half a pixel.

    Parameters
    ----------
    noise : float
        1 is that of an ordinary experiment; more makes counts fewer, textures and unevenness stronger.
    unrelated : bool
        The stain shows another section.
    """
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(60, 130)), int(rng.integers(60, 130)))
    pixel_um = float(rng.uniform(20, 100))
    regions, tissue = _anatomy(rng, shape)
    images = _ion_images(rng, regions, tissue, pixel_um, noise)
    if unrelated:
        regions, tissue = _anatomy(rng, shape)
    size = pixel_um / rng.uniform(4, 7)
    turned = similarity(rng.uniform(0.88, 1.12), rng.uniform(0, 2 * np.pi), flipped=bool(rng.random() < 0.5))
    corners = apply(turned, np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * np.array(shape) * pixel_um)
    margin = rng.uniform(0.02, 0.2, (2, 2)) * np.ptp(corners, axis=0)
    turned[:2, 2] = margin[0] - corners.min(axis=0)
    field = tuple(np.ceil((np.ptp(corners, axis=0) + margin.sum(axis=0)) / size).astype(int))
    stain = _stain(rng, regions, tissue, turned, pixel_um / FINE, size, field, noise)
    truth = turned.copy()  # so far between outer corners
    truth[:2, 2] += turned[:2, :2] @ np.full(2, pixel_um / 2) - size / 2
    return SectionPair(images, stain, size, truth)


def _anatomy(
    rng: np.random.Generator, shape: tuple[int, int]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Regions 0..R-1 and tissue on the fine scene."""
    height, width = shape[0] * FINE, shape[1] * FINE
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    edge = 0.78 + 0.5 * _field(rng, (height, width), 0.12)
    tissue = np.hypot(y, x) < edge.clip(0.55, 0.97)
    kinds = int(rng.integers(4, 8))
    fields = np.stack([_field(rng, (height, width), rng.uniform(0.03, 0.12)) for _ in range(kinds)])
    return fields.argmax(axis=0), tissue


def _field(rng: np.random.Generator, shape: tuple[int, int], length: float) -> FloatArray:
    """A smooth random field with a standard deviation of about 0.15; length as a share of the longer side."""
    smooth = gaussian_filter(rng.normal(size=shape), length * max(shape), mode="wrap")
    result: FloatArray = 0.15 * smooth / smooth.std()
    return result


def _ion_images(
    rng: np.random.Generator,
    regions: npt.NDArray[np.intp],
    tissue: npt.NDArray[np.bool_],
    pixel_um: float,
    noise: float,
    ions: int = 40,
) -> IonImages:
    kinds = int(regions.max()) + 1
    shape = (regions.shape[0] // FINE, regions.shape[1] // FINE)
    parts = np.stack([(regions == kind) & tissue for kind in range(kinds)] + [~tissue]).astype(float)
    parts = parts.reshape(kinds + 1, shape[0], FINE, shape[1], FINE).mean(axis=(2, 4))
    loads = rng.gamma(0.7, 1.0, (ions, kinds + 1))
    loads[:, -1] *= rng.random(ions) < 0.2  # few ions come from the matrix
    uneven = np.exp(_field(rng, shape, 0.1) * noise)
    expected = np.tensordot(loads, parts, 1) * uneven * rng.lognormal(1.5, 0.7, (ions, 1, 1)) / noise
    counts = rng.poisson(expected).astype(np.float32)
    acquired = np.ones(shape, dtype=bool)
    if rng.random() < 0.5:  # a polygon was acquired, not the whole rectangle
        acquired = binary_dilation(parts[:-1].sum(axis=0) > 0.5, iterations=int(rng.integers(2, 8)))
    rows, cols = np.nonzero(acquired)
    positions = np.stack((cols + 1, rows + 1), axis=1)
    corner = np.array([rows.min(), cols.min()])
    if corner.any():  # keep the whole rectangle, whose first pixel the truth refers to
        positions = np.concatenate([positions, [[1, 1]]])
        counts = np.concatenate([counts[:, acquired], counts[:, :1, 0]], axis=1)
    else:
        counts = counts[:, acquired]
    grid = PixelGrid.from_positions(positions.astype(np.int32), (pixel_um, pixel_um))
    return IonImages(np.arange(ions) + 500.0, counts, grid)


def _stain(
    rng: np.random.Generator,
    regions: npt.NDArray[np.intp],
    tissue: npt.NDArray[np.bool_],
    turned: Matrix,
    scene_um: float,
    size: float,
    field: tuple[int, ...],
    noise: float,
) -> npt.NDArray[np.uint8]:
    """Haematoxylin and eosin: each region takes up its own amount of both, some alike."""
    kinds = int(regions.max()) + 1
    taken = rng.uniform(0.15, 1.0, (2, kinds))
    taken[:, rng.integers(kinds)] *= 0.1  # a lumen
    amounts = np.where(tissue, taken[:, regions], 0.0)
    warp = [_field(rng, tissue.shape, 0.1) * (FINE * 0.25 / 0.15) for _ in range(2)]
    grid = np.indices(tissue.shape) + np.stack(warp)
    to_scene = np.linalg.inv(turned @ scaling((scene_um, scene_um))) @ scaling((size, size))
    to_scene[:2, 2] += (to_scene[:2, :2] @ np.full(2, 0.5)) - 0.5
    seen = []
    for amount in amounts:
        moved = map_coordinates(amount, grid, order=1)
        seen.append(affine_transform(moved, to_scene[:2, :2], to_scene[:2, 2], output_shape=field, order=1))
    texture = 1 + noise * 0.35 * np.stack([gaussian_filter(rng.normal(size=field), 1) * 3 for _ in range(2)])
    cracks = np.abs(_field(rng, (field[0], field[1]), 0.01)) < 0.004 * noise
    layers = np.stack(seen) * texture.clip(0, 3) * ~cracks
    colors = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]]) * 0.6
    y, x = np.mgrid[-1 : 1 : field[0] * 1j, -1 : 1 : field[1] * 1j]
    lamp = 1 - 0.12 * noise * (x**2 + y**2) / 2
    light = np.exp(-np.tensordot(layers, colors, (0, 0))) * 235 * lamp[..., None]
    return (light + rng.normal(0, 4 * noise, light.shape)).clip(0, 255).astype(np.uint8)
