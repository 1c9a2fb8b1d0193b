"""The ion table as a Qt view: sorted and filtered without moving a row of the table itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QItemSelection, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QIcon
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from napari_msiclust.plugin.workbench.views.swatch import swatch
from napari_msiclust.results.colors import colors_of

COLUMNS = {
    "mz": "m/z",
    "cluster": "cluster",
    "confidence": "confid.",
    "annotation": "annotation",
    "label_origin": "label",
    "bin": "bin",
    "centrality": "central.",
}
_TOOLTIPS = {
    "confidence": "how sure the label is, 0 to 1; 1 where you gave it",
    "label_origin": "learned, manual (yours), or refined (learned again from your corrections)",
    "centrality": "correlation with the mean ion image of its cluster",
    "bin": "why an ion is in no cluster",
}
_DECIMALS = {"mz": 4, "confidence": 2, "centrality": 2}
_WIDTHS = {"mz": 72, "cluster": 50, "confidence": 52, "annotation": 90, "label_origin": 102, "bin": 60}
_MAY_BE_EMPTY = ("annotation", "bin")  # hidden where they say nothing
_ROW_HEIGHT = 21


class IonTableModel(QAbstractTableModel):
    """Rows of an ion table in the order and choice of the user; sorting thousands takes a millisecond."""

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self._values: dict[str, npt.NDArray[Any]] = {}
        self._swatches: list[QIcon] = []
        self._pinned = np.zeros(0, bool)
        self._kept = np.zeros(0, bool)
        self._order = np.zeros(0, np.intp)
        self._place = np.zeros(0, np.intp)
        self._sorted_by, self._descending = "mz", False

    def show_ions(self, ions: pd.DataFrame, clusters: pd.DataFrame, kept: npt.NDArray[np.bool_]) -> None:
        """Show an ion table; `kept` (N,) tells which rows pass the filter."""
        self.beginResetModel()
        self._names = [name for name in COLUMNS if name in ions]
        self._values = {name: ions[name].to_numpy() for name in self._names}
        self._swatches = [swatch(QColor.fromRgbF(*map(float, color))) for color in colors_of(clusters)]
        self._pinned = ions["pinned"].to_numpy() if "pinned" in ions else np.zeros(len(ions), bool)
        self._kept = kept
        self._arrange()
        self.endResetModel()

    def filter(self, kept: npt.NDArray[np.bool_]) -> None:
        """Show other rows of the same table."""
        self.beginResetModel()
        self._kept = kept
        self._arrange()
        self.endResetModel()

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of the ion table, from left to right."""
        return tuple(self._names)

    @property
    def order(self) -> npt.NDArray[np.intp]:
        """Ions from the first row to the last."""
        return self._order

    def places(self, ions: tuple[int, ...]) -> npt.NDArray[np.intp]:
        """Rows at which ions stand, ascending; those filtered out are left out."""
        if not len(self._place):
            return np.zeros(0, np.intp)
        places = self._place[list(ions)]
        return np.sort(places[places >= 0])

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        if not 0 <= column < len(self._names):
            return
        self.beginResetModel()
        self._sorted_by = self._names[column]
        self._descending = order == Qt.SortOrder.DescendingOrder
        self._arrange()
        self.endResetModel()

    def _arrange(self) -> None:
        if self._sorted_by not in self._values:
            self._sorted_by = "mz"
        keys = self._values[self._sorted_by]
        keys = keys.astype(str) if keys.dtype == object else keys
        order = np.argsort(keys, kind="stable")
        order = order[::-1] if self._descending else order
        self._order = order[self._kept[order]]
        self._place = np.full(len(keys), -1)
        self._place[self._order] = np.arange(len(self._order))

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._names)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation == Qt.Orientation.Horizontal and section < len(self._names):
            if role == Qt.ItemDataRole.DisplayRole:
                return COLUMNS[self._names[section]]
            if role == Qt.ItemDataRole.ToolTipRole:
                return _TOOLTIPS.get(self._names[section])
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        name, ion = self._names[index.column()], self._order[index.row()]
        value = self._values[name][ion]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            if name == "label_origin" and self._pinned[ion]:
                return f"{value}, pinned"
            return f"{value:.{_DECIMALS[name]}f}" if name in _DECIMALS else str(value)
        if role == Qt.ItemDataRole.DecorationRole and name == "cluster" and 0 < value <= len(self._swatches):
            return self._swatches[value - 1]
        return None


class IonTable(QTableView):
    """A table of ions; emits `ions_chosen` with ions and the current one when the user selects rows."""

    ions_chosen = Signal(tuple, object)

    def __init__(self) -> None:
        super().__init__()
        self.ion_model = IonTableModel()
        self.setModel(self.ion_model)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.horizontalHeader().setStretchLastSection(True)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setAccessibleName("ion table")
        self._selected: tuple[int, ...] = ()
        self._current: int | None = None
        self._restoring = False
        self.selectionModel().selectionChanged.connect(self._choose)
        self.ion_model.modelReset.connect(self._restore)

    def show_ions(self, ions: pd.DataFrame, clusters: pd.DataFrame, kept: npt.NDArray[np.bool_]) -> None:
        """Show an ion table."""
        first = not self.ion_model.names
        self.ion_model.show_ions(ions, clusters, kept)
        if first:
            for column, name in enumerate(self.ion_model.names):
                self.setColumnWidth(column, _WIDTHS.get(name, 60))
        for column, name in enumerate(self.ion_model.names):
            is_empty = name in _MAY_BE_EMPTY and not ions[name].astype(bool).any()
            self.setColumnHidden(column, is_empty)

    def select(self, ions: tuple[int, ...], current: int | None) -> None:
        """Select the rows of ions and bring the current one into sight."""
        if (ions, current) != (self._selected, self._current):
            self._selected, self._current = ions, current
            self._restore()

    def step(self, by: int) -> int | None:
        """The ion `by` rows below the current one, or the first; None in an empty table."""
        order = self.ion_model.order
        if not len(order):
            return None
        at = self._current_row()
        row = 0 if at is None else int(np.clip(at + by, 0, len(order) - 1))
        return int(order[row])

    def _current_row(self) -> int | None:
        places = self.ion_model.places(() if self._current is None else (self._current,))
        return int(places[0]) if len(places) else None

    def _restore(self) -> None:
        """Bring the view's selection in line with what is selected."""
        model, places = self.selectionModel(), self.ion_model.places(self._selected)
        chosen, last = QItemSelection(), self.ion_model.columnCount() - 1
        for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
            if len(run):
                top, bottom = self.ion_model.index(int(run[0]), 0), self.ion_model.index(int(run[-1]), last)
                chosen.select(top, bottom)
        self._restoring = True
        row = self._current_row()
        index = self.ion_model.index(-1 if row is None else row, 0)
        if index.isValid():
            model.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        model.select(chosen, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        if index.isValid():
            self.scrollTo(index)
        self._restoring = False

    def _choose(self) -> None:
        if self._restoring:
            return
        order = self.ion_model.order
        rows = [
            row for part in self.selectionModel().selection() for row in range(part.top(), part.bottom() + 1)
        ]
        current = self.selectionModel().currentIndex()
        self._selected = tuple(order[rows].tolist())
        self._current = int(order[current.row()]) if current.isValid() else None
        self.ions_chosen.emit(self._selected, self._current)
