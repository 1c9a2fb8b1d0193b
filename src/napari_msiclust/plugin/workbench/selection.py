"""What is selected; every view shows it and any view may change it."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import QObject, Signal

Pixel = tuple[int, int]


class Selection(QObject):
    """Selected ions, cluster, and the pixel under the cursor.

    A signal is emitted only when something changes, so that views may set what they hear.
    """

    ions_changed = Signal()
    cluster_changed = Signal()
    pixel_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ions: tuple[int, ...] = ()
        self._current: int | None = None
        self._cluster = 0
        self._pixel: Pixel | None = None

    @property
    def ions(self) -> tuple[int, ...]:
        """Rows of the ion table, in the order they were selected."""
        return self._ions

    @property
    def current(self) -> int | None:
        """The one ion that matters most: the last that was selected."""
        return self._current

    @property
    def cluster(self) -> int:
        """Selected cluster; 0 for none."""
        return self._cluster

    @property
    def pixel(self) -> Pixel | None:
        """Row and column of the pixel under the cursor."""
        return self._pixel

    def select_ions(
        self, ions: Iterable[int], current: int | None = None, cluster: int | None = None
    ) -> None:
        """Select ions, and their cluster where one is given."""
        chosen = tuple(dict.fromkeys(int(ion) for ion in ions))
        if current is None or current not in chosen:
            current = chosen[-1] if chosen else None
        ions_differ = (chosen, current) != (self._ions, self._current)
        cluster_differs = cluster is not None and cluster != self._cluster
        self._ions, self._current = chosen, current
        if cluster is not None:
            self._cluster = cluster
        if ions_differ:
            self.ions_changed.emit()
        if cluster_differs:
            self.cluster_changed.emit()

    def hover(self, pixel: Pixel | None) -> None:
        """Tell which pixel is under the cursor."""
        if pixel != self._pixel:
            self._pixel = pixel
            self.pixel_changed.emit()
