"""Keeps the state of a session beside the window, shortly after every change."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer

from napari_msiclust.plugin.projects.state import project_of
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.results.edits import Edit
from napari_msiclust.results.project.autosave import autosave

_QUIET_MS = 1500  # after the last change
_log = logging.getLogger(__name__)


class Autosaver(QObject):
    """Writes a session into the state folder, in a thread, without a word.

    Parameters
    ----------
    session : Session
    layers : iterable of Layer
        All layers of the viewer.
    fresh : bool
        The result was just learned: it is kept at once, not only when it is corrected.
    """

    def __init__(self, session: Session, layers: Iterable[Layer], *, fresh: bool) -> None:
        super().__init__(session)
        self._session, self._layers = session, layers
        self._kept: tuple[tuple[Edit, ...], int] | None = None
        self._fresh = fresh
        self._timer = QTimer(self, singleShot=True, interval=_QUIET_MS)
        self._timer.timeout.connect(self.keep)
        session.ready.connect(self._begin)
        session.changed.connect(self._timer.start)

    def _begin(self) -> None:
        if not self._fresh:
            self._kept = self._state()

    def _state(self) -> tuple[tuple[Edit, ...], int] | None:
        history = self._session.history
        return None if history is None else (history.edits, history.position)

    def keep(self) -> None:
        """Write the state as it is now, if it is another one than before."""
        state = self._state()
        if state is None or state == self._kept:
            return
        self._kept = state
        project, path = project_of(self._session, self._layers), self._session.dataset.path
        self._session.background.run(
            "autosave",
            lambda: autosave(project, path),
            lambda kept: _log.debug("kept %s", kept),
            lambda fault: _log.warning("the session was not kept: %s", fault),
        )
