"""A combo box of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from napari.layers import Layer
from qtpy.QtWidgets import QComboBox, QSizePolicy, QWidget


class LayerChoice(QComboBox):
    """Layers of one sort, by name; the choice stays while its layer does.

    Parameters
    ----------
    fitting : callable
        Gives those of the viewer's layers that can be chosen.
    """

    def __init__(
        self, fitting: Callable[[Iterable[Layer]], list[Layer]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._fitting = fitting
        self._layers: list[Layer] = []
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def refresh(self, layers: Iterable[Layer]) -> None:
        """List the layers anew."""
        chosen = self.layer()
        self._layers = self._fitting(layers)
        self.blockSignals(True)
        self.clear()
        self.addItems([layer.name for layer in self._layers])
        if chosen in self._layers:
            self.setCurrentIndex(self._layers.index(chosen))
        self.blockSignals(False)

    def layer(self) -> Layer | None:
        """The chosen layer."""
        index = self.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def choose(self, layer: Layer) -> None:
        """Choose a layer."""
        self.setCurrentIndex(self._layers.index(layer))
