"""A registration in progress: which images, which landmarks, where the ions lie now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.viewer import Viewer
from qtpy.QtCore import QObject, Signal

from napari_msiclust.errors import InputError
from napari_msiclust.plugin.histology.groups import (
    dataset_of,
    group_of,
    in_um,
    ion_dataset,
    pixel_size,
    place,
    placed,
    plane_shape,
    registration_of,
    remember_registration,
)
from napari_msiclust.plugin.histology.landmark_layers import Contents, LandmarkLayers, Side
from napari_msiclust.registration.automatic import AutomaticRegistration
from napari_msiclust.registration.geometry import (
    Matrix,
    Points,
    apply,
    flip,
    is_mirrored,
    quarter_turn,
    scale_of,
    scaling,
)
from napari_msiclust.registration.landmarks import (
    LEAST_PAIRS,
    LandmarkFit,
    TransformKind,
    fit_landmarks,
)
from napari_msiclust.registration.transforms import (
    LandmarkPairs,
    Registration,
    fit_errors,
    grid_origin_um,
    read_landmarks,
    read_registration,
    write_registration,
)

_MOST_UNDO = 200
_SAME_SCALE = 0.002
_LANDMARK_SHARE = 1 / 80  # of the histology's longer side


@dataclass(frozen=True, eq=False)
class _State:
    """What undo brings back."""

    landmarks: Contents
    matrix: Matrix
    fixed_scale: tuple[float, float] | None
    kind: TransformKind


class RegistrationSession(QObject):
    """Images, landmarks and transform of one registration.

    Signals
    -------
    changed
        Landmarks, transform, images or pixel size changed; also while a landmark is dragged.
    landmark_added
        The user placed one; 'fixed' or 'moving'.

    Parameters
    ----------
    viewer : Viewer
    """

    changed = Signal()
    landmark_added = Signal(str)

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.landmarks = LandmarkLayers(viewer, self._dragged, self._landmarks_changed)
        self.fixed: Image | None = None
        self.dataset: str | None = None
        self.kind: TransformKind = "similarity"
        self.matrix: Matrix = np.eye(3)
        self.fit: LandmarkFit | None = None
        self.fault = ""
        self._earlier: list[_State] = []
        self._now = self._state()
        viewer.layers.events.inserted.connect(self._inserted)

    # -- images --------------------------------------------------------------------------------

    @property
    def group(self) -> list[Layer]:
        """The layers that move."""
        return [] if self.dataset is None else group_of(self.viewer.layers, self.dataset)

    def choose(self, fixed: Image | None, dataset: str | None) -> None:
        """Register a dataset to an image; begins anew if either is another than before."""
        if fixed is self.fixed and dataset == self.dataset:
            return
        self.fixed, self.dataset = fixed, dataset
        self._size_landmarks()
        group = self.group
        self.matrix = placed(group[0]) if group else np.eye(3)
        self._show_kept(registration_of(group))
        place(group, self.matrix)
        self._refit(move=False)
        self._earlier, self._now = [], self._state()
        self.changed.emit()

    def _show_kept(self, kept: Registration | None) -> None:
        """Landmarks and kind of a registration to this image that was made before."""
        if kept is None or self.fixed is None or kept.fixed.get("name") != self.fixed.name:
            self.landmarks.show_pairs(LandmarkPairs())
            return
        if kept.kind != "manual":
            self.kind = kept.kind  # type: ignore[assignment]
        self.landmarks.show_pairs(kept.pairs)
        self.landmarks.place_moving(self.matrix)

    def _size_landmarks(self) -> None:
        if self.fixed is not None:
            extent = np.array(plane_shape(self.fixed)) * pixel_size(self.fixed)
            self.landmarks.point_um = float(extent.max()) * _LANDMARK_SHARE

    def _inserted(self, event: Any) -> None:
        """A layer that joins a dataset goes where the dataset is."""
        if self.dataset is not None and dataset_of(event.value) == self.dataset:
            place([event.value], self.matrix)

    def middle(self) -> Points:
        """(y, x) of the centre of the ion images, in um before they are moved."""
        group = self.group
        if not group:
            return np.zeros(2)
        half: Points = (np.array(plane_shape(group[0])) - 1) / 2 * pixel_size(group[0])
        return half

    def pixel_size_um(self) -> tuple[float, float] | None:
        """(height, width) of the histology's pixels; None if it has no physical scale."""
        return pixel_size(self.fixed) if self.fixed is not None and in_um(self.fixed) else None

    def set_pixel_size(self, um: float) -> None:
        """Correct the pixel size of the histology; landmarks and ions keep their place on it."""
        if self.fixed is None or um <= 0:
            return
        self._scale_fixed((um, um))
        self._refit()
        self._commit()

    def _scale_fixed(self, size: tuple[float, float]) -> None:
        if self.fixed is None:
            return
        growth = scaling((size[0] / self.fixed.scale[-2], size[1] / self.fixed.scale[-1]))
        self.fixed.scale = (*self.fixed.scale[:-2], *size)
        self.fixed.units = (*self.fixed.units[:-2], "um", "um")
        self._size_landmarks()
        contents = self.landmarks.contents()
        if "fixed" in contents:
            numbers, points = contents["fixed"]
            self.landmarks.show(contents | {"fixed": (numbers, apply(growth, points))})
        self._move(growth @ self.matrix)

    def suggested_pixel_size(self) -> float | None:
        """Pixel size of the histology that would need no scaling of the ions; None if it is that one."""
        scale = scale_of(self.matrix)
        if self.fixed is None or (in_um(self.fixed) and abs(scale - 1) < _SAME_SCALE):
            return None
        return pixel_size(self.fixed)[0] / scale if any(map(in_um, self.group)) else None

    # -- transform -----------------------------------------------------------------------------

    def set_kind(self, kind: TransformKind) -> None:
        """Choose what the landmarks may do: turn and shift, also scale, or also shear."""
        if kind != self.kind:
            self.kind = kind
            self._refit()
            self._commit()

    def flip(self, *, horizontal: bool) -> None:
        """Mirror the ions about their centre; with landmarks, fit them with the other hand."""
        self._move(flip(self._middle_in_world(), horizontal=horizontal) @ self.matrix)
        self._refit()
        self._commit()

    def turn(self, *, clockwise: bool) -> None:
        """Turn the ions by 90 degrees about their centre."""
        self._move(quarter_turn(self._middle_in_world(), clockwise=clockwise) @ self.matrix)
        self._commit()

    def reset(self) -> None:
        """Forget landmarks and transform."""
        self.landmarks.show_pairs(LandmarkPairs())
        self._move(np.eye(3))
        self._refit()
        self._commit()

    def accept(self, found: AutomaticRegistration) -> None:
        """Take an automatic registration as the start; landmarks placed so far are removed."""
        self.landmarks.show_pairs(LandmarkPairs())
        self._move(found.matrix)
        self._refit()
        self._commit()

    def has_enough_landmarks(self) -> bool:
        """Whether the landmarks fix the transform."""
        return len(self.landmarks.pairs()) >= LEAST_PAIRS[self.kind]

    def _middle_in_world(self) -> Points:
        moved: Points = apply(self.matrix, self.middle())[0]
        return moved

    def _move(self, matrix: Matrix) -> None:
        self.matrix = matrix
        place(self.group, matrix)
        self.landmarks.place_moving(matrix)

    def _refit(self, *, move: bool = True) -> None:
        """Fit the landmarks and, if asked, move the ions; the flip is the user's own choice."""
        pairs = self.landmarks.pairs()
        self.fit, self.fault = None, ""
        if len(pairs) >= LEAST_PAIRS[self.kind]:
            try:
                self.fit = fit_landmarks(
                    pairs.moving_um, pairs.fixed_um, self.kind, mirrored=is_mirrored(self.matrix)
                )
            except InputError as error:
                self.fault = str(error)
        if self.fit is not None and move:
            self._move(self.fit.matrix)
        self.changed.emit()

    # -- landmarks -----------------------------------------------------------------------------

    def begin_adding(self, side: Side) -> None:
        """The next click on the canvas places a landmark."""
        self.landmarks.open()
        self.landmarks.place_moving(self.matrix)
        self.landmarks.begin_adding(side)

    def remove_landmark(self, number: int) -> None:
        """Remove a pair."""
        self.landmarks.remove(number)

    def _dragged(self, side: Side) -> None:
        # The ions stay under the cursor while a landmark on them is dragged.
        self._refit(move=side == "fixed")

    def _landmarks_changed(self, side: Side, added: bool) -> None:
        self._refit()
        self._commit()
        if added:
            self.landmark_added.emit(side)

    # -- undo ----------------------------------------------------------------------------------

    def _state(self) -> _State:
        size = None if self.fixed is None else pixel_size(self.fixed)
        return _State(self.landmarks.contents(), self.matrix, size, self.kind)

    def _commit(self) -> None:
        """Keep what was before the last change."""
        self._earlier = [*self._earlier[-_MOST_UNDO:], self._now]
        self._now = self._state()
        remember_registration(self.group, self.registration())
        self.changed.emit()

    def can_undo(self) -> bool:
        """Whether there is something to bring back."""
        return bool(self._earlier)

    def undo(self) -> None:
        """Bring back what was before the last change."""
        if not self._earlier:
            return
        self._now = self._earlier.pop()
        self.kind = self._now.kind
        if self.fixed is not None and self._now.fixed_scale is not None:
            self.fixed.scale = (*self.fixed.scale[:-2], *self._now.fixed_scale)
        self.landmarks.show(self._now.landmarks)
        self._move(self._now.matrix)
        self._refit(move=False)
        remember_registration(self.group, self.registration())

    # -- files ---------------------------------------------------------------------------------

    def registration(self) -> Registration:
        """The registration as it is now."""
        size = self.pixel_size_um()
        fixed: dict[str, Any] = {
            "name": self.fixed.name if self.fixed is not None else "",
            "pixel_size_um": None if size is None else list(size),
        }
        moving: dict[str, Any] = {"name": Path(self.dataset or "").name}
        dataset = ion_dataset(self.group)
        if dataset is not None and dataset.images.grid.pixel_size_known:
            grid = dataset.images.grid
            moving |= {"pixel_size_um": list(grid.pixel_size_um), "origin_um": grid_origin_um(grid)}
        kind = self.kind if self.fit is not None else "manual"
        errors = {} if self.fit is None else fit_errors(self.fit)
        return Registration(self.matrix, kind, self.landmarks.pairs(), fixed, moving, errors)

    def save(self, path: str | Path) -> None:
        """Write the registration (.json), or its landmarks (.csv)."""
        write_registration(path, self.registration())

    def load(self, path: str | Path) -> None:
        """Apply a saved registration, or landmarks, to the chosen images.

        The ions may be another dataset of the same section: what they have in common is where
        their pixels lie in the coordinates of their files.
        """
        if Path(path).suffix.lower() == ".json":
            self._apply(read_registration(path))
        else:
            self.landmarks.show_pairs(read_landmarks(path))
            self._refit()
        self._commit()

    def _apply(self, saved: Registration) -> None:
        dataset = ion_dataset(self.group)
        known = dataset is not None and dataset.images.grid.pixel_size_known
        fitting = saved.for_origin(grid_origin_um(dataset.images.grid) if dataset and known else None)
        size = saved.fixed.get("pixel_size_um")
        if size is not None and self.fixed is not None:
            own = self.pixel_size_um()
            if own is None or not np.allclose(own, size, rtol=1e-6):
                self._scale_fixed((float(size[0]), float(size[1])))
        if fitting.kind != "manual":
            self.kind = fitting.kind  # type: ignore[assignment]
        self._move(fitting.matrix)
        self.landmarks.show_pairs(fitting.pairs)
        self.landmarks.place_moving(fitting.matrix)
        self._refit(move=False)

    # -- words ---------------------------------------------------------------------------------

    def describe(self) -> str:
        """Errors of the landmarks, and warnings."""
        if self.fault:
            return self.fault
        if self.fit is None:
            missing = LEAST_PAIRS[self.kind] - len(self.landmarks.pairs())
            return f"{missing} more landmark pairs fix the transform." if missing > 0 else ""
        parts = [f"RMS {self.fit.rms_um:.1f} um"]
        if self.fit.leave_one_out_um is not None:
            parts.append(f"leave-one-out {self.fit.leave_one_out_um:.1f} um")
        parts.append(f"scale {scale_of(self.matrix):.4f}")
        return "; ".join(parts) + "".join(f"\n{warning}" for warning in self.fit.warnings)
