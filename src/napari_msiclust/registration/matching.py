"""How well a stain fits the ion images under a transform."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import affine_transform

from napari_msiclust.registration.channels import Channels, FloatArray
from napari_msiclust.registration.geometry import Matrix, scaling

_LEAST_VARIANCE = 0.4  # of the stain's own variance: a corner that happens to fit is no match
_LEAST_PIXELS = 12


class Matcher:
    """Share of the stain's variance that some linear mixture of the ion images explains.

    No mixture is known beforehand, and none needs to be: for each transform the best one is taken,
    by projecting the stain onto the span of the ion images' components. The share is the mean of
    the squared multiple correlations of the stain's channels.

    Parameters
    ----------
    moving : Channels
        Components of the ion images.
    fixed : Channels
        Channels of the stain, zero on the empty background.
    pixel_um : float
        Working resolution, in um of the moving image.
    scale : float
        Expected um of the fixed image per um of the moving one.
    """

    def __init__(self, moving: Channels, fixed: Channels, pixel_um: float, scale: float) -> None:
        self._moving = moving.at(pixel_um)
        self._fixed = fixed.at(pixel_um * scale)
        values = self._moving.values
        self._inside = np.isfinite(values[0])
        columns = values[:, self._inside]
        if len(columns) == 1:
            columns = np.concatenate([columns, columns**2])  # a single image may be darker or brighter
        design = np.concatenate([np.ones((1, columns.shape[1])), columns]).T
        basis, _ = np.linalg.qr(design)
        self._basis: FloatArray = basis.T
        total = self._fixed.values.reshape(len(self._fixed.values), -1)
        self._least = _LEAST_VARIANCE * total.var(axis=1)
        self._padded = [
            fft.next_fast_len(2 * length + _LEAST_PIXELS, real=True) for length in self._inside.shape
        ]
        spread = np.zeros((len(basis.T), *self._inside.shape))
        spread[:, self._inside] = self._basis
        self._basis_spectrum = np.conj(fft.rfft2(spread, self._padded))
        self._inside_spectrum = np.conj(fft.rfft2(self._inside.astype(float), self._padded))

    @property
    def pixel_um(self) -> float:
        """Size of a working pixel, in um of the moving image."""
        return max(self._moving.pixel_size_um)

    def score(self, matrix: Matrix) -> float:
        """0..1 for a transform from the moving image to the fixed one, both in um."""
        warped = self._warped(matrix, self._inside.shape, (0, 0))[:, self._inside]
        centred = warped - warped.mean(axis=1, keepdims=True)
        explained = ((centred @ self._basis.T) ** 2).sum(axis=1)
        least = self._least * warped.shape[1]
        return float(np.mean(explained / np.maximum((centred**2).sum(axis=1), least)))

    def best_shift(self, linear: Matrix) -> tuple[float, Matrix]:
        """The best score over all shifts of whole working pixels, and the transform with that shift."""
        height, width = self._inside.shape
        rows, cols = self._padded
        top, left = -(rows - height) // 2, -(cols - width) // 2
        centre = np.array([(height - 1) / 2, (width - 1) / 2]) * self._moving.pixel_size_um
        fixed_middle = np.array(self._fixed.extent_um) / 2
        start = linear.copy()
        start[:2, 2] = fixed_middle - linear[:2, :2] @ centre
        warped = self._warped(start, (rows, cols), (top, left))
        spectrum = fft.rfft2(warped)
        along = fft.irfft2(spectrum[:, None] * self._basis_spectrum, self._padded)
        explained = (along[:, 1:] ** 2).sum(axis=1)
        square = fft.irfft2(fft.rfft2(warped**2) * self._inside_spectrum, self._padded)
        variance = square - along[:, 0] ** 2
        least = (self._least * self._inside.sum())[:, None, None]
        score = (explained / np.maximum(variance, least)).mean(axis=0)
        score[rows - height + 1 :] = score[:, cols - width + 1 :] = -1  # wrapped around
        row, col = np.unravel_index(int(score.argmax()), score.shape)
        shift = (np.array([row + top, col + left])) * self._moving.pixel_size_um
        start[:2, 2] += linear[:2, :2] @ shift
        return float(score[row, col]), start

    def _warped(
        self, matrix: Matrix, shape: tuple[int, ...], first: tuple[int, int]
    ) -> npt.NDArray[np.float64]:
        """The stain on the moving grid, or a larger one that begins at pixel `first`."""
        to_fixed = np.linalg.inv(_centres(self._fixed)) @ matrix @ _centres(self._moving)
        offset = to_fixed[:2, :2] @ np.asarray(first) + to_fixed[:2, 2]
        return np.stack(
            [
                affine_transform(channel, to_fixed[:2, :2], offset, output_shape=tuple(shape), order=1)
                for channel in self._fixed.values
            ]
        )


def _centres(channels: Channels) -> Matrix:
    """From pixels to um; the same origin at every resolution, the outer edge of the field."""
    matrix = scaling(channels.pixel_size_um)
    matrix[:2, 2] = np.array(channels.pixel_size_um) / 2
    return matrix
