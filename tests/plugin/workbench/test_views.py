"""Selecting in one view is selecting in all of them; with a mouse."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QHelpEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QToolTip

from napari_msiclust.plugin.layers import KEY
from napari_msiclust.results.ion_colors import color_legend
from napari_msiclust.results.outliers import outliers
from tests.plugin.workbench.conftest import User, shown_color

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def _rows_selected(user: User) -> set[int]:
    table = user.dock.results_step.ions.table
    return {int(table.ion_model.order[index.row()]) for index in table.selectionModel().selectedRows()}


def _thumbnails_selected(user: User) -> set[int]:
    gallery = user.dock.results_step.gallery.gallery
    return {int(gallery.ion_model.order[index.row()]) for index in gallery.selectionModel().selectedIndexes()}


def _slider(user: User) -> int:
    return int(user.viewer.dims.current_step[0])


def _canvas_place(user: User, row: float, col: float) -> QPoint:
    """Where a pixel of the tissue is drawn on the canvas."""
    layer = user.viewer.layers["dominant cluster map"]
    world = np.array(layer.data_to_world((row, col)))
    canvas = user.viewer.window._qt_viewer.canvas.native
    camera = user.viewer.scene.camera
    middle = np.array([canvas.height(), canvas.width()]) / 2
    down, across = (world - np.array(camera.center)[-2:]) * camera.zoom + middle
    return QPoint(round(across), round(down))


# -- table ----------------------------------------------------------------------------------------


def test_a_row_is_the_selection_everywhere(user: User) -> None:
    step = user.dock.results_step
    user.click_row(step.ions.table, 7)
    assert user.session.selection.ions == (7,)
    user.wait(lambda: _slider(user) == 7)
    assert f"m/z {user.session.ions['mz'][7]:.4f}" in user.viewer.canvas.overlays.text.text
    user.open_tab("Gallery")
    assert _thumbnails_selected(user) == {7}
    assert step.clusters.selected == (user.session.cluster_of(7),)


def test_headings_sort_and_selected_rows_stay_selected(user: User) -> None:
    table = user.dock.results_step.ions.table
    user.click_row(table, 3)
    header = table.horizontalHeader()
    title = [table.model().headerData(at, Qt.Orientation.Horizontal) for at in range(header.count())]
    at = title.index("confid.")
    place = QPoint(header.sectionViewportPosition(at) + 12, header.height() // 2)
    user.click(header.viewport(), place)
    shown = [float(table.model().index(row, at).data()) for row in range(24)]
    assert shown in (sorted(shown), sorted(shown, reverse=True))
    assert _rows_selected(user) == {3}
    user.click(header.viewport(), place)
    assert [float(table.model().index(row, at).data()) for row in range(24)] == shown[::-1] or len(
        set(shown)
    ) < 24
    assert _rows_selected(user) == {3}


def test_the_current_ion_has_a_reason(user: User) -> None:
    panel = user.dock.results_step.ions
    user.click_row(panel.table, 3)
    mz = user.session.ions["mz"][3]
    user.wait(lambda: panel.reason.text().startswith(f"m/z {mz:.4f} is in "))
    user.click(user.dock.results_step.aside)
    user.wait(lambda: panel.reason.text().startswith(f"m/z {mz:.4f} is in no cluster"))
    user.open_tab("Gallery")
    user.session.select_ions([5])
    user.wait_idle()
    assert panel.reason.text() == ""  # nothing is worked out where nobody sees it
    user.open_tab("Ions")
    user.wait(lambda: f"m/z {user.session.ions['mz'][5]:.4f}" in panel.reason.text())


def test_filters_narrow_the_table(user: User) -> None:
    panel = user.dock.results_step.ions
    mz = user.session.ions["mz"].to_numpy()
    user.bot.keyClicks(panel.mz_edit, f"{mz[4] - 0.001:.3f}-{mz[9] + 0.001:.3f}")
    assert panel.table.model().rowCount() == 6
    assert panel.count.text() == "6 of 24 ions"
    panel.mz_edit.clear()
    user.choose(panel.cluster_box, "cluster 2")
    assert panel.table.model().rowCount() == int((user.session.ions["cluster"] == 2).sum())
    user.choose(panel.cluster_box, "all")
    confidence = user.session.ions["confidence"].to_numpy()
    least = round(float(np.median(confidence)), 2)
    panel.confidence_box.selectAll()
    user.bot.keyClicks(panel.confidence_box, f"{least:.2f}")
    user.bot.keyClick(panel.confidence_box, Qt.Key.Key_Return)
    assert 0 < panel.table.model().rowCount() == int((confidence >= least).sum()) < 24
    panel.confidence_box.selectAll()
    user.bot.keyClicks(panel.confidence_box, "0")
    user.bot.keyClick(panel.confidence_box, Qt.Key.Key_Return)
    user.bot.keyClicks(panel.text_edit, "no such name")
    assert panel.table.model().rowCount() == 0
    panel.text_edit.clear()
    assert panel.table.model().rowCount() == 24


def test_half_a_range_hides_nothing(user: User) -> None:
    panel = user.dock.results_step.ions
    user.bot.keyClicks(panel.mz_edit, "abc")
    assert panel.table.model().rowCount() == 24


def test_several_rows_are_shown_as_their_mean_or_in_colours(user: User) -> None:
    panel, images = user.dock.results_step.ions, user.session.dataset.images
    user.click_row(panel.table, 1)
    user.click_row(panel.table, 5, keys=CTRL)
    user.click_row(panel.table, 9, keys=CTRL)
    assert set(user.session.selection.ions) == {1, 5, 9}
    user.wait(lambda: any("mean of 3 ions" in layer.name for layer in user.viewer.layers))
    shown = next(layer for layer in user.viewer.layers if "mean of 3" in layer.name)
    assert np.nanmax(shown.data) <= 1
    assert user.viewer.canvas.overlays.text.text == "mean of 3 ions"
    user.click(panel.color_box, QPoint(8, panel.color_box.height() // 2))
    user.wait(lambda: any(isinstance(layer, Image) and layer.rgb for layer in user.viewer.layers))
    colored = next(layer for layer in user.viewer.layers if isinstance(layer, Image) and layer.rgb)
    for channel, ion in enumerate((1, 5, 9)):
        one = np.nan_to_num(images.image(ion)).ravel()
        assert np.corrcoef(colored.data[..., channel].ravel(), one)[0, 1] > 0.9
    assert len([layer for layer in user.viewer.layers if "selected ions" in layer.name]) == 1


# -- gallery --------------------------------------------------------------------------------------


def test_a_thumbnail_is_the_selection_everywhere(user: User) -> None:
    gallery = user.dock.results_step.gallery.gallery
    user.open_tab("Gallery")
    user.wait(lambda: gallery.thumbnail(int(gallery.ion_model.order[0])) is not None)
    index = gallery.ion_model.index(1)
    ion = int(gallery.ion_model.order[1])
    user.click(gallery.viewport(), gallery.visualRect(index).center())
    assert user.session.selection.ions == (ion,)
    assert _rows_selected(user) == {ion}
    user.wait(lambda: _slider(user) == ion)


def test_the_gallery_shows_the_selected_cluster_most_central_first(user: User) -> None:
    panel = user.dock.results_step.gallery
    user.open_tab("Gallery")
    for cluster in (2, 1):
        user.pick_cluster(cluster)
        order = panel.gallery.ion_model.order
        assert order.tolist() == user.session.members(cluster).tolist()
        assert _thumbnails_selected(user) == set(order.tolist())
    user.choose(panel.choice, "all ions")
    assert panel.gallery.ion_model.rowCount() == 24
    marked = int(outliers(user.session.ions).sum())
    assert f"{marked} outlier" in panel.count.text()


# -- embedding ------------------------------------------------------------------------------------


def test_a_point_is_the_selection_everywhere(user: User) -> None:
    plot = user.dock.results_step.embedding.plot
    user.open_tab("Plot")
    user.wait(lambda: len(plot.points) == 24)
    user.click(plot, plot.place_of(4))
    (chosen,) = user.session.selection.ions
    assert (plot.place_of(chosen) - plot.place_of(4)).manhattanLength() < 8
    assert _rows_selected(user) == {chosen}
    user.wait(lambda: _slider(user) == chosen)


def _around(user: User, ions: list[int]) -> list[QPointF]:
    plot = user.dock.results_step.embedding.plot
    places = np.array([(plot.place_of(ion).x(), plot.place_of(ion).y()) for ion in ions])
    (left, top), (right, bottom) = places.min(axis=0) - 6, places.max(axis=0) + 6
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return [QPointF(*corner) for corner in corners]


def test_a_lasso_selects_what_it_encloses(user: User) -> None:
    plot = user.dock.results_step.embedding.plot
    user.open_tab("Plot")
    user.wait(lambda: len(plot.points) == 24)
    user.pick_cluster(2)
    user.wait(lambda: user.viewer.layers["mean ion images"].visible)
    user.drag(plot, _around(user, [0, 6]))
    chosen = set(user.session.selection.ions)
    assert {0, 6} <= chosen
    assert _rows_selected(user) == chosen
    user.wait(lambda: f"mean of {len(chosen)} ions" in user.viewer.canvas.overlays.text.text)
    assert set(user.session.selection.ions) == chosen
    more = next(ion for ion in range(24) if ion not in chosen)
    user.click(plot, plot.place_of(more), SHIFT)
    assert set(user.session.selection.ions) > chosen


def test_the_plot_hovers_colours_and_lays_out_anew(user: User) -> None:
    panel = user.dock.results_step.embedding
    user.open_tab("Plot")
    user.wait(lambda: len(panel.plot.points) == 24)
    before = panel.plot.grab().toImage()
    user.bot.mouseMove(panel.plot, panel.plot.place_of(3).toPoint())
    QApplication.processEvents()
    hovered = panel.plot.hovered
    assert hovered is not None
    assert (panel.plot.place_of(hovered) - panel.plot.place_of(3)).manhattanLength() < 8
    assert panel.plot.grab().toImage() != before
    assert panel.plot.toolTip()
    for place in (panel.plot.place_of(hovered), QPointF(2, 2)):  # the tooltip does not cover the thumbnail
        spot = place.toPoint()
        user.bot.mouseMove(panel.plot, spot)
        rest = QHelpEvent(QEvent.Type.ToolTip, spot, panel.plot.mapToGlobal(spot))
        QApplication.sendEvent(panel.plot, rest)
        assert QToolTip.isVisible() is (panel.plot.hovered is None)
    QToolTip.hideText()
    drawn = {}
    for name in ("cluster", "confidence", "m/z", "bin", "label"):
        user.choose(panel.color_box, name)
        drawn[name] = panel.plot.grab().toImage()
        legend = [text for text, _ in color_legend(user.session.ions, name)]
        assert panel.legend.isVisible() is bool(legend)
        assert all(text in panel.legend.text() for text in legend)
    # All ions were learned and none is in a bin: grey tells just that.
    assert drawn["bin"] == drawn["label"]
    assert all(drawn[a] != drawn[b] for a, b in combinations(("cluster", "confidence", "m/z", "bin"), 2))
    pca = panel.plot.points.copy()
    user.wait(lambda: panel.note.text() == "")
    user.choose(panel.layout_box, "t-SNE")
    assert not np.allclose(panel.plot.points, pca)


# -- spectrum -------------------------------------------------------------------------------------


def test_a_peak_is_the_selection_everywhere(user: User) -> None:
    plot = user.dock.results_step.spectrum.plot
    user.wait(lambda: plot.intensity.any())
    strongest = int(plot.intensity.argmax())
    user.click(plot, plot.place_of(strongest) + QPointF(0, 5))
    assert user.session.selection.ions == (strongest,)
    assert _rows_selected(user) == {strongest}


def test_dragging_zooms_and_a_double_click_shows_all(user: User) -> None:
    plot = user.dock.results_step.spectrum.plot
    user.wait(lambda: plot.intensity.any())
    whole = plot.view
    y = plot.frame.center().y()
    left, right = plot.place_of(6).x() - 3, plot.place_of(12).x() + 3
    user.drag(plot, [QPointF(left, y), QPointF((left + right) / 2, y), QPointF(right, y)])
    low, high = plot.view.left, plot.view.right
    assert whole.left < low < plot.mz[6] < plot.mz[12] < high < whole.right
    assert plot.view.top == pytest.approx(plot.intensity[(plot.mz > low) & (plot.mz < high)].max() * 1.12)
    wheel = QWheelEvent(
        plot.frame.center(), QPointF(plot.mapToGlobal(plot.rect().center())), QPoint(), QPoint(0, 120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(plot, wheel)
    assert plot.view.right - plot.view.left < high - low
    user.bot.mouseDClick(plot, Qt.MouseButton.LeftButton, pos=plot.frame.center().toPoint())
    assert plot.view == whole


def test_the_spectrum_of_pixel_territory_and_region(user: User) -> None:
    panel, images = user.dock.results_step.spectrum, user.session.dataset.images
    user.choose(panel.source, "territory")
    user.pick_cluster(2)
    user.wait(lambda: "territory of cluster 2" in panel.plot.title)
    territory = user.session.result.dominant_cluster_map[images.grid.rows, images.grid.cols] == 2
    np.testing.assert_allclose(panel.plot.intensity, images.values[:, territory].mean(axis=1), rtol=1e-4)

    user.choose(panel.source, "pixel")
    canvas = user.viewer.window._qt_viewer.canvas.native
    user.bot.mouseMove(canvas, _canvas_place(user, 10, 12))

    user.wait(lambda: panel.plot.title == "row 10, column 12")
    at = int(np.flatnonzero((images.grid.rows == 10) & (images.grid.cols == 12))[0])
    np.testing.assert_allclose(panel.plot.intensity, images.values[:, at])

    scale = user.viewer.layers["dominant cluster map"].scale
    corners = np.array([[4.6, 7.6], [4.6, 12.4], [9.4, 12.4], [9.4, 7.6]])
    user.viewer.add_shapes([corners], name="drawn", scale=scale)
    user.choose(panel.source, "region: drawn")
    user.wait(lambda: panel.plot.title == "drawn")
    inside = (np.abs(images.grid.rows - 7) <= 2) & (np.abs(images.grid.cols - 10) <= 2)
    np.testing.assert_allclose(panel.plot.intensity, images.values[:, inside].mean(axis=1), rtol=1e-4)

    user.viewer.layers["drawn"].name = "gland"
    assert panel.source.currentText() == "region: gland"
    user.viewer.add_shapes([corners], name="another", scale=scale)
    assert panel.source.currentText() == "region: gland"
    user.viewer.layers.remove("gland")
    assert panel.source.currentText() == "mean of the tissue"
    user.wait(lambda: panel.plot.title == "mean of the tissue")
    np.testing.assert_allclose(panel.plot.intensity, images.values.mean(axis=1), rtol=1e-4)


# -- canvas ---------------------------------------------------------------------------------------


def test_a_click_in_the_cluster_map_selects_the_cluster(user: User) -> None:
    dominant = user.viewer.layers["dominant cluster map"]
    user.viewer.reset_view()
    QApplication.processEvents()
    row, col = np.argwhere(dominant.data == 3)[0]
    user.viewer.layers.selection.active = dominant
    canvas = user.viewer.window._qt_viewer.canvas.native
    place = _canvas_place(user, row, col)
    user.bot.mouseMove(canvas, place)
    user.click(canvas, place)
    user.wait(lambda: user.session.selection.cluster == 3)
    assert set(user.session.selection.ions) == set(user.session.members(3).tolist())
    assert user.dock.results_step.clusters.selected == (3,)
    assert dominant.visible


def test_a_click_on_an_ion_image_leaves_the_selection(user: User) -> None:
    user.click_row(user.dock.results_step.ions.table, 2)
    stack = user.viewer.layers["tissue ions"]
    user.wait(lambda: user.viewer.layers[-1] is stack)
    user.viewer.reset_view()
    QApplication.processEvents()
    row, col = np.argwhere(user.viewer.layers["dominant cluster map"].data == 3)[0]
    canvas = user.viewer.window._qt_viewer.canvas.native
    place = _canvas_place(user, row, col)
    user.bot.mouseMove(canvas, place)
    user.click(canvas, place)
    user.bot.wait(300)
    assert user.session.selection.ions == (2,)
    stack.opacity = 0.5  # the map shines through
    user.click(canvas, place)
    user.wait(lambda: user.session.selection.cluster == 3)


def test_moving_the_slider_selects_the_ion(user: User) -> None:
    user.click_row(user.dock.results_step.ions.table, 2)
    user.wait(lambda: _slider(user) == 2)
    user.viewer.dims.set_current_step(0, 8)
    user.wait(lambda: user.session.selection.ions == (8,))
    assert _rows_selected(user) == {8}


def test_a_picked_cluster_shows_its_mean_image(user: User) -> None:
    means = user.viewer.layers["mean ion images"]
    assert user.viewer.canvas.overlays.text.text == "dominant cluster map"
    user.pick_cluster(2)
    user.wait(lambda: means.visible and _slider(user) == 1)
    assert not user.viewer.layers["tissue ions"].visible
    assert user.viewer.canvas.overlays.text.text == "cluster 2"
    assert _rows_selected(user) == set(user.session.members(2).tolist())


def test_colours_are_the_same_everywhere(user: User) -> None:
    step, color = user.dock.results_step, "#009E73"
    assert user.session.clusters["color"][2] == color
    row = step.clusters.numbers.index(3)
    assert shown_color(step.clusters.item(row, 0).data(Qt.ItemDataRole.DecorationRole)) == color
    ion = int(user.session.members(3)[0])
    table = step.ions.table.ion_model
    at = table.index(int(table.places((ion,))[0]), 1)
    assert shown_color(at.data(Qt.ItemDataRole.DecorationRole)) == color
    assert step.gallery.gallery.ion_model.colors[ion].name().upper() == color
    shown = user.viewer.layers["dominant cluster map"].colormap.color_dict[3]
    np.testing.assert_allclose(shown[:3], [0, 0x9E / 255, 0x73 / 255], atol=1e-3)


# -- state of the viewer --------------------------------------------------------------------------


def test_deleted_and_renamed_layers_are_no_trouble(user: User) -> None:
    table = user.dock.results_step.ions.table
    stack = user.viewer.layers["tissue ions"]
    stack.name = "my ions"
    assert user.dock.data_box.currentText() == "my ions"
    user.viewer.layers["dominant cluster map"].name = "map"
    user.viewer.layers.remove("mean ion images")
    user.pick_cluster(2)
    user.click_row(table, 4)
    user.wait(lambda: _slider(user) == 4)
    user.viewer.layers.remove("map")
    user.click_row(table, 5)
    user.wait(lambda: _slider(user) == 5)
    user.viewer.layers.remove("my ions")
    QApplication.processEvents()
    assert user.dock.data_box.count() == 0
    user.viewer.add_layer(stack)
    assert stack.metadata[KEY] is user.dock.workspace.dataset
    user.click_row(user.dock.results_step.ions.table, 6)
    user.wait(lambda: _slider(user) == 6)
