"""An image with physical scale: what the writers take and the readers give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

HELD_IN_MEMORY = 2**28  # bytes; a larger image is read when it is looked at
_PYRAMID_FROM = 2048
_COARSEST = 1024


@dataclass(frozen=True, eq=False)
class ScaledImage:
    """An image with physical scale.

    Attributes
    ----------
    pixels : array
        Its axes are rows and columns (H, W); before them z planes (Z, ...) if `deep`, and before these the
        images of a stack (C, ...); or (H, W, 3 or 4) if `rgb`. What numpy can index plane by plane.
    pixel_size_um : tuple of float or None
        (height, width).
    name : str
    channels : tuple of str
        Names of the C images of a stack.
    kind : {'image', 'labels'}
    extra : dict
        Plain JSON values that a layer needs to come back as it was.
    origin_um : tuple of float
        (y, x) of the centre of the first pixel; in pixels if the pixel size is unknown.
    colors : tuple of str
        '#RRGGBB' of the C images of a stack, or of the one image; empty if it has none.
    ions : DataFrame or None
        The ion table behind the image, and in `source` the path of the file that the ions came from.
    levels : tuple of array
        The same image at ever coarser resolution, if it was read from a pyramid.
    """

    pixels: Any
    pixel_size_um: tuple[float, float] | None
    name: str
    channels: tuple[str, ...] = ()
    kind: Literal["image", "labels"] = "image"
    rgb: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    deep: bool = False
    origin_um: tuple[float, float] = (0.0, 0.0)
    colors: tuple[str, ...] = ()
    ions: pd.DataFrame | None = None
    source: str = ""
    levels: tuple[Any, ...] = ()

    @property
    def axes(self) -> str:
        """The axes as OME names them: C (images of a stack), Z, Y, X, S (samples of a colour)."""
        flat = ("Z" if self.deep else "") + ("YXS" if self.rgb else "YX")
        return flat if self.pixels.ndim == len(flat) else f"C{flat}"

    @property
    def leading(self) -> tuple[int, ...]:
        """Lengths of the axes before rows and columns."""
        return tuple(self.pixels.shape[: self.axes.index("Y")])

    def planes(self, level: int = 0) -> Iterator[npt.NDArray[Any]]:
        """Each image of rows and columns, halved `level` times; few are in memory at once."""
        for place in np.ndindex(self.leading):
            plane = np.asarray(self.pixels[place])
            for _ in range(level):
                plane = halved(plane, nearest=self.kind == "labels")
            yield plane

    @property
    def sample(self) -> npt.NDArray[Any]:
        """What stands for the whole image where that is large: its coarsest level, or one plane of it."""
        coarsest = self.levels[-1] if self.levels else self.pixels
        if isinstance(coarsest, np.ndarray):
            return coarsest
        return np.asarray(coarsest[tuple(side // 2 for side in self.leading)])

    @property
    def level_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the levels of its pyramid, finest first; only one where it is small."""
        at = len(self.leading)
        (height, width), samples = self.pixels.shape[at : at + 2], self.pixels.shape[at + 2 :]
        shapes = [(*self.leading, height, width, *samples)]
        if max(height, width) > _PYRAMID_FROM:
            while max(height, width) > _COARSEST:
                height, width = -(-height // 2), -(-width // 2)
                shapes.append((*self.leading, height, width, *samples))
        return shapes


def halved(plane: npt.NDArray[Any], *, nearest: bool = False) -> npt.NDArray[Any]:
    """An image (H, W, ...) with half the rows and columns, rounded up.

    Parameters
    ----------
    nearest : bool
        Take every second pixel, as labels need it; otherwise the mean of four, or of those that are finite.
    """
    if nearest:
        every_second: npt.NDArray[Any] = plane[::2, ::2]
        return every_second
    rows, cols = (np.add.reduceat(np.ones(side), np.arange(0, side, 2)) for side in plane.shape[:2])
    known = np.isfinite(plane)
    total = _paired(np.where(known, plane, 0).astype(np.float64))
    count = np.multiply.outer(rows, cols).reshape(len(rows), len(cols), *(1,) * (plane.ndim - 2))
    if not known.all():
        count = _paired(known.astype(np.float64))
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    half: npt.NDArray[Any] = (mean if plane.dtype.kind == "f" else mean.round()).astype(plane.dtype)
    return half


def _paired(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sums over pairs of rows and columns."""
    for axis in (0, 1):
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], 2), axis=axis)
    return values


def contrast_limits(image: npt.ArrayLike) -> tuple[float, float]:
    """0 to the 0.999 quantile of the finite values, never empty."""
    values = np.asarray(image)
    finite = values[np.isfinite(values)]
    top = float(np.quantile(finite, 0.999)) if finite.size else 0.0
    top = top or (float(finite.max()) if finite.size else 0.0)
    return (0.0, top if top > 0 else 1.0)
