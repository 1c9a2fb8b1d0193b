"""Automatic registration in a thread that napari knows of and that can be stopped."""

from __future__ import annotations

from typing import Self

from napari_msiclust.plugin.worker import Failed, Run, StoppedByUser
from napari_msiclust.progress import Progress
from napari_msiclust.registration.automatic import AutomaticRegistration
from napari_msiclust.registration.landmarks import TransformKind
from napari_msiclust.registration.start import FixedImage, MovingImages, start_steps

RegistrationReport = list[Progress] | AutomaticRegistration | Failed | StoppedByUser


class RegistrationRun(Run):
    """A registration, whose worker emits `RegistrationReport`."""

    @classmethod
    def prepare(cls, moving: MovingImages, fixed: FixedImage, kind: TransformKind) -> Self:
        """A run that begins with `start`."""
        return cls.of(lambda stop: start_steps(moving, fixed, kind, stop), "registration")
