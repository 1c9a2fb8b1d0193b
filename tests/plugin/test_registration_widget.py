from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QPushButton

from napari_msiclust.plugin.histology.groups import fixed_image, group_of, pixel_to_world, place, placed
from napari_msiclust.plugin.histology.match_view import PREVIEW
from napari_msiclust.plugin.layers import ion_layers, result_layers
from napari_msiclust.plugin.widgets.registration_widget import RegistrationWidget
from napari_msiclust.registration.geometry import apply, embed, is_mirrored, similarity
from napari_msiclust.registration.transforms import read_landmarks, read_registration
from napari_msiclust.results.cluster_result import ClusterResult
from tests.plugin.canvas_mouse import CanvasMouse
from tests.plugin.conftest import PLUGIN
from tests.section_pairs import SectionPair, section_pair

SECONDS = 120_000
SIZE = 20.0  # um of a pixel of the histology
TRUE = similarity(1.0, 0.2, (300, 100))


@pytest.fixture
def histology(opened: Viewer) -> Image:
    """A stain of 2 mm by 2.4 mm behind the tissue of 1.2 mm by 1.6 mm."""
    pixels = np.full((100, 120, 3), 220, np.uint8)
    pixels[20:80, 30:100] = (200, 80, 150)
    layer = opened.add_image(pixels, name="H&E", rgb=True, scale=(SIZE, SIZE), units=("um", "um"))
    opened.layers.move(opened.layers.index(layer), 0)
    return layer


@pytest.fixture
def widget(opened: Viewer, histology: Image) -> RegistrationWidget:
    """The widget as the Plugins menu opens it."""
    _, docked = opened.window.add_plugin_dock_widget(PLUGIN, "Register to histology")
    return docked


@pytest.fixture
def mouse(qtbot: QtBot, opened: Viewer) -> CanvasMouse:
    opened.window.resize(1400, 1000)
    opened.reset_view()
    return CanvasMouse(qtbot, opened)


def _click(qtbot: QtBot, button: QPushButton) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def _place_pairs(
    qtbot: QtBot,
    widget: RegistrationWidget,
    mouse: CanvasMouse,
    spots: list[tuple[float, float]],
    true: np.ndarray = TRUE,
) -> np.ndarray:
    """Place pairs by clicks on both images, where `true` takes the spots; the spots that were hit."""
    _click(qtbot, widget.place_button)
    hit = []
    for spot in spots:
        fixed = mouse.click(tuple(apply(true, [spot])[0]))
        ion = apply(np.linalg.inv(true), [fixed])[0]  # the partner of what was hit
        hit.append(
            apply(np.linalg.inv(widget.session.matrix), [mouse.click(apply(widget.session.matrix, [ion])[0])])
        )
    _click(qtbot, widget.place_button)
    return np.concatenate(hit)


SPOTS = [(150.0, 200.0), (200.0, 1300.0), (1000.0, 300.0), (900.0, 1200.0)]


def test_clicks_place_numbered_pairs_and_move_all_layers_of_the_dataset(
    qtbot: QtBot, opened: Viewer, widget: RegistrationWidget, mouse: CanvasMouse
) -> None:
    stack, tic = opened.layers["tissue ions"], opened.layers["tissue TIC"]
    before = np.asarray(stack.data[3])
    _place_pairs(qtbot, widget, mouse, SPOTS)
    pairs = widget.session.landmarks.pairs()
    assert pairs.numbers.tolist() == [1, 2, 3, 4]
    assert widget.table.rowCount() == 4
    corners = np.array([[0, 0], [1150, 0], [0, 1550]])
    error = np.linalg.norm(apply(placed(tic), corners) - apply(TRUE, corners), axis=1)
    assert error.max() < 3 * mouse.pixel()
    np.testing.assert_allclose(placed(stack), placed(tic))
    np.testing.assert_allclose(stack.affine.affine_matrix, embed(placed(tic), 3))
    np.testing.assert_array_equal(np.asarray(stack.data[3]), before)  # nothing is resampled
    assert tuple(tic.scale) == (50, 50)
    assert f"RMS {widget.session.fit.rms_um:.1f} um" in widget.error.text()
    assert "leave-one-out" in widget.error.text()
    moving = widget.session.landmarks.layers["moving"]
    np.testing.assert_allclose(placed(moving), placed(tic))
    assert not opened.layers["H&E"].affine.affine_matrix[:2, 2].any()


