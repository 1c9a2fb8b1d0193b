"""A patch of a cluster's colour."""

from __future__ import annotations

from qtpy.QtGui import QColor, QIcon, QPixmap

_SIDE = 16


def swatch(color: QColor) -> QIcon:
    """An icon of one colour, the same in a selected row as in any other."""
    patch = QPixmap(_SIDE, _SIDE)
    patch.fill(color)
    icon = QIcon(patch)
    icon.addPixmap(patch, QIcon.Mode.Selected)
    return icon
