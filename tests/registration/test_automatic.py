from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_msiclust.errors import InputError, Stopped
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.progress import drain
from napari_msiclust.registration.automatic import AutomaticRegistration
from napari_msiclust.registration.channels import optical_density, stain_channels
from napari_msiclust.registration.geometry import apply, is_mirrored, scale_of
from napari_msiclust.registration.landmarks import TransformKind
from napari_msiclust.registration.start import FixedImage, MovingImages, start_steps
from napari_msiclust.registration.transforms import read_landmarks
from tests.conftest import ROOT
from tests.section_pairs import SectionPair, section_pair


def _found(
    pair: SectionPair, kind: TransformKind = "similarity", *, wrong_size: float = 1.0, known: bool = True
) -> AutomaticRegistration:
    size = (pair.stain_pixel_um * wrong_size,) * 2
    moving = MovingImages(pair.images, pair.images.grid.pixel_size_um, True)
    return drain(start_steps(moving, FixedImage(pair.stain, size, size, known), kind))


@pytest.mark.parametrize("seed", [4, 5, 11])
def test_an_ordinary_section_is_found_within_two_pixels(seed: int) -> None:
    pair = section_pair(seed)
    found = _found(pair)
    assert pair.error_pixels(found.matrix) < 2
    assert is_mirrored(found.matrix) == is_mirrored(pair.truth)
    assert found.trusted
    assert "Check it" in found.sentence()


def test_a_wildly_wrong_pixel_size_does_not_matter() -> None:
    pair = section_pair(4)
    found = _found(pair, wrong_size=0.1)
    np.testing.assert_allclose(scale_of(found.matrix) / scale_of(pair.truth), 0.1, rtol=0.02)
    found.matrix[:2] *= 10
    assert pair.error_pixels(found.matrix) < 2


def test_another_section_is_not_trusted() -> None:
    found = _found(section_pair(303, unrelated=True))
    assert not found.trusted
    assert "Do not rely" in found.sentence()


def test_a_rigid_search_keeps_the_scale() -> None:
    assert scale_of(_found(section_pair(3), "rigid").matrix) == pytest.approx(1)


def test_stop_ends_the_search() -> None:
    pair, stop = section_pair(11), threading.Event()
    moving = MovingImages(pair.images, pair.images.grid.pixel_size_um, True)
    size = (pair.stain_pixel_um,) * 2
    steps = start_steps(moving, FixedImage(pair.stain, size, size, True), stop=stop)
    seen = [next(steps) for _ in range(4)]
    assert seen[-1].stage == "trying orientations"
    stop.set()
    with pytest.raises(Stopped):
        list(steps)


def test_an_empty_image_is_refused() -> None:
    moving = MovingImages(np.ones((30, 40)), (10, 10), True)
    with pytest.raises(InputError, match="same everywhere"):
        drain(start_steps(moving, FixedImage(np.ones((50, 50, 3), np.uint8), (5, 5), (5, 5), True)))


def test_an_uneven_lamp_is_taken_out() -> None:
    y, x = np.mgrid[-1:1:200j, -1:1:300j]
    lamp = 1 - 0.15 * (x**2 + y**2)
    tissue = np.hypot(x, y) < 0.5
    light = np.where(tissue, 90, 220) * lamp
    density = optical_density(np.repeat(light[..., None], 3, axis=-1).astype(np.uint8))
    assert np.abs(density[:, ~tissue]).max() < 0.02  # 0.15 in the corners before
    np.testing.assert_allclose(density[:, tissue], np.log10(220 / 90), atol=0.03)


def test_fluorescence_has_channels_too() -> None:
    y, x = np.mgrid[-1:1:200j, -1:1:300j]
    image = (np.hypot(x, y) < 0.5) * 3000 + 100
    channels = stain_channels(image.astype(np.uint16), (2, 2))
    assert channels.values[-1].mean() == pytest.approx((image > 100).mean(), rel=0.1)


def test_real_tissue_on_its_stain(shared_data: Path) -> None:
    """At landmarks that were set by eye, each read off in its own image."""
    folder = shared_data / "msight"
    with open_imzml(folder / "prostate_example.imzML") as file:
        images = extract_ion_images(file, cache=False)
    stain = tifffile.imread(folder / "prostate_he_example.tif", is_ome=False)
    size = (2.41, 2.41)
    found = drain(start_steps(MovingImages(images, (25, 25), True), FixedImage(stain, size, size, True)))
    assert found.trusted
    assert not is_mirrored(found.matrix)
    assert scale_of(found.matrix) == pytest.approx(1, abs=0.01)
    pairs = read_landmarks(ROOT / "tests" / "prostate_landmarks.csv")
    distances = np.linalg.norm(apply(found.matrix, pairs.moving_um) - pairs.fixed_um, axis=1)
    assert np.sqrt((distances**2).mean()) < 55
    assert np.median(distances) < 45