def test_dragging_a_landmark_updates_residuals_live(
    qtbot: QtBot, opened: Viewer, widget: RegistrationWidget, mouse: CanvasMouse
) -> None:
    _place_pairs(qtbot, widget, mouse, SPOTS)
    fixed = widget.session.landmarks.layers["fixed"]
    opened.layers.selection.active = fixed
    start = tuple(fixed.data[1])
    rms = [widget.session.fit.rms_um]
    mouse.press(start)
    for step in (100, 200, 300):
        mouse.drag((start[0] + step, start[1]))
        rms.append(widget.session.fit.rms_um)
        assert f"RMS {rms[-1]:.1f} um" in widget.error.text()
    assert rms == sorted(rms)
    assert rms[-1] > 50
    assert len(set(rms)) == 4
    mouse.release((start[0] + 300, start[1]))
    assert fixed.data[1][0] == pytest.approx(start[0] + 300, abs=15)
    assert [bool(widget.table.item(row, 0).font().bold()) for row in range(4)].count(True) == 1
    _click(qtbot, widget.undo_button)
    np.testing.assert_allclose(fixed.data[1], start)
    assert widget.session.fit.rms_um == pytest.approx(rms[0])


def test_ions_stay_under_the_cursor_while_their_landmark_is_dragged(
    qtbot: QtBot, opened: Viewer, widget: RegistrationWidget, mouse: CanvasMouse
) -> None:
    _place_pairs(qtbot, widget, mouse, SPOTS)
    moving, tic = widget.session.landmarks.layers["moving"], opened.layers["tissue TIC"]
    opened.layers.selection.active = moving
    before = placed(tic)
    start = apply(before, [moving.data[0]])[0]
    numbers = widget.error.text()
    mouse.press(tuple(start))
    mouse.drag((start[0] + 40, start[1]))
    mouse.drag((start[0] + 100, start[1]))
    assert widget.error.text() != numbers
    np.testing.assert_allclose(placed(tic), before)
    mouse.release((start[0] + 100, start[1]))
    assert not np.allclose(placed(tic), before)
    np.testing.assert_allclose(placed(moving), placed(tic))


def test_deleting_a_pair_and_filling_its_number(
    qtbot: QtBot, widget: RegistrationWidget, mouse: CanvasMouse
) -> None:
    _place_pairs(qtbot, widget, mouse, SPOTS)
    widget.table.selectRow(1)
    _click(qtbot, next(one for one in widget.findChildren(QPushButton) if one.text() == "Remove pair"))
    assert widget.session.landmarks.pairs().numbers.tolist() == [1, 3, 4]
    _place_pairs(qtbot, widget, mouse, [SPOTS[1]])
    assert widget.session.landmarks.pairs().numbers.tolist() == [1, 2, 3, 4]
    assert widget.session.fit.rms_um < 20


def test_flips_and_turns_and_undo(qtbot: QtBot, opened: Viewer, widget: RegistrationWidget) -> None:
    tic = opened.layers["tissue TIC"]
    middle = apply(pixel_to_world(tic), [(np.array(tic.data.shape) - 1) / 2])
    for meaning, flipped in (
        ("flip left to right", True),
        ("turn right by 90 degrees", True),
        ("flip top to bottom", False),
        ("turn right by 90 degrees", False),
    ):
        _click(qtbot, widget.presets[meaning])
        assert is_mirrored(placed(tic)) == flipped
        still = apply(pixel_to_world(tic), [(np.array(tic.data.shape) - 1) / 2])
        np.testing.assert_allclose(still, middle, atol=1e-6)
    assert not np.allclose(placed(tic), np.eye(3))
    for _ in range(4):
        _click(qtbot, widget.undo_button)
    np.testing.assert_allclose(placed(tic), np.eye(3), atol=1e-9)
    assert not widget.undo_button.isEnabled()


