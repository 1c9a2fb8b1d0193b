"""Ion images as continuous imzML, so that other programs for mass spectrometry imaging open them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyimzml.ImzMLWriter import IMZML_TEMPLATE, ImzMLWriter
from wheezy.template import CoreExtension, DictLoader, Engine

from napari_msiclust.errors import InputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.folder import whole_files
from napari_msiclust.results.scaled_image import ScaledImage

_PIXELS_PER_BLOCK = 4096
_SIZE_TERMS = (("IMS:1000047", "pixel size y"), ("IMS:1000046", "pixel size (x)"))


def write_imzml(path: Path, images: IonImages) -> Path:
    """Write ion images as a pair of .imzML and .ibd, both or neither.

    One centroid spectrum per pixel, in the order of the pixels; its m/z are the ions. Names of the ions
    have no place in the format.

    Raises
    ------
    InputError
        The name ends otherwise.
    OutputError
        It cannot be written; an earlier pair is as it was.
    """
    if path.suffix.lower() != ".imzml":
        raise InputError("no name of an imzML file", fix="let it end with .imzML", path=path)
    with whole_files((path, path.with_suffix(".ibd"))) as folder:
        _write_pair(folder / "images.imzML", images)
        (folder / "images.imzML").rename(folder / path.name)  # it has its own mind about the suffix
        (folder / "images.ibd").rename(folder / path.with_suffix(".ibd").name)
    return path


def _write_pair(path: Path, images: IonImages) -> None:
    positions = _positions(images.grid)
    settings = {"mode": "continuous", "spec_type": "centroid", "polarity": images.polarity}
    writer = ImzMLWriter(str(path), **settings)
    with closing(writer.xml), closing(writer.ibd), writer:  # when the disk is full, it leaves them open
        writer.run_id = "ion_images"  # it would be the path of the file
        writer.imzml_template = _template(images.grid.physical_pixel_size_um)
        for first in range(0, len(positions), _PIXELS_PER_BLOCK):
            block = slice(first, first + _PIXELS_PER_BLOCK)
            spectra = np.ascontiguousarray(images.values[:, block].T)
            for spectrum, position in zip(spectra, positions[block].tolist(), strict=True):
                writer.addSpectrum(images.mz, spectrum, tuple(position))


def _template(pixel_size_um: tuple[float, float] | None) -> object:
    """The writer's template with the pixel size, for which it has no place."""
    terms = "".join(
        f'      <cvParam cvRef="IMS" accession="{accession}" name="{name}" value="{size!r}" unitCvRef="UO" '
        'unitAccession="UO:0000017" unitName="micrometer"/>\n'
        for (accession, name), size in zip(_SIZE_TERMS, pixel_size_um or (), strict=False)
    )
    text = IMZML_TEMPLATE.replace("    </scanSettings>", f"{terms}    </scanSettings>")
    return Engine(loader=DictLoader({"imzml": text}), extensions=[CoreExtension()]).get_template("imzml")


def _positions(grid: PixelGrid) -> npt.NDArray[np.int64]:
    """1-based x, y and z of each pixel, (P, 3), as the file had them."""
    facts = grid.to_dict()
    y, x = (np.array(facts[name]) + start for name, start in zip(("rows", "cols"), grid.origin, strict=True))
    plane = np.array(facts.get("plane", np.zeros(len(x), int)))
    return np.stack((x, y, np.array(grid.planes)[plane]), axis=1)


def mean_images_as_ions(image: ScaledImage) -> IonImages:
    """The mean ion images of clusters, with the number of the cluster in place of m/z.

    Parameters
    ----------
    image : ScaledImage
        A stack; a pixel was acquired if it is finite in any image.
    """
    if not image.axes.startswith("C"):
        raise InputError("no stack of images", fix="choose ion images or mean ion images")
    pixels = np.asarray(image.pixels, dtype=np.float32)
    pixels = pixels if image.deep else pixels[:, None]
    z, rows, cols = np.nonzero(np.isfinite(pixels).any(axis=0))
    if not len(z):
        raise InputError("its images are empty", fix="choose another layer")
    positions = np.stack((cols, rows, z), axis=1).astype(np.int32) + 1
    grid = PixelGrid.from_positions(positions, image.pixel_size_um)
    return IonImages(
        np.arange(1.0, len(pixels) + 1), np.ascontiguousarray(pixels[:, z, rows, cols]), grid, image.channels
    )
