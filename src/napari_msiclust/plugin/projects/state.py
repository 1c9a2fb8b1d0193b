"""What there is to keep of a session."""

from __future__ import annotations

from collections.abc import Iterable

from napari.layers import Layer

from napari_msiclust.plugin.histology.groups import group_of, registration_of
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.results.project.content import Project


def project_of(session: Session, layers: Iterable[Layer]) -> Project:
    """The session as a project, in no time: nothing is copied.

    Its links are those of the project it was opened from, if any.
    """
    history, dataset, origin = session.history, session.dataset, session.project
    if history is None:
        raise RuntimeError("the session is not ready")
    group = group_of(layers, str(dataset.path.resolve()))
    reading = origin.reading if origin is not None and origin.images is not None else None
    return Project.of(
        history,
        reading=reading or dataset.reading.settings(),
        data_path=str(dataset.path),
        registration=registration_of(group),
        data=None if origin is None else origin.data,
        histology=None if origin is None else origin.histology,
        added={} if origin is None else origin.added,
    )
