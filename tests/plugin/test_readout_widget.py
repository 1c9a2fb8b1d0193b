from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.layers import Image, Shapes
from napari.utils.notifications import notification_manager
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.histology.groups import place
from napari_msiclust.plugin.layers import result_layers
from napari_msiclust.plugin.widgets.readout_widget import ReadoutWidget
from napari_msiclust.registration.geometry import apply, similarity
from napari_msiclust.results.cluster_result import ClusterResult
from tests.plugin.canvas_mouse import CanvasMouse
from tests.plugin.conftest import PLUGIN
from tests.results.test_regions import QUPATH

TRUE = similarity(1.0, 0.2, (300, 100))
SIZE = 20.0


@pytest.fixture
def registered(opened: Viewer, tissue_result: ClusterResult) -> Viewer:
    """Histology, ions and clusters, the latter two at their place on the histology."""
    dataset = opened.layers["tissue ions"].metadata["napari_msiclust"]
    for data, settings, kind in result_layers(tissue_result, dataset):
        getattr(opened, f"add_{kind}")(data, **settings)
    place(opened.layers, TRUE)
    pixels = np.full((100, 120, 3), 220, np.uint8)
    histology = opened.add_image(pixels, name="H&E", rgb=True, scale=(SIZE, SIZE), units=("um", "um"))
    opened.layers.move(opened.layers.index(histology), 0)
    return opened


@pytest.fixture
def widget(registered: Viewer) -> ReadoutWidget:
    _, docked = registered.window.add_plugin_dock_widget(PLUGIN, "Read out regions")
    return docked


def test_a_region_drawn_with_the_mouse_is_read_out(
    qtbot: QtBot, registered: Viewer, widget: ReadoutWidget, tissue_images: IonImages
) -> None:
    mouse = CanvasMouse(qtbot, registered)
    registered.reset_view()
    shapes = registered.add_shapes(name="drawn", ndim=2, units=("um", "um"))
    shapes.mode = "add_rectangle"
    mouse.press((700, 600))
    mouse.drag((800, 700))
    mouse.drag((1200, 1300))
    mouse.release((1200, 1300))
    [corners] = shapes.data
    widget.with_ions.setChecked(True)
    qtbot.mouseClick(widget.read_button, Qt.MouseButton.LeftButton)
    table = widget.table
    area = float(np.prod(np.ptp(corners, axis=0)))
    assert table["region_area_um2"].iloc[0] == pytest.approx(area)
    assert set(table["kind"]) == {"cluster", "ion"}
    clusters = table[table["kind"] == "cluster"]
    assert clusters["dominant_area_um2"].sum() <= clusters["measured_area_um2"].iloc[0] + 1
    inside = _inside(tissue_images, corners)
    ion = table[table["kind"] == "ion"].iloc[7]
    assert ion["mean"] == pytest.approx(float(tissue_images.values[7][inside].mean()), rel=0.15)
    assert widget.view.model().rowCount() == len(table)
    assert "1 regions" in widget.status.text()
    widget.name.setCurrentText("cluster 2")
    assert widget.plot.figure.axes[0].get_title() == "cluster 2"


def _inside(images: IonImages, corners: np.ndarray) -> np.ndarray:
    """Pixels whose centres lie in an upright rectangle of the world."""
    centres = np.stack((images.grid.rows, images.grid.cols), axis=1) * 50.0
    world = apply(TRUE, centres)
    return ((world >= corners.min(axis=0)) & (world <= corners.max(axis=0))).all(axis=1)


def test_painted_regions_and_csv(registered: Viewer, widget: ReadoutWidget, tmp_path: Path) -> None:
    painted = np.zeros((100, 120), np.uint8)
    painted[30:60, 40:70], painted[60:80, 40:70] = 1, 4
    registered.add_labels(painted, name="painted", scale=(SIZE, SIZE), units=("um", "um"))
    widget.read()
    assert list(widget.table["region"].unique()) == ["region 1", "region 4"]
    assert widget.table["region_area_um2"].iloc[0] == pytest.approx(900 * SIZE**2)
    path = tmp_path / "readout.csv"
    widget.save_csv(str(path))
    again, shown = (table.drop(columns="classification") for table in (pd.read_csv(path), widget.table))
    pd.testing.assert_frame_equal(again, shown, check_dtype=False)
    widget.save_csv(str(tmp_path / "none" / "readout.csv"))
    assert "cannot be written" in widget.status.text()


def test_an_ellipse_and_names(registered: Viewer, widget: ReadoutWidget) -> None:
    ellipse = np.array([[700, 600], [700, 1200], [1100, 1200], [1100, 600]])
    line = np.array([[0, 0], [100, 100]])
    shapes = Shapes([ellipse, line], shape_type=["ellipse", "line"], features={"name": ["gland", "cut"]})
    registered.add_layer(shapes)
    widget.read()
    assert list(widget.table["region"].unique()) == ["gland"]
    assert widget.table["region_area_um2"].iloc[0] == pytest.approx(np.pi * 200 * 300)


def test_qupath_there_and_back(registered: Viewer, widget: ReadoutWidget, tmp_path: Path) -> None:
    drawn = tmp_path / "lobes.geojson"
    drawn.write_text(json.dumps(QUPATH))
    widget.import_regions(str(drawn))
    shapes = registered.layers["lobes"]
    assert isinstance(shapes, Shapes)
    assert list(shapes.features["classification"]) == ["Tumor", "Stroma: dense"]
    assert widget.regions.layer() is shapes
    assert "2 objects without an area" in widget.status.text()
    widget.read()
    lobe = widget.table[widget.table["region"] == "left lobe"].iloc[0]
    assert lobe["region_area_um2"] == pytest.approx((100 * 50 - 100) * SIZE**2)
    out = tmp_path / "clusters.geojson"
    widget.save_clusters(str(out))
    widget.import_regions(str(out))
    widget.read()
    for row in widget.table[widget.table["kind"] == "cluster"].itertuples():
        same = row.region == f"cluster {row.cluster}"
        assert row.dominant_share == pytest.approx(1 if same else 0, abs=1e-6)


def test_faults_are_said(registered: Viewer, widget: ReadoutWidget, tmp_path: Path) -> None:
    (tmp_path / "bad.geojson").write_text("{")
    with notification_manager:
        widget.import_regions(str(tmp_path / "bad.geojson"))
        assert "damaged GeoJSON" in widget.status.text()
        far = registered.add_shapes(
            [np.array([[9e4, 9e4], [9e4, 9.1e4], [9.1e4, 9e4]])], shape_type="polygon"
        )
        widget.regions.choose(far)
        widget.read()
        assert "register" in widget.status.text()
    assert len(widget.table) == 0


def test_without_layers_it_says_what_to_do(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    _, docked = viewer.window.add_plugin_dock_widget(PLUGIN, "Read out regions")
    heard: list[str] = []
    monkeypatch.setattr("napari_msiclust.plugin.widgets.readout_widget.show_info", heard.append)
    docked.read()
    docked.import_regions("a.geojson")
    docked.save_clusters("b.geojson")
    assert len(heard) == 3


def test_result_layers_are_no_regions(registered: Viewer, widget: ReadoutWidget) -> None:
    assert widget.regions.layer() is None
    assert isinstance(widget.fixed.layer(), Image)
    assert widget.fixed.count() == 1
