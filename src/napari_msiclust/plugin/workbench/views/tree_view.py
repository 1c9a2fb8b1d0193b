"""The tree in which the clusters would merge."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_msiclust.results.dendrogram import ClusterTree, Node

_LABEL, _MARGIN = 92, 14
_ROW = 20
_NEAR = 10.0


class TreeView(QWidget):
    """A dendrogram with the leaves at the left; a click on a branching chooses the clusters below it."""

    chosen = Signal(tuple)

    def __init__(self) -> None:
        super().__init__()
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)
        self.setAccessibleName("tree of the clusters")
        self._tree = ClusterTree((), ())
        self._names: dict[int, str] = {}
        self._colors: dict[int, QColor] = {}
        self._selected: frozenset[int] = frozenset()
        self._hovered: Node | None = None

    def show_tree(self, tree: ClusterTree, names: dict[int, str], colors: dict[int, QColor]) -> None:
        """Show another tree."""
        self._tree, self._names, self._colors, self._hovered = tree, names, colors, None
        self.setMinimumHeight(_ROW * len(tree.leaves) + 2 * _MARGIN)
        self.update()

    def select(self, clusters: tuple[int, ...]) -> None:
        """Mark clusters."""
        self._selected = frozenset(clusters)
        self.update()

    @property
    def tree(self) -> ClusterTree:
        """The tree that is shown."""
        return self._tree

    def place_of(self, node: Node) -> QPointF:
        """Where two branches meet."""
        return QPointF(self._x(node.height), self._y((node.left + node.right) / 2))

    def _x(self, height: float) -> float:
        top: float = self._tree.nodes[-1].height if self._tree.nodes else 1.0
        return _LABEL + (int(self.width()) - _LABEL - _MARGIN) * height / (top or 1.0)

    def _y(self, leaf: float) -> float:
        room = (int(self.height()) - 2 * _MARGIN) / max(len(self._tree.leaves), 1)
        return _MARGIN + (leaf + 0.5) * min(room, 2 * _ROW)

    def paintEvent(self, event: object) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        ink = self.palette().windowText().color()
        below = frozenset() if self._hovered is None else frozenset(self._hovered.clusters)
        for place, number in enumerate(self._tree.leaves):
            y = self._y(place)
            painter.fillRect(QRectF(4, y - 5, 10, 10), self._colors.get(number, ink))
            font.setBold(number in self._selected or number in below)
            painter.setFont(font)
            painter.setPen(ink)
            text = painter.fontMetrics().elidedText(
                self._names.get(number, str(number)), Qt.TextElideMode.ElideRight, _LABEL - 22
            )
            painter.drawText(QRectF(18, y - 8, _LABEL - 20, 16), Qt.AlignmentFlag.AlignVCenter, text)
        for node in self._tree.nodes:
            strong = self._hovered is not None and set(node.clusters) <= below
            painter.setPen(QPen(ink, 2.2 if strong else 1.1))
            x, top, bottom = self._x(node.height), self._y(node.left), self._y(node.right)
            painter.drawLine(QPointF(self._x(node.left_height), top), QPointF(x, top))
            painter.drawLine(QPointF(self._x(node.right_height), bottom), QPointF(x, bottom))
            painter.drawLine(QPointF(x, top), QPointF(x, bottom))
            painter.setBrush(ink)
            painter.drawEllipse(self.place_of(node), 2.5, 2.5)
        painter.end()

    def _node_at(self, place: QPointF) -> Node | None:
        if not self._tree.nodes:
            return None
        spots = [self.place_of(node) for node in self._tree.nodes]
        distance = np.array([np.hypot(spot.x() - place.x(), spot.y() - place.y()) for spot in spots])
        nearest = int(distance.argmin())
        return self._tree.nodes[nearest] if distance[nearest] <= _NEAR else None

    def mouseMoveEvent(self, event: object) -> None:
        hovered = self._node_at(event.position())  # type: ignore[attr-defined]
        if hovered is not self._hovered:
            self._hovered = hovered
            self.update()

    def mouseReleaseEvent(self, event: object) -> None:
        node = self._node_at(event.position())  # type: ignore[attr-defined]
        if node is not None:
            self.chosen.emit(node.clusters)
