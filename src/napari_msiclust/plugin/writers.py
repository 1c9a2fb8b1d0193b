"""Writers: images and labels as OME-TIFF with scale and names, the ion table as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers._multiscale_data import MultiScaleData

from napari_msiclust.errors import InputError
from napari_msiclust.plugin.layers import KEY, ClusteredIons, IonDataset
from napari_msiclust.results.ome_tiff import TiffImage, write_ome_tiff

_UM_PER_UNIT = {
    "micrometer": 1.0,
    "um": 1.0,
    "µm": 1.0,
    "nanometer": 1e-3,
    "nm": 1e-3,
    "millimeter": 1e3,
    "mm": 1e3,
}


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write an image layer (rows and columns, a stack of them, z planes, or RGB) as OME-TIFF."""
    rgb = bool(attributes.get("rgb"))
    own = attributes.get("metadata", {})
    dataset = own.get(KEY)
    channels = own.get("channels") or ()
    if isinstance(dataset, IonDataset):
        channels = [f"m/z {mz:.4f}" for mz in dataset.images.mz]
    extra = (
        {}
        if rgb
        else {
            "colormap": _colormap_name(attributes.get("colormap")),
            "contrast_limits": [float(limit) for limit in attributes.get("contrast_limits", ())],
        }
    )
    _write(
        path,
        data,
        attributes,
        TiffImage(np.empty(0), None, "", tuple(map(str, channels)), rgb=rgb, extra=_plain(extra)),
    )
    return [path]


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a labels layer with its features as OME-TIFF."""
    features = attributes.get("features")
    columns = {} if features is None else features.to_dict("list")
    extra = {"features": {name: [_json_value(value) for value in column] for name, column in columns.items()}}
    _write(path, data, attributes, TiffImage(np.empty(0), None, "", kind="labels", extra=extra))
    return [path]


def write_ion_table(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the ion table behind a result's layer as CSV."""
    clustered = attributes.get("metadata", {}).get(KEY)
    if not isinstance(clustered, ClusteredIons):
        raise InputError(
            "this layer has no ion table", fix="choose a layer of a clustering result", path=path
        )
    clustered.ions.to_csv(path, index=False, lineterminator="\n")
    return [path]


def _write(path: str, data: Any, attributes: dict[str, Any], like: TiffImage) -> None:
    pixels = np.asarray(data[0] if isinstance(data, MultiScaleData | list) else data)
    deep = "z" in attributes.get("axis_labels", ())
    if pixels.ndim - like.rgb - deep not in ((2,) if like.rgb else (2, 3)) or (like.rgb and deep):
        raise InputError(
            f"a layer with {pixels.ndim} axes", fix="choose rows and columns, a stack, or z planes", path=path
        )
    pixels = _storable(pixels, path)
    write_ome_tiff(
        Path(path),
        TiffImage(
            pixels,
            _pixel_size_um(attributes),
            str(attributes.get("name", "")),
            like.channels if len(like.channels) == len(pixels) else (),
            like.kind,
            like.rgb,
            like.extra,
            deep,
        ),
    )


def _storable(pixels: npt.NDArray[Any], path: str) -> npt.NDArray[Any]:
    """The pixels in a type that OME-TIFF knows; wide integers only if nothing is lost."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8)
    if pixels.dtype == np.float16:
        return pixels.astype(np.float32)
    if pixels.dtype in (np.int64, np.uint64):
        narrow = np.uint32 if pixels.min(initial=0) >= 0 else np.int32
        if pixels.min(initial=0) < np.iinfo(narrow).min or pixels.max(initial=0) > np.iinfo(narrow).max:
            raise InputError("numbers too large for OME-TIFF", fix="convert the layer's data type", path=path)
        return pixels.astype(narrow)
    return pixels


def _pixel_size_um(attributes: dict[str, Any]) -> tuple[float, float] | None:
    """(height, width) in um; None where the layer has no length unit."""
    units = [str(unit) for unit in (attributes.get("units") or ())][-2:]
    scale = [float(length) for length in attributes.get("scale", ())][-2:]
    if len(units) < 2 or len(scale) < 2 or any(unit not in _UM_PER_UNIT for unit in units):
        return None
    return scale[0] * _UM_PER_UNIT[units[0]], scale[1] * _UM_PER_UNIT[units[1]]


def _colormap_name(colormap: Any) -> str | None:
    name = colormap.get("name") if isinstance(colormap, dict) else getattr(colormap, "name", colormap)
    return name if isinstance(name, str) else None


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _json_value(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not np.isfinite(plain) else plain
