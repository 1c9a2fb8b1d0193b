"""The binary file behind an index, read at given places by any number of threads and processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path


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

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from an offset; fewer than asked for at the end of the file.

        Raises
        ------
        ValueError
            The file was closed.
        """
        parts = []
        while size > 0:
            part = self._read_once(offset, size)
            if not part:
                break
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_once(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._stream.fileno(), size, offset)
        with self._lock:
            self._stream.seek(offset)
            return self._stream.read(size)
