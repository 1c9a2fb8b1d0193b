"""The landmark pairs with their residuals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

_COLUMNS = ("landmark", "residual (um)")
_LEAST_HEIGHT = 110


class LandmarkTable(QTableWidget):
    """Number and residual of each pair; the worst stands in bold."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_COLUMNS), parent)
        self.setHorizontalHeaderLabels(_COLUMNS)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setMinimumHeight(_LEAST_HEIGHT)

    def show_residuals(
        self, numbers: npt.NDArray[np.int64], residuals_um: npt.NDArray[np.float64] | None
    ) -> None:
        """Show pairs; without a fit there are no residuals."""
        self.setRowCount(len(numbers))
        worst = int(residuals_um.argmax()) if residuals_um is not None and len(residuals_um) > 2 else -1
        for row, number in enumerate(numbers):
            residual = "" if residuals_um is None else f"{residuals_um[row]:.1f}"
            for column, text in enumerate((str(number), residual)):
                item = self.item(row, column)
                if item is None:
                    item = QTableWidgetItem()
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                    self.setItem(row, column, item)
                item.setText(text)
                font = item.font()
                font.setBold(row == worst)
                item.setFont(font)

    def chosen_numbers(self) -> list[int]:
        """Numbers of the selected rows."""
        rows = sorted({index.row() for index in self.selectedIndexes()})
        return [int(self.item(row, 0).text()) for row in rows]
