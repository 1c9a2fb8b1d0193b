"""The session of a viewer as a project."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from napari.layers import Image, Layer
from napari.utils.notifications import show_info
from napari.viewer import Viewer
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_msiclust.errors import MsiclustError
from napari_msiclust.plugin.projects.state import histology_layer, histology_of, project_of
from napari_msiclust.plugin.workbench.saving import source_of
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.plugin.workbench.workspace import Workspace
from napari_msiclust.results.project.autosave import discard
from napari_msiclust.results.project.project_file import write_project

PLAIN, WITH_IMAGES, FOLDER = (
    "Project (*.msiclust)",
    "Project with ion images (*.msiclust)",
    "Project as a folder (*)",
)


def save_project(viewer: Viewer) -> None:
    """Ask where, and save the result that the workbench shows, with all that was made of it."""
    workspace = Workspace.of(viewer)
    session = workspace.session
    if session is None or session.history is None:
        show_info("There is no result to save: cluster ion images first, or open a result with its file.")
        return
    name, kind = QFileDialog.getSaveFileName(
        QApplication.activeWindow(),
        "Save as project",
        f"{session.dataset.path.stem}.msiclust",
        ";;".join((PLAIN, WITH_IMAGES, FOLDER)),
    )
    if not name:
        return
    path = Path(name)
    if kind != FOLDER and path.suffix.lower() != ".msiclust":
        path = path.with_name(f"{path.name}.msiclust")
    elif kind == FOLDER and path.suffix.lower() == ".msiclust":
        path = path.with_suffix("")
    work = saving(session, viewer.layers, path, with_images=kind == WITH_IMAGES)
    session.said.emit(f"saving {path.name} …")
    session.background.run("save", work, lambda saved: session.said.emit(f"Saved {saved}"), show_info)


def saving(session: Session, layers: Iterable[Layer], path: Path, *, with_images: bool) -> Callable[[], Path]:
    """What saves the session as it is now; to be called in a thread."""
    project, dataset = project_of(session, layers), session.dataset
    if with_images:
        project = replace(project, images=dataset.images)
    stain, shown = histology_layer(layers, project.registration), histology_of(session, layers)

    def work() -> Path:
        source = source_of(dataset)
        saved = write_project(
            path,
            project,
            data_files=_data_files(session),
            histology=_file_of(stain),
            shown=shown,
            report_from=dataset.images.with_mask(project.learned.grid.mask),
            source=source,
        )
        discard(dataset.path)
        return saved

    return work


def _data_files(session: Session) -> tuple[Path, ...]:
    """Files of the ion images; none if they are gone."""
    dataset = session.dataset
    try:
        with dataset.reading.opened(dataset.path) as file:
            return file.data_files
    except (MsiclustError, OSError):
        return ()


def _file_of(layer: Image | None) -> Path | None:
    """The file that a layer was read from."""
    path = None if layer is None or not layer.source.path else Path(layer.source.path)
    return path if path is not None and path.is_file() else None
