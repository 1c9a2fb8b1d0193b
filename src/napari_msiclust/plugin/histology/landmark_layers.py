"""Numbered landmarks as two Points layers, one on each image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Points
from napari.layers.base import ActionType
from napari.viewer import Viewer

from napari_msiclust.plugin.layers import KEY
from napari_msiclust.registration.geometry import Matrix, embed
from napari_msiclust.registration.transforms import LandmarkPairs

Side = Literal["fixed", "moving"]
_NAMES: dict[Side, str] = {"fixed": "landmarks on the histology", "moving": "landmarks on the ions"}
_COLORS: dict[Side, str] = {"fixed": "#F0E442", "moving": "#56B4E9"}  # Okabe and Ito
_ANCHORS: dict[Side, str] = {"fixed": "upper_left", "moving": "lower_right"}
_SYMBOLS: dict[Side, str] = {"fixed": "disc", "moving": "cross"}
LANDMARKS = "landmarks"
Contents = dict[Side, tuple[tuple[int, ...], npt.NDArray[np.float64]]]
_DONE = (ActionType.ADDED, ActionType.REMOVED, ActionType.CHANGED)


class LandmarkLayers:
    """The two layers; each landmark has a number, and a pair is a number that both have.

    Points on the histology are stored in um of the world, points on the ions in um of the ion
    images, and these are shown through the same affine as the ion images.

    Attributes
    ----------
    point_um : float
        Diameter of the drawn points.

    Parameters
    ----------
    viewer : Viewer
    dragged : callable
        Called with the side while a landmark is being dragged.
    changed : callable
        Called with the side after one was added, moved or removed, and whether it was added.
    """

    def __init__(
        self, viewer: Viewer, dragged: Callable[[Side], None], changed: Callable[[Side, bool], None]
    ) -> None:
        self._viewer = viewer
        self._dragged, self._changed = dragged, changed
        self.point_um = 1.0
        self.layers: dict[Side, Points] = {}
        self._seen: dict[Side, Any] = {}
        self._quiet = False

    def open(self) -> None:
        """Make sure that both layers are in the viewer."""
        for side in ("fixed", "moving"):
            layer = self.layers.get(side)
            if layer is None:
                layer = self.layers[side] = _new_layer(side)
                self._connect(side, layer)
            layer.current_size = self.point_um
            if layer not in self._viewer.layers:
                self._viewer.add_layer(layer)

    def _connect(self, side: Side, layer: Points) -> None:
        def data_changed(event: Any) -> None:
            if event.action == ActionType.ADDING:
                layer.feature_defaults = {"number": self.free_number(side)}
            elif event.action in _DONE and not self._quiet:
                self._seen[side] = layer.data.copy()
                self._changed(side, event.action == ActionType.ADDED)

        def redrawn(event: Any) -> None:
            before = self._seen.get(side, layer.data)
            self._seen[side] = layer.data.copy()
            if not self._quiet and len(before) == len(layer.data) and (before != layer.data).any():
                self._dragged(side)

        layer.events.data.connect(data_changed)
        layer.events.set_data.connect(redrawn)

    def free_number(self, side: Side) -> int:
        """The number that the next landmark gets: a missing partner's first, else the next."""
        own, other = (set(self._numbers(one)) for one in (side, _other(side)))
        waiting = sorted(other - own)
        if waiting:
            return waiting[0]
        return next(number for number in range(1, len(own) + 2) if number not in own)

    def _numbers(self, side: Side) -> list[int]:
        layer = self.layers.get(side)
        return [] if layer is None else [int(number) for number in layer.features["number"]]

    def pairs(self) -> LandmarkPairs:
        """Landmarks that both images have."""
        fixed, moving = self._numbers("fixed"), self._numbers("moving")
        both = sorted(set(fixed) & set(moving))
        if not both:
            return LandmarkPairs()
        return LandmarkPairs(
            np.array(both, dtype=np.int64),
            np.array([self.layers["fixed"].data[fixed.index(number)] for number in both], dtype=np.float64),
            np.array([self.layers["moving"].data[moving.index(number)] for number in both], dtype=np.float64),
        )

    def contents(self) -> Contents:
        """All landmarks, also those without a partner yet."""
        return {side: (tuple(self._numbers(side)), layer.data.copy()) for side, layer in self.layers.items()}

    def show_pairs(self, pairs: LandmarkPairs) -> None:
        """Replace all landmarks, without a call of `changed`."""
        numbers = tuple(map(int, pairs.numbers))
        self.show({"fixed": (numbers, pairs.fixed_um), "moving": (numbers, pairs.moving_um)})

    def show(self, contents: Contents) -> None:
        """Replace all landmarks, without a call of `changed`."""
        if not self.layers and not any(numbers for numbers, _ in contents.values()):
            return
        self.open()
        self._quiet = True
        try:
            for side, layer in self.layers.items():
                numbers, points = contents.get(side, ((), np.empty((0, 2))))
                layer.selected_data = set()
                layer.data = points
                layer.size = self.point_um
                layer.features = pd.DataFrame({"number": np.array(numbers, dtype=int)})
                layer.refresh_text()
                self._seen[side] = layer.data.copy()
        finally:
            self._quiet = False

    def remove(self, number: int) -> None:
        """Remove a pair."""
        for side in self.layers:
            numbers = self._numbers(side)
            if number in numbers:
                self.layers[side].remove([numbers.index(number)])

    def place_moving(self, matrix: Matrix) -> None:
        """Show the landmarks on the ions where the ion images are."""
        if "moving" in self.layers:
            self.layers["moving"].affine = embed(matrix, 2)

    def begin_adding(self, side: Side) -> None:
        """The next click adds a landmark on this side."""
        self._viewer.layers.selection.active = self.layers[side]
        self.layers[side].selected_data = set()
        self.layers[side].mode = "add"
        self.layers[_other(side)].mode = "pan_zoom"

    def end_adding(self) -> None:
        """Landmarks are dragged again."""
        for layer in self.layers.values():
            layer.mode = "select"


def _other(side: Side) -> Side:
    return "moving" if side == "fixed" else "fixed"


def _new_layer(side: Side) -> Points:
    layer = Points(
        np.empty((0, 2)),
        ndim=2,
        name=_NAMES[side],
        features=pd.DataFrame({"number": np.empty(0, dtype=int)}),
        face_color=_COLORS[side],
        border_color="black",
        symbol=_SYMBOLS[side],
        text={"string": "{number}", "size": 12, "color": _COLORS[side], "anchor": _ANCHORS[side]},
        units=("um", "um"),
        axis_labels=("y", "x"),
        metadata={KEY: LANDMARKS},
    )
    layer.mode = "select"
    return layer
