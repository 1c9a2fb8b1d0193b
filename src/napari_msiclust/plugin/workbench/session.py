"""A result under correction: its history of edits, its selection, and work beside the window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from qtpy.QtCore import QObject, Signal

from napari_msiclust.plugin.layers import IonDataset
from napari_msiclust.plugin.workbench.background import Background
from napari_msiclust.plugin.workbench.selection import Selection
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import History, Relearning, isotope_links
from napari_msiclust.results.dendrogram import split_in
from napari_msiclust.results.edits import Edit
from napari_msiclust.results.explanation import reason
from napari_msiclust.results.ion_basis import IonBasis
from napari_msiclust.results.project.content import Project

Change = Callable[[History], History]


class Session(QObject):
    """A result that is looked at and corrected.

    Signals
    -------
    ready
        The history can take edits.
    changed
        Labels, names or colours changed.
    evidence_changed
        `evidence` tells of the current labels.
    said
        Something the user should read.

    Parameters
    ----------
    result : ClusterResult
    dataset : IonDataset
    project : Project, optional
        What it was opened from: its corrections are gone on with.
    """

    ready = Signal()
    changed = Signal()
    evidence_changed = Signal()
    said = Signal(str)

    def __init__(
        self,
        result: ClusterResult,
        dataset: IonDataset,
        parent: QObject | None = None,
        project: Project | None = None,
    ) -> None:
        super().__init__(parent)
        self.project = project
        self.dataset = dataset
        self.selection = Selection(self)
        self.background = Background(self)
        self.history: History | None = None
        self.evidence = result.evidence
        self._learned = result
        self._queue: deque[Change] = deque()
        self._busy = True
        self.background.run("basis", lambda: _begin(result, dataset, project), self._begun, self._failed)

    @property
    def result(self) -> ClusterResult:
        """The result as corrected so far."""
        return self._learned if self.history is None else self.history.current.result

    @property
    def ions(self) -> pd.DataFrame:
        """The ion table as corrected so far."""
        return self.result.ions

    @property
    def clusters(self) -> pd.DataFrame:
        """The cluster table as corrected so far."""
        return self.result.clusters

    @property
    def basis(self) -> IonBasis | None:
        """What questions are answered from; None until it is there."""
        return None if self.history is None else self.history.basis

    @property
    def busy(self) -> bool:
        """Whether an edit is being worked on."""
        return self._busy or bool(self._queue)

    def cluster_of(self, ion: int) -> int:
        """Cluster of an ion."""
        return int(self.ions["cluster"].to_numpy()[ion])

    def members(self, cluster: int) -> npt.NDArray[np.intp]:
        """Ions of a cluster, the most central first."""
        return self.result.members(cluster)

    def select_ions(self, ions: Sequence[int], current: int | None = None) -> None:
        """Select ions; the cluster follows where they share one."""
        clusters = set(self.ions["cluster"].to_numpy()[list(ions)].tolist())
        self.selection.select_ions(ions, current, clusters.pop() if len(clusters) == 1 else None)

    def select_cluster(self, cluster: int) -> None:
        """Select a cluster and its ions, the most central one foremost."""
        members = self.members(cluster).tolist() if cluster else []
        self.selection.select_ions(members, members[0] if members else None, cluster)

    def tell_reason(self, ion: int, tell: Callable[[str], None]) -> None:
        """Find beside the window why an ion is where it is, and hand it to `tell`."""
        history = self.history
        if history is not None:
            self.background.run("reason", lambda: reason(history, ion), tell, tell)

    def do(self, edit: Edit | Callable[[History], Edit]) -> None:
        """Apply an edit, or one that is found in the thread; edits are done in the order they are asked."""
        make = edit if callable(edit) else lambda _: edit
        self._enqueue(lambda history: history.applied(make(history)))

    def undo(self) -> None:
        """Take the last edit back."""
        self._enqueue(lambda history: history.undone())

    def redo(self) -> None:
        """Do again what was taken back."""
        self._enqueue(lambda history: history.redone())

    def take(self, relearning: Relearning) -> None:
        """Take over what learning again found."""
        self._enqueue(relearning.apply)

    def link_isotopes(self) -> None:
        """Put every 13C isotope into the cluster of its ion."""
        self.do(lambda history: isotope_links(history.current.result.ions))

    def set_back(self, ions: Sequence[int]) -> None:
        """Return ions to where learning had put them."""
        self.do(lambda history: history.way_back(ions))

    def split(self, cluster: int) -> None:
        """Split a cluster in two where its ion images are least alike."""
        self.do(lambda history: split_in(history.basis, history.current.labels, cluster))

    def _enqueue(self, change: Change) -> None:
        self._queue.append(change)
        self._next()

    def _next(self) -> None:
        if self._busy or not self._queue or self.history is None:
            return
        change, history = self._queue.popleft(), self.history
        self._busy = True
        self.background.run("edit", lambda: change(history), self._edited, self._failed)

    def _begun(self, history: History) -> None:
        self.history, self._busy = history, False
        self.ready.emit()
        self.changed.emit()
        if history.position:
            self._weigh(history)
        if self.project is not None and self.project.edits and not history.edits:
            count = len(self.project.edits)
            self.said.emit(
                f"Too little memory to undo the {count} corrections of the project. Labels are as corrected; "
                "save under another name to keep the list of the corrections."
            )
        self._next()

    def _edited(self, history: History) -> None:
        whole = self._whole_cluster_selected()
        self.history, self._busy = history, False
        self.changed.emit()
        if whole:
            self._select_cluster_again()
        self._weigh(history)
        self._next()

    def _whole_cluster_selected(self) -> bool:
        selection = self.selection
        return bool(selection.cluster) and set(selection.ions) == set(
            self.members(selection.cluster).tolist()
        )

    def _select_cluster_again(self) -> None:
        """A cluster that is selected as a whole stays so, or becomes the one that it was merged into."""
        current = self.selection.current
        cluster = 0 if current is None else self.cluster_of(current)
        if cluster:
            self.select_cluster(cluster)

    def _weigh(self, history: History) -> None:
        self.background.run("evidence", history.with_evidence, self._weighed)

    def _weighed(self, result: ClusterResult) -> None:
        self.evidence = result.evidence
        self.evidence_changed.emit()

    def _failed(self, message: str) -> None:
        self._busy = False
        self.said.emit(message)
        self._next()


def _begin(result: ClusterResult, dataset: IonDataset, project: Project | None) -> History:
    basis = IonBasis.of(result, dataset.images)
    if project is None or not project.can_be_undone:
        return History.begin(result, basis)
    return project.history(basis)
