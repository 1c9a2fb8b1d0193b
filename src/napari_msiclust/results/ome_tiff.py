"""OME-TIFF files that keep scale, place, names, colours, and what a layer was."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.results.folder import whole_file
from napari_msiclust.results.own_part import own_part, with_own_part
from napari_msiclust.results.scaled_image import HELD_IN_MEMORY, ScaledImage

_MARK = "napari_msiclust"
_UM = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "um": 1.0, "nm": 1e-3, "Å": 1e-4}
_TILE = 512


def write_ome_tiff(path: Path, image: ScaledImage) -> Path:
    """Write an OME-TIFF, compressed; a pyramid (SubIFDs) where the image is large.

    Planes are taken one after the other, so that an image larger than memory can be written.

    Raises
    ------
    OutputError
        It cannot be written; an earlier file is as it was.
    """
    shapes, dtype = image.level_shapes, _stored_type(path, image)
    pyramid = len(shapes) > 1
    settings: dict[str, Any] = {
        "photometric": "rgb" if image.rgb else "minisblack",
        "compression": "zlib",
        "dtype": dtype,
        "tile": (_TILE, _TILE) if pyramid else None,
    }
    size = math.prod(image.pixels.shape) * dtype.itemsize
    with whole_file(path) as part, tifffile.TiffWriter(part, ome=True, bigtiff=size > 2**31) as tiff:
        for level, shape in enumerate(shapes):
            planes = (plane.astype(dtype, copy=False) for plane in image.planes(level))
            own: dict[str, Any] = {"subfiletype": 1} if level else {"metadata": _metadata(image)}
            if pyramid and not level:
                own["subifds"] = len(shapes) - 1
            tiff.write(_tiles(planes) if pyramid else planes, shape=shape, **own, **settings)
    return path


def _stored_type(path: Path, image: ScaledImage) -> np.dtype[Any]:
    """The type in which OME-TIFF holds the pixels; wide integers become narrow ones if nothing is lost."""
    dtype: np.dtype[Any] = np.dtype(image.pixels.dtype)
    narrower = {"bool": "uint8", "float16": "float32"}
    if dtype.name not in ("int64", "uint64"):
        return np.dtype(narrower.get(dtype.name, dtype))
    ends = [(plane.min(initial=0), plane.max(initial=0)) for plane in image.planes()]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    narrow: np.dtype[Any] = np.dtype(np.uint32 if low >= 0 else np.int32)
    if low < np.iinfo(narrow).min or high > np.iinfo(narrow).max:
        raise InputError("numbers too large for OME-TIFF", fix="convert the layer's data type", path=path)
    return narrow


def _tiles(planes: Iterator[npt.NDArray[Any]]) -> Iterator[npt.NDArray[Any]]:
    for plane in planes:
        for top in range(0, plane.shape[0], _TILE):
            for left in range(0, plane.shape[1], _TILE):
                yield np.ascontiguousarray(plane[top : top + _TILE, left : left + _TILE])


def _metadata(image: ScaledImage) -> dict[str, Any]:
    """The OME description in the terms of tifffile."""
    own = with_own_part(image) | {"axes": image.axes}
    metadata: dict[str, Any] = {
        "axes": image.axes,
        "Name": image.name,
        "Description": json.dumps({_MARK: own}),
    }
    if image.pixel_size_um is not None:
        for axis, size in zip("YX", image.pixel_size_um, strict=True):
            metadata[f"PhysicalSize{axis}"] = size
            metadata[f"PhysicalSize{axis}Unit"] = "µm"
        if any(image.origin_um):
            planes = math.prod(image.leading)
            metadata["Plane"] = {
                name: [value] * planes
                for axis, place in zip("YX", image.origin_um, strict=True)
                for name, value in ((f"Position{axis}", place), (f"Position{axis}Unit", "µm"))
            }
    channel: dict[str, Any] = {}
    count = image.leading[0] if "C" in image.axes else 1
    if "C" in image.axes and image.channels:
        channel["Name"] = list(image.channels)
    if len(image.colors) == count and not image.rgb:
        channel["Color"] = [_ome_color(color) for color in image.colors]
    if channel:
        metadata["Channel"] = channel
    return metadata


def _ome_color(color: str) -> int:
    """'#RRGGBB' as OME has it: red, green, blue, alpha as the bytes of a signed 32-bit number."""
    return int.from_bytes(bytes.fromhex(f"{color.lstrip('#')}FF"), "big", signed=True)


def is_readable(path: Path) -> bool:
    """Whether `read_ome_tiff` will take a file, from its header alone."""
    try:
        with tifffile.TiffFile(path) as tiff:
            _checked_axes(path, tiff)
    except (FileFormatError, OSError, ValueError, IndexError, KeyError, tifffile.TiffFileError):
        return False
    return True


def read_ome_tiff(path: Path) -> ScaledImage:
    """Read an OME-TIFF of one image: rows and columns, and a stack of them, z planes, or both.

    The pixels of a large image are read when they are looked at.

    Raises
    ------
    FileFormatError
        The file is missing, damaged, no OME-TIFF, or has more axes.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            axes = _checked_axes(path, tiff)
            series = tiff.series[0]
            if len(series.levels) > 1 or series.nbytes > HELD_IN_MEMORY:
                levels = [_lazy(path, number) for number in range(len(series.levels))]
            else:
                levels = [series.asarray()]
            return _described(path, levels, axes, str(tiff.ome_metadata))
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="check the path", path=path) from None
    except (OSError, ValueError, IndexError, KeyError, tifffile.TiffFileError) as error:
        raise FileFormatError(f"damaged TIFF ({error})", fix="export the file again", path=path) from error


