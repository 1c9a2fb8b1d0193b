"""Opening a project in a window at work: beside it, with one question at most."""

from __future__ import annotations

import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer
from napari.utils.notifications import show_error, show_warning
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFileDialog, QLabel, QVBoxLayout, QWidget

from napari_msiclust.plugin.docks import open_cluster_dock
from napari_msiclust.plugin.opening.bar import opening_bar
from napari_msiclust.plugin.worker import Failed, Run, StoppedByUser
from napari_msiclust.progress import Progress

if TYPE_CHECKING:
    from napari_msiclust.plugin.layers import IonDataset
    from napari_msiclust.plugin.projects.restoring import Found, Restored

_opening: set[ProjectOpening] = set()


def open_project(viewer: Viewer, path: Path, onto: IonDataset | None = None) -> ProjectOpening:
    """Open a project in a viewer whose window is at work; its ion images may be open already."""
    opening = ProjectOpening(viewer, path, onto)
    _opening.add(opening)
    opening.start()
    return opening


class ProjectOpening(QObject):
    """One project being opened; it ends when its layers are there, or the window is gone.

    Attributes
    ----------
    dialog : MissingDataDialog or None
        The question where the data are, while it is open.
    """

    def __init__(self, viewer: Viewer, path: Path, onto: IonDataset | None = None) -> None:
        super().__init__()
        self.viewer, self.path, self._onto = viewer, path, onto
        self.dialog: MissingDataDialog | None = None
        self._run: Run | None = None
        self._bar = opening_bar(viewer)
        self._bar.destroyed.connect(self._stop)

    def start(self) -> None:
        """Begin to read."""
        self._begin(lambda stop: _finding(self.path))

    def go_on(self, found: Found) -> None:
        """Make the layers of a project."""
        self.dialog = None
        self._begin(lambda stop: _restoring(found, stop))

    def _begin(self, make_steps: Any) -> None:
        self._run = Run.of(make_steps, f"opening {self.path}")
        self._run.worker.yielded.connect(self._receive)
        self._run.start()

    def _stop(self) -> None:
        if self._run is not None:
            self._run.stop()
        _opening.discard(self)

    def _receive(self, report: Any) -> None:
        match report:
            case list():
                self.viewer.status = f"{self.path.name}: {report[-1].stage}"
            case Failed(message):
                _opening.discard(self)
                show_error(message)
            case StoppedByUser():
                _opening.discard(self)
            case _ if hasattr(report, "layers"):
                self._show(report)
            case _:
                self._found(report)

    def _found(self, found: Found) -> None:
        if self._onto is not None:
            self.go_on(found.onto(self._onto))
            return
        if not (found.lacks_data and found.project.data is not None):
            self.go_on(found)
            return
        self.dialog = MissingDataDialog(found, self._bar.window())
        self.dialog.located.connect(lambda path: self.go_on(replace(found, data=Path(path))))
        self.dialog.refused.connect(lambda: self.go_on(found))
        self.dialog.show()

    def _show(self, restored: Restored) -> None:
        from napari_msiclust.plugin.current_ion import follow_current_plane

        _opening.discard(self)
        follow_current_plane(self.viewer)
        was_empty = not self.viewer.layers
        self._show_histology(restored.found)
        for layer in new_layers(self.viewer, restored):
            self.viewer.add_layer(layer)
        if was_empty:
            self.viewer.dims.set_current_step(0, 0)  # napari begins in the middle, beyond the last cluster
        open_cluster_dock(self.viewer)
        if restored.message:
            show_warning(f"{self.path.name}: {restored.message}")
        self.viewer.status = f"{self.path.name}: opened"

    def _show_histology(self, found: Found) -> None:
        registration = found.project.registration
        if registration is None or found.histology is None:
            return
        name = str(registration.fixed.get("name", ""))
        if name in self.viewer.layers:
            return
        try:
            (layer, *_) = self.viewer.open(str(found.histology))
        except Exception as error:  # noqa: BLE001 - any reader may have taken it
            show_warning(f"{found.histology.name}: {error}")
            return
        layer.name = name or layer.name
        size = registration.fixed.get("pixel_size_um")
        if isinstance(size, list) and len(size) == 2:
            layer.scale = (*layer.scale[:-2], *size)
            layer.units = (*layer.units[:-2], "um", "um")


def new_layers(viewer: Viewer, restored: Restored) -> list[Layer]:
    """Layers of a project that the viewer does not have yet."""
    from napari_msiclust.plugin.layers import KEY, ClusteredIons
    from napari_msiclust.plugin.projects.restoring import dataset_in, is_open
    from napari_msiclust.plugin.units import prepare_units

    prepare_units()
    dataset = dataset_in(restored.layers)
    there = dataset is not None and any(is_open(dataset, layer.metadata.get(KEY)) for layer in viewer.layers)
    return [
        Layer.create(*one)
        for one in restored.layers
        if not there or isinstance(one[1]["metadata"].get(KEY), ClusteredIons)
    ]


def _finding(path: Path) -> Generator[Progress, None, Found]:
    from napari_msiclust.plugin.projects.restoring import finding_steps

    return (yield from finding_steps(path))


def _restoring(found: Found, stop: threading.Event) -> Generator[Progress, None, Restored]:
    from napari_msiclust.plugin.projects.restoring import restoring_steps

    return (yield from restoring_steps(found, stop=stop))


class MissingDataDialog(QDialog):
    """Asks where the data of a project are; the window behind it can be worked in.

    Signals
    -------
    located
        A file that is the one the project links to.
    refused
        Open the project without.

    Parameters
    ----------
    found : Found
    parent : QWidget
    """

    located = Signal(str)
    refused = Signal()

    def __init__(self, found: Found, parent: QWidget) -> None:
        super().__init__(parent)
        self._link = found.project.data
        self._answered = False
        name = "" if self._link is None else self._link.name
        self.setWindowTitle(f"Where is {name}?")
        self.setModal(False)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = QLabel(
            f"The data of {found.path.name} are not where they were:\n{found.project.data_path}\n\n"
            "Without them the result can be looked at, but its ion images cannot."
        )
        self.text.setWordWrap(True)
        buttons = QDialogButtonBox()
        self.find_button = buttons.addButton("Find them…", QDialogButtonBox.ButtonRole.AcceptRole)
        self.without_button = buttons.addButton("Open without", QDialogButtonBox.ButtonRole.RejectRole)
        self.find_button.clicked.connect(self._find)
        self.without_button.clicked.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
        self.resize(520, self.sizeHint().height())

    def _find(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, self.windowTitle(), "", "Mass spectrometry imaging (*)")
        if not name or self._link is None:
            return
        if not self._link.fits(Path(name)):
            self.text.setText(f"{name} is another file than the one of this project (its SHA-256 differs).")
            return
        self._answered = True
        self.located.emit(name)
        self.close()

    def closeEvent(self, event: Any) -> None:
        """Closed without an answer: open what is there."""
        if not self._answered:
            self._answered = True
            self.refused.emit()
        super().closeEvent(event)
