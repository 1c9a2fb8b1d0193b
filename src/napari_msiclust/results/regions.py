"""Regions of a section, drawn, imported or painted, in micrometres of the optical image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from matplotlib.path import Path as Outline

from napari_msiclust.registration.geometry import Matrix, Points, apply, area_factor
from napari_msiclust.results.outlines import signed_area

Polygon = tuple[Points, ...]


class Region(Protocol):
    """A named part of the section.

    Attributes
    ----------
    name, classification : str
    """

    @property
    def name(self) -> str:
        """What the user called it."""

    @property
    def classification(self) -> str:
        """What kind of tissue it is; may be empty."""

    @property
    def area_um2(self) -> float:
        """Its own area, whether or not ions were measured there."""

    def contains(self, points: Points) -> npt.NDArray[np.bool_]:
        """Which points (N, 2), as (y, x) in um, lie in it."""


@dataclass(frozen=True, eq=False)
class PolygonRegion:
    """A region of one or more polygons with holes.

    Attributes
    ----------
    name, classification : str
    polygons : tuple of tuple of ndarray, shape (V, 2)
        Per polygon its outer ring, then its holes; (y, x) in um.
    """

    name: str
    polygons: tuple[Polygon, ...]
    classification: str = ""

    @property
    def area_um2(self) -> float:
        """Area without the holes."""
        return float(
            sum(
                abs(signed_area(outer)) - sum(abs(signed_area(hole)) for hole in holes)
                for outer, *holes in self.polygons
            )
        )

    def contains(self, points: Points) -> npt.NDArray[np.bool_]:
        """Which points lie in a polygon and in none of its holes."""
        inside = np.zeros(len(points), dtype=bool)
        for polygon in self.polygons:
            outer = polygon[0]
            near = np.flatnonzero(((points >= outer.min(axis=0)) & (points <= outer.max(axis=0))).all(axis=1))
            odd = np.zeros(len(near), dtype=bool)
            for ring in polygon:
                odd ^= Outline(ring).contains_points(points[near])
            inside[near] |= odd
        return inside


@dataclass(frozen=True, eq=False)
class MaskRegion:
    """A painted region.

    Attributes
    ----------
    name, classification : str
    mask : ndarray of bool, shape (H, W)
    to_um : ndarray of float64, shape (3, 3)
        From (row, column, 1) to (y, x, 1) in um.
    """

    name: str
    mask: npt.NDArray[np.bool_]
    to_um: Matrix
    classification: str = ""

    @property
    def area_um2(self) -> float:
        """Area of its pixels."""
        return float(self.mask.sum() * area_factor(self.to_um))

    def contains(self, points: Points) -> npt.NDArray[np.bool_]:
        """Which points lie in one of its pixels."""
        to_pixel = np.asarray(np.linalg.inv(self.to_um), dtype=np.float64)
        pixels = np.rint(apply(to_pixel, points)).astype(np.int64)
        within = ((pixels >= 0) & (pixels < self.mask.shape)).all(axis=1)
        inside = np.zeros(len(points), dtype=bool)
        inside[within] = self.mask[pixels[within, 0], pixels[within, 1]]
        return inside


def painted_regions(
    labels: npt.NDArray[np.integer], to_um: Matrix, names: dict[int, str]
) -> list[MaskRegion]:
    """A region for each label of a labels image (H, W); unnamed ones are called after their number."""
    return [
        MaskRegion(names.get(int(value)) or f"region {value}", labels == value, to_um)
        for value in np.unique(labels[labels > 0])
    ]


def single_outline(region: PolygonRegion) -> Points:
    """All rings of a region as one closed line (V, 2), joined by cuts of no width; the area stays.

    A Shapes layer knows neither holes nor parts.
    """
    rings = []
    for polygon in region.polygons:
        for number, ring in enumerate(polygon):
            clockwise = signed_area(ring) > 0
            rings.append(ring if clockwise == (number == 0) else ring[::-1])
    first, *others = rings
    pieces = [first]
    for ring in others:
        pieces += [first[:1], ring, ring[:1]]
    return np.concatenate([*pieces, first[:1]]) if others else first


def ellipse_outline(corners: Points, vertices: int = 96) -> Points:
    """Outline of an ellipse from the four corners of the rectangle around it, with the same area."""
    middle = corners.mean(axis=0)
    first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    step = 2 * np.pi / vertices
    angle = step * np.arange(vertices)[:, None]
    grown = np.sqrt(step / np.sin(step))  # a polygon on the ellipse would be a little smaller
    outline: Points = middle + grown * (np.cos(angle) * first + np.sin(angle) * second)
    return outline
