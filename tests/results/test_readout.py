from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from napari_msiclust.errors import InputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.registration.geometry import apply, scaling, similarity
from napari_msiclust.results.readout import COLUMNS, MeasuredClusters, coverage, draw_boxes, read_out
from napari_msiclust.results.regions import MaskRegion, PolygonRegion

SIZE = 50.0


@pytest.fixture
def images() -> IonImages:
    rows, cols = np.divmod(np.arange(200), 20)
    keep = (rows != 0) | (cols != 3)  # one pixel was not acquired
    positions = np.stack((cols[keep] + 1, rows[keep] + 1), axis=1).astype(np.int32)
    grid = PixelGrid.from_positions(positions, (SIZE, SIZE))
    values = np.random.default_rng(0).gamma(2, 10, (5, keep.sum())).astype(np.float32)
    return IonImages(np.arange(5) + 100.5, values, grid, ("", "lipid", "", "", ""))


@pytest.fixture
def clusters() -> MeasuredClusters:
    dominant = np.repeat([[1] * 10 + [2] * 10], 10, axis=0).astype(np.uint16)
    means = np.random.default_rng(1).random((2, 10, 20)).astype(np.float32)
    return MeasuredClusters(dominant, means, {2: "mucosa"})


def _rectangle(name: str, top: float, left: float, bottom: float, right: float) -> PolygonRegion:
    """In pixel edges of the ion images."""
    corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]]) - 0.5
    return PolygonRegion(name, ((corners * SIZE,),), "some class")


def test_whole_pixels_count_whole(images: IonImages, clusters: MeasuredClusters) -> None:
    region = _rectangle("r", 2, 8, 6, 13)
    table = read_out([region], images.grid.acquired, scaling((SIZE, SIZE)), clusters, images)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 2 + 5
    first, second = table[table["kind"] == "cluster"].itertuples()
    assert first.region_area_um2 == first.measured_area_um2 == 20 * SIZE**2
    assert (first.dominant_area_um2, second.dominant_area_um2) == (8 * SIZE**2, 12 * SIZE**2)
    assert (first.dominant_share, second.name) == (0.4, "mucosa")
    assert second.mean == pytest.approx(clusters.mean_images[1, 2:6, 8:13].mean())  # type: ignore[index]
    ion = table[table["name"] == "lipid"].iloc[0]
    inside = images.image(1)[2:6, 8:13]
    assert (ion["mz"], ion["classification"]) == (101.5, "some class")
    assert ion["mean"] == pytest.approx(inside.mean(), rel=1e-6)
    assert ion["std"] == pytest.approx(inside.std(), rel=1e-5)
    assert ion["median"] == pytest.approx(np.median(inside), rel=0.02)
    assert ion["low"] <= ion["q25"] <= ion["median"] <= ion["q75"] <= ion["high"]


def test_a_border_pixel_counts_with_its_part(images: IonImages) -> None:
    region = _rectangle("r", 2, 8.6, 3, 10)
    weight = coverage(region, images.grid.acquired, scaling((SIZE, SIZE)))
    np.testing.assert_allclose(weight[2, 8:10], [0.4, 1])
    assert weight.sum() == pytest.approx(1.4)
    row = read_out([region], images.grid.acquired, scaling((SIZE, SIZE)), images=images, ions=[2]).iloc[0]
    values = images.image(2)[2, 8:10]
    assert row["mean"] == pytest.approx((0.4 * values[0] + values[1]) / 1.4, rel=1e-6)
    assert row["region_area_um2"] == pytest.approx(1.4 * SIZE**2)


def test_pixels_never_acquired_are_no_area(images: IonImages, clusters: MeasuredClusters) -> None:
    table = read_out([_rectangle("r", 0, 2, 1, 5)], images.grid.acquired, scaling((SIZE, SIZE)), clusters)
    assert table["region_area_um2"].iloc[0] == 3 * SIZE**2
    assert table["measured_area_um2"].iloc[0] == 2 * SIZE**2
    assert table["dominant_share"].sum() == 1


def test_a_registered_section_reads_the_same(images: IonImages, clusters: MeasuredClusters) -> None:
    """The same tissue in the same regions, after turning, flipping and scaling both."""
    turned = similarity(1.5, 0.7, (300, 200), flipped=True)
    plain = _rectangle("r", 2, 8, 6, 13)
    moved = PolygonRegion("r", ((apply(turned, plain.polygons[0][0]),),), "some class")
    grid = scaling((SIZE, SIZE))
    here = read_out([plain], images.grid.acquired, grid, clusters, images)
    there = read_out([moved], images.grid.acquired, turned @ grid, clusters, images)
    for column in ("mean", "median", "dominant_share"):
        np.testing.assert_allclose(there[column], here[column], rtol=1e-6)
    np.testing.assert_allclose(there["dominant_area_um2"], here["dominant_area_um2"] * 1.5**2)


def test_a_painted_region_reads_like_a_drawn_one(images: IonImages, clusters: MeasuredClusters) -> None:
    mask = np.zeros((100, 200), bool)
    mask[20:60, 80:130] = True
    painted = MaskRegion(
        "r", mask, scaling((5, 5)) @ np.array([[1, 0, -4.5], [0, 1, -4.5], [0, 0, 1]]), "some class"
    )
    grid = scaling((SIZE, SIZE))
    drawn = _rectangle("r", 2, 8, 6, 13)
    one = read_out([painted], images.grid.acquired, grid, clusters, images)
    other = read_out([drawn], images.grid.acquired, grid, clusters, images)
    np.testing.assert_allclose(one["mean"], other["mean"])
    np.testing.assert_allclose(one["region_area_um2"], other["region_area_um2"])


def test_a_region_beside_the_tissue_is_empty_not_zero(images: IonImages, clusters: MeasuredClusters) -> None:
    regions = [_rectangle("in", 2, 8, 6, 13), _rectangle("out", 50, 50, 60, 60)]
    table = read_out(regions, images.grid.acquired, scaling((SIZE, SIZE)), clusters, images)
    out = table[table["region"] == "out"]
    assert out["measured_area_um2"].eq(0).all()
    assert out[["mean", "median"]].isna().all(axis=None)
    assert out["dominant_share"].isna().all()


def test_nothing_to_read_is_said(images: IonImages) -> None:
    with pytest.raises(InputError, match="no regions"):
        read_out([], images.grid.acquired, np.eye(3), images=images)
    with pytest.raises(InputError, match="register"):
        read_out(
            [_rectangle("out", 50, 50, 60, 60)], images.grid.acquired, scaling((SIZE, SIZE)), images=images
        )


def test_box_plots_show_each_region(images: IonImages, clusters: MeasuredClusters) -> None:
    regions = [_rectangle("a", 2, 8, 6, 13), _rectangle("b", 0, 0, 2, 5), _rectangle("out", 50, 50, 60, 60)]
    table = read_out(regions, images.grid.acquired, scaling((SIZE, SIZE)), clusters, images)
    figure = Figure()
    draw_boxes(figure, table, "mucosa")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b"]
    medians = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 2]
    np.testing.assert_allclose(medians, table.query("name == 'mucosa'")["median"].dropna())
    draw_boxes(figure, table, "no such ion")
