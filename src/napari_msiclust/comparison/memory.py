"""The largest memory of this process while something runs."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import psutil

_INTERVAL = 0.02


class MemoryWatch:
    """Context manager that looks at the resident memory of this process every 20 ms.

    Attributes
    ----------
    peak_bytes : int
        The largest seen; what was there before is part of it.
    """

    def __enter__(self) -> Self:
        self._process = psutil.Process()
        self.peak_bytes = int(self._process.memory_info().rss)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_INTERVAL):
            self.peak_bytes = max(self.peak_bytes, int(self._process.memory_info().rss))
