"""Work beside the window: functions in threads, their outcomes in the window's thread."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from qtpy.QtCore import QObject, Signal

from napari_msiclust.errors import MsiclustError

_log = logging.getLogger(__name__)
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Failure:
    """The work ended with a fault; `message` says what and what to do."""

    message: str


@dataclass(frozen=True)
class _Job:
    topic: str
    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[str], None] | None


class Background(QObject):
    """Runs functions in threads, one at a time for each topic.

    While one runs, a newer one for the same topic waits and replaces another that waits. Nothing is
    handed back once the owner is gone. The threads are daemons, not napari's workers: what cannot be
    interrupted (t-SNE) must neither delay nor break the end of the program.

    Parameters
    ----------
    owner : QObject
    """

    _finished = Signal(object, object)

    def __init__(self, owner: QObject) -> None:
        super().__init__(owner)
        self._running: set[str] = set()
        self._waiting: dict[str, _Job] = {}
        self._finished.connect(self._receive)

    def run(
        self,
        topic: str,
        work: Callable[[], _Value],
        done: Callable[[_Value], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Do `work` in a thread, then `done(value)` or `failed(message)` in the window's thread."""
        self._submit(_Job(topic, work, done, failed))

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self._running

    def _submit(self, job: _Job) -> None:
        if job.topic in self._running:
            self._waiting[job.topic] = job
            return
        self._running.add(job.topic)
        threading.Thread(target=self._work, args=(job,), name=f"msiclust {job.topic}", daemon=True).start()

    def _work(self, job: _Job) -> None:
        outcome = _guarded(job.work)
        with contextlib.suppress(RuntimeError):  # the owner is gone
            self._finished.emit(job, outcome)

    def _receive(self, job: _Job, outcome: Any) -> None:
        self._running.discard(job.topic)
        if job.topic in self._waiting:
            self._submit(self._waiting.pop(job.topic))
        if not isinstance(outcome, Failure):
            job.done(outcome)
        elif job.failed is not None:
            job.failed(outcome.message)


def _guarded(work: Callable[[], Any]) -> Any:
    """The value of the work, or a `Failure`; faults do not leave the thread as exceptions."""
    try:
        return work()
    except MsiclustError as error:
        return Failure(str(error))
    except MemoryError:
        return Failure("memory ran out; close other programs")
    except Exception as error:  # noqa: BLE001 - the boundary of the thread
        _log.exception("work in the background failed")
        return Failure(f"{type(error).__name__}: {error}; please report this with the log")
