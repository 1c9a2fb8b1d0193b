"""The clusters: colour, name, ions, confidence, territory."""

from __future__ import annotations

import pandas as pd
from qtpy.QtCore import QItemSelectionModel, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_msiclust.plugin.workbench.views.swatch import swatch
from napari_msiclust.results.colors import colors_of

_TITLES = ("cluster", "ions", "confid.", "pixels")
_HINTS = (
    "double-click to rename",
    "ions in the cluster",
    "mean confidence of its learned labels",
    "pixels of the tissue where the cluster's scaled mean ion image is the largest",
)
_ROW_HEIGHT = 21
_NUMBER = Qt.ItemDataRole.UserRole


class ClusterList(QTableWidget):
    """A row for each cluster that has ions; selecting one selects the cluster."""

    chosen = Signal(int)
    renamed = Signal(int, str)

    def __init__(self) -> None:
        super().__init__(0, len(_TITLES))
        self.setHorizontalHeaderLabels(_TITLES)
        for column, hint in enumerate(_HINTS):
            self.horizontalHeaderItem(column).setToolTip(hint)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for column in range(1, len(_TITLES)):
            self.horizontalHeader().setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.setColumnWidth(column, 58)
        self.setAccessibleName("clusters")
        self._filling = False
        self.itemSelectionChanged.connect(self._choose)
        self.itemChanged.connect(self._rename)

    @property
    def numbers(self) -> list[int]:
        """Cluster numbers from the first row to the last."""
        return [int(self.item(row, 0).data(_NUMBER)) for row in range(self.rowCount())]

    @property
    def selected(self) -> tuple[int, ...]:
        """Numbers of the selected clusters, in the order of the rows."""
        rows = sorted({index.row() for index in self.selectionModel().selectedRows()})
        return tuple(int(self.item(row, 0).data(_NUMBER)) for row in rows)

    def show_clusters(self, clusters: pd.DataFrame) -> None:
        """Show a cluster table; clusters without ions are left out."""
        kept, colors = self.selected, colors_of(clusters)
        self._filling = True
        shown = [row for row in range(len(clusters)) if clusters["ions"].iloc[row] > 0]
        self.setRowCount(len(shown))
        for at, row in enumerate(shown):
            entry = clusters.iloc[row]
            number = int(entry["cluster"])
            name = str(entry["name"]) if "name" in clusters else f"cluster {number}"
            sizes = int(entry["ions"]), float(entry["mean_confidence"]), int(entry["dominant_pixels"])
            texts = (name, str(sizes[0]), f"{sizes[1]:.2f}", str(sizes[2]))
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(f"{name}: {_HINTS[column]}")
                if column:
                    item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                else:
                    item.setData(_NUMBER, number)
                    item.setIcon(swatch(QColor.fromRgbF(*map(float, colors[row]))))
                self.setItem(at, column, item)
        self._filling = False
        self.select(kept)

    def select(self, clusters: tuple[int, ...]) -> None:
        """Select clusters without telling anyone."""
        if set(clusters) == set(self.selected):
            return
        flags = QItemSelectionModel.SelectionFlag
        self._filling = True
        self.selectionModel().clearSelection()
        for row, number in enumerate(self.numbers):
            if number in clusters:
                index = self.model().index(row, 0)
                self.selectionModel().select(index, flags.Select | flags.Rows)
                self.selectionModel().setCurrentIndex(index, flags.NoUpdate)
                self.scrollTo(index)
        self._filling = False

    def _choose(self) -> None:
        selected = self.selected
        if not self._filling and len(selected) == 1:
            self.chosen.emit(selected[0])

    def _rename(self, item: QTableWidgetItem) -> None:
        if not self._filling and item.column() == 0:
            self.renamed.emit(int(item.data(_NUMBER)), item.text())
