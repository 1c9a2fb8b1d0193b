"""Automatic registration in a thread that napari knows of and that can be stopped."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from napari.qt.threading import GeneratorWorker, create_worker

from napari_msiclust.plugin.worker import Failed, StoppedByUser, reports
from napari_msiclust.progress import Progress
from napari_msiclust.registration.automatic import AutomaticRegistration
from napari_msiclust.registration.landmarks import TransformKind
from napari_msiclust.registration.start import FixedImage, MovingImages, start_steps

RegistrationReport = list[Progress] | AutomaticRegistration | Failed | StoppedByUser


@dataclass(frozen=True, eq=False)
class RegistrationRun:
    """A run in a worker thread; connect to `worker.yielded`, which emits `RegistrationReport`."""

    worker: GeneratorWorker[RegistrationReport, None, None]
    _stop: threading.Event

    @classmethod
    def prepare(cls, moving: MovingImages, fixed: FixedImage, kind: TransformKind) -> RegistrationRun:
        """A run that begins with `start`."""
        stop = threading.Event()
        steps = start_steps(moving, fixed, kind, stop)
        worker = create_worker(reports, steps, _start_thread=False)
        worker.aborted.connect(steps.close)  # napari quit the worker: free what it holds
        return cls(worker, stop)

    def start(self) -> None:
        """Begin."""
        self.worker.start()

    def stop(self) -> None:
        """End the run before its next step."""
        self._stop.set()
