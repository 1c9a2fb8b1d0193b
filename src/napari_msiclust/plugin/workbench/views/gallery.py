"""Thumbnails of ions; only those in sight are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import (
    QAbstractListModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_msiclust.plugin.workbench.thumbnail_store import ThumbnailStore

_CELL = QSize(88, 92)
_PICTURE = 72
_ION_ROLE = Qt.ItemDataRole.UserRole
_OUTLIER = QColor("#D55E00")


class GalleryModel(QAbstractListModel):
    """Ions in the order of the gallery."""

    def __init__(self) -> None:
        super().__init__()
        self.order = np.zeros(0, np.intp)
        self.captions: list[str] = []
        self.hints: list[str] = []
        self.colors: list[QColor] = []
        self.outlying = np.zeros(0, bool)

    def show_ions(
        self,
        order: npt.NDArray[np.intp],
        captions: list[str],
        hints: list[str],
        colors: list[QColor],
        outlying: npt.NDArray[np.bool_],
    ) -> None:
        """Show ions in an order; captions, hints, colours and outliers are those of all N ions."""
        self.beginResetModel()
        self.order, self.captions, self.hints, self.colors = order, captions, hints, colors
        self.outlying = outlying
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.order)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        ion = int(self.order[index.row()])
        if role == _ION_ROLE:
            return ion
        if role == Qt.ItemDataRole.DisplayRole:
            return self.captions[ion]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.hints[ion]
        return None


class _Painter(QStyledItemDelegate):
    """Draws a thumbnail with its m/z, the colour of its cluster, and a mark on outliers."""

    def __init__(self, gallery: Gallery) -> None:
        super().__init__(gallery)
        self._gallery = gallery

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return _CELL

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        model, ion = self._gallery.ion_model, int(index.data(_ION_ROLE))
        cell = option.rect.adjusted(2, 2, -2, -2)
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(cell, self._gallery.palette().highlight())
        picture = self._gallery.thumbnail(ion)
        area = QRect(cell.left() + 6, cell.top() + 4, _PICTURE, cell.height() - 22)
        if picture is not None:
            size = picture.size().scaled(area.size(), Qt.AspectRatioMode.KeepAspectRatio)
            place = QRect(area.topLeft(), size)
            place.moveCenter(area.center())
            painter.drawImage(place, picture)
        painter.fillRect(QRect(cell.left(), cell.top(), 4, cell.height()), model.colors[ion])
        if model.outlying[ion]:
            painter.setPen(QPen(_OUTLIER, 2, Qt.PenStyle.DashLine))
            painter.drawRect(cell.adjusted(1, 1, -1, -1))
        text = QRect(cell.left() + 4, cell.bottom() - 16, cell.width() - 4, 16)
        painter.setPen(self._gallery.palette().windowText().color())
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        painter.drawText(text, Qt.AlignmentFlag.AlignCenter, model.captions[ion])
        painter.restore()


class Gallery(QListView):
    """Thumbnails in a grid; emits `ions_chosen` when the user selects some."""

    ions_chosen = Signal(tuple, object)

    def __init__(self) -> None:
        super().__init__()
        self.ion_model = GalleryModel()
        self.setModel(self.ion_model)
        self.setItemDelegate(_Painter(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setLayoutMode(QListView.LayoutMode.SinglePass)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setAccessibleName("thumbnails of ion images")
        self._store: ThumbnailStore | None = None
        self._selected: tuple[int, ...] = ()
        self._current: int | None = None
        self._restoring = False
        self.selectionModel().selectionChanged.connect(self._choose)
        self.ion_model.modelReset.connect(self._restore)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)

    def take_from(self, store: ThumbnailStore) -> None:
        """Take thumbnails from a store, and no longer from the last one."""
        self.leave_store()
        self._store = store
        store.arrived.connect(self._redraw)

    def leave_store(self) -> None:
        """Take thumbnails from nowhere."""
        if self._store is not None:
            self._store.arrived.disconnect(self._redraw)
            self._store = None

    def thumbnail(self, ion: int) -> Any:
        """The thumbnail of an ion, or None while there is none."""
        return None if self._store is None else self._store.image(ion)

    def select(self, ions: tuple[int, ...], current: int | None) -> None:
        """Select ions and bring the current one into sight."""
        if (ions, current) != (self._selected, self._current):
            self._selected, self._current = ions, current
            self._restore()

    def place_of(self, ion: int) -> int | None:
        """Where an ion stands in the gallery."""
        found = np.flatnonzero(self.ion_model.order == ion)
        return int(found[0]) if len(found) else None

    def _restore(self) -> None:
        places = np.flatnonzero(np.isin(self.ion_model.order, self._selected))
        chosen = QItemSelection()
        for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
            if len(run):
                chosen.select(self.ion_model.index(int(run[0])), self.ion_model.index(int(run[-1])))
        self._restoring = True
        place = None if self._current is None else self.place_of(self._current)
        flags = QItemSelectionModel.SelectionFlag
        if place is not None:
            self.selectionModel().setCurrentIndex(self.ion_model.index(place), flags.NoUpdate)
        self.selectionModel().select(chosen, flags.ClearAndSelect)
        if place is not None:
            self.scrollTo(self.ion_model.index(place))
        self._restoring = False

    def _choose(self) -> None:
        if self._restoring:
            return
        order = self.ion_model.order
        rows = [
            row for part in self.selectionModel().selection() for row in range(part.top(), part.bottom() + 1)
        ]
        current = self.selectionModel().currentIndex()
        self._selected = tuple(order[sorted(rows)].tolist())
        self._current = int(order[current.row()]) if current.isValid() else None
        self.ions_chosen.emit(self._selected, self._current)

    def _redraw(self) -> None:
        self.viewport().update()

    def _scrolled(self) -> None:
        if self._store is not None:
            self._store.forget_wishes()
