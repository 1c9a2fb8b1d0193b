"""OME-TIFF files that keep scale, names and what a layer was."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import tifffile

from napari_msiclust.errors import FileFormatError

_MARK = "napari_msiclust"
_UM = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "um": 1.0, "nm": 1e-3, "Å": 1e-4}


@dataclass(frozen=True, eq=False)
class TiffImage:
    """An image with physical scale.

    Attributes
    ----------
    pixels : ndarray
        Its axes are rows and columns (H, W); before them z planes (Z, ...) if `deep`, and before these the
        images of a stack (C, ...); or (H, W, 3 or 4) if `rgb`.
    pixel_size_um : tuple of float or None
        (height, width).
    name : str
    channels : tuple of str
        Names of the C images of a stack.
    kind : {'image', 'labels'}
    extra : dict
        Plain JSON values that a layer needs to come back as it was.
    """

    pixels: npt.NDArray[Any]
    pixel_size_um: tuple[float, float] | None
    name: str
    channels: tuple[str, ...] = ()
    kind: Literal["image", "labels"] = "image"
    rgb: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    deep: bool = False

    @property
    def axes(self) -> str:
        """The axes as OME names them: C (images of a stack), Z, Y, X, S (samples of a colour)."""
        flat = ("Z" if self.deep else "") + ("YXS" if self.rgb else "YX")
        return flat if self.pixels.ndim == len(flat) else f"C{flat}"


def write_ome_tiff(path: Path, image: TiffImage) -> None:
    """Write an OME-TIFF with physical pixel size, channel names, and compression."""
    metadata: dict[str, Any] = {
        "axes": image.axes,
        "Name": image.name,
        "Description": json.dumps({_MARK: {"kind": image.kind, "axes": image.axes, **image.extra}}),
    }
    if image.pixel_size_um is not None:
        for axis, size in zip("YX", image.pixel_size_um, strict=True):
            metadata[f"PhysicalSize{axis}"] = size
            metadata[f"PhysicalSize{axis}Unit"] = "µm"
    if "C" in image.axes and image.channels:
        metadata["Channel"] = {"Name": list(image.channels)}
    tifffile.imwrite(
        path,
        image.pixels,
        ome=True,
        photometric="rgb" if image.rgb else "minisblack",
        compression="zlib",
        metadata=metadata,
    )


def is_readable(path: Path) -> bool:
    """Whether `read_ome_tiff` will take a file, from its header alone."""
    try:
        with tifffile.TiffFile(path) as tiff:
            _checked_axes(path, tiff)
    except (FileFormatError, OSError, ValueError, IndexError, KeyError, tifffile.TiffFileError):
        return False
    return True


def read_ome_tiff(path: Path) -> TiffImage:
    """Read an OME-TIFF of one image: rows and columns, and a stack of them, z planes, or both.

    Raises
    ------
    FileFormatError
        The file is missing, damaged, no OME-TIFF, or has more axes.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            axes = _checked_axes(path, tiff)
            return _described(path, tiff.series[0].asarray(), axes, str(tiff.ome_metadata))
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except (OSError, ValueError, IndexError, KeyError, tifffile.TiffFileError) as error:
        raise FileFormatError(f"damaged TIFF ({error})", fix="export the file again", path=path) from error


def _checked_axes(path: Path, tiff: tifffile.TiffFile) -> str:
    if tiff.ome_metadata is None or not tiff.series:
        raise FileFormatError("not an OME-TIFF", fix="open it with napari's own reader", path=path)
    axes = str(tiff.series[0].axes)
    if axes[-2:] not in ("YX", "XS") or (len(axes) > 3 and sorted(axes[:-2]) != ["C", "Z"]):
        raise FileFormatError(f"has the axes {axes}", fix="open it with napari's own reader", path=path)
    return axes


def _described(path: Path, pixels: npt.NDArray[Any], axes: str, description: str) -> TiffImage:
    try:
        root = ET.fromstring(description)
    except ET.ParseError as error:
        raise FileFormatError("damaged OME description", fix="export the file again", path=path) from error
    image = root.find("{*}Image")
    plane = root.find("{*}Image/{*}Pixels")
    if image is None or plane is None:
        raise FileFormatError("its OME description holds no image", fix="export the file again", path=path)
    own = _own_part(image)
    if axes.startswith("ZC"):
        pixels, axes = pixels.swapaxes(0, 1), f"CZ{axes[2:]}"
    for place, axis in enumerate(str(own.get("axes", ""))):
        if axis in "CZ" and axis not in axes:  # an axis of length 1 is stored without
            pixels, axes = np.expand_dims(pixels, place), axes[:place] + axis + axes[place:]
    rgb, deep = axes.endswith("S"), "Z" in axes
    stack = len(axes) > 2 + rgb + deep
    return TiffImage(
        pixels=pixels,
        pixel_size_um=_pixel_size(plane),
        name=image.get("Name") or path.name.split(".")[0],
        channels=tuple(channel.get("Name", "") for channel in plane.findall("{*}Channel")) if stack else (),
        kind="labels" if own.get("kind") == "labels" else "image",
        rgb=rgb,
        extra=own,
        deep=deep,
    )


def _pixel_size(plane: ET.Element) -> tuple[float, float] | None:
    sizes = []
    for axis in "YX":
        try:
            size = (
                float(plane.get(f"PhysicalSize{axis}", "")) * _UM[plane.get(f"PhysicalSize{axis}Unit", "µm")]
            )
        except (ValueError, KeyError):
            return None
        if not (np.isfinite(size) and size > 0):
            return None
        sizes.append(size)
    return sizes[0], sizes[1]


def _own_part(image: ET.Element) -> dict[str, Any]:
    """What `write_ome_tiff` put into the description; nothing for a file from elsewhere."""
    text = image.findtext("{*}Description") or ""
    try:
        own = json.loads(text)[_MARK]
    except (ValueError, KeyError, TypeError):
        return {}
    return own if isinstance(own, dict) else {}
