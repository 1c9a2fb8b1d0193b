"""The ion table as a sortable Qt view."""

from __future__ import annotations

from typing import Any

import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_msiclust.results.colors import cluster_colors

COLUMNS = {
    "mz": "m/z",
    "cluster": "cluster",
    "confidence": "confidence",
    "annotation": "annotation",
    "bin": "bin",
}
_DECIMALS = {"mz": 4, "confidence": 3}
_SORT_ROLE = Qt.ItemDataRole.UserRole


class IonTableModel(QAbstractTableModel):
    """Read-only model over an ion table; row i is ion i of the table."""

    def __init__(self, ions: pd.DataFrame, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names = [name for name in COLUMNS if name in ions.columns]
        self._columns = [ions[name].tolist() for name in self._names]
        colors = cluster_colors(int(ions["cluster"].max()) if len(ions) else 0)
        self._colors = [QColor.fromRgbF(*map(float, color)) for color in colors]
        self._rows = len(ions)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else self._rows

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._names)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return COLUMNS[self._names[section]]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        name, value = self._names[index.column()], self._columns[index.column()][index.row()]
        if role == _SORT_ROLE:
            return value
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{value:.{_DECIMALS[name]}f}" if name in _DECIMALS else str(value)
        if role == Qt.ItemDataRole.DecorationRole and name == "cluster" and value > 0:
            return self._colors[value - 1]
        return None


class IonTable(QTableView):
    """A table of ions; emits `ion_chosen` with the ion's row when the current row changes."""

    ion_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._proxy = QSortFilterProxyModel(self)
        self._proxy.setSortRole(_SORT_ROLE)
        self.setModel(self._proxy)
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setStretchLastSection(True)
        self.selectionModel().currentRowChanged.connect(self._choose)

    def show_ions(self, ions: pd.DataFrame) -> None:
        """Show another ion table, by m/z."""
        self._proxy.setSourceModel(IonTableModel(ions, self))
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)

    def _choose(self, current: QModelIndex, _: QModelIndex) -> None:
        if current.isValid():
            self.ion_chosen.emit(self._proxy.mapToSource(current).row())
