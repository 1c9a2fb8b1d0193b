"""The gallery with its choice of ions."""

from __future__ import annotations

import numpy as np
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.plugin.workbench.thumbnail_store import ThumbnailStore
from napari_msiclust.plugin.workbench.views.gallery import Gallery
from napari_msiclust.results.colors import colors_of
from napari_msiclust.results.outliers import outliers

_ONE, _ALL = "selected cluster", "all ions by cluster"


class GalleryPanel(QWidget):
    """Thumbnails of a cluster, or of all ions; the most central first, outliers framed."""

    def __init__(self) -> None:
        super().__init__()
        self.gallery, self.choice, self.count = Gallery(), QComboBox(), QLabel()
        self.choice.addItems([_ONE, _ALL])
        self.choice.setToolTip("which ions are shown; the most typical of a cluster come first")
        self.count.setToolTip(
            "outliers have a dashed frame: they fit their cluster far worse than the others do"
        )
        top = QHBoxLayout()
        top.addWidget(self.choice)
        top.addStretch(1)
        top.addWidget(self.count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addLayout(top)
        layout.addWidget(self.gallery, stretch=1)
        self._session: Session | None = None
        self._shown = -1
        self.choice.currentIndexChanged.connect(self.refresh)
        self.gallery.ions_chosen.connect(self._chosen)

    def show_session(self, session: Session, store: ThumbnailStore) -> None:
        """Show another session."""
        self._session = session
        self.gallery.take_from(store)
        session.changed.connect(self.refresh)
        session.selection.cluster_changed.connect(self._follow_cluster)
        session.selection.ions_changed.connect(self._select)
        self.refresh()

    def leave_session(self) -> None:
        """Hear no more of the session."""
        if self._session is not None:
            self._session.changed.disconnect(self.refresh)
            self._session.selection.cluster_changed.disconnect(self._follow_cluster)
            self._session.selection.ions_changed.disconnect(self._select)
            self.gallery.leave_store()
            self._session = None

    def refresh(self) -> None:
        """Show the ions as they are now."""
        session = self._session
        if session is None:
            return
        ions, table = session.ions, np.array([[0.5] * 3, *colors_of(session.clusters)[:, :3]])
        cluster, centrality = ions["cluster"].to_numpy(), ions["centrality"].to_numpy()
        order = np.lexsort((-centrality, cluster))
        if self.choice.currentText() == _ONE:
            self._shown = session.selection.cluster or int(cluster[cluster > 0].min(initial=1))
            order = order[cluster[order] == self._shown]
        else:
            order = np.concatenate([order[cluster[order] > 0], order[cluster[order] == 0]])
        palette = [QColor.fromRgbF(*color) for color in table.tolist()]
        found = outliers(ions)
        self.gallery.ion_model.show_ions(
            order,
            [f"{mz:.4f}" for mz in ions["mz"]],
            [
                f"m/z {mz:.4f} {name}\ncluster {number}, centrality {fit:.2f}"
                for mz, name, number, fit in zip(
                    ions["mz"], ions["annotation"], cluster, centrality, strict=True
                )
            ],
            [palette[number] for number in cluster],
            found,
        )
        marked = int(found[order].sum())
        self.count.setText(f"{len(order)} ions, {marked} outlier{'s' if marked != 1 else ''}")
        self._select()

    def _follow_cluster(self) -> None:
        session = self._session
        if session is None or self.choice.currentText() != _ONE:
            return
        if session.selection.cluster not in (0, self._shown):
            self.refresh()

    def _chosen(self, ions: tuple[int, ...], current: int | None) -> None:
        if self._session is not None:
            self._session.select_ions(ions, current)

    def _select(self) -> None:
        if self._session is not None:
            selection = self._session.selection
            self.gallery.select(selection.ions, selection.current)
