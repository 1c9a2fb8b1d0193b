"""Thumbnails as Qt images, made beside the window when they are asked for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QImage

from napari_msiclust.plugin.workbench.session import Session
from napari_msiclust.results.thumbnails import Thumbnails, color_table

_BATCH = 16
_MOST_KEPT = 6_000


class ThumbnailStore(QObject):
    """Thumbnails of the ions of a session.

    Parameters
    ----------
    session : Session
    """

    arrived = Signal(tuple)

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._maker: Thumbnails | None = None
        self._images: dict[int, QImage] = {}
        self._wanted: dict[int, None] = {}
        table = color_table()
        self._colors = [int.from_bytes(bytes((a, r, g, b)), "big") for r, g, b, a in table.tolist()]
        session.ready.connect(self._fetch)

    def image(self, ion: int) -> QImage | None:
        """The thumbnail; None while it is not there yet, and `arrived` tells when it is."""
        found = self._images.get(ion)
        if found is None and ion not in self._wanted:
            self._wanted[ion] = None
            self._fetch()
        return found

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width of a thumbnail; None until the first is made."""
        return None if self._maker is None else self._maker.shape

    def forget_wishes(self) -> None:
        """Drop what was asked for and has scrolled out of sight."""
        self._wanted.clear()

    def _fetch(self) -> None:
        basis = self._session.basis
        if basis is None or not self._wanted:
            return
        ions = list(self._wanted)[-_BATCH:]
        maker = self._maker

        def make() -> tuple[Thumbnails, list[int], npt.NDArray[np.uint8]]:
            used = maker or Thumbnails(basis)
            return used, ions, used.render(ions)

        self._session.background.run("thumbnails", make, self._receive)

    def _receive(self, made: tuple[Thumbnails, list[int], npt.NDArray[np.uint8]]) -> None:
        self._maker, ions, pictures = made
        for ion, picture in zip(ions, pictures, strict=True):
            self._wanted.pop(ion, None)
            self._images[ion] = self._to_qt(picture)
        while len(self._images) > _MOST_KEPT:
            del self._images[next(iter(self._images))]
        self.arrived.emit(tuple(ions))
        self._fetch()

    def _to_qt(self, picture: npt.NDArray[np.uint8]) -> QImage:
        height, width = picture.shape
        image = QImage(picture.tobytes(), width, height, width, QImage.Format.Format_Indexed8)
        image.setColorTable(self._colors)
        return image.copy()
