"""A project saved, moved, opened, gone on with; and what was never saved, restored."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QCoreApplication, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.docks import ClusterDock
from napari_msiclust.plugin.histology.groups import REGISTERED, placed, remember_registration
from napari_msiclust.plugin.histology.session import RegistrationSession
from napari_msiclust.plugin.layers import KEY, IonDataset
from napari_msiclust.plugin.projects import opening
from napari_msiclust.plugin.projects.autosaving import Autosaver
from napari_msiclust.plugin.projects.opening import MissingDataDialog
from napari_msiclust.plugin.projects.saving import FOLDER, PLAIN, WITH_IMAGES, save_project, saving
from napari_msiclust.registration.transforms import LandmarkPairs, Registration
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import History, replay
from napari_msiclust.results.edits import Edit, Move, Recolor, Rename, SetAside
from napari_msiclust.results.ion_basis import IonBasis
from napari_msiclust.results.project.autosave import autosave, autosaved
from napari_msiclust.results.project.content import Project
from napari_msiclust.results.project.project_file import read_project, write_project
from tests.plugin.conftest import PLUGIN
from tests.plugin.workbench.conftest import SECONDS, User, dock, user  # noqa: F401

EDITS: tuple[Edit, ...] = (Rename(1, "stroma"), Recolor(2, "#112233"), Move((0, 5), 2), SetAside((3,)))
MATRIX = np.array([[0, -1, 900], [1, 0, 30], [0, 0, 1.0]])


@pytest.fixture
def study(tissue: Path, tmp_path: Path) -> Path:
    """A folder with data of its own."""
    (tmp_path / "study" / "raw").mkdir(parents=True)
    for suffix in (".imzML", ".ibd"):
        shutil.copy(tissue.with_suffix(suffix), tmp_path / "study" / "raw")
    return tmp_path / "study"


@pytest.fixture
def project_file(study: Path, tissue_result: ClusterResult, tissue_images: IonImages) -> Path:
    """A corrected and registered result, saved beside its data."""
    history = replay(History.begin(tissue_result, IonBasis.of(tissue_result, tissue_images)), EDITS)
    pairs = LandmarkPairs(np.array([1, 2]), np.array([[0.0, 1], [2, 3]]), np.array([[4.0, 5], [6, 7]]))
    registration = Registration(MATRIX, "similarity", pairs, {"name": "stain"})
    data = [study / "raw" / f"tissue{suffix}" for suffix in (".imzML", ".ibd")]
    project = Project.of(history.undone(), data_path=str(data[0]), registration=registration)
    return write_project(study / "p.msiclust", project, data_files=data)


def at_work(viewer: Viewer, action: Callable[[], object]) -> None:
    """Do something while the window handles events, as a drop on it does."""
    QTimer.singleShot(0, action)


def drop(viewer: Viewer, path: Path) -> None:
    at_work(viewer, lambda: viewer.open(str(path), plugin=PLUGIN))


def wait_for_session(qtbot: QtBot, viewer: Viewer) -> User:
    def docked() -> ClusterDock | None:
        return next(
            (one for one in viewer.window.dock_widgets.values() if isinstance(one, ClusterDock)), None
        )

    qtbot.waitUntil(lambda: docked() is not None and docked().widget is not None, timeout=SECONDS)
    someone = User(qtbot, viewer, docked().widget)
    someone.wait(lambda: someone.dock.workspace.session is not None, SECONDS)
    someone.wait_idle()
    return someone


def test_a_dropped_project_brings_the_session_back(
    qtbot: QtBot, viewer: Viewer, project_file: Path, tmp_path: Path
) -> None:
    project_file.parent.rename(tmp_path / "elsewhere")
    drop(viewer, tmp_path / "elsewhere" / "p.msiclust")
    someone = wait_for_session(qtbot, viewer)
    assert [layer.name for layer in viewer.layers] == [
        "tissue ions", "tissue TIC", "mean ion images", "dominant cluster map",
    ]  # fmt: skip
    assert viewer.dims.current_step[0] == 0
    docks = [name for name in viewer.window.dock_widgets if name.startswith("Cluster ion images")]
    assert docks == ["Cluster ion images (MSI ion clustering)"]  # as the Plugins menu calls it
    history = someone.session.history
    assert history is not None
    assert (history.edits, history.position) == (EDITS, 3)
    assert history.current.labels.name(1) == "stroma"
    assert "stroma" in someone.dock.results_step.clusters.item(0, 0).text() or "stroma" in [
        str(name) for name in someone.session.clusters["name"]
    ]
    weighed = history.with_evidence().evidence
    someone.wait(lambda: someone.session.evidence == weighed)
    assert weighed != history.states[0].result.evidence
    color = viewer.layers["dominant cluster map"].get_color(2)
    np.testing.assert_allclose(color[:3], np.array([0x11, 0x22, 0x33]) / 255, atol=0.01)
    for layer in viewer.layers:
        np.testing.assert_allclose(placed(layer), MATRIX)
    someone.click(someone.dock.results_step.redo)
    someone.wait_idle()
    assert someone.session.cluster_of(3) == 0
    someone.session.do(Move((7,), 1))
    someone.wait_idle()
    again = tmp_path / "elsewhere" / "again.msiclust"
    saving(someone.session, viewer.layers, again, with_images=False)()
    saved = read_project(again)
    assert (len(saved.edits), saved.position) == (5, 5)
    assert saved.registration is not None
    np.testing.assert_allclose(saved.registration.pairs.fixed_um, [[0, 1], [2, 3]])
    assert saved.data is not None
    assert saved.data.relative == "raw/tissue.imzML"


def test_too_little_memory_to_undo_is_told(
    qtbot: QtBot, viewer: Viewer, project_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Project, "can_be_undone", False)
    drop(viewer, project_file)
    someone = wait_for_session(qtbot, viewer)
    assert someone.session.cluster_of(5) == 2, "as corrected"
    assert "Too little memory to undo the 4 corrections" in someone.dock.status.text()


def test_a_script_gets_the_layers_at_once(viewer: Viewer, project_file: Path) -> None:
    viewer.open(str(project_file), plugin=PLUGIN)
    assert len(viewer.layers) == 4
    assert isinstance(viewer.layers[0].metadata[KEY], IonDataset)


def test_landmarks_come_back_to_the_registration(viewer: Viewer, project_file: Path) -> None:
    viewer.open(str(project_file), plugin=PLUGIN)
    stain = viewer.add_image(np.zeros((20, 20)), name="stain")
    session = RegistrationSession(viewer)
    session.choose(stain, str(project_file.parent / "raw" / "tissue.imzML"))
    np.testing.assert_allclose(session.landmarks.pairs().moving_um, [[4, 5], [6, 7]])
    np.testing.assert_allclose(session.matrix, MATRIX)
    assert session.kind == "similarity"


def test_a_registration_is_kept_with_its_layers(opened: Viewer, tissue: Path) -> None:
    stain = opened.add_image(np.zeros((20, 20)), name="stain")
    session = RegistrationSession(opened)
    session.choose(stain, str(tissue.resolve()))
    session.turn(clockwise=True)
    kept = opened.layers["tissue ions"].metadata[REGISTERED]
    np.testing.assert_allclose(kept.matrix, session.matrix)
    remember_registration([], kept)


def _question(qtbot: QtBot) -> MissingDataDialog:
    """The dialog that asks for the data, as soon as it is there."""

    def shown() -> list[MissingDataDialog]:
        windows = QApplication.topLevelWidgets()
        return [one for one in windows if isinstance(one, MissingDataDialog) and one.isVisible()]

    qtbot.waitUntil(lambda: bool(shown()), timeout=SECONDS)
    (dialog,) = shown()
    return dialog


def test_moved_data_are_asked_for(
    qtbot: QtBot, viewer: Viewer, project_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project_file.parent / "raw").rename(tmp_path / "archive")
    drop(viewer, project_file)
    dialog = _question(qtbot)
    assert "tissue.imzML" in dialog.windowTitle()
    wrong = tmp_path / "wrong.imzML"
    wrong.write_text("x")
    answers = iter([wrong, tmp_path / "archive" / "tissue.imzML"])
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(next(answers)), ""))
    dialog.find_button.click()
    assert "SHA-256 differs" in dialog.text.text()
    dialog.find_button.click()
    someone = wait_for_session(qtbot, viewer)
    assert someone.session.dataset.path == tmp_path / "archive" / "tissue.imzML"


def test_without_its_data_a_project_shows_what_is_there(
    qtbot: QtBot, viewer: Viewer, project_file: Path
) -> None:
    shutil.rmtree(project_file.parent / "raw")
    drop(viewer, project_file)
    _question(qtbot).without_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=SECONDS)
    ions = viewer.layers["mean ion images"].metadata[KEY].ions
    assert ions["cluster"].tolist() == read_project(project_file).current.ions["cluster"].tolist()


def test_ion_images_inside_make_up_for_lost_data(
    qtbot: QtBot, viewer: Viewer, project_file: Path, tissue_images: IonImages, tmp_path: Path
) -> None:
    whole = read_project(project_file)
    path = write_project(tmp_path / "whole.msiclust", Project(**{**vars(whole), "images": tissue_images}))
    shutil.rmtree(project_file.parent / "raw")
    drop(viewer, path)
    someone = wait_for_session(qtbot, viewer)
    np.testing.assert_array_equal(someone.session.dataset.images.values, tissue_images.values)
    assert someone.session.history.position == 3


def test_a_damaged_project_is_told(
    qtbot: QtBot, viewer: Viewer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(opening, "show_error", told.append)
    (tmp_path / "p.msiclust").write_bytes(b"PK hello")
    drop(viewer, tmp_path / "p.msiclust")
    qtbot.waitUntil(lambda: bool(told), timeout=SECONDS)
    assert "not a project" in told[0]
    assert not viewer.layers


@pytest.mark.parametrize(("kind", "name"), [(PLAIN, "a"), (WITH_IMAGES, "b.msiclust"), (FOLDER, "c")])
def test_saving_from_the_menu(
    kind: str,
    name: str,
    user: User,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / name), kind))
    get_app_model().commands.execute_command("napari-msiclust.save_project").result()
    path = tmp_path / (name if kind == FOLDER or name.endswith("t") else f"{name}.msiclust")
    user.wait(lambda: "Saved" in user.dock.status.text(), SECONDS)
    saved = read_project(path)
    assert (saved.images is not None) == (kind == WITH_IMAGES)
    assert saved.data is not None
    assert not autosaved(user.session.dataset.path).exists()


def test_with_nothing_to_save_it_says_so(opened: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("napari_msiclust.plugin.projects.saving.show_info", told.append)
    save_project(opened)
    assert "no result" in told[0]


def test_what_was_not_saved_is_offered(
    user: User,  # noqa: F811
    qtbot: QtBot,
    make_napari_viewer: Callable[..., Viewer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = user.session.dataset.path
    user.session.do(Rename(1, "tubules"))
    user.wait_idle()
    for keeper in user.session.findChildren(Autosaver):
        keeper.keep()
    user.wait(lambda: autosaved(path).exists())
    user.wait_idle()
    assert not user.dock.restore_bar.isVisibleTo(user.dock)

    second = make_napari_viewer(show=True)
    monkeypatch.setattr("napari.current_viewer", lambda: second)
    second.open(str(path), plugin=PLUGIN)
    docked = second.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    assert docked.restore_bar.isVisibleTo(docked)
    assert "tissue.imzML" in docked.restore_bar.label.text()
    docked.restore_bar.restore.click()
    qtbot.waitUntil(lambda: docked.workspace.session is not None, timeout=SECONDS)
    other = User(qtbot, second, docked)
    other.wait_idle()
    assert other.session.clusters["name"].iloc[0] == "tubules"
    assert len(second.layers) == 4
    assert not docked.restore_bar.isVisibleTo(docked)


def test_an_offer_can_be_declined(qtbot: QtBot, opened: Viewer, project_file: Path, tissue: Path) -> None:
    autosave(read_project(project_file), tissue)
    docked = opened.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    assert docked.restore_bar.isVisibleTo(docked)
    docked.restore_bar.discard.click()
    assert not docked.restore_bar.isVisibleTo(docked)
    assert not autosaved(tissue).exists()
    QCoreApplication.processEvents()
