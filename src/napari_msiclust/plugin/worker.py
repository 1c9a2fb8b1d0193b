"""Long work in threads that napari knows of and that can be stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from napari.qt.threading import GeneratorWorker, create_worker

from napari_msiclust.errors import MsiclustError, Stopped
from napari_msiclust.progress import Progress
from napari_msiclust.results.explanation import Explanation, explanation_steps

if TYPE_CHECKING:
    from napari_msiclust.config import ClusterConfig
    from napari_msiclust.msi.ion_images import IonImages
    from napari_msiclust.results.cluster_result import ClusterResult
    from napari_msiclust.results.corrections import History, Relearning

_SECONDS_BETWEEN_YIELDS = 0.1
_log = logging.getLogger(__name__)

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")
Steps = Generator[Progress | _Item, None, _Outcome]


@dataclass(frozen=True)
class Failed:
    """The run ended with a fault; `message` says what and what to do."""

    message: str


@dataclass(frozen=True)
class StoppedByUser:
    """The run ended because the user asked for it."""


@dataclass(frozen=True)
class Study:
    """The result of several sections, as it was written."""

    folder: Path
    sections: dict[Path, Path]  # folder of the result of each file
    summary: str


Ending = Failed | StoppedByUser
Report: TypeAlias = "list[Progress] | ClusterResult | Relearning | Explanation | Study | Ending"


@dataclass(frozen=True, eq=False)
class Run:
    """Steps in a worker thread.

    Connect to `worker.yielded`. It emits lists of `Progress`, what else the steps yield as it comes, and
    at last one outcome: what the steps return, `Failed`, or `StoppedByUser`.
    """

    worker: GeneratorWorker[Any, None, None]
    _stop: threading.Event
    _go: threading.Event

    @classmethod
    def of(cls, make_steps: Callable[[threading.Event], Steps[Any, Any]], task: str) -> Self:
        """A run that begins with `start`.

        Parameters
        ----------
        make_steps : callable
            Gives the generator for an event that asks it to stop.
        task : str
            What is done, for the log.
        """
        stop, go = threading.Event(), threading.Event()
        go.set()
        steps = _pausable(make_steps(stop), go)
        worker = create_worker(_reports, steps, task, _start_thread=False)
        worker.aborted.connect(steps.close)  # napari quit the worker: free what the steps hold
        return cls(worker, stop, go)

    def start(self) -> None:
        """Begin."""
        self.worker.start()

    def stop(self) -> None:
        """End the run before its next step."""
        self._stop.set()
        self._go.set()

    def pause(self) -> None:
        """Let the run wait after its step."""
        self._go.clear()

    def resume(self) -> None:
        """Let the run go on."""
        self._go.set()


def _pausable(steps: Steps[_Item, _Outcome], go: threading.Event) -> Steps[_Item, _Outcome]:
    """The steps, each once `go` is set; napari's own pause loses a resume that comes at once."""
    while True:
        go.wait()
        try:
            step = next(steps)
        except StopIteration as end:
            result: _Outcome = end.value
            return result
        yield step


def clustering_run(images: Callable[[], IonImages], config: ClusterConfig) -> Run:
    """A clustering that begins with `start`; its worker emits `Report`, at last a `ClusterResult`.

    Parameters
    ----------
    images : callable
        Gives the ion images, in the thread that runs.
    config : ClusterConfig
    """
    return Run.of(lambda stop: _clustering(images, config, stop), "clustering")


def relearning_run(history: History) -> Run:
    """Learning again from corrections; its worker emits `Report`, at last a `Relearning`."""
    return Run.of(lambda stop: _relearning(history, stop), "learning again")


def explaining_run(history: History) -> Run:
    """Occlusion maps of the clusters; its worker emits `Report`, at last an `Explanation`."""
    return Run.of(lambda stop: explanation_steps(history, stop=stop), "explaining clusters")


def study_run(files: Sequence[Path], out: Path, config: ClusterConfig) -> Run:
    """Sections of a study clustered jointly; its worker emits `Report`, at last a `Study`."""
    return Run.of(lambda stop: _study(files, out, config, stop), "clustering a study")


# What torch needs is imported in the thread that runs: that takes seconds.


def _clustering(
    images: Callable[[], IonImages], config: ClusterConfig, stop: threading.Event
) -> Generator[Progress, None, ClusterResult]:
    from napari_msiclust.pipeline import clustering_steps

    return (yield from clustering_steps(images(), config, threads=_threads(), stop=stop))


def _relearning(history: History, stop: threading.Event) -> Generator[Progress, None, Relearning]:
    from napari_msiclust.results.relearning import relearning_steps

    return (yield from relearning_steps(history, threads=_threads(), stop=stop))


def _study(
    files: Sequence[Path], out: Path, config: ClusterConfig, stop: threading.Event
) -> Generator[Progress, None, Study]:
    from napari_msiclust.reading import ReadingSettings
    from napari_msiclust.results.cohort_exports import SECTIONS, section_folders
    from napari_msiclust.study import study_steps, summary

    result = yield from study_steps(files, out, config, ReadingSettings(), threads=_threads(), stop=stop)
    folders = [out / SECTIONS / name for name in section_folders(result.cohort.names)]
    return Study(out, dict(zip(files, folders, strict=True)), summary(result, out))


def _threads() -> int:
    """CPU threads of a run: one core is left to the window."""
    from napari_msiclust.learning.device import default_threads

    return max(1, default_threads() - 1)


def _reports(
    steps: Steps[_Item, _Outcome], task: str
) -> Generator[list[Progress] | _Item | _Outcome | Ending, None, None]:
    """Progress in bundles at most ten times a second, other items at once, then one outcome; never raises.

    A RuntimeError that leaves a worker's generator is swallowed by the worker, and every CUDA
    error is a RuntimeError: faults are reported as values.
    """
    bundle: list[Progress] = []
    sent = 0.0
    while True:
        try:
            item = next(steps)
        except StopIteration as end:
            outcome: _Outcome | Ending = end.value
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
            _log.exception("%s failed", task)
            outcome = Failed(f"{type(error).__name__}: {error}; please report this with the log")
            break
        if not isinstance(item, Progress):
            yield item
            continue
        bundle.append(item)
        if time.monotonic() - sent >= _SECONDS_BETWEEN_YIELDS:
            yield bundle
            bundle, sent = [], time.monotonic()
    if bundle:
        yield bundle
    yield outcome
