"""The ion table with its filters, and why the current ion is where it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_msiclust.errors import InputError
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.plugin.workbench.views.ion_table import IonTable
from napari_msiclust.results.ion_filter import IonFilter, parse_mz_range

_ANY = "all"
_IN_BINS = "in bins"


class IonsPanel(QWidget):
    """Filters above, the table, and a line on the current ion below."""

    def __init__(self) -> None:
        super().__init__()
        self.table = IonTable()
        self.mz_edit, self.text_edit = QLineEdit(), QLineEdit()
        self.cluster_box, self.confidence_box = QComboBox(), QDoubleSpinBox()
        self.color_box, self.count = QCheckBox("colours"), QLabel()
        self.reason = QLabel()
        self._session: Session | None = None
        self._ions: pd.DataFrame | None = None
        self._lay_out()
        self.mz_edit.textChanged.connect(self._filter)
        self.text_edit.textChanged.connect(self._filter)
        self.cluster_box.currentIndexChanged.connect(self._filter)
        self.confidence_box.valueChanged.connect(self._filter)
        self.table.ions_chosen.connect(self._chosen)

    def _lay_out(self) -> None:
        self.mz_edit.setPlaceholderText("m/z 400-500")
        self.mz_edit.setToolTip("a range such as 400-500, 400- or -500, or one m/z")
        self.text_edit.setPlaceholderText("annotation")
        self.text_edit.setToolTip("part of a name, formula or adduct")
        for edit in (self.mz_edit, self.text_edit):
            edit.setClearButtonEnabled(True)
            edit.setMinimumWidth(70)
        self.cluster_box.setToolTip("ions of one cluster, or of one bin")
        self.cluster_box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.cluster_box.setMinimumContentsLength(7)
        self.confidence_box.setRange(0, 1)
        self.confidence_box.setSingleStep(0.05)
        self.confidence_box.setPrefix("≥ ")
        self.confidence_box.setToolTip("least confidence")
        self.color_box.setToolTip("show two or three selected ions as colours instead of their mean")
        self.reason.setWordWrap(True)
        self.reason.setToolTip("why the ion that was selected last is where it is, in words")
        top, below = QHBoxLayout(), QHBoxLayout()
        for part in (self.mz_edit, self.text_edit, self.cluster_box):
            top.addWidget(part, stretch=1)
        for part in (QLabel("confidence"), self.confidence_box, self.color_box):
            below.addWidget(part)
        below.addStretch(1)
        below.addWidget(self.count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addLayout(below)
        layout.addWidget(self.table, stretch=1)
        layout.addWidget(self.reason)

    def show_session(self, session: Session | None) -> None:
        """Show another session."""
        self._session = session
        if session is not None:
            session.changed.connect(self.refresh)
            session.selection.ions_changed.connect(self._select)
        self.refresh()

    def leave_session(self) -> None:
        """Hear no more of the session."""
        if self._session is not None:
            self._session.changed.disconnect(self.refresh)
            self._session.selection.ions_changed.disconnect(self._select)
            self._session = self._ions = None
            self.reason.clear()

    def show_table(self, ions: pd.DataFrame) -> None:
        """Show an ion table without its ion images."""
        sizes = np.bincount(ions["cluster"].clip(lower=0), minlength=1)[1:]
        clusters = pd.DataFrame({"cluster": range(1, len(sizes) + 1), "ions": sizes})
        self._show(ions, clusters)

    def refresh(self) -> None:
        """Show the tables as they are now."""
        if self._session is not None:
            self._show(self._session.ions, self._session.clusters)
            self._select()

    def _show(self, ions: pd.DataFrame, clusters: pd.DataFrame) -> None:
        self._ions = ions
        self._fill_clusters(ions, clusters)
        self.table.show_ions(ions, clusters, self.filter().rows(ions))
        self._tell_count()

    def _fill_clusters(self, ions: pd.DataFrame, clusters: pd.DataFrame) -> None:
        before = self.cluster_box.currentText()
        names = (
            clusters["name"]
            if "name" in clusters
            else [f"cluster {number}" for number in clusters["cluster"]]
        )
        self.cluster_box.blockSignals(True)
        self.cluster_box.clear()
        self.cluster_box.addItem(_ANY, None)
        for number, name, size in zip(clusters["cluster"], names, clusters["ions"], strict=True):
            if size:
                self.cluster_box.addItem(str(name), int(number))
        self.cluster_box.addItem(_IN_BINS, 0)
        bins = {str(one) for one in ions["bin"]} if "bin" in ions else set()
        for name in sorted(bins - {""}):
            self.cluster_box.addItem(f"bin: {name}", name)
        self.cluster_box.setCurrentIndex(max(self.cluster_box.findText(before), 0))
        self.cluster_box.blockSignals(False)

    def filter(self) -> IonFilter:
        """The conditions as they are set; a range that is not one yet counts as none."""
        try:
            mz = parse_mz_range(self.mz_edit.text())
        except InputError:
            mz = (0.0, np.inf)
        wanted = self.cluster_box.currentData()
        return IonFilter(
            mz=mz,
            cluster=wanted if isinstance(wanted, int) else None,
            bin=wanted if isinstance(wanted, str) else None,
            least_confidence=self.confidence_box.value(),
            text=self.text_edit.text().strip(),
        )

    def _filter(self) -> None:
        if self._ions is not None:
            self.table.ion_model.filter(self.filter().rows(self._ions))
            self._tell_count()

    def _tell_count(self) -> None:
        shown, total = self.table.ion_model.rowCount(), 0 if self._ions is None else len(self._ions)
        self.count.setText(f"{shown} of {total} ions")

    def _chosen(self, ions: tuple[int, ...], current: int | None) -> None:
        if self._session is not None:
            self._session.select_ions(ions, current)

    def _select(self) -> None:
        if self._session is not None:
            selection = self._session.selection
            self.table.select(selection.ions, selection.current)
            self._give_reason()

    def showEvent(self, event: QShowEvent) -> None:
        """Say it of the ion that was selected elsewhere."""
        super().showEvent(event)
        self._give_reason()

    def _give_reason(self) -> None:
        """Say why the current ion is where it is; it is worked out only where it is seen."""
        self.reason.clear()
        session = self._session
        if session is None or not self.isVisibleTo(self.window()):
            return
        ion = session.selection.current
        if ion is not None:
            session.tell_reason(ion, lambda words: self._say(session, ion, words))

    def _say(self, session: Session, ion: int, words: str) -> None:
        if session is self._session and ion == session.selection.current:
            self.reason.setText(words)
