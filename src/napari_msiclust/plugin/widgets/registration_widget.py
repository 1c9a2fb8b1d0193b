"""The widget: lay the ions on the histology, by itself or by landmarks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image, Layer
from napari.utils.notifications import show_error, show_info, show_warning
from napari.viewer import Viewer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_msiclust.errors import MsiclustError
from napari_msiclust.plugin.histology.exports import histology_onto, onto
from napari_msiclust.plugin.histology.groups import (
    dataset_of,
    fixed_image,
    fixed_layers,
    moving_images,
    moving_layers,
)
from napari_msiclust.plugin.histology.landmark_layers import Side
from napari_msiclust.plugin.histology.match_view import VIEWS, MatchView
from napari_msiclust.plugin.histology.run import RegistrationReport, RegistrationRun
from napari_msiclust.plugin.histology.session import RegistrationSession
from napari_msiclust.plugin.layers import LayerTuple
from napari_msiclust.plugin.widgets.landmark_table import LandmarkTable
from napari_msiclust.plugin.widgets.layer_choice import LayerChoice
from napari_msiclust.plugin.worker import Failed, StoppedByUser
from napari_msiclust.registration.automatic import AutomaticRegistration
from napari_msiclust.registration.landmarks import KINDS

_LARGEST_PIXEL_UM = 1e5
_LEAST_NUMBER_WIDTH = 90
_FILES = "Registration (*.json);;Landmarks (*.csv)"


class RegistrationWidget(QWidget):
    """Images, automatic start, flips and turns, landmarks with residuals, views, files.

    Parameters
    ----------
    napari_viewer : Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.session = RegistrationSession(napari_viewer)
        self.view = MatchView(napari_viewer)
        self.fixed, self.moving = LayerChoice(fixed_layers), LayerChoice(moving_layers)
        self.pixel_size = QDoubleSpinBox()
        self.take_size_button = QPushButton()
        self.kind, self.view_kind = QComboBox(), QComboBox()
        self.automatic_button, self.stop_button = QPushButton("Automatic start"), QPushButton("Stop")
        self.place_button = QPushButton("Place landmarks")
        self.one_at_a_time = QCheckBox("show one image at a time while placing")
        self.table, self.error, self.status = LandmarkTable(), QLabel(), QLabel()
        self.progress_bar = QProgressBar()
        self.presets: dict[str, QPushButton] = {}
        self.undo_button = QPushButton("Undo")
        self._run: RegistrationRun | None = None
        self._lay_out()
        self._connect()
        self._layers_changed()
        self._set_running(running=False)

    # -- set-up --------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self.pixel_size.setRange(0, _LARGEST_PIXEL_UM)
        self.pixel_size.setDecimals(4)
        self.pixel_size.setSuffix(" um")
        self.pixel_size.setSpecialValueText("not known")
        self.pixel_size.setKeyboardTracking(False)
        self.pixel_size.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.pixel_size.setMinimumWidth(_LEAST_NUMBER_WIDTH)
        self.pixel_size.setToolTip("side of a pixel of the histology; correct it where the file is wrong")
        self.kind.addItems(KINDS)
        self.kind.setCurrentText(self.session.kind)
        self.kind.setToolTip("rigid: turn and shift; similarity: also scale; affine: also stretch and shear")
        self.view_kind.addItems(VIEWS)
        self.place_button.setCheckable(True)
        self.one_at_a_time.setChecked(True)
        for text in (self.error, self.status):
            text.setWordWrap(True)
        form = QFormLayout()
        form.addRow("histology", self.fixed)
        form.addRow("its pixel", _row(self.pixel_size, self.take_size_button))
        form.addRow("ions", self.moving)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(_row(self.automatic_button, self.stop_button))
        layout.addWidget(self.progress_bar)
        layout.addWidget(self.status)
        layout.addWidget(_row(*self._preset_buttons()))
        more = QFormLayout()
        more.addRow("transform", self.kind)
        more.addRow("view", self.view_kind)
        layout.addLayout(more)
        layout.addWidget(self.place_button)
        layout.addWidget(self.one_at_a_time)
        layout.addWidget(self.table, stretch=1)
        layout.addWidget(self.error)
        layout.addWidget(_row(self.undo_button, _button("Remove pair", self._remove_chosen)))
        layout.addWidget(_row(_button("Save ...", self._ask_save), _button("Load ...", self._ask_load)))
        layout.addWidget(
            _row(
                _button("Ions onto histology", self.export_ions),
                _button("Histology onto ions", self.export_histology),
            )
        )

    def _preset_buttons(self) -> list[QPushButton]:
        session = self.session
        steps: dict[str, tuple[str, Callable[[], None]]] = {
            "⇆": ("flip left to right", partial(session.flip, horizontal=True)),
            "⇅": ("flip top to bottom", partial(session.flip, horizontal=False)),
            "↺": ("turn left by 90 degrees", partial(session.turn, clockwise=False)),
            "↻": ("turn right by 90 degrees", partial(session.turn, clockwise=True)),
            "Reset": ("forget landmarks and transform", session.reset),
        }
        for text, (meaning, step) in steps.items():
            self.presets[meaning] = _button(text, step)
            self.presets[meaning].setToolTip(meaning)
        return list(self.presets.values())

    def _connect(self) -> None:
        for choice in (self.fixed, self.moving):
            choice.currentIndexChanged.connect(self._chosen)
        self.pixel_size.valueChanged.connect(self._size_edited)
        self.take_size_button.clicked.connect(self._take_size)
        self.kind.currentTextChanged.connect(self.session.set_kind)
        self.view_kind.currentTextChanged.connect(self._show_view)
        self.automatic_button.clicked.connect(self.start_automatic)
        self.stop_button.clicked.connect(self._stop)
        self.place_button.toggled.connect(self._placing_toggled)
        self.undo_button.clicked.connect(self.session.undo)
        self.session.changed.connect(self._update)
        self.session.landmark_added.connect(self._next_side)
        self.viewer.bind_key("Control-Z", lambda _: self.session.undo(), overwrite=True)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._layers_changed)

    # -- images --------------------------------------------------------------------------------

    def _layers_changed(self, event: Any = None) -> None:
        self.fixed.refresh(self.viewer.layers)
        self.moving.refresh(self.viewer.layers)
        self._chosen()

    def _chosen(self, _: Any = None) -> None:
        fixed, moving = self.fixed.layer(), self.moving.layer()
        self.session.choose(
            fixed if isinstance(fixed, Image) else None, None if moving is None else dataset_of(moving)
        )
        self._update()

    def _size_edited(self, um: float) -> None:
        if um > 0:
            self.session.set_pixel_size(um)

    def _take_size(self) -> None:
        suggested = self.session.suggested_pixel_size()
        if suggested is not None:
            self.session.set_pixel_size(suggested)

    def _update(self) -> None:
        """Show the state of the session."""
        session, fit = self.session, self.session.fit
        pairs = session.landmarks.pairs()
        self.table.show_residuals(pairs.numbers, None if fit is None else fit.residuals_um)
        self.error.setText(session.describe())
        size, suggested = session.pixel_size_um(), session.suggested_pixel_size()
        self.pixel_size.blockSignals(True)
        self.pixel_size.setValue(0 if size is None else size[0])
        self.pixel_size.blockSignals(False)
        self.take_size_button.setVisible(suggested is not None)
        self.take_size_button.setText("" if suggested is None else f"take {suggested:.4g} um")
        self.take_size_button.setToolTip("the pixel size with which the ions need no scaling")
        self.kind.setCurrentText(session.kind)
        for meaning, button in self.presets.items():
            button.setEnabled(not (meaning.startswith("turn") and session.has_enough_landmarks()))
        self.undo_button.setEnabled(session.can_undo())
        self.view.follow(self.moving.layer())

    # -- automatic -----------------------------------------------------------------------------

    def start_automatic(self) -> None:
        """Search the transform in the background."""
        fixed, group = self.fixed.layer(), self.session.group
        if fixed is None or not group:
            show_info("Open an imzML file and an optical image first, or take the sample Prostate tissue.")
            return
        self._run = RegistrationRun.prepare(moving_images(group), fixed_image(fixed), self.session.kind)
        self._run.worker.yielded.connect(self._receive)
        self._run.worker.finished.connect(self._finished)
        self.destroyed.connect(self._run.stop)
        self._set_running(running=True)
        self._run.start()

    def _stop(self) -> None:
        if self._run is not None:
            self._run.stop()

    def _receive(self, report: RegistrationReport) -> None:
        match report:
            case list():
                self.progress_bar.setRange(0, report[-1].total)
                self.progress_bar.setValue(report[-1].step)
                self.status.setText(f"{report[-1].stage} ...")
            case AutomaticRegistration():
                self.session.accept(report)
                self.status.setText(report.sentence())
                if not report.trusted:
                    show_warning(report.sentence())
            case Failed(message):
                self.status.setText(message)
                show_error(message)
            case StoppedByUser():
                self.status.setText("Stopped. Nothing was changed.")

    def _finished(self) -> None:
        self._run = None
        self._set_running(running=False)

    def _set_running(self, *, running: bool) -> None:
        self.automatic_button.setEnabled(not running)
        self.stop_button.setEnabled(running)
        self.progress_bar.setVisible(running)
        for part in (self.fixed, self.moving, self.place_button):
            part.setEnabled(not running)

    # -- landmarks -----------------------------------------------------------------------------

    def _placing_toggled(self, placing: bool) -> None:
        if placing and (self.fixed.layer() is None or not self.session.group):
            self.place_button.setChecked(False)
            show_info("Open an imzML file and an optical image first.")
        elif placing:
            self._next_side("moving")
        else:
            self.session.landmarks.end_adding()
            self.view_kind.setCurrentText("blended")
            self._show_view(self.view_kind.currentText())
            self.status.setText("Drag a landmark to correct it; the residuals follow.")

    def _next_side(self, placed: str) -> None:
        """After a landmark on one image, ask for its partner on the other."""
        if not self.place_button.isChecked():
            return
        side: Side = "moving" if placed == "fixed" else "fixed"
        self.session.begin_adding(side)
        number = self.session.landmarks.free_number(side)
        where = "histology" if side == "fixed" else "ions"
        self.status.setText(f"Click landmark {number} on the {where}.")
        if self.one_at_a_time.isChecked():
            self._show(f"{where} only")

    def _remove_chosen(self) -> None:
        for number in self.table.chosen_numbers():
            self.session.remove_landmark(number)

    # -- views, files, exports -----------------------------------------------------------------

    def _show_view(self, kind: str) -> None:
        self._show(kind)

    def _show(self, kind: Any) -> None:
        self.view.show(kind, self.fixed.layer(), self.moving.layer(), self.session.group)

    def _ask_save(self) -> None:
        path, chosen = QFileDialog.getSaveFileName(self, "Save registration", "registration.json", _FILES)
        if path:
            suffix = ".csv" if "csv" in chosen else ".json"
            self.save(path if Path(path).suffix else path + suffix)

    def save(self, path: str) -> None:
        """Write the registration (.json) or its landmarks (.csv)."""
        self._guarded(lambda: self.session.save(path), f"Saved {Path(path).name}.")

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load registration", "", _FILES)
        if path:
            self.load(path)

    def load(self, path: str) -> None:
        """Apply a saved registration or landmarks."""
        self._guarded(lambda: self.session.load(path), f"Applied {Path(path).name}.")

    def export_ions(self) -> None:
        """Add the layers of the ions on the grid of the histology."""
        fixed = self.fixed.layer()
        if fixed is not None:
            self._add(*(onto(layer, fixed) for layer in self.session.group))

    def export_histology(self) -> None:
        """Add the histology on the grid of the ions."""
        fixed, group = self.fixed.layer(), self.session.group
        if isinstance(fixed, Image) and group:
            self._add(histology_onto(fixed, group[0]))

    def _add(self, *layers: LayerTuple) -> None:
        for layer in layers:
            self.viewer.add_layer(Layer.create(*layer))
        self.status.setText("Added; File > Save Selected Layers writes them with their scale.")

    def _guarded(self, step: Callable[[], None], done: str) -> None:
        try:
            step()
        except MsiclustError as error:
            self.status.setText(str(error))
            show_error(str(error))
        else:
            self.status.setText(done)


def _row(*parts: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)
    return row


def _button(text: str, clicked: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.clicked.connect(lambda: clicked())
    return button
