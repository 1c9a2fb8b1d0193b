"""The tree of the clusters, from which they are merged."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.plugin.workbench.views.tree_view import TreeView
from napari_msiclust.results.colors import colors_of
from napari_msiclust.results.dendrogram import ClusterTree, cluster_tree

_HELP = "Clusters that meet near the left are alike. Click a branching to select what it joins, then Merge."


class TreePanel(QWidget):
    """The dendrogram, made anew when labels change; and what a cluster is due to.

    Signals
    -------
    chosen
        Clusters below a branching (tuple of int).
    explanation_wanted
        The user asks which regions the network goes by.
    """

    chosen = Signal(tuple)
    explanation_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.view, self.explain = TreeView(), QPushButton("Regions that count")
        self.explain.setToolTip(
            "which regions of the tissue put ions into each cluster: hide a region, and see how much less "
            "the network prefers the cluster"
        )
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(self.view)
        note = QLabel(_HELP)
        note.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setSpacing(3)
        layout.addWidget(note)
        layout.addWidget(area, stretch=1)
        layout.addWidget(self.explain)
        self._session: Session | None = None
        self.view.chosen.connect(self.chosen)
        self.explain.clicked.connect(self.explanation_wanted)

    def show_session(self, session: Session) -> None:
        """Show another session."""
        self._session = session
        session.changed.connect(self._grow)
        self._grow()

    def leave_session(self) -> None:
        """Hear no more of the session."""
        if self._session is not None:
            self._session.changed.disconnect(self._grow)
            self._session = None

    def _grow(self) -> None:
        session = self._session
        history = None if session is None else session.history
        if session is None or history is None:
            return
        basis, labels = history.basis, history.current.labels
        session.background.run("tree", lambda: cluster_tree(basis, labels), self._show)

    def _show(self, tree: ClusterTree) -> None:
        if self._session is None:
            return
        clusters = self._session.clusters
        colors = [QColor.fromRgbF(*map(float, color)) for color in colors_of(clusters)]
        numbers = clusters["cluster"].tolist()
        names = dict(zip(numbers, map(str, clusters["name"]), strict=True))
        self.view.show_tree(tree, names, dict(zip(numbers, colors, strict=True)))
