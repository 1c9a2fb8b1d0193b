from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.utils.notifications import Notification, notification_manager
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt, QThreadPool, QTimer
from qtpy.QtWidgets import QApplication

from napari_msiclust.errors import Stopped
from napari_msiclust.msi import extract
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.layers import KEY, IonDataset, TicImage
from napari_msiclust.plugin.opening.bar import NAME, OpeningBar
from napari_msiclust.plugin.opening.damage_dialog import DamageDialog
from napari_msiclust.progress import Progress
from napari_msiclust.sample import write_synthetic
from tests.imzml_files import Layout, MadeSpectrum, write_made
from tests.plugin.conftest import PLUGIN

MS = 30_000

Drop = Callable[..., OpeningBar]


@pytest.fixture
def drop(qtbot: QtBot, viewer: Viewer) -> Drop:
    """Open files as a drop on the window does, while events are handled; returns the bar of files."""

    def act(*paths: Path) -> OpeningBar:
        returned: list[object] = []
        QTimer.singleShot(0, lambda: returned.append(viewer.open([str(path) for path in paths], plugin=None)))
        qtbot.waitUntil(lambda: bool(returned), timeout=MS)
        assert returned == [[]]  # the layers come later
        return viewer.window.dock_widgets[NAME]

    return act


@pytest.fixture
def heard() -> Iterator[list[Notification]]:
    """What the user is told."""
    notes: list[Notification] = []
    with notification_manager:
        notification_manager.notification_ready.connect(notes.append)
        yield notes
        notification_manager.notification_ready.disconnect(notes.append)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Reading ion images goes on until it is asked to stop; then the event is set."""
    stopped = threading.Event()

    def steps(*_: object, stop: threading.Event, **__: object) -> Iterator[Progress]:
        while not stop.wait(0.01):
            yield Progress("reading ion images", 1, 3)
        stopped.set()
        raise Stopped

    monkeypatch.setattr(extract, "extraction_steps", steps)
    return stopped


def _wait_for_end(qtbot: QtBot, bar: OpeningBar) -> None:
    qtbot.waitUntil(lambda: not bar.rows, timeout=MS)


def _names(viewer: Viewer) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_a_dropped_file_comes_in_the_background(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tissue: Path, tissue_images: IonImages
) -> None:
    arrived: list[str] = []
    viewer.layers.events.inserted.connect(lambda event: arrived.append(event.value.name))
    _wait_for_end(qtbot, drop(tissue))
    assert arrived == ["tissue TIC", "tissue ions"]
    stack, tic = viewer.layers
    assert stack.name == "tissue ions"
    assert tic.visible
    assert viewer.canvas.overlays.scale_bar.visible
    np.testing.assert_array_equal(np.asarray(stack.data[5]), tissue_images.image(5))
    np.testing.assert_allclose(tic.data, tissue_images.grid.image(tissue_images.tic()), rtol=1e-5)
    assert isinstance(stack.metadata[KEY], IonDataset)
    assert stack.metadata[KEY].path == tissue
    for background, now in zip((stack, tic), viewer.open(str(tissue), plugin=PLUGIN), strict=True):
        assert (background.units, background.axis_labels) == (now.units, now.axis_labels)
        assert background.scale.tolist() == now.scale.tolist()
        assert background.contrast_limits == now.contrast_limits


def test_files_dropped_together_are_all_opened(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tissue: Path, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "other.imzML", seed=1, shape=(10, 12), ions_per_class=2)
    bar = drop(tissue, tmp_path / "other.imzML")
    assert len(bar.rows) == 2
    _wait_for_end(qtbot, bar)
    assert sorted(_names(viewer)) == ["other TIC", "other ions", "tissue TIC", "tissue ions"]
    for name in ("other", "tissue"):
        assert viewer.layers.index(f"{name} ions") < viewer.layers.index(f"{name} TIC")


def test_stop_leaves_the_tic(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tissue: Path, endless: threading.Event
) -> None:
    bar = drop(tissue)
    qtbot.waitUntil(lambda: bar.rows[0].progress_bar.maximum() == 3, timeout=MS)
    qtbot.waitUntil(bar.isVisible, timeout=MS)
    assert "reading ion images" in bar.rows[0].label.text()
    qtbot.mouseClick(bar.rows[0].stop_button, Qt.MouseButton.LeftButton)
    _wait_for_end(qtbot, bar)
    assert endless.is_set()
    assert _names(viewer) == ["tissue TIC"]
    assert not bar.isVisible()
    assert "stopped" in str(viewer.status)


def test_a_second_file_opens_while_one_loads(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tissue: Path, endless: threading.Event
) -> None:
    first = drop(tissue)
    qtbot.waitUntil(lambda: _names(viewer) == ["tissue TIC"], timeout=MS)
    second = drop(tissue)
    assert second is first
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=MS)
    for row in list(first.rows):
        row.stop()
    _wait_for_end(qtbot, first)
    assert all(isinstance(layer.metadata[KEY], TicImage) for layer in viewer.layers)


def test_removing_the_tic_stops_its_file(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tissue: Path, endless: threading.Event
) -> None:
    bar = drop(tissue)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=MS)
    viewer.layers.clear()
    _wait_for_end(qtbot, bar)
    assert endless.is_set()
    assert len(viewer.layers) == 0


def test_closing_the_viewer_stops_loading(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tissue: Path, endless: threading.Event
) -> None:
    drop(tissue)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=MS)
    viewer.close()
    qtbot.waitUntil(endless.is_set, timeout=MS)
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=MS)


def test_a_fault_is_told_once(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tissue: Path, tmp_path: Path, heard: list[Notification]
) -> None:
    (tmp_path / "broken.imzML").write_text("hello")
    _wait_for_end(qtbot, drop(tmp_path / "broken.imzML", tissue))
    assert [note.severity.value for note in heard] == ["error"]
    assert "not an imzML file" in heard[0].message
    assert sorted(_names(viewer)) == ["tissue TIC", "tissue ions"]  # the other one is not lost


def test_an_error_of_the_program_is_told(
    qtbot: QtBot,
    viewer: Viewer,
    drop: Drop,
    tissue: Path,
    heard: list[Notification],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> Iterator[Progress]:
        raise RuntimeError("no such thing")
        yield

    monkeypatch.setattr(extract, "extraction_steps", broken)
    _wait_for_end(qtbot, drop(tissue))
    assert [note.message for note in heard] == [
        "RuntimeError: no such thing; please report this with the log"
    ]
    assert _names(viewer) == ["tissue TIC"]


def test_warnings_come_as_one(qtbot: QtBot, drop: Drop, tmp_path: Path, heard: list[Notification]) -> None:
    spectra = [MadeSpectrum(x + 1, 1, None, np.array([100.0, 200.0]), np.array([1.0, x])) for x in range(6)]
    layout = Layout(mode="continuous", pixel_size=None, count_right=False)
    _wait_for_end(qtbot, drop(write_made(tmp_path / "odd.imzML", spectra, layout)))
    (note,) = heard
    assert note.severity.value == "warning"
    assert "no usable pixel size" in note.message
    assert "spectra are declared" in note.message


def _dialogs() -> list[DamageDialog]:
    return [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, DamageDialog)]


def _made(path: Path, layout: Layout) -> Path:
    """Eight pixels in a row; the intensities of pixel x are x + 1 and 10."""
    mz = np.array([100.0, 200.0])
    spectra = [MadeSpectrum(x + 1, 1, None, mz, np.array([x + 1.0, 10.0])) for x in range(8)]
    return write_made(path, spectra, layout)


def test_what_is_left_of_a_truncated_file_opens_on_demand(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tmp_path: Path, heard: list[Notification]
) -> None:
    path = _made(tmp_path / "cut.imzML", Layout(mode="continuous"))
    ibd = path.with_suffix(".ibd")
    ibd.write_bytes(ibd.read_bytes()[:-12])
    bar = drop(path)
    qtbot.waitUntil(lambda: bool(_dialogs()), timeout=MS)
    (note,) = heard
    assert "truncated: 2 of 8 pixels" in note.message
    assert len(viewer.layers) == 0
    (dialog,) = _dialogs()
    assert "truncated: 2 of 8 pixels" in dialog.text.text()
    assert "6 pixels can be read" in dialog.text.text()
    assert not dialog.isModal()
    qtbot.mouseClick(dialog.open_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=MS)
    _wait_for_end(qtbot, bar)
    qtbot.waitUntil(lambda: not _dialogs(), timeout=MS)
    stack, _ = viewer.layers
    assert stack.name == "cut (readable part) ions"
    assert np.asarray(stack.data[0])[0, :6].tolist() == [1, 2, 3, 4, 5, 6]
    assert stack.data.shape[-1] == 6 or np.isnan(np.asarray(stack.data[0])[0, 6:]).all()


def test_damaged_numbers_are_counted(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tmp_path: Path, heard: list[Notification]
) -> None:
    path = _made(tmp_path / "rotten.imzML", Layout(mz_zlib=True, intensity_zlib=True))
    ibd = path.with_suffix(".ibd")
    raw = bytearray(ibd.read_bytes())
    raw[-8:] = bytes(8)
    ibd.write_bytes(raw)
    bar = drop(path)
    qtbot.waitUntil(lambda: bool(_dialogs()), timeout=MS)
    assert "the data of 1 of 8 spectra are damaged" in heard[0].message
    (dialog,) = _dialogs()
    assert "7 pixels can be read" in dialog.text.text()
    dialog.close()
    _wait_for_end(qtbot, bar)
    assert len(heard) == 1
    assert len(viewer.layers) == 0


def test_both_polarities_come_as_stacks_of_their_own(
    qtbot: QtBot, viewer: Viewer, drop: Drop, tmp_path: Path, heard: list[Notification]
) -> None:
    mz = {"positive": np.array([100.0, 200.0]), "negative": np.array([300.0])}
    spectra = [
        MadeSpectrum(x + 1, 1, None, mz[sign], np.full(len(mz[sign]), value), None, sign)  # type: ignore[arg-type]
        for x in range(1, 61)
        for sign, value in (("positive", 1.0), ("negative", 2.0))
        if sign == "positive" or x > 1
    ]
    bar = drop(write_made(tmp_path / "both.imzML", spectra, Layout()))
    _wait_for_end(qtbot, bar)
    assert _names(viewer) == [
        "both positive ions",
        "both negative ions",
        "both positive TIC",
        "both negative TIC",
    ]
    positive, negative = viewer.layers[:2]
    assert positive.metadata[KEY].images.mz.tolist() == pytest.approx([100.0, 200.0])
    assert negative.metadata[KEY].images.mz.tolist() == pytest.approx([300.0])
    assert positive.data.shape[1:] == negative.data.shape[1:] == (1, 60)  # they lie on each other
    assert np.isnan(np.asarray(negative.data[0])[0, 0])
    assert np.asarray(negative.data[0])[0, 1:].tolist() == [2.0] * 59
    assert not any("choose a polarity" in note.message for note in heard)


def test_the_real_sample_opens_with_its_stain(shared_data: Path, qtbot: QtBot, viewer: Viewer) -> None:
    folder = Path(os.environ["MSICLUST_CACHE"]) / "samples"
    folder.mkdir(parents=True)
    (folder / "msight").symlink_to((shared_data / "msight").resolve())
    opened: list[str] = []
    QTimer.singleShot(0, lambda: opened.extend(map(str, viewer.open_sample(PLUGIN, "msight"))))
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=MS)
    _wait_for_end(qtbot, viewer.window.dock_widgets[NAME])
    assert opened == ["H&E (not registered)"]
    assert _names(viewer) == ["H&E (not registered)", "prostate_example ions", "prostate_example TIC"]


def test_the_window_lives_while_a_sample_is_fetched(
    shared_data: Path, qtbot: QtBot, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks: list[int] = []
    clock = QTimer(interval=20)
    clock.timeout.connect(lambda: ticks.append(threading.get_ident()))

    def fetch(name: str, out: Path) -> Path:
        assert threading.get_ident() != threading.main_thread().ident
        before, end = len(ticks), time.monotonic() + 10
        while len(ticks) < before + 3 and time.monotonic() < end:
            time.sleep(0.01)
        assert len(ticks) >= before + 3  # the window's thread went on
        out.parent.mkdir(parents=True, exist_ok=True)
        out.symlink_to((shared_data / name).resolve())
        return out

    monkeypatch.setattr("napari_msiclust.plugin.samples.make_sample", fetch)
    clock.start()
    QTimer.singleShot(0, lambda: viewer.open_sample(PLUGIN, "msight"))
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=MS)
    _wait_for_end(qtbot, viewer.window.dock_widgets[NAME])


def test_planes_have_a_slider_of_their_own(qtbot: QtBot, viewer: Viewer, drop: Drop, tmp_path: Path) -> None:
    spectra = [
        MadeSpectrum(x + 1, y + 1, z + 1, np.array([100.0, 200.0]), np.array([1.0 + x, 10.0 * z + y]))
        for z in range(3)
        for y in range(2)
        for x in range(4)
    ]
    path = write_made(tmp_path / "deep.imzML", spectra, Layout(mode="continuous"))
    _wait_for_end(qtbot, drop(path))
    stack, tic = viewer.layers
    assert stack.data.shape == (2, 3, 2, 4)
    assert tic.data.shape == (3, 2, 4)
    assert viewer.dims.axis_labels == ("ion", "z", "y", "x")
    viewer.dims.set_current_step(1, 2)
    assert tic.visible  # only a move through the ions hides it
    assert viewer.canvas.overlays.text.text == "total ion current"
    viewer.dims.set_current_step(0, 1)
    assert not tic.visible
    assert "m/z 200" in viewer.canvas.overlays.text.text
