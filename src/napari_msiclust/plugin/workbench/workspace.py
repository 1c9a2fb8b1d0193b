"""What all docks of one viewer share: the chosen data, the run, and a session for each result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_error
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Signal

from napari_msiclust.config import ClusterConfig
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.layers import KEY, ClusteredIons, IonDataset, explanation_layer, result_layers
from napari_msiclust.plugin.projects.autosaving import Autosaver
from napari_msiclust.plugin.workbench.background import Background
from napari_msiclust.plugin.workbench.layer_view import LayerView
from napari_msiclust.plugin.workbench.reopened import reopened_result
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.plugin.workbench.thumbnail_store import ThumbnailStore
from napari_msiclust.plugin.worker import (
    Failed,
    Report,
    Run,
    StoppedByUser,
    clustering_run,
    explaining_run,
    relearning_run,
)
from napari_msiclust.progress import Progress
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import Relearning
from napari_msiclust.results.explanation import Explanation
from napari_msiclust.results.project.content import Project

# By the identity of the viewer, until its last dock is gone.
_workspaces: dict[int, Workspace] = {}


class Workspace(QObject):
    """Data, run and results of a viewer.

    Signals
    -------
    layers_changed
        Any layer came or went, or got another name.
    data_changed
        Ion images came, went, or others were chosen.
    session_changed
        Another result is looked at.
    progressed
        Steps of the run (list of Progress).
    run_changed
        A run began or ended.
    said
        Something the user should read.
    """

    layers_changed = Signal()
    data_changed = Signal()
    session_changed = Signal()
    progressed = Signal(list)
    run_changed = Signal()
    said = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.background = Background(self)
        self.paused = False
        self._dataset: IonDataset | None = None
        self._run: Run | None = None
        self._run_dataset: IonDataset | None = None
        self._sessions: list[Session] = []
        self._stores: dict[int, ThumbnailStore] = {}
        self._layer_views: dict[int, LayerView] = {}
        self._docks = 0
        self._identity = _identity(viewer)
        for event in self._layer_events():
            event.connect(self._layers_changed)
        self._layers_changed()

    @classmethod
    def of(cls, viewer: Viewer) -> Workspace:
        """The one workspace of a viewer."""
        found = _workspaces.get(_identity(viewer))
        if found is None:
            found = _workspaces[_identity(viewer)] = cls(viewer)
        return found

    def _layer_events(self) -> tuple[Any, ...]:
        events = self.viewer.layers.events
        return (events.inserted, events.removed)

    # -- docks ---------------------------------------------------------------------------------

    def enter(self, dock: QObject) -> None:
        """A dock opened; when the last one is gone, the run is stopped."""
        self._docks += 1
        dock.destroyed.connect(self._left)

    def _left(self) -> None:
        self._docks -= 1
        if not self._docks:
            self.stop()
            self._close()

    def _close(self) -> None:
        """Take everything back that was hung on the viewer."""
        _workspaces.pop(self._identity, None)
        for event in self._layer_events():
            event.disconnect(self._layers_changed)
        for layer in self.viewer.layers:
            layer.events.name.disconnect(self._renamed)
        for session in list(self._sessions):
            self._drop(session)
        self.deleteLater()

    # -- data ----------------------------------------------------------------------------------

    def ion_layers(self) -> list[Image]:
        """Layers with ion images."""
        return [layer for layer in self.viewer.layers if isinstance(layer.metadata.get(KEY), IonDataset)]

    @property
    def dataset(self) -> IonDataset | None:
        """The chosen ion images."""
        return self._dataset

    @property
    def dataset_layer(self) -> Image | None:
        """The layer of the chosen ion images."""
        return next((layer for layer in self.ion_layers() if layer.metadata[KEY] is self._dataset), None)

    def choose(self, dataset: IonDataset | None) -> None:
        """Choose ion images; the latest result of them comes with them."""
        if dataset is not self._dataset:
            self._dataset = dataset
            self.data_changed.emit()
            self.session_changed.emit()

    def _renamed(self, event: object = None) -> None:
        self.layers_changed.emit()

    def _layers_changed(self, event: object = None) -> None:
        for layer in self.viewer.layers:
            layer.events.name.disconnect(self._renamed)
            layer.events.name.connect(self._renamed)
        datasets = [layer.metadata[KEY] for layer in self.ion_layers()]
        kept = next((one for one in datasets if one is self._dataset), None)
        self._dataset = kept or (datasets[-1] if datasets else None)
        opened = self._reopen()
        self.layers_changed.emit()
        self.data_changed.emit()
        if opened or kept is None:
            self.session_changed.emit()

    def _reopen(self) -> bool:
        """Sessions of results that were opened from files; whether there is a new one."""
        found = False
        for means, dominant, clustered in self._opened_results():
            if any(session.ions is clustered.ions for session in self._sessions):
                continue
            for layer in self.ion_layers():
                dataset = layer.metadata[KEY]
                result = reopened_result(means.data, dominant.data, clustered, dataset)
                if result is not None:
                    self._dataset = dataset
                    self._begin(result, dataset, means, dominant, clustered.project)
                    found = True
                    break
        return found

    def _opened_results(self) -> list[tuple[Image, Labels, ClusteredIons]]:
        known = set(self.result_layers())
        fresh = [layer for layer in self.viewer.layers if layer not in known]
        pairs = []
        for means in fresh:
            clustered = means.metadata.get(KEY)
            if not isinstance(clustered, ClusteredIons) or not isinstance(means, Image):
                continue
            for other in fresh:
                if isinstance(other, Labels) and other.metadata.get(KEY) is clustered:
                    pairs.append((means, other, clustered))
        return pairs

    def loose_table(self) -> ClusteredIons | None:
        """The ion table of an opened result whose file is not open."""
        return next((clustered for *_, clustered in reversed(self._opened_results())), None)

    # -- results -------------------------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The latest result of the chosen ion images."""
        return next((one for one in reversed(self._sessions) if one.dataset is self._dataset), None)

    def store_of(self, session: Session) -> ThumbnailStore:
        """Thumbnails of a session."""
        return self._stores[id(session)]

    def layer_view_of(self, session: Session) -> LayerView:
        """The canvas side of a session."""
        return self._layer_views[id(session)]

    def _begin(
        self,
        result: ClusterResult,
        dataset: IonDataset,
        means: Layer,
        dominant: Layer,
        project: Project | None = None,
        *,
        fresh: bool = False,
    ) -> None:
        session = Session(result, dataset, self, project)
        Autosaver(session, self.viewer.layers, fresh=fresh)
        for earlier in [one for one in self._sessions if one.dataset is dataset]:
            self._drop(earlier)
        self._sessions.append(session)
        self._stores[id(session)] = ThumbnailStore(session)
        view = LayerView(self.viewer, session, means, dominant)
        view.said.connect(self.said)
        session.said.connect(self.said)
        self._layer_views[id(session)] = view

    def _drop(self, session: Session) -> None:
        self._layer_views.pop(id(session)).close()
        self._stores.pop(id(session))
        self._sessions.remove(session)
        session.deleteLater()

    def result_layers(self) -> list[Layer]:
        """The layers of all results that are looked at."""
        return [layer for view in self._layer_views.values() for layer in view.layers]

    # -- run -----------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._run is not None

    def start(self, images: Callable[[], IonImages], config: ClusterConfig) -> None:
        """Cluster the chosen ion images; they are made, with their tissue, in the thread of the run."""
        self._start(clustering_run(images, config))

    def relearn(self) -> None:
        """Train the network of the result that is looked at further on its corrections."""
        session = self.session
        if session is not None and session.history is not None:
            self._start(relearning_run(session.history))

    def explain(self) -> None:
        """Show which regions of the tissue the network goes by for each cluster."""
        session = self.session
        if session is not None and session.history is not None:
            self._start(explaining_run(session.history))

    def _start(self, run: Run) -> None:
        """Begin a run on the chosen ion images, if none is under way."""
        if self._run is not None:
            self.said.emit("Another run is under way. Wait for it, or press Stop.")
            return
        self._run, self._run_dataset, self.paused = run, self._dataset, False
        run.worker.yielded.connect(self._receive)
        run.worker.finished.connect(self._finished)
        self.run_changed.emit()
        run.start()

    def stop(self) -> None:
        """Ask the run to end; it does before its next batch."""
        if self._run is not None:
            self._run.stop()

    def pause(self) -> None:
        """Let the run wait after this batch."""
        if self._run is not None and not self.paused:
            self.paused = True
            self._run.pause()
            self.run_changed.emit()

    def resume(self) -> None:
        """Let the run go on."""
        if self._run is not None and self.paused:
            self.paused = False
            self._run.resume()
            self.run_changed.emit()

    def _receive(self, report: Report) -> None:
        match report:
            case list():
                self.progressed.emit([step for step in report if isinstance(step, Progress)])
            case ClusterResult():
                self._show(report)
            case Relearning():
                self._take(report)
            case Explanation():
                self._show_explanation(report)
            case Failed(message):
                self.said.emit(message)
                show_error(message)
            case StoppedByUser():
                self.said.emit("Stopped. Nothing was changed.")

    def _show(self, result: ClusterResult) -> None:
        dataset = self._run_dataset
        if dataset is None:
            return
        means, dominant = (Layer.create(*layer) for layer in result_layers(result, dataset))
        self._dataset = dataset
        self._begin(result, dataset, means, dominant, fresh=True)
        self.viewer.add_layer(means)
        self.viewer.add_layer(dominant)
        self.session_changed.emit()

    def _take(self, relearning: Relearning) -> None:
        session = next((one for one in self._sessions if one.dataset is self._run_dataset), None)
        if session is not None:
            session.take(relearning)

    def _show_explanation(self, explanation: Explanation) -> None:
        if self._run_dataset is not None:
            grid = self._run_dataset.images.grid
            self.viewer.add_layer(Layer.create(*explanation_layer(explanation, grid)))
            self.said.emit(
                "Red regions speak for a cluster, blue ones against it; the slider goes through them."
            )

    def _finished(self) -> None:
        self._run, self.paused = None, False
        self.run_changed.emit()


def _identity(viewer: Viewer) -> int:
    """Which viewer it is; plugins are handed a proxy of it."""
    return id(getattr(viewer, "__wrapped__", viewer))