def test_a_flip_is_the_users_choice_and_a_mirrored_set_warns(
    qtbot: QtBot, widget: RegistrationWidget, mouse: CanvasMouse
) -> None:
    left_to_right = np.array([[1.0, 0, 0], [0, -1, 2000], [0, 0, 1]])
    _place_pairs(qtbot, widget, mouse, SPOTS, left_to_right @ TRUE)
    assert "flip" in widget.error.text()
    assert widget.session.fit.rms_um > 100
    assert not widget.presets["turn left by 90 degrees"].isEnabled()
    _click(qtbot, widget.presets["flip left to right"])
    assert is_mirrored(widget.session.matrix)
    assert widget.session.fit.rms_um < 20


def test_the_pixel_size_can_be_corrected(
    qtbot: QtBot, opened: Viewer, widget: RegistrationWidget, mouse: CanvasMouse
) -> None:
    _place_pairs(qtbot, widget, mouse, SPOTS)
    histology, tic = opened.layers["H&E"], opened.layers["tissue TIC"]
    spot = [(200.0, 300.0)]
    pixel = apply(np.linalg.inv(pixel_to_world(histology)), apply(placed(tic), spot))
    assert not widget.take_size_button.isVisible() or "20" in widget.take_size_button.text()
    widget.pixel_size.setValue(10)
    assert tuple(histology.scale) == (10, 10)
    again = apply(np.linalg.inv(pixel_to_world(histology)), apply(placed(tic), spot))
    np.testing.assert_allclose(again, pixel, atol=1e-6)
    assert widget.take_size_button.isVisible()
    _click(qtbot, widget.take_size_button)
    assert histology.scale[0] == pytest.approx(20, rel=0.03)
    assert not widget.take_size_button.isVisible()
    _click(qtbot, widget.undo_button)
    _click(qtbot, widget.undo_button)
    assert tuple(histology.scale) == (20, 20)


def test_an_image_without_a_scale_gets_one(opened: Viewer) -> None:
    plain = opened.add_image(np.zeros((50, 60, 3), np.uint8), rgb=True, name="photo")
    _, widget = opened.window.add_plugin_dock_widget(PLUGIN, "Register to histology")
    assert widget.pixel_size.text() == "not known"
    widget.pixel_size.setValue(2.5)
    assert tuple(plain.scale) == (2.5, 2.5)
    assert [str(unit) for unit in plain.units] == ["micrometer", "micrometer"]


def test_kinds(qtbot: QtBot, widget: RegistrationWidget, mouse: CanvasMouse) -> None:
    _place_pairs(qtbot, widget, mouse, SPOTS[:2])
    widget.kind.setCurrentText("affine")
    assert "1 more landmark pairs" in widget.error.text()
    widget.kind.setCurrentText("rigid")
    assert abs(np.linalg.det(widget.session.matrix)) == pytest.approx(1)


