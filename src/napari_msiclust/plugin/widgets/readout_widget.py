"""The widget: clusters and ions in regions of the histology."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.layers import Layer
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_msiclust.errors import MsiclustError
from napari_msiclust.plugin.histology.groups import dataset_of, fixed_layers, group_of, moving_layers
from napari_msiclust.plugin.histology.readout import (
    export_clusters,
    imported_layer,
    read_group,
    region_layers,
    regions_of,
)
from napari_msiclust.plugin.widgets.layer_choice import LayerChoice
from napari_msiclust.registration.transforms import write_whole
from napari_msiclust.results.readout import draw_boxes

_TEXT = "#8f8f8f"  # readable in the dark and in the light theme
_PLOT_HEIGHT = 220
_SHOWN = {
    "region": "region",
    "name": "name",
    "measured_area_um2": "area (um²)",
    "dominant_area_um2": "dominated (um²)",
    "dominant_share": "share",
    "mean": "mean",
    "median": "median",
}


class ReadoutModel(QAbstractTableModel):
    """Read-only model over a readout."""

    def __init__(self, table: pd.DataFrame, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns = [table[name].tolist() for name in _SHOWN]

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._columns[0])

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return list(_SHOWN.values())[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self._columns[index.column()][index.row()]
        if isinstance(value, float):
            return "" if value != value else f"{value:.4g}"
        return str(value)


class ReadoutWidget(QWidget):
    """Regions, dataset, table, box plots, and files for others.

    Parameters
    ----------
    napari_viewer : Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.table = pd.DataFrame()
        self.fixed, self.ions = LayerChoice(fixed_layers), LayerChoice(moving_layers)
        self.regions = LayerChoice(region_layers)
        self.with_ions = QCheckBox("also every single ion")
        self.read_button, self.import_button = QPushButton("Read out"), QPushButton("Import GeoJSON ...")
        self.csv_button, self.geojson_button = (
            QPushButton("Save CSV ..."),
            QPushButton("Clusters to QuPath ..."),
        )
        self.view, self.name, self.status = QTableView(), QComboBox(), QLabel()
        self.plot = FigureCanvasQTAgg(Figure(layout="constrained"))
        self._lay_out()
        self.read_button.clicked.connect(self.read)
        self.import_button.clicked.connect(self._ask_import)
        self.csv_button.clicked.connect(self._ask_csv)
        self.geojson_button.clicked.connect(self._ask_geojson)
        self.name.currentTextChanged.connect(self._plot)
        for event in (self.viewer.layers.events.inserted, self.viewer.layers.events.removed):
            event.connect(self._layers_changed)
        self._layers_changed()

    def _lay_out(self) -> None:
        self.status.setWordWrap(True)
        self.plot.setFixedHeight(_PLOT_HEIGHT)
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.plot.figure.set_facecolor("none")
        self.plot.setStyleSheet("background: transparent")
        self.name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        form = QFormLayout()
        form.addRow("histology", self.fixed)
        form.addRow("ions", self.ions)
        form.addRow("regions", self.regions)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.with_ions)
        for pair in ((self.import_button, self.read_button), (self.csv_button, self.geojson_button)):
            row = QHBoxLayout()
            for button in pair:
                row.addWidget(button)
            layout.addLayout(row)
        layout.addWidget(self.view, stretch=1)
        layout.addWidget(self.name)
        layout.addWidget(self.plot)
        layout.addWidget(self.status)

    def _layers_changed(self, event: Any = None) -> None:
        for choice in (self.fixed, self.ions, self.regions):
            choice.refresh(self.viewer.layers)

    def _group(self) -> list[Layer]:
        layer = self.ions.layer()
        dataset = None if layer is None else dataset_of(layer)
        return [] if dataset is None else group_of(self.viewer.layers, dataset)

    def read(self) -> None:
        """Fill table and plot."""
        regions, group = self.regions.layer(), self._group()
        if regions is None or not group:
            show_info("Open ions or a result, and draw regions in a Shapes or Labels layer.")
            return
        self._guarded(lambda: self._show(regions, group))

    def _show(self, regions: Layer, group: list[Layer]) -> str:
        self.table = read_group(regions_of(regions), group, with_ions=self.with_ions.isChecked())
        self.view.setModel(ReadoutModel(self.table, self))
        self.name.clear()
        self.name.addItems(list(dict.fromkeys(self.table["name"])))
        return f"{self.table['region'].nunique()} regions, {self.table['name'].nunique()} clusters and ions."

    def _plot(self, name: str) -> None:
        if len(self.table):
            draw_boxes(self.plot.figure, self.table, name, _TEXT)
            self.plot.draw_idle()

    def _ask_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import regions", "", "GeoJSON (*.geojson *.json)")
        if path:
            self.import_regions(path)

    def import_regions(self, path: str) -> None:
        """Add QuPath's annotations as a Shapes layer."""
        fixed = self.fixed.layer()
        if fixed is None:
            show_info("Open the image that the regions were drawn on first.")
            return
        self._guarded(lambda: self._import(Path(path), fixed))

    def _import(self, path: Path, fixed: Layer) -> str:
        layer, imported = imported_layer(path, fixed)
        added = self.viewer.add_layer(Layer.create(*layer))
        self.regions.choose(added)
        skipped = f"; {imported.skipped} objects without an area were left out" if imported.skipped else ""
        return f"{len(imported.regions)} regions{skipped}."

    def _ask_csv(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save readout", "readout.csv", "CSV (*.csv)")
        if path:
            self.save_csv(path)

    def save_csv(self, path: str) -> None:
        """Write the table."""
        self._guarded(lambda: self._save_csv(Path(path)))

    def _save_csv(self, path: Path) -> str:
        write_whole(path, self.table.to_csv(index=False, lineterminator="\n"))
        return f"Saved {path.name}."

    def _ask_geojson(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self, "Clusters to QuPath", "clusters.geojson", "GeoJSON (*.geojson)"
        )
        if path:
            self.save_clusters(path)

    def save_clusters(self, path: str) -> None:
        """Write the clusters as annotations on the histology."""
        fixed = self.fixed.layer()
        if fixed is None:
            show_info("Open the histology first: QuPath counts in its pixels.")
            return
        self._guarded(
            lambda: f"{export_clusters(Path(path), self._group(), fixed)} clusters in {Path(path).name}."
        )

    def _guarded(self, step: Callable[[], str]) -> None:
        try:
            self.status.setText(step())
        except MsiclustError as error:
            self.status.setText(str(error))
            show_error(str(error))
