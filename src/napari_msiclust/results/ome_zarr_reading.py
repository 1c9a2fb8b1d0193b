"""OME-Zarr folders, ours and those of other programs, as images with physical scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from napari_msiclust.errors import FileFormatError
from napari_msiclust.results.ome_zarr import ALONE, MARK, MARKERS
from napari_msiclust.results.own_part import own_part
from napari_msiclust.results.scaled_image import HELD_IN_MEMORY, ScaledImage

_UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6}
_DAMAGE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OSError)


def is_readable(path: Path) -> bool:
    """Whether `read_ome_zarr` will take a folder, from its description alone."""
    try:
        _, described = _opened(path)
        _axes(path, described["multiscales"][0])
    except (FileFormatError, *_DAMAGE):
        return False
    return True


def read_ome_zarr(path: Path) -> list[ScaledImage]:
    """Read an OME-Zarr folder of one image: the image, then its labels.

    The pixels of a large image are read when they are looked at.

    Raises
    ------
    FileFormatError
        The folder is missing, damaged, holds no image, or one with other axes than c, z, y and x.
    """
    try:
        group, described = _opened(path)
        image = _read_image(path, group, described)
        labels = [_read_image(path, *_node(group[f"labels/{name}"])) for name in _label_names(group)]
    except _DAMAGE as error:
        raise FileFormatError(f"damaged OME-Zarr ({error})", fix="export it again", path=path) from error
    if image.ions is not None:
        labels = [
            replace(one, ions=image.ions, source=image.source) if one.ions is None else one for one in labels
        ]
    own = group.attrs.get(MARK)
    alone = isinstance(own, dict) and own.get(ALONE) is True and labels
    return labels if alone else [image, *labels]


def _opened(path: Path) -> tuple[zarr.Group, Any]:
    if not any((path / marker).is_file() for marker in MARKERS):
        raise FileFormatError("no OME-Zarr folder", fix="check the path", path=path)
    group, described = _node(zarr.open_group(path, mode="r"))
    if "multiscales" not in described:
        raise FileFormatError("holds no image", fix="choose the folder of one image in it", path=path)
    return group, described


def _node(group: Any) -> tuple[zarr.Group, Any]:
    """A group with its description, in the place of either version."""
    if not isinstance(group, zarr.Group):
        raise ValueError("an image is missing")
    return group, group.attrs.get("ome", group.attrs.asdict())


def _label_names(group: zarr.Group) -> list[str]:
    if "labels" not in group:
        return []
    return [str(name) for name in _node(group["labels"])[1].get("labels", [])]


def _axes(path: Path, multiscale: Any) -> list[Mapping[str, Any]]:
    axes = [axis if isinstance(axis, Mapping) else {"name": str(axis)} for axis in multiscale["axes"]]
    names = "".join(str(axis["name"]) for axis in axes)
    if names not in ("yx", "cyx", "zyx", "czyx"):
        raise FileFormatError(f"has the axes {names}", fix="open it with another reader", path=path)
    return axes


def _read_image(path: Path, group: zarr.Group, described: Any) -> ScaledImage:
    multiscale = described["multiscales"][0]
    axes = _axes(path, multiscale)
    own = group.attrs.get(MARK)
    own = dict(own) if isinstance(own, Mapping) else {}
    part = own_part(own)
    nodes = [group[str(dataset["path"])] for dataset in multiscale["datasets"]]
    arrays = [node for node in nodes if isinstance(node, zarr.Array) and node.ndim == len(axes)]
    if not arrays or len(arrays) < len(nodes):
        raise ValueError("an array is missing or has other axes")
    rgb = bool(own.get("rgb")) and arrays[0].shape[0] in (3, 4)
    levels = [_held(array, lazy=len(arrays) > 1) for array in arrays]
    if rgb:
        levels = [
            np.moveaxis(level, 0, -1) if isinstance(level, np.ndarray) else level.transpose(1, 2, 0)
            for level in levels
        ]
    scale, translation = _transformation(multiscale["datasets"][0], len(axes))
    if not own:
        outer_scale, outer_translation = _transformation(multiscale, len(axes))
        scale, translation = scale * outer_scale, translation * outer_scale + outer_translation
    factors = [_UM.get(str(axis.get("unit"))) for axis in axes[-2:]]
    um = np.array([factor or 1.0 for factor in factors])
    known = None not in factors
    size, origin = (scale[-2:] * um).tolist(), (translation[-2:] * um).tolist()
    channels = _read_channels(described.get("omero"))
    if channels and not own and (limits := _limits(channels[0])) is not None:
        part["extra"]["contrast_limits"] = limits
    if "image-label" in described:
        part["kind"] = "labels"
        if not own:
            part["extra"] |= _foreign_colors(described["image-label"])
    stack = axes[0]["name"] == "c" and not rgb
    return ScaledImage(
        pixels=levels[0],
        pixel_size_um=(size[0], size[1]) if known else None,
        name=str(multiscale.get("name") or path.name.split(".")[0]).rpartition("/")[2],
        channels=tuple(str(one.get("label", "")) for one in channels) if stack else (),
        rgb=rgb,
        deep=any(axis["name"] == "z" for axis in axes),
        origin_um=(origin[0], origin[1]),
        colors=() if rgb else tuple(f"#{one.get('color')}" for one in channels if one.get("color")),
        levels=tuple(levels[1:]),
        **part,
    )


def _held(array: Any, *, lazy: bool) -> Any:
    """An array in memory, or read when it is looked at."""
    if not lazy and array.nbytes <= HELD_IN_MEMORY:
        return np.asarray(array[...])
    import dask.array as da

    return da.from_zarr(array)  # type: ignore[no-untyped-call]


def _transformation(holder: Any, count: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    scale, translation = np.ones(count), np.zeros(count)
    for step in holder.get("coordinateTransformations", ()):
        if step["type"] == "scale":
            scale = np.array(step["scale"], dtype=float)
        if step["type"] == "translation":
            translation = np.array(step["translation"], dtype=float)
    fits = scale.shape == translation.shape == (count,) and np.isfinite([*scale, *translation]).all()
    if not fits or not (scale > 0).all():
        raise ValueError("its scale is no scale")
    return scale, translation


def _read_channels(omero: Any) -> list[Mapping[str, Any]]:
    channels = omero.get("channels", []) if isinstance(omero, Mapping) else []
    return [one for one in channels if isinstance(one, Mapping)]


def _limits(channel: Mapping[str, Any]) -> list[float] | None:
    window = channel.get("window") or {}
    try:
        start, end = float(window["start"]), float(window["end"])
    except (KeyError, TypeError, ValueError):
        return None
    return [start, end] if math.isfinite(start) and math.isfinite(end) and start < end else None


def _foreign_colors(label: Any) -> dict[str, Any]:
    """Colours and properties of labels from elsewhere, as a layer has them."""
    colors = {
        str(int(one["label-value"])): [part / 255 for part in one["rgba"]]
        for one in label.get("colors", ())
        if one.get("rgba")
    }
    rows = label.get("properties", ())
    names = dict.fromkeys(name for row in rows for name in row if name != "label-value")
    features: dict[str, list[Any]] = {"index": [row["label-value"] for row in rows]} if rows else {}
    features |= {name: [row.get(name) for row in rows] for name in names if name != "index"}
    return {"colors": colors, "features": features}
