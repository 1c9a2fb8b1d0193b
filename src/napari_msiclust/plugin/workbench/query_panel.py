"""What is co-localized with this? An ion, a painted region, or a channel of another image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from napari.layers import Image, Labels, Layer, Shapes
from napari.viewer import Viewer
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_msiclust.plugin.layers import KEY, ClusteredIons, IonDataset, TicImage
from napari_msiclust.plugin.workbench.geometry import channel_of, region_of
from napari_msiclust.plugin.workbench.layer_view import LayerView
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.results.composite import stack_of_ions
from napari_msiclust.results.ion_basis import IonBasis
from napari_msiclust.results.query import Query, like_image, like_ion
from napari_msiclust.results.stains import STAIN_CHANNELS
from napari_msiclust.results.table_file import write_table

_ION = "the selected ion"
_TITLES = ("m/z", "cluster", "cosine", "learned", "annotation")
_HINTS = (
    "",
    "",
    "cosine between the ion images, 0 to 1",
    "cosine between the learned features, -1 to 1",
    "",
)
_SENT = 12
_ION_ROLE = Qt.ItemDataRole.UserRole


class QueryPanel(QWidget):
    """Choose what to compare with, and get all ions ranked.

    Parameters
    ----------
    viewer : Viewer
    """

    said = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.source, self.channel, self.find = QComboBox(), QComboBox(), QPushButton("Find")
        self.table, self.title = QTableWidget(0, len(_TITLES)), QLabel()
        self.to_layer, self.to_csv = QPushButton("To layer"), QPushButton("Save CSV…")
        self._session: Session | None = None
        self._layer_view: LayerView | None = None
        self._ranking: pd.DataFrame | None = None
        self._layers: list[Layer] = []
        self._lay_out()
        self.source.currentIndexChanged.connect(self._source_changed)
        self.find.clicked.connect(self.ask)
        self.table.itemSelectionChanged.connect(self._chosen)
        self.to_layer.clicked.connect(self._send_to_layer)
        self.to_csv.clicked.connect(self._save)
        self.list_sources()
        self._show(None)

    def _lay_out(self) -> None:
        self.source.setToolTip("an ion, a region (shapes or labels layer), or another image, such as a stain")
        self.channel.setToolTip("which channel of the colour image")
        self.find.setToolTip("rank all ions by how alike their images are")
        self.to_layer.setToolTip(f"the first {_SENT} ions, or the selected ones, as a stack of images")
        self.to_csv.setToolTip("the whole list, with both scores, as a table")
        for box, letters in ((self.source, 14), (self.channel, 8)):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(letters)
        self.channel.addItems(list(STAIN_CHANNELS))
        self.table.setHorizontalHeaderLabels(_TITLES)
        for column, hint in enumerate(_HINTS):
            self.table.horizontalHeaderItem(column).setToolTip(hint)
        self.table.verticalHeader().setDefaultSectionSize(21)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.setAccessibleName("ions ranked by co-localization")
        top, bottom = QHBoxLayout(), QHBoxLayout()
        top.addWidget(QLabel("like"))
        top.addWidget(self.source, stretch=2)
        top.addWidget(self.channel, stretch=1)
        top.addWidget(self.find)
        bottom.addWidget(self.title, stretch=1)
        bottom.addWidget(self.to_layer)
        bottom.addWidget(self.to_csv)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(bottom)

    def list_sources(self, event: object = None) -> None:
        """Offer the layers that can be asked about."""
        before = self.source.currentData()
        own = () if self._layer_view is None else self._layer_view.layers
        self._layers = [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, Image | Labels | Shapes)
            and layer not in own
            and not isinstance(layer.metadata.get(KEY), IonDataset | ClusteredIons | TicImage)
        ]
        self.source.blockSignals(True)
        self.source.clear()
        self.source.addItem(_ION, None)
        for layer in self._layers:
            kind = "image" if isinstance(layer, Image) else "region"
            self.source.addItem(f"{kind}: {layer.name}", layer)
            if layer is before:
                self.source.setCurrentIndex(self.source.count() - 1)
        self.source.blockSignals(False)
        self._source_changed()

    def _source_changed(self) -> None:
        layer = self.source.currentData()
        self.channel.setVisible(isinstance(layer, Image) and bool(layer.rgb))

    def show_session(self, session: Session, layer_view: LayerView) -> None:
        """Ask another session."""
        self._session, self._layer_view = session, layer_view
        self.list_sources()
        self._show(None)

    def leave_session(self) -> None:
        """Ask no more."""
        self._session = None

    def ask(self) -> None:
        """Rank the ions."""
        session = self._session
        basis = None if session is None else session.basis
        if session is None or basis is None:
            self.said.emit("The result is not ready for questions yet.")
            return
        question = self._question(basis)
        if question is None:
            self.said.emit("Select an ion first, in the table, the gallery, the plot or the spectrum.")
            return
        ions = session.ions
        make = question
        self.find.setEnabled(False)
        session.background.run(
            "query",
            lambda: (lambda query: (query.title, query.rank(basis, ions)))(make()),
            self._answered,
            self._failed,
        )

    def _question(self, basis: IonBasis) -> Callable[[], Query] | None:
        session, view, layer = self._session, self._layer_view, self.source.currentData()
        if session is None or view is None:
            return None
        if layer is None:
            current = session.selection.current
            return None if current is None else lambda: like_ion(basis, current)
        on_grid, shape, point = view.grid_layer, basis.images.grid.shape, view.point
        if isinstance(layer, Image):
            channel = self.channel.currentText()
            title = f"{layer.name}, {channel}" if layer.rgb else layer.name
            return lambda: like_image(basis, channel_of(layer, channel, on_grid, shape, point), title)
        return lambda: like_image(basis, region_of(layer, on_grid, shape, point), layer.name)

    def _failed(self, message: str) -> None:
        self.find.setEnabled(True)
        self.said.emit(message)

    def _answered(self, answer: tuple[str, pd.DataFrame]) -> None:
        self._show(answer)
        title, table = answer
        best = f"; the most alike: m/z {table['mz'].iloc[0]:.4f}" if len(table) else ""
        self.said.emit(f"{len(table)} ions ranked by how alike they are to {title}{best}.")

    def _show(self, answer: tuple[str, pd.DataFrame] | None) -> None:
        self.find.setEnabled(True)
        self._ranking = None if answer is None else answer[1]
        for button in (self.to_layer, self.to_csv):
            button.setEnabled(answer is not None)
        self.title.setText("" if answer is None else f"like {answer[0]}")
        table = pd.DataFrame() if answer is None else answer[1].head(500)
        self.table.blockSignals(True)
        self.table.clearSelection()
        self.table.setRowCount(len(table))
        for at, row in enumerate(table.itertuples()):
            texts = (
                f"{row.mz:.4f}",
                str(row.cluster),
                f"{row.cosine:.3f}",
                f"{row.learned:.3f}",
                row.annotation,
            )
            for column, text in enumerate(texts):
                item = QTableWidgetItem(str(text))
                item.setData(_ION_ROLE, int(str(row.ion)))
                self.table.setItem(at, column, item)
        self.table.blockSignals(False)

    def _selected_ions(self) -> list[int]:
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        return [int(self.table.item(row, 0).data(_ION_ROLE)) for row in rows]

    def _chosen(self) -> None:
        ions = self._selected_ions()
        if self._session is not None and ions:
            self._session.select_ions(ions)

    def _send_to_layer(self) -> None:
        session, ranking, view = self._session, self._ranking, self._layer_view
        if session is None or ranking is None or view is None:
            return
        selected = self._selected_ions()
        ions = selected if len(selected) > 1 else ranking["ion"].head(_SENT).tolist()
        images, quantile = session.dataset.images, session.result.config.hotspot_quantile
        title = self.title.text()
        names = [f"m/z {images.mz[ion]:.4f}" for ion in ions]
        session.background.run(
            "ranked",
            lambda: stack_of_ions(images, ions, quantile),
            lambda stack: self._sent(view, stack, title, names),
            self.said.emit,
        )

    def _sent(self, view: LayerView, stack: Any, title: str, names: list[str]) -> None:
        view.add_stack(stack, title, names)
        self.said.emit(f"{len(names)} ion images are in the layer {title!r}; the slider goes through them.")

    def _save(self) -> None:
        ranking, session = self._ranking, self._session
        if ranking is None or session is None:
            return
        path, _ = QFileDialog.getSaveFileName(self, "Save the ranking", "colocalized.csv", "CSV (*.csv)")
        if path:
            session.background.run(
                "save",
                lambda: write_table(ranking.drop(columns="ion"), Path(path)),
                lambda _: self.said.emit(f"Saved {path}"),
                self.said.emit,
            )
