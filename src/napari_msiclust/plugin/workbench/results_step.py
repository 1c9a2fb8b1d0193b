"""Step four: see, question and correct the clusters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari.viewer import Viewer
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QColorDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_msiclust.plugin.layers import ClusteredIons
from napari_msiclust.plugin.projects.saving import save_project
from napari_msiclust.plugin.projects.state import histology_of
from napari_msiclust.plugin.workbench.embedding_panel import EmbeddingPanel
from napari_msiclust.plugin.workbench.gallery_panel import GalleryPanel
from napari_msiclust.plugin.workbench.ions_panel import IonsPanel
from napari_msiclust.plugin.workbench.log_panel import LogPanel
from napari_msiclust.plugin.workbench.query_panel import QueryPanel
from napari_msiclust.plugin.workbench.saving import save_result
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.plugin.workbench.spectrum_panel import SpectrumPanel
from napari_msiclust.plugin.workbench.tree_panel import TreePanel
from napari_msiclust.plugin.workbench.views.cluster_list import ClusterList
from napari_msiclust.plugin.workbench.views.swatch import swatch
from napari_msiclust.plugin.workbench.workspace import Workspace
from napari_msiclust.results.edits import Merge, Move, Pin, Recolor, Rename, SetAside
from napari_msiclust.results.table_file import write_table

_EMPTY = "No result yet. Press Run; or open a result folder together with the file that it came from."


class ResultsStep(QWidget):
    """Clusters above, ions in the middle, the spectrum below; one selection for all.

    Parameters
    ----------
    viewer : Viewer
    workspace : Workspace
    """

    said = Signal(str)

    def __init__(self, viewer: Viewer, workspace: Workspace) -> None:
        super().__init__()
        self._viewer, self._workspace = viewer, workspace
        self._session: Session | None = None
        self.clusters = ClusterList()
        self.ions, self.gallery, self.embedding = IonsPanel(), GalleryPanel(), EmbeddingPanel()
        self.query, self.tree, self.log = QueryPanel(viewer), TreePanel(), LogPanel()
        self.spectrum = SpectrumPanel(viewer.layers)
        self.tabs, self.note = QTabWidget(), QLabel(_EMPTY)
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._add_shortcuts()
        workspace.layers_changed.connect(self._layers_changed)
        self.show_session()

    # -- set-up --------------------------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.merge = _button("Merge", "put the selected clusters together", self._merge)
        self.split = _button("Split", "split the cluster where its ion images are least alike", self._split)
        self.recolor = _button("Colour…", "show the selected cluster in another colour", self._recolor)
        self.undo = _button("Undo", "take the last correction back (Alt+Z)", self._undo)
        self.redo = _button("Redo", "do it again (Alt+Shift+Z)", self._redo)
        self.move = _button("Move to", "move the selected ions (Alt+M)", self._offer_clusters)
        self.accept = _button(
            "Accept", "pin the selected ions where they are (Alt+A)", self._accept_or_let_go
        )
        self.aside = _button("Set aside", "send the selected ions to a bin (Alt+B)", self._set_aside)
        self.back = _button("Put back", "return ions to where learning had put them", self._put_back)
        self.save = _button("Save…", "save all as a folder, or the ion table", self._offer_saving)

    def _lay_out(self) -> None:
        above, below = QHBoxLayout(), QHBoxLayout()
        for row, buttons in (
            (above, (self.merge, self.split, self.recolor, self.undo, self.redo, self.save)),
            (below, (self.move, self.accept, self.aside, self.back)),
        ):
            row.setSpacing(3)
            for button in buttons:
                row.addWidget(button, stretch=1)
        top = _column(self.clusters, above)
        for name, panel in (
            ("Ions", self.ions),
            ("Gallery", self.gallery),
            ("Plot", self.embedding),
            ("Query", self.query),
            ("Tree", self.tree),
            ("Log", self.log),
        ):
            self.tabs.addTab(panel, name)
        self.tabs.setUsesScrollButtons(False)
        self.tabs.tabBar().setExpanding(True)
        middle = _column(self.tabs, below)
        self.splitter = QSplitter(Qt.Orientation.Vertical)
        for part, stretch in ((top, 2), (middle, 4), (self.spectrum, 2)):
            self.splitter.addWidget(part)
            self.splitter.setStretchFactor(self.splitter.count() - 1, stretch)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setSizes([150, 330, 150])
        self.note.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.note)
        layout.addWidget(self.splitter, stretch=1)

    def _connect(self) -> None:
        self.clusters.chosen.connect(self._choose_cluster)
        self.clusters.itemSelectionChanged.connect(self._clusters_marked)
        self.clusters.renamed.connect(self._rename)
        self.tree.chosen.connect(self.clusters.select)
        self.tree.chosen.connect(self._clusters_marked)
        self.query.said.connect(self.said)
        self.log.relearning_wanted.connect(self._workspace.relearn)
        self.tree.explanation_wanted.connect(self._workspace.explain)
        self.ions.color_box.toggled.connect(self._show_in_color)

    def _add_shortcuts(self) -> None:
        for keys, action in (
            ("Alt+J", lambda: self._step_ion(1)),
            ("Alt+K", lambda: self._step_ion(-1)),
            ("Alt+Shift+J", lambda: self._step_cluster(1)),
            ("Alt+Shift+K", lambda: self._step_cluster(-1)),
            ("Alt+A", self._accept_and_go),
            ("Alt+M", self._offer_clusters),
            ("Alt+B", self._set_aside),
            ("Alt+Z", self._undo),
            ("Alt+Shift+Z", self._redo),
        ):
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.activated.connect(action)
            # Two docks of one window both listen; Qt then tells one of them in turn, this way.
            shortcut.activatedAmbiguously.connect(action)

    @property
    def session(self) -> Session | None:
        """The session that is shown."""
        return self._session

    # -- session -------------------------------------------------------------------------------

    def show_session(self) -> None:
        """Show the session that the workspace looks at."""
        session = self._workspace.session
        if session is not self._session:
            self._leave()
            self._session = session
            if session is not None:
                self._enter(session)
        loose = self._workspace.loose_table() if session is None else None
        if loose is not None:
            self._show_loose(loose)
        self.splitter.setVisible(session is not None or loose is not None)
        self.note.setVisible(session is None)
        self._refresh()

    def _enter(self, session: Session) -> None:
        store, view = self._workspace.store_of(session), self._workspace.layer_view_of(session)
        self.ions.show_session(session)
        self.gallery.show_session(session, store)
        self.embedding.show_session(session, store)
        self.query.show_session(session, view)
        self.tree.show_session(session)
        self.log.show_session(session)
        self.spectrum.show_session(session, view)
        session.changed.connect(self._refresh)
        session.changed.connect(self._tell_step)
        session.selection.cluster_changed.connect(self._cluster_selected)
        session.selection.ions_changed.connect(self._enable)

    def _leave(self) -> None:
        session = self._session
        if session is None:
            return
        for panel in (
            self.ions,
            self.gallery,
            self.embedding,
            self.query,
            self.tree,
            self.log,
            self.spectrum,
        ):
            panel.leave_session()
        session.changed.disconnect(self._refresh)
        session.changed.disconnect(self._tell_step)
        session.selection.cluster_changed.disconnect(self._cluster_selected)
        session.selection.ions_changed.disconnect(self._enable)
        self._session = None

    def _show_loose(self, clustered: ClusteredIons) -> None:
        self.note.setText(f"Open {clustered.dataset_path} as well to see and correct this result's ions.")
        self.ions.show_table(clustered.ions)

    def _refresh(self) -> None:
        if self._session is not None:
            self.clusters.show_clusters(self._session.clusters)
            self._cluster_selected()
        self._enable()

    def _tell_step(self) -> None:
        history = None if self._session is None else self._session.history
        if history is not None and history.edits:
            last = history.steps()[: history.position][-1:]
            self.said.emit(f"Step {history.position}: {last[0]}" if last else "No corrections.")

    def _enable(self) -> None:
        session = self._session
        history = None if session is None else session.history
        ions = session is not None and bool(session.selection.ions)
        marked = len(self.clusters.selected)
        self.merge.setEnabled(history is not None and marked > 1)
        self.split.setEnabled(history is not None and marked == 1)
        self.recolor.setEnabled(history is not None and marked == 1)
        self.undo.setEnabled(history is not None and history.position > 0)
        self.redo.setEnabled(history is not None and history.position < len(history.edits))
        self.save.setEnabled(history is not None)
        for button in (self.move, self.accept, self.aside, self.back):
            button.setEnabled(history is not None and ions)
        self.accept.setText("Unpin" if self._all_pinned() else "Accept")

    def _layers_changed(self) -> None:
        self.query.list_sources()
        self.spectrum.list_sources()

    # -- selection -----------------------------------------------------------------------------

    def _choose_cluster(self, cluster: int) -> None:
        if self._session is not None:
            self._session.select_cluster(cluster)

    def _cluster_selected(self) -> None:
        if self._session is not None:
            cluster = self._session.selection.cluster
            if cluster and cluster not in self.clusters.selected:
                self.clusters.select((cluster,))
            self._clusters_marked()

    def _clusters_marked(self, *_: object) -> None:
        self.tree.view.select(self.clusters.selected)
        self._enable()

    def _show_in_color(self, in_color: bool) -> None:
        if self._session is not None:
            self._workspace.layer_view_of(self._session).show_in_color(in_color=in_color)

    def _step_ion(self, by: int) -> None:
        ion = self.ions.table.step(by)
        if self._session is not None and ion is not None:
            self._session.select_ions([ion])

    def _step_cluster(self, by: int) -> None:
        numbers = self.clusters.numbers
        if self._session is None or not numbers:
            return
        now = self._session.selection.cluster
        at = numbers.index(now) + by if now in numbers else 0
        self._session.select_cluster(numbers[at % len(numbers)])

    # -- corrections ---------------------------------------------------------------------------

    def _offer_clusters(self) -> None:
        session = self._session
        if session is None or not session.selection.ions or session.history is None:
            return
        menu = QMenu(self)
        labels = session.history.current.labels
        colors = session.clusters.set_index("cluster")["color"]
        for number in self.clusters.numbers:
            action = menu.addAction(swatch(QColor(colors[number])), labels.name(number))
            action.triggered.connect(lambda _=False, to=number: self._move_to(to))
        menu.popup(self.move.mapToGlobal(self.move.rect().bottomLeft()))

    def _move_to(self, cluster: int) -> None:
        if self._session is not None:
            self._session.do(Move(self._session.selection.ions, cluster))

    def _accept_or_let_go(self) -> None:
        if self._session is not None and self._all_pinned():
            self._session.do(Pin(self._session.selection.ions, pinned=False))
        else:
            self._accept()

    def _all_pinned(self) -> bool:
        session = self._session
        if session is None or session.history is None or not session.selection.ions:
            return False
        return bool(session.history.current.labels.pinned[list(session.selection.ions)].all())

    def _accept(self) -> None:
        if self._session is not None and self._session.selection.ions:
            self._session.do(Pin(self._session.selection.ions))

    def _accept_and_go(self) -> None:
        single = self._session is not None and len(self._session.selection.ions) == 1
        self._accept()
        if single:
            self._step_ion(1)

    def _set_aside(self) -> None:
        if self._session is not None and self._session.selection.ions:
            self._session.do(SetAside(self._session.selection.ions))

    def _put_back(self) -> None:
        if self._session is not None and self._session.selection.ions:
            self._session.set_back(self._session.selection.ions)

    def _merge(self) -> None:
        if self._session is not None:
            self._session.do(Merge(self.clusters.selected))

    def _split(self) -> None:
        if self._session is not None and self.clusters.selected:
            self._session.split(self.clusters.selected[0])

    def _rename(self, cluster: int, name: str) -> None:
        if self._session is not None:
            self._session.do(Rename(cluster, name))

    def _recolor(self) -> None:
        if self._session is None or not self.clusters.selected:
            return
        cluster = self.clusters.selected[0]
        colors = self._session.clusters.set_index("cluster")["color"]
        color = QColorDialog.getColor(QColor(colors[cluster]), self, "Colour of the cluster")
        if color.isValid():
            self._session.do(Recolor(cluster, color.name()))

    def _undo(self) -> None:
        if self._session is not None:
            self._session.undo()

    def _redo(self) -> None:
        if self._session is not None:
            self._session.redo()

    # -- saving --------------------------------------------------------------------------------

    def _offer_saving(self) -> None:
        menu = QMenu(self)
        menu.addAction("Project…").triggered.connect(lambda: save_project(self._viewer))
        menu.addAction("Result folder with report…").triggered.connect(self._save_folder)
        menu.addAction("Ion table (CSV)…").triggered.connect(self._save_table)
        menu.popup(self.save.mapToGlobal(self.save.rect().bottomLeft()))

    def _save_folder(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save the result in a new folder", "result")
        session = self._session
        if name and session is not None and session.history is not None:
            history, dataset = session.history, session.dataset
            histology = histology_of(session, self._viewer.layers)
            self._save(lambda: save_result(history, dataset, Path(name), histology))

    def _save_table(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save the ion table", "ions.csv", "CSV (*.csv)")
        session = self._session
        if name and session is not None:
            table = session.ions
            self._save(lambda: write_table(table, Path(name)))

    def _save(self, work: Callable[[], Path]) -> None:
        if self._session is not None:
            self.said.emit("saving …")
            self._session.background.run(
                "save", work, lambda path: self.said.emit(f"Saved {path}"), self.said.emit
            )


def _button(text: str, hint: str, action: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(hint)
    button.setMinimumWidth(40)
    button.setStyleSheet("padding: 3px 2px")
    button.clicked.connect(lambda: action())
    return button


def _column(view: QWidget, buttons: QHBoxLayout) -> QWidget:
    column = QWidget()
    layout = QVBoxLayout(column)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(3)
    layout.addWidget(view, stretch=1)
    layout.addLayout(buttons)
    return column
