"""Regions from QuPath's GeoJSON, clusters back to it.

QuPath counts in pixels of the full-resolution image from the outer corner of the first pixel, so
the centre of the first pixel is at (0.5, 0.5); its points are (x, y).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.registration.geometry import Matrix, Points, apply, area_factor
from napari_msiclust.registration.transforms import write_whole
from napari_msiclust.results.colors import cluster_colors
from napari_msiclust.results.outlines import outlines
from napari_msiclust.results.regions import Polygon, PolygonRegion

_LARGEST_FILE = 500_000_000


@dataclass(frozen=True, eq=False)
class ImportedRegions:
    """Regions of a GeoJSON file.

    Attributes
    ----------
    regions : list of PolygonRegion
    skipped : int
        Objects without an area, such as points and lines.
    """

    regions: list[PolygonRegion]
    skipped: int


def read_regions(path: str | Path, pixel_to_um: Matrix) -> ImportedRegions:
    """Read the annotations that QuPath exported.

    Parameters
    ----------
    path : path
        A feature collection, a list of features, or one feature.
    pixel_to_um : ndarray of shape (3, 3)
        From (row, column, 1) of the full-resolution optical image to (y, x, 1) in um.

    Raises
    ------
    FileFormatError
        The file is missing, damaged, or holds no regions.
    """
    path = Path(path)
    features = _features(path)
    regions: list[PolygonRegion] = []
    skipped = 0
    for number, feature in enumerate(features, start=1):
        try:
            polygons = _polygons(feature.get("geometry") or {}, pixel_to_um)
            if polygons:
                name, classification = _names(feature.get("properties") or {}, number)
                regions.append(PolygonRegion(name, polygons, classification))
            else:
                skipped += 1
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise FileFormatError(
                f"object {number} is garbled ({error})", fix="export it from QuPath again", path=path
            ) from error
    if not regions:
        raise FileFormatError("holds no region with an area", fix="export annotations from QuPath", path=path)
    return ImportedRegions(regions, skipped)


def _features(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise FileFormatError("is larger than 500 MB", fix="export fewer objects", path=path)
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(f"damaged GeoJSON ({error})", fix="export it again", path=path) from error
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        content = content.get("features")
    elif isinstance(content, dict) and content.get("type") == "Feature":
        content = [content]
    if not isinstance(content, list):
        raise FileFormatError("not GeoJSON", fix="export it from QuPath as GeoJSON", path=path)
    return content


def _polygons(geometry: dict[str, Any], pixel_to_um: Matrix) -> tuple[Polygon, ...]:
    if geometry.get("type") == "Polygon":
        listed = [geometry["coordinates"]]
    elif geometry.get("type") == "MultiPolygon":
        listed = geometry["coordinates"]
    else:
        return ()
    return tuple(tuple(_ring(ring, pixel_to_um) for ring in polygon) for polygon in listed if polygon)


def _ring(coordinates: list[list[float]], pixel_to_um: Matrix) -> Points:
    corners = np.array([point[:2] for point in coordinates], dtype=np.float64)
    if len(corners) < 4 or corners.shape[1:] != (2,) or not np.isfinite(corners).all():
        raise ValueError("a ring needs four points or more")
    return apply(pixel_to_um, corners[:-1, ::-1] - 0.5)  # the last repeats the first


def _names(properties: dict[str, Any], number: int) -> tuple[str, str]:
    classification = properties.get("classification") or {}
    kind = str(classification.get("name") or ": ".join(map(str, classification.get("names") or [])))
    return str(properties.get("name") or kind or f"region {number}"), kind


def write_clusters(
    path: str | Path,
    dominant_map: npt.NDArray[np.integer],
    map_to_um: Matrix,
    pixel_to_um: Matrix,
    names: dict[int, str] | None = None,
    colors: dict[int, Sequence[float]] | None = None,
) -> int:
    """Write clusters as annotations that QuPath opens on the optical image.

    One annotation for each cluster, of all the pixels it dominates, with its name as class, its
    colour, and its area. The file appears whole or not at all.

    Parameters
    ----------
    path : path
    dominant_map : ndarray of int, shape (H, W)
        Cluster of each pixel, 0 for none.
    map_to_um, pixel_to_um : ndarray of shape (3, 3)
        From (row, column, 1) of the map, and of the full-resolution optical image, to um.
    names : dict, optional
        Names of clusters, where they have one.
    colors : dict, optional
        RGB of clusters, 0..1, where they differ from the usual ones.

    Returns
    -------
    int
        How many clusters were written.

    Raises
    ------
    InputError
        No pixel has a cluster.
    OutputError
        The file cannot be written.
    """
    clusters = np.unique(dominant_map[dominant_map > 0])
    if not len(clusters):
        raise InputError("no pixel has a cluster", fix="choose a dominant cluster map")
    to_pixel = np.linalg.inv(pixel_to_um) @ map_to_um
    pixel_area = area_factor(map_to_um)
    usual = cluster_colors(int(clusters.max()))
    features = []
    for cluster in map(int, clusters):
        mask = dominant_map == cluster
        name = (names or {}).get(cluster) or f"cluster {cluster}"
        color = np.asarray((colors or {}).get(cluster, usual[cluster - 1]))[:3]
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "MultiPolygon", "coordinates": _coordinates(mask, to_pixel)},
                "properties": {
                    "objectType": "annotation",
                    "name": name,
                    "classification": {"name": name, "color": (color * 255).round().astype(int).tolist()},
                    "isLocked": True,
                    "measurements": {"cluster": cluster, "area um^2": float(mask.sum()) * pixel_area},
                },
            }
        )
    write_whole(Path(path), json.dumps({"type": "FeatureCollection", "features": features}) + "\n")
    return len(features)


def _coordinates(mask: npt.NDArray[np.bool_], to_pixel: Matrix) -> list[list[list[list[float]]]]:
    polygons = []
    for polygon in outlines(mask):
        rings = []
        for ring in polygon:
            corners = apply(to_pixel, ring)[:, ::-1] + 0.5
            rings.append(np.vstack([corners, corners[:1]]).round(4).tolist())
        polygons.append(rings)
    return polygons
