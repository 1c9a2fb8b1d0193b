from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.draw import polygon2mask

from napari_msiclust.errors import FileFormatError, InputError, OutputError
from napari_msiclust.registration.geometry import scaling, shifting, similarity
from napari_msiclust.results.geojson import read_regions, write_clusters
from napari_msiclust.results.outlines import outlines, signed_area
from napari_msiclust.results.regions import (
    MaskRegion,
    PolygonRegion,
    ellipse_outline,
    painted_regions,
    single_outline,
)


def _square(side: float, corner: tuple[float, float] = (0, 0)) -> np.ndarray:
    return np.array([[0, 0], [0, side], [side, side], [side, 0]], float) + corner


@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 0.95))
def test_outlines_cover_exactly_the_mask(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((13, 11)) < share
    covered = np.zeros(mask.shape, int)
    area = 0.0
    for outer, *holes in outlines(mask):
        area += abs(signed_area(outer)) - sum(abs(signed_area(hole)) for hole in holes)
        covered += polygon2mask(mask.shape, outer)
        assert signed_area(outer) > 0
        for hole in holes:
            covered -= polygon2mask(mask.shape, hole)
            assert signed_area(hole) < 0
    assert area == mask.sum()
    np.testing.assert_array_equal(covered, mask)


def test_a_rectangle_has_four_corners() -> None:
    mask = np.zeros((6, 8), bool)
    mask[2:4, 3:7] = True
    [[ring]] = outlines(mask)
    assert sorted(map(tuple, ring)) == [(1.5, 2.5), (1.5, 6.5), (3.5, 2.5), (3.5, 6.5)]
    assert outlines(np.zeros((3, 3), bool)) == []


def test_areas_with_holes_and_parts() -> None:
    region = PolygonRegion("a", ((_square(10), _square(4, (3, 3))), (_square(2, (20, 20)),)))
    assert region.area_um2 == 100 - 16 + 4
    points = np.array([[1, 1], [5, 5], [21, 21], [15, 15]])
    assert region.contains(points).tolist() == [True, False, True, False]
    joined = PolygonRegion("b", ((single_outline(region),),))
    assert joined.area_um2 == pytest.approx(region.area_um2)
    everywhere = np.random.default_rng(0).uniform(-2, 24, (2000, 2))
    np.testing.assert_array_equal(joined.contains(everywhere), region.contains(everywhere))


def test_an_ellipse_keeps_its_area() -> None:
    turned = _square(2) * (30, 10) @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    region = PolygonRegion("e", ((ellipse_outline(turned),),))
    assert region.area_um2 == pytest.approx(np.pi * 30 * 10, rel=1e-9)


def test_painted_regions() -> None:
    labels = np.zeros((5, 6), np.uint8)
    labels[1:3, 1:4], labels[4, 5] = 2, 7
    first, second = painted_regions(labels, scaling((10, 20)), {2: "gland"})
    assert (first.name, second.name) == ("gland", "region 7")
    assert (first.area_um2, second.area_um2) == (6 * 200, 200)
    assert first.contains(np.array([[10, 20], [24.9, 69], [25.1, 69], [-100, 0]])).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert isinstance(first, MaskRegion)


QUPATH = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": "6a5b",
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[10, 20], [110, 20], [110, 70], [10, 70], [10, 20]],
                    [[20, 30], [30, 30], [30, 40], [20, 40], [20, 30]],
                ],
            },
            "properties": {
                "objectType": "annotation",
                "name": "left lobe",
                "classification": {"name": "Tumor", "color": [200, 0, 0]},
                "isLocked": False,
            },
        },
        {
            "type": "Feature",
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [
                    [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]],
                    [[[8, 8], [10, 8], [10, 10], [8, 10], [8, 8]]],
                ],
            },
            "properties": {"objectType": "annotation", "classification": {"names": ["Stroma", "dense"]}},
        },
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [5, 5]},
            "properties": {"objectType": "annotation"},
        },
        {"type": "Feature", "geometry": None, "properties": {}},
    ],
}


def test_qupaths_geojson(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(QUPATH))
    imported = read_regions(path, scaling((0.5, 0.5)))
    assert imported.skipped == 2
    lobe, stroma = imported.regions
    assert (lobe.name, lobe.classification) == ("left lobe", "Tumor")
    assert (stroma.name, stroma.classification) == ("Stroma: dense", "Stroma: dense")
    assert lobe.area_um2 == (100 * 50 - 100) * 0.25
    assert stroma.area_um2 == (16 + 4) * 0.25
    # QuPath's (10, 20) is the upper left corner of the pixel in row 20, column 10
    np.testing.assert_allclose(lobe.polygons[0][0].min(axis=0), (19.5 * 0.5, 9.5 * 0.5))
    for content in (QUPATH["features"], QUPATH["features"][0]):
        path.write_text(json.dumps(content))
        assert read_regions(path, np.eye(3)).regions[0].name == "left lobe"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"type": "FeatureCollection"', "damaged"),
        ('{"type": "Topology"}', "not GeoJSON"),
        ("[]", "no region"),
        ("[3]", "object 1 is garbled"),
        ("[" * 100_000, "damaged"),
        ('[{"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}}]', "four points"),
        (
            '[{"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, null], [1, 1], [0, 0]]]}}]',
            "garbled",
        ),
        ('[{"geometry": {"type": "Polygon"}}]', "garbled"),
    ],
)
def test_bad_geojson_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "bad.geojson"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=said) as caught:
        read_regions(path, np.eye(3))
    assert str(path) in str(caught.value)


def test_clusters_go_to_qupath_and_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    dominant = rng.integers(0, 4, (20, 30)).astype(np.uint16)
    map_to_um = similarity(1.07, 0.3, (400, 900), flipped=True) @ scaling((50, 50))
    pixel_to_um = shifting((0, 0)) @ scaling((0.65, 0.65))
    path = tmp_path / "clusters.geojson"
    assert write_clusters(path, dominant, map_to_um, pixel_to_um, {2: "mucosa"}, {1: (1, 0, 0.2, 1)}) == 3
    regions = read_regions(path, pixel_to_um).regions
    assert [region.name for region in regions] == ["cluster 1", "mucosa", "cluster 3"]
    centres = np.stack(np.nonzero(dominant >= 0), axis=1) @ map_to_um[:2, :2].T + map_to_um[:2, 2]
    for cluster, region in enumerate(regions, start=1):
        area = (dominant == cluster).sum() * 50**2 * 1.07**2
        assert region.area_um2 == pytest.approx(area, rel=1e-5)
        np.testing.assert_array_equal(region.contains(centres), (dominant == cluster).ravel())
    properties = json.loads(path.read_text())["features"][0]["properties"]
    assert properties["objectType"] == "annotation"
    assert properties["measurements"]["area um^2"] == pytest.approx(regions[0].area_um2, rel=1e-5)
    assert properties["classification"]["color"] == [255, 0, 51]


def test_writing_clusters_can_fail(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pixel"):
        write_clusters(tmp_path / "c.geojson", np.zeros((3, 3), int), np.eye(3), np.eye(3))
    with pytest.raises(OutputError, match="cannot be written"):
        write_clusters(tmp_path / "none" / "c.geojson", np.ones((3, 3), int), np.eye(3), np.eye(3))
    assert list(tmp_path.iterdir()) == []