def test_views(qtbot: QtBot, opened: Viewer, widget: RegistrationWidget) -> None:
    tic, histology = opened.layers["tissue TIC"], opened.layers["H&E"]
    widget.moving.choose(tic)
    place([tic], TRUE)
    seen = {layer: (layer.visible, layer.opacity) for layer in opened.layers}
    widget.view_kind.setCurrentText("blended")
    assert (tic.visible, histology.visible, tic.opacity) == (True, True, 0.5)
    widget.view_kind.setCurrentText("checkerboard")
    preview = opened.layers[PREVIEW]
    assert isinstance(preview, Image)
    assert not tic.visible
    np.testing.assert_allclose(placed(preview), placed(tic))
    assert np.isnan(preview.data).mean() > np.isnan(tic.data).mean() + 0.2
    widget.view_kind.setCurrentText("contours")
    assert opened.layers[PREVIEW].data
    _click(qtbot, widget.presets["turn left by 90 degrees"])
    np.testing.assert_allclose(placed(opened.layers[PREVIEW]), placed(tic))
    widget.moving.choose(opened.layers["tissue ions"])
    widget.view_kind.setCurrentText("checkerboard")
    before = opened.layers[PREVIEW].data
    opened.dims.set_current_step(0, 5)
    assert not np.array_equal(opened.layers[PREVIEW].data, before, equal_nan=True)
    for kind in ("contours", "histology only", "contours", "ions only", "checkerboard"):
        widget.view_kind.setCurrentText(kind)
        previews = [layer for layer in opened.layers if layer.name.startswith(PREVIEW)]
        assert len(previews) == (kind in ("contours", "checkerboard"))
    widget.view_kind.setCurrentText("as they are")
    assert PREVIEW not in opened.layers
    assert {layer: (layer.visible, layer.opacity) for layer in opened.layers} == seen | {
        tic: (tic.visible, tic.opacity)
    }


def test_save_load_and_reapply(
    qtbot: QtBot, opened: Viewer, widget: RegistrationWidget, mouse: CanvasMouse, tmp_path: Path
) -> None:
    _place_pairs(qtbot, widget, mouse, SPOTS)
    matrix = widget.session.matrix.copy()
    for name in ("r.json", "l.csv"):
        widget.save(str(tmp_path / name))
    assert read_registration(tmp_path / "r.json").errors["rms_um"] == widget.session.fit.rms_um
    assert len(read_landmarks(tmp_path / "l.csv")) == 4
    widget.presets["forget landmarks and transform"].click()
    np.testing.assert_allclose(placed(opened.layers["tissue TIC"]), np.eye(3))
    widget.load(str(tmp_path / "r.json"))
    np.testing.assert_allclose(placed(opened.layers["tissue ions"]), matrix)
    assert widget.table.rowCount() == 4
    widget.presets["forget landmarks and transform"].click()
    widget.load(str(tmp_path / "l.csv"))
    np.testing.assert_allclose(placed(opened.layers["tissue TIC"]), matrix, atol=1e-6)
    (tmp_path / "bad.json").write_text("{}")
    with notification_manager:
        widget.load(str(tmp_path / "bad.json"))
    assert "not a registration" in widget.status.text()
    np.testing.assert_allclose(widget.session.matrix, matrix, atol=1e-6)


def test_a_result_joins_the_registered_dataset(
    qtbot: QtBot,
    opened: Viewer,
    widget: RegistrationWidget,
    mouse: CanvasMouse,
    tissue_result: ClusterResult,
) -> None:
    _place_pairs(qtbot, widget, mouse, SPOTS)
    dataset = next(layer.metadata for layer in opened.layers if layer.name == "tissue ions")[
        "napari_msiclust"
    ]
    for data, settings, kind in result_layers(tissue_result, dataset):
        getattr(opened, f"add_{kind}")(data, **settings)
    for name in ("mean ion images", "dominant cluster map"):
        np.testing.assert_allclose(placed(opened.layers[name]), widget.session.matrix)
    assert len(group_of(opened.layers, widget.session.dataset)) == 4


