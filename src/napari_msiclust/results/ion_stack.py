"""Ion images as an array that makes an image when it is looked at."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.ion_table import ion_table
from napari_msiclust.results.scaled_image import ScaledImage


class IonStack:
    """Read-only array (N, H, W), or (N, Z, h, w) where there are z planes, of ion images.

    NaN where nothing was acquired. It has what napari asks of the data of a layer, and becomes an ndarray
    with `numpy.asarray`.

    Parameters
    ----------
    images : IonImages
    """

    dtype = np.dtype(np.float32)

    def __init__(self, images: IonImages) -> None:
        self._images = images
        grid = images.grid
        planes = (len(grid.planes),) if len(grid.planes) > 1 else ()
        self.shape = (len(images), *planes, *grid.plane_shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes as an ndarray."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        ions, *inside = key if isinstance(key, tuple) else (key,)
        if ions is Ellipsis:
            full = self.ndim - len(inside)
            ions, inside = slice(None), [slice(None)] * (full - 1) + inside
        chosen = np.arange(len(self))[ions]
        rows = [np.asarray(self._image(int(ion))[tuple(inside)]) for ion in chosen.ravel()]
        if chosen.ndim == 0:
            return rows[0]
        if not rows:
            return np.empty((0, *self.shape[1:]), self.dtype)[(slice(None), *inside)]
        return np.stack(rows)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("ion images are made when they are looked at")
        return self[:].astype(dtype or self.dtype, copy=False)

    def _image(self, ion: int) -> npt.NDArray[np.float32]:
        return self._images.grid.unfold(self._images.image(ion))


def ion_names(images: IonImages) -> tuple[str, ...]:
    """What the ions are called in files and views."""
    return tuple(f"m/z {mz:.4f}" for mz in images.mz)


def ion_images_as_stack(images: IonImages, name: str, source: str = "") -> ScaledImage:
    """The ion images as one image with a channel per ion; made when they are looked at."""
    return ScaledImage(
        IonStack(images),
        images.grid.physical_pixel_size_um,
        name,
        ion_names(images),
        deep=len(images.grid.planes) > 1,
        ions=ion_table(images),
        source=source,
    )
