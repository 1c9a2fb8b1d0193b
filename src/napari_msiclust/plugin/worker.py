"""Clustering in a thread that napari knows of and that can be stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass

from napari.qt.threading import GeneratorWorker, create_worker

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import MsiclustError, Stopped
from napari_msiclust.learning.device import default_threads
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.pipeline import clustering_steps
from napari_msiclust.progress import Progress
from napari_msiclust.results.cluster_result import ClusterResult

_SECONDS_BETWEEN_YIELDS = 0.1
_log = logging.getLogger(__name__)

Steps = Generator[Progress, None, ClusterResult]


@dataclass(frozen=True)
class Failed:
    """The run ended with a fault; `message` says what and what to do."""

    message: str


@dataclass(frozen=True)
class StoppedByUser:
    """The run ended because the user asked for it."""


Report = list[Progress] | ClusterResult | Failed | StoppedByUser


@dataclass(frozen=True, eq=False)
class ClusteringRun:
    """A run in a worker thread; connect to `worker.yielded`, which emits `Report`."""

    worker: GeneratorWorker[Report, None, None]
    _stop: threading.Event
    _go: threading.Event

    @classmethod
    def prepare(cls, images: IonImages, config: ClusterConfig) -> ClusteringRun:
        """A run that begins with `start`; one core is left to the window."""
        stop, go = threading.Event(), threading.Event()
        go.set()
        threads = max(1, default_threads() - 1)
        steps = _pausable(clustering_steps(images, config, threads=threads, stop=stop), go)
        worker = create_worker(_reports, steps, _start_thread=False)
        worker.aborted.connect(steps.close)  # napari quit the worker: free what training holds
        return cls(worker, stop, go)

    def start(self) -> None:
        """Begin."""
        self.worker.start()

    def stop(self) -> None:
        """End the run before its next batch."""
        self._stop.set()
        self._go.set()

    def pause(self) -> None:
        """Let the run wait after its batch."""
        self._go.clear()

    def resume(self) -> None:
        """Let the run go on."""
        self._go.set()


def _pausable(steps: Steps, go: threading.Event) -> Steps:
    """The steps, each once `go` is set; napari's own pause loses a resume that comes at once."""
    while True:
        go.wait()
        try:
            step = next(steps)
        except StopIteration as end:
            result: ClusterResult = end.value
            return result
        yield step


def _reports(steps: Steps) -> Generator[Report, None, None]:
    """Progress in bundles at most ten times a second, then one outcome; never raises.

    A RuntimeError that leaves a worker's generator is swallowed by the worker, and every CUDA
    error is a RuntimeError: faults are reported as values.
    """
    bundle: list[Progress] = []
    sent = 0.0
    while True:
        try:
            bundle.append(next(steps))
        except StopIteration as end:
            outcome: Report = end.value
            break
        except Stopped:
            outcome = StoppedByUser()
            break
        except MsiclustError as error:
            outcome = Failed(str(error))
            break
        except MemoryError:
            outcome = Failed("memory ran out; close other programs, or choose fewer ions")
            break
        except Exception as error:  # noqa: BLE001 - the boundary of the thread
            _log.exception("clustering failed")
            outcome = Failed(f"{type(error).__name__}: {error}; please report this with the log")
            break
        if time.monotonic() - sent >= _SECONDS_BETWEEN_YIELDS:
            yield bundle
            bundle, sent = [], time.monotonic()
    if bundle:
        yield bundle
    yield outcome
