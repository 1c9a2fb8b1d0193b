"""The embedding plot with its choices of layout and colour."""

from __future__ import annotations

from html import escape

import numpy as np
import numpy.typing as npt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.plugin.workbench.thumbnail_store import ThumbnailStore
from napari_msiclust.plugin.workbench.views.embedding_plot import EmbeddingPlot
from napari_msiclust.results.ion_colors import COLORINGS, color_legend, ion_colors
from napari_msiclust.results.projection import pca_projection, tsne_projection

_PCA, _TSNE = "PCA", "t-SNE"
_AXES = {_PCA: ("component 1", "component 2"), _TSNE: ("t-SNE 1", "t-SNE 2")}
_ENTRY = '<span style="color: rgb({}, {}, {})">&#9679;</span>&nbsp;{text}'
_HELP = "click an ion, or draw around ions; Shift adds; wheel zooms, double click shows all"


class EmbeddingPanel(QWidget):
    """PCA at once, t-SNE when it is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = EmbeddingPlot(self._thumbnail, self._describe)
        self.layout_box, self.color_box, self.note = QComboBox(), QComboBox(), QLabel()
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.layout_box.addItems([_PCA, _TSNE])
        self.layout_box.setToolTip("how the learned features of the ions are laid out in a plane")
        self.color_box.addItems(list(COLORINGS))
        self.plot.setToolTip(_HELP)
        top = QHBoxLayout()
        for part in (self.layout_box, QLabel("colour"), self.color_box):
            top.addWidget(part)
        top.addStretch(1)
        top.addWidget(self.note)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(self.plot, stretch=1)
        layout.addWidget(self.legend)
        self._session: Session | None = None
        self._store: ThumbnailStore | None = None
        self._points: dict[str, npt.NDArray[np.float32]] = {}
        self.layout_box.currentIndexChanged.connect(self._lay_points)
        self.color_box.currentIndexChanged.connect(self._color)
        self.plot.ions_chosen.connect(self._chosen)

    def show_session(self, session: Session, store: ThumbnailStore) -> None:
        """Show another session."""
        self._session, self._store, self._points = session, store, {}
        store.arrived.connect(self._thumbnails_came)
        session.ready.connect(self._project)
        session.changed.connect(self._color)
        session.selection.ions_changed.connect(self._select)
        if session.basis is not None:
            self._project()
        self._color()

    def leave_session(self) -> None:
        """Hear no more of the session."""
        if self._session is not None and self._store is not None:
            self._store.arrived.disconnect(self._thumbnails_came)
            self._session.ready.disconnect(self._project)
            self._session.changed.disconnect(self._color)
            self._session.selection.ions_changed.disconnect(self._select)
            self._session = None

    def _project(self) -> None:
        session = self._session
        basis = session.basis if session is not None else None
        if session is None or basis is None:
            return
        seed = session.result.config.seed
        self.note.setText("t-SNE is on its way")
        run = session.background.run
        run("PCA", lambda: pca_projection(basis), lambda points: self._projected(session, _PCA, points))
        run(
            "t-SNE",
            lambda: tsne_projection(basis, seed),
            lambda points: self._projected(session, _TSNE, points),
            self.note.setText,
        )

    def _projected(self, session: Session, name: str, points: npt.NDArray[np.float32]) -> None:
        if session is not self._session:
            return
        self._points[name] = points
        if name == _TSNE:
            self.note.setText("")
        self._lay_points()

    def _lay_points(self) -> None:
        wanted = self.layout_box.currentText()
        name = wanted if wanted in self._points else _PCA
        if name in self._points:
            self.plot.show_points(self._points[name], *_AXES[name])
            self._select()

    def _color(self) -> None:
        if self._session is not None:
            by, ions = self.color_box.currentText(), self._session.ions
            self.plot.color_by(ion_colors(ions, self._session.clusters, by))
            entries = [_ENTRY.format(*rgb, text=escape(text)) for text, rgb in color_legend(ions, by)]
            self.legend.setText(" &nbsp; ".join(entries))
            self.legend.setVisible(bool(entries))

    def _chosen(self, ions: tuple[int, ...], add: bool) -> None:
        if self._session is not None:
            before = self._session.selection.ions if add else ()
            self._session.select_ions([*before, *ions])

    def _select(self) -> None:
        if self._session is not None:
            self.plot.select(self._session.selection.ions)

    def _thumbnails_came(self) -> None:
        self.plot.update()

    def _thumbnail(self, ion: int) -> object:
        return None if self._store is None else self._store.image(ion)

    def _describe(self, ion: int) -> str:
        if self._session is None:
            return ""
        row = self._session.ions.iloc[ion]
        return f"{row['mz']:.4f} {row['annotation']}".strip()