class _Level:
    """One level of a pyramid; the file is open only while a part of it is read."""

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number
        with tifffile.TiffFile(path) as tiff:
            level = tiff.series[0].levels[number]
            self.shape: tuple[int, ...] = tuple(level.shape)
            self.dtype: np.dtype[Any] = level.dtype
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        import zarr

        with tifffile.TiffFile(self._path) as tiff, tiff.series[0].aszarr(level=self._number) as store:
            return np.asarray(zarr.open_array(store, mode="r")[key])


def _lazy(path: Path, number: int) -> Any:
    import dask.array as da

    level = _Level(path, number)
    rows = level.ndim - 2 if level.shape[-1] > 4 else level.ndim - 3
    chunks = [1] * rows + [2 * _TILE] * 2 + [-1] * (level.ndim - rows - 2)
    return da.from_array(level, chunks=tuple(chunks))  # type: ignore[no-untyped-call]


def _checked_axes(path: Path, tiff: tifffile.TiffFile) -> str:
    if tiff.ome_metadata is None or not tiff.series:
        raise FileFormatError("not an OME-TIFF", fix="open it with napari's own reader", path=path)
    axes = str(tiff.series[0].axes)
    if axes[-2:] not in ("YX", "XS") or (len(axes) > 3 and sorted(axes[:-2]) != ["C", "Z"]):
        raise FileFormatError(f"has the axes {axes}", fix="open it with napari's own reader", path=path)
    return axes


def _described(path: Path, levels: list[Any], axes: str, description: str) -> ScaledImage:
    try:
        root = ET.fromstring(description)
    except ET.ParseError as error:
        raise FileFormatError("damaged OME description", fix="export the file again", path=path) from error
    image = root.find("{*}Image")
    plane = root.find("{*}Image/{*}Pixels")
    if image is None or plane is None:
        raise FileFormatError("its OME description holds no image", fix="export the file again", path=path)
    own = _own_json(image)
    if axes.startswith("ZC"):
        levels, axes = [level.swapaxes(0, 1) for level in levels], f"CZ{axes[2:]}"
    for place, axis in enumerate(str(own.get("axes", ""))):
        if axis in "CZ" and axis not in axes:  # an axis of length 1 is stored without
            before = (slice(None),) * place
            levels, axes = [level[(*before, None)] for level in levels], axes[:place] + axis + axes[place:]
    rgb, deep = axes.endswith("S"), "Z" in axes
    stack = len(axes) > 2 + rgb + deep
    channels = plane.findall("{*}Channel")
    return ScaledImage(
        pixels=levels[0],
        pixel_size_um=_pixel_size(plane),
        name=image.get("Name") or path.name.split(".")[0],
        channels=tuple(channel.get("Name", "") for channel in channels) if stack else (),
        rgb=rgb,
        deep=deep,
        colors=_colors(channels),
        levels=tuple(levels[1:]),
        **own_part(own),
    )


def _colors(channels: list[ET.Element]) -> tuple[str, ...]:
    try:
        numbers = [int(channel.get("Color", "")) for channel in channels]
        return tuple(f"#{number.to_bytes(4, 'big', signed=True)[:3].hex().upper()}" for number in numbers)
    except (ValueError, OverflowError):
        return ()


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


def _own_json(image: ET.Element) -> dict[str, Any]:
    """What `write_ome_tiff` put into the description; nothing for a file from elsewhere."""
    text = image.findtext("{*}Description") or ""
    try:
        own = json.loads(text)[_MARK]
    except (ValueError, KeyError, TypeError):
        return {}
    return own if isinstance(own, dict) else {}
