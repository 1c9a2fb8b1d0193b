"""Pictures of the real tissue registered to its H&E image, for the documentation.

usage: python scripts/registration_picture.py FOLDER_OF_MSIGHT PICTURE.png  (needs a display)

The widget is driven as a user would: automatic start, pixel size taken, landmarks loaded. PICTURE.png
shows the window, PICTURE_folds.png the folds of the mucosa: histology, the
mixture of ions that is most like the stain, its contours on the histology, and both in squares.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import napari
import numpy as np
import tifffile
from matplotlib.figure import Figure
from qtpy.QtWidgets import QApplication

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.histology.exports import histology_onto
from napari_msiclust.plugin.layers import TicImage
from napari_msiclust.registration.channels import ion_channels

PLUGIN = "napari-msiclust"
LANDMARKS = Path(__file__).parent.parent / "tests" / "prostate_landmarks.csv"
FIRST_GUESS_UM = 2.7
FOLDS = (1950.0, 4350.0)  # (y, x) in um of the histology
ZOOM = 0.45


def settle(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.02)


def draw(picture: Path, panels: list[tuple[str, np.ndarray]], figsize: tuple[float, float]) -> None:
    figure = Figure(figsize=figsize, layout="constrained")
    side = round(len(panels) ** 0.5)
    for axes, (title, image) in zip(figure.subplots(side, side, squeeze=False).flat, panels, strict=True):
        axes.imshow(image)
        axes.set_title(title, fontsize=12)
        axes.set_axis_off()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=80)
    print(picture.resolve())


def stain_like(images: IonImages, stain: np.ndarray) -> np.ndarray:
    """The mixture of the ions that is most like the density of the stain; pixels stay where they are."""
    parts = ion_channels(images, 40).values[:, images.grid.rows, images.grid.cols]
    design = np.concatenate([parts, np.ones((1, parts.shape[1]))]).T
    density = -np.log10((stain[images.grid.rows, images.grid.cols].mean(axis=-1) + 1) / 256)
    inside = stain[images.grid.rows, images.grid.cols].any(axis=-1)
    weights, *_ = np.linalg.lstsq(design[inside], density[inside], rcond=None)
    return images.grid.image((design @ weights).clip(0))


def main(folder: Path, picture: Path) -> None:
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 1050)
    stain = tifffile.imread(folder / "prostate_he_example.tif", is_ome=False)
    size = (FIRST_GUESS_UM, FIRST_GUESS_UM)
    viewer.add_image(stain, rgb=True, name="H&E", scale=size, units=("um", "um"))
    viewer.open(str(folder / "prostate_example.imzML"), plugin=PLUGIN)
    ions = next(layer for layer in viewer.layers if layer.name.endswith(" ions"))
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Register to histology")
    widget.moving.choose(ions)
    settle(1)
    widget.automatic_button.click()
    while not widget.automatic_button.isEnabled():
        settle(0.2)
    print(widget.status.text())
    print(f"after the automatic start: {widget.take_size_button.text()}")
    widget.take_size_button.click()
    widget.load(str(LANDMARKS))
    print(widget.error.text().replace("\n", " "))
    images = ions.metadata["napari_msiclust"].images
    pixels, _, _ = histology_onto(viewer.layers["H&E"], ions)
    mixture = viewer.add_image(
        stain_like(images, pixels),
        name="mixture of ions like the stain",
        scale=images.grid.pixel_size_um,
        units=("um", "um"),
        colormap="gray_r",
        metadata={"napari_msiclust": TicImage(folder / "prostate_example.imzML")},
    )
    mixture.contrast_limits = tuple(np.nanquantile(mixture.data, [0.02, 0.995]))
    widget.moving.choose(mixture)
    widget.view_kind.setCurrentText("contours")
    viewer.reset_view()
    settle(2)
    window = viewer.screenshot(canvas_only=False, flash=False)
    for layer in viewer.layers:
        if layer.name.startswith("landmarks"):
            layer.visible = False
    viewer.scene.camera.center = (0, *FOLDS)
    viewer.scene.camera.zoom = ZOOM
    panels = []
    for kind in ("histology only", "ions only", "contours", "checkerboard"):
        widget.view_kind.setCurrentText(kind)
        settle(1)
        panels.append((kind, viewer.screenshot(canvas_only=True, flash=False)))
    draw(picture, [("", window)], figsize=(15, 10.6))
    draw(picture.with_stem(f"{picture.stem}_folds"), panels, figsize=(15, 17.6))
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
