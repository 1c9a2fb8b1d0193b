from __future__ import annotations

import numpy as np
import pytest

from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.ion_stack import IonStack


def _images(planes: int) -> IonImages:
    """Seven ions on a 3 x 4 section, or several, of which one position was not acquired."""
    positions = [(x + 1, y + 1, z + 1) for z in range(planes) for y in range(3) for x in range(4)][:-1]
    grid = PixelGrid.from_positions(np.array(positions, np.int32), None)
    values = np.random.default_rng(0).random((7, len(positions)), np.float32)
    return IonImages(np.arange(7) + 100.0, values, grid)


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize(
    "key",
    [
        3,
        -1,
        np.int64(2),
        slice(1, 6, 2),
        slice(5, 5),
        ...,
        (..., 1),
        (2, slice(None), slice(1, 3)),
        (slice(None), 0, slice(None, None, -1)),
        ([4, 0], slice(0, 2)),
        (slice(0, 0), 1),
        (6, ..., 2),
        np.arange(7) % 2 == 0,
    ],
)
def test_it_is_indexed_like_an_ndarray(planes: int, key: object) -> None:
    images = _images(planes)
    whole = images.grid.unfold(images.grid.image(images.values))
    stack = IonStack(images)
    assert stack.shape == whole.shape
    assert (stack.ndim, stack.size, stack.nbytes, len(stack)) == (whole.ndim, whole.size, whole.nbytes, 7)
    np.testing.assert_array_equal(stack[key], whole[key])
    np.testing.assert_array_equal(np.asarray(stack), whole)


def test_an_index_beyond_the_ions_is_an_error() -> None:
    with pytest.raises(IndexError):
        IonStack(_images(1))[7]


def test_only_the_ion_that_is_looked_at_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    image = IonImages.image

    def watched(images: IonImages, ion: int) -> np.ndarray:
        made.append(ion)
        return image(images, ion)

    monkeypatch.setattr(IonImages, "image", watched)
    stack = IonStack(_images(1))
    assert stack[4, 1:3].shape == (2, 4)
    assert made == [4]
