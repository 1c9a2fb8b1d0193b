"""The spectrum with its choice of where it comes from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Layer, Shapes
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_msiclust.plugin.workbench.geometry import region_of
from napari_msiclust.plugin.workbench.layer_view import LayerView
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.plugin.workbench.views.spectrum_plot import SpectrumPlot
from napari_msiclust.results.ion_colors import ion_colors
from napari_msiclust.results.spectra import mean_spectrum, pixel_at, pixel_spectrum, region_spectrum

_MEAN, _PIXEL, _TERRITORY = "mean of the tissue", "pixel under the cursor", "territory of the cluster"
_FIXED = (_MEAN, _PIXEL, _TERRITORY)
_TOPIC = "spectrum"


class SpectrumPanel(QWidget):
    """Peaks in the colours of their clusters."""

    def __init__(self, layers: object) -> None:
        super().__init__()
        self.plot, self.source = SpectrumPlot(), QComboBox()
        self.source.setToolTip(
            "where the spectrum comes from; add a shapes or labels layer to see a region's"
        )
        self.source.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.source.setMinimumContentsLength(18)
        self.plot.setToolTip("click a peak for its ion; drag to zoom in m/z; double click shows all")
        top = QHBoxLayout()
        top.addWidget(QLabel("spectrum"))
        top.addWidget(self.source, stretch=1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.plot, stretch=1)
        self._layers = layers
        self._session: Session | None = None
        self._layer_view: LayerView | None = None
        self._regions: list[Layer] = []
        self.list_sources()
        self.source.currentIndexChanged.connect(self.refresh)
        self.source.activated.connect(self.refresh)
        self.plot.ions_chosen.connect(self._chosen)

    def list_sources(self, event: object = None) -> None:
        """Offer the regions that are there; a chosen one stays so, whatever its name, while it is there."""
        at = self.source.currentIndex()
        chosen = self._regions[at - len(_FIXED)] if at >= len(_FIXED) else None
        own = () if self._layer_view is None else self._layer_view.layers
        self._regions = [
            layer
            for layer in self._layers  # type: ignore[attr-defined]
            if isinstance(layer, Shapes | Labels) and layer not in own
        ]
        self.source.blockSignals(True)
        self.source.clear()
        self.source.addItems([*_FIXED, *(f"region: {layer.name}" for layer in self._regions)])
        if chosen in self._regions:
            at = len(_FIXED) + self._regions.index(chosen)
        gone = chosen is not None and chosen not in self._regions
        self.source.setCurrentIndex(0 if gone else max(at, 0))
        self.source.blockSignals(False)
        if gone:
            self.refresh()

    def show_session(self, session: Session, layer_view: LayerView) -> None:
        """Show another session."""
        self._session, self._layer_view = session, layer_view
        session.changed.connect(self._color)
        session.changed.connect(self._result_changed)
        selection = session.selection
        selection.ions_changed.connect(self._select)
        selection.pixel_changed.connect(self._pixel_changed)
        selection.cluster_changed.connect(self._cluster_changed)
        self.list_sources()
        self._color()
        self.refresh()

    def leave_session(self) -> None:
        """Hear no more of the session."""
        if self._session is not None:
            selection = self._session.selection
            self._session.changed.disconnect(self._color)
            self._session.changed.disconnect(self._result_changed)
            selection.ions_changed.disconnect(self._select)
            selection.pixel_changed.disconnect(self._pixel_changed)
            selection.cluster_changed.disconnect(self._cluster_changed)
            self._session = None

    def refresh(self) -> None:
        """Show the spectrum of the chosen place."""
        session, source = self._session, self.source.currentText()
        if session is None or self._layer_view is None:
            return
        images = session.dataset.images
        if source == _MEAN:
            shown = images.with_mask(session.result.grid.mask)
            self._compute(lambda: mean_spectrum(shown), "mean of the tissue")
        elif source == _PIXEL:
            self._show_pixel()
        elif source == _TERRITORY:
            cluster, territory = session.selection.cluster, session.result.dominant_cluster_map
            if cluster:
                self._compute(
                    lambda: region_spectrum(images, territory == cluster), f"territory of cluster {cluster}"
                )
        else:
            layer = self._regions[self.source.currentIndex() - len(_FIXED)]
            on_grid, shape = self._layer_view.grid_layer, images.grid.shape
            point = self._layer_view.point
            self._compute(
                lambda: region_spectrum(images, region_of(layer, on_grid, shape, point)), layer.name
            )

    def _show_pixel(self) -> None:
        session = self._session
        if session is None or session.selection.pixel is None:
            return
        row, col = session.selection.pixel
        images = session.dataset.images

        def look() -> npt.NDArray[np.float64]:
            pixel = pixel_at(images, row, col)
            return np.zeros(len(images)) if pixel is None else pixel_spectrum(images, pixel)

        self._compute(look, f"row {row}, column {col}")

    def _compute(self, work: object, title: str) -> None:
        session = self._session
        if session is not None:
            session.background.run(
                _TOPIC,
                work,  # type: ignore[arg-type]
                lambda intensity: self._show(session, intensity, title),
                session.said.emit,
            )

    def _show(self, session: Session, intensity: npt.NDArray[np.float64], title: str) -> None:
        if session is self._session:
            self.plot.show_spectrum(intensity, title)

    def _color(self) -> None:
        if self._session is not None:
            ions, clusters = self._session.ions, self._session.clusters
            self.plot.show_ions(ions["mz"].to_numpy(), ion_colors(ions, clusters, "cluster"))

    def _result_changed(self) -> None:
        if self.source.currentText() == _TERRITORY:
            self.refresh()

    def _pixel_changed(self) -> None:
        if self.source.currentText() == _PIXEL:
            self._show_pixel()

    def _cluster_changed(self) -> None:
        if self.source.currentText() == _TERRITORY:
            self.refresh()

    def _select(self) -> None:
        if self._session is not None:
            self.plot.select(self._session.selection.ions)

    def _chosen(self, ions: tuple[int, ...], add: bool) -> None:
        if self._session is not None:
            before = self._session.selection.ions if add else ()
            self._session.select_ions([*before, *ions])