def test_exports_lie_on_the_other_grid(
    qtbot: QtBot,
    opened: Viewer,
    widget: RegistrationWidget,
    mouse: CanvasMouse,
    tissue_result: ClusterResult,
) -> None:
    dataset = opened.layers["tissue ions"].metadata["napari_msiclust"]
    for data, settings, kind in result_layers(tissue_result, dataset):
        getattr(opened, f"add_{kind}")(data, **settings)
    _place_pairs(qtbot, widget, mouse, SPOTS)
    for name in ("Ions onto histology", "Histology onto ions"):
        _click(qtbot, next(one for one in widget.findChildren(QPushButton) if one.text() == name))
    histology, dominant = opened.layers["H&E"], opened.layers["dominant cluster map"]
    moved = opened.layers["dominant cluster map on H&E"]
    assert isinstance(moved, Labels)
    assert moved.data.shape == (100, 120)
    np.testing.assert_allclose(pixel_to_world(moved), pixel_to_world(histology))
    spot = (13, 17)
    pixel = np.rint(apply(np.linalg.inv(pixel_to_world(moved)), apply(pixel_to_world(dominant), [spot])))[0]
    assert moved.data[tuple(pixel.astype(int))] == dominant.data[spot]
    stack = opened.layers["tissue ions on H&E"]
    assert stack.data.shape == (24, 100, 120)
    plane = np.asarray(stack.data[4])
    assert plane[tuple(pixel.astype(int))] == dataset.images.image(4)[spot]
    small = opened.layers["H&E on the ions' grid"]
    assert small.rgb
    assert small.data.shape == (*dominant.data.shape, 3)
    np.testing.assert_allclose(pixel_to_world(small), pixel_to_world(dominant))


@pytest.fixture
def pair() -> SectionPair:
    return section_pair(4)


@pytest.fixture
def automatic(viewer: Viewer, pair: SectionPair) -> RegistrationWidget:
    size = (pair.stain_pixel_um,) * 2
    viewer.add_image(pair.stain, rgb=True, name="stain", scale=size, units=("um", "um"))
    for data, settings, _ in ion_layers(pair.images, Path("made.imzML")):
        viewer.add_image(data, **settings)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Register to histology")
    return widget


def test_the_automatic_start_moves_the_dataset(
    qtbot: QtBot, viewer: Viewer, automatic: RegistrationWidget, pair: SectionPair
) -> None:
    _click(qtbot, automatic.automatic_button)
    assert not automatic.automatic_button.isEnabled()
    qtbot.waitUntil(automatic.automatic_button.isEnabled, timeout=SECONDS)
    assert pair.error_pixels(placed(viewer.layers["made TIC"])) < 2
    np.testing.assert_allclose(placed(viewer.layers["made ions"]), placed(viewer.layers["made TIC"]))
    assert "Check it" in automatic.status.text()
    _click(qtbot, automatic.undo_button)
    np.testing.assert_allclose(placed(viewer.layers["made TIC"]), np.eye(3))


def test_stop_and_close_end_the_search(qtbot: QtBot, viewer: Viewer, automatic: RegistrationWidget) -> None:
    _click(qtbot, automatic.automatic_button)
    qtbot.waitUntil(lambda: "orientations" in automatic.status.text(), timeout=SECONDS)
    _click(qtbot, automatic.stop_button)
    qtbot.waitUntil(automatic.automatic_button.isEnabled, timeout=SECONDS)
    assert "Nothing was changed" in automatic.status.text()
    np.testing.assert_allclose(placed(viewer.layers["made TIC"]), np.eye(3))
    _click(qtbot, automatic.automatic_button)
    qtbot.waitUntil(lambda: "orientations" in automatic.status.text(), timeout=SECONDS)
    viewer.close()
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=30_000)


def test_a_pyramid_is_read_at_a_small_level(viewer: Viewer, pair: SectionPair) -> None:
    levels = [np.zeros((4096 // 2**level, 6144 // 2**level, 3), np.uint8) for level in range(4)]
    layer = viewer.add_image(levels, rgb=True, multiscale=True, scale=(0.5, 0.5), units=("um", "um"))
    image = fixed_image(layer)
    assert image.pixels.shape == (1024, 1536, 3)
    assert (image.pixel_size_um, image.full_pixel_size_um) == ((2, 2), (0.5, 0.5))


def test_without_images_it_says_what_to_do(
    qtbot: QtBot, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, docked = viewer.window.add_plugin_dock_widget(PLUGIN, "Register to histology")
    heard: list[str] = []
    module = "napari_msiclust.plugin.widgets.registration_widget.show_info"
    monkeypatch.setattr(module, heard.append)
    _click(qtbot, docked.automatic_button)
    _click(qtbot, docked.place_button)
    assert len(heard) == 2
    assert not docked.place_button.isChecked()
