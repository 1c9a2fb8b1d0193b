"""What there is to keep of a session."""

from __future__ import annotations

from collections.abc import Iterable

from napari.layers import Image, Layer

from napari_msiclust.plugin.histology.groups import fixed_image, fixed_layers, group_of, registration_of
from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.registration.transforms import Registration
from napari_msiclust.results.overlay import Histology
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


def histology_layer(layers: Iterable[Layer], registration: Registration | None) -> Image | None:
    """The image that the ions are registered to."""
    if registration is None:
        return None
    name = registration.fixed.get("name")
    return next((layer for layer in fixed_layers(layers) if layer.name == name), None)


def histology_of(session: Session, layers: Iterable[Layer]) -> Histology | None:
    """What the report shows of it; None if the ions are not registered, or lie in several planes."""
    listed = list(layers)
    registration = registration_of(group_of(listed, str(session.dataset.path.resolve())))
    layer = histology_layer(listed, registration)
    if registration is None or layer is None or len(session.result.grid.planes) > 1:
        return None
    image = fixed_image(layer)
    rms = registration.errors.get("rms_um")
    return Histology(
        image.pixels,
        image.pixel_size_um,
        registration.matrix,
        layer.name,
        float(rms) if isinstance(rms, int | float) else None,
    )
