"""The binary file behind an index, read at given places by any number of threads and processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt


class DataFile:
    """A file opened for reading at given offsets; it keeps no position that readers could disturb.

    After pickling, or in another process, it is opened again.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._stream = path.open("rb", buffering=0)

    def __reduce__(self) -> tuple[type[DataFile], tuple[Path]]:
        return DataFile, (self.path,)

    def close(self) -> None:
        """Close it."""
        self._stream.close()

    def read(self, offset: int, size: int) -> npt.NDArray[np.uint8]:
        """Bytes from an offset; fewer than asked for at the end of the file.

        Raises
        ------
        ValueError
            The file was closed.
        """
        buffer = np.empty(max(size, 0), np.uint8)
        done = 0
        while done < size:
            part = self._read_once(offset + done, buffer.data[done:])
            if not part:
                break
            done += part
        return buffer[:done]

    def _read_once(self, offset: int, buffer: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._stream.fileno(), [buffer], offset)
        with self._lock:
            self._stream.seek(offset)
            return self._stream.readinto(buffer)
