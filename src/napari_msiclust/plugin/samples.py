"""Sample data of the File menu."""

from __future__ import annotations

import tempfile
from pathlib import Path

import tifffile
from napari.utils import progress

from napari_msiclust.msi.cache import cache_folder
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.plugin.event_loop import while_window_lives
from napari_msiclust.plugin.layers import LayerTuple, ion_layers
from napari_msiclust.plugin.readers import read_imzml_layers
from napari_msiclust.sample import MAIN_FILES, make_sample

# The pixel size stored in the H&E file is wrong; with this one the registered ions need no scaling.
HE_PIXEL_SIZE_UM = 2.41


def synthetic_tissue() -> list[LayerTuple]:
    """A generated tissue with six groups of ions; offline, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_sample("synthetic", Path(folder) / "synthetic")
        with open_imzml(path) as file:
            images = extract_ion_images(file, cache=False)
        return ion_layers(images, path)


def real_tissue() -> list[LayerTuple]:
    """Prostate tissue with its H&E image; fetched once with pip, then kept in the cache folder."""
    folder = cache_folder() / "samples" / "msight"
    path = folder / MAIN_FILES["msight"]
    if not path.exists():
        with progress(desc="fetching prostate tissue"):
            while_window_lives(lambda: make_sample("msight", folder))
    stain = tifffile.imread(folder / "prostate_he_example.tif", is_ome=False)
    layers = read_imzml_layers(str(path))
    return [(stain, _stain_settings(), "image"), *layers]


def _stain_settings() -> dict[str, object]:
    return {
        "name": "H&E (not registered)",
        "rgb": True,
        "scale": (HE_PIXEL_SIZE_UM, HE_PIXEL_SIZE_UM),
        "units": ("um", "um"),
        "axis_labels": ("y", "x"),
    }
