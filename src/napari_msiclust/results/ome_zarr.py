"""OME-Zarr folders (versions 0.4 and 0.5) of an image and its labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import zarr

from napari_msiclust.results.folder import FolderKind, whole_folder
from napari_msiclust.results.own_part import with_own_part
from napari_msiclust.results.scaled_image import ScaledImage, contrast_limits

Version = Literal["0.4", "0.5"]

MARK = "napari_msiclust"
ALONE = "labels_alone"
_CHUNK = 1024
MARKERS = ("zarr.json", ".zgroup")
_NAMES = frozenset({*MARKERS, ".zattrs", "labels", *map(str, range(20))})
_RGB = ("red", "green", "blue", "alpha")
_RGB_COLORS = ("#FF0000", "#00FF00", "#0000FF", "#FFFFFF")


def write_ome_zarr(
    path: Path, image: ScaledImage, labels: Sequence[ScaledImage] = (), version: Version = "0.5"
) -> Path:
    """Write an OME-Zarr folder; it appears whole or not at all.

    Planes are taken one after the other, so that an image larger than memory can be written.

    Parameters
    ----------
    path : Path
        A new or empty folder, or an OME-Zarr image, which is replaced.
    image : ScaledImage
        Labels alone are stored as an image, too, for the format knows labels only below an image.
    labels : sequence of ScaledImage
    version : {'0.4', '0.5'}
        0.4 is Zarr format 2, 0.5 is Zarr format 3.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    marker = next((name for name in MARKERS if (path / name).exists()), MARKERS[0])
    with whole_folder(path, FolderKind(_NAMES, marker)) as folder:
        root = zarr.create_group(folder, zarr_format=3 if version == "0.5" else 2, overwrite=True)
        alone = image.kind == "labels"
        if alone:
            labels = [image]
            _write_image(root, replace(image, kind="image", extra={}), version, {ALONE: True})
        else:
            _write_image(root, image, version, with_own_part(image))
        names = _group_names(labels)
        if names:
            group = root.create_group("labels")
            group.attrs.update(
                {"ome": {"version": version, "labels": names}} if version == "0.5" else {"labels": names}
            )
        for name, one in zip(names, labels, strict=True):
            shared = one.ions is not None and one.ions is image.ions and not alone
            own = with_own_part(replace(one, ions=None) if shared else one)
            _write_image(group.create_group(name), one, version, own)
    return path


def _write_image(group: zarr.Group, image: ScaledImage, version: Version, own: dict[str, Any]) -> None:
    windows, *_ = [_write_level(group, image, level) for level in range(len(image.level_shapes))]
    multiscale = _multiscale(image) | ({"version": version} if version == "0.4" else {})
    described: dict[str, Any] = {"multiscales": [multiscale]}
    if image.kind == "labels":
        described["image-label"] = {
            "version": version,
            "source": {"image": "../../"},
            **_label_colors(image),
        }
    else:
        described["omero"] = {"name": image.name, "channels": _channels(image, windows)}
    group.attrs.update({"ome": {"version": version, **described}} if version == "0.5" else described)
    group.attrs[MARK] = own


def _write_level(group: zarr.Group, image: ScaledImage, level: int) -> list[dict[str, float]]:
    """Write one level; the smallest and largest value of each image, and the limits to show it with."""
    shape = image.level_shapes[level]
    if image.rgb:
        shape = (shape[-1], *shape[:-1])
    version = group.metadata.zarr_format
    array = group.create_array(
        str(level),
        shape=shape,
        dtype=np.uint8 if image.pixels.dtype == bool else image.pixels.dtype,
        chunks=(
            *(side if image.rgb else 1 for side in shape[:-2]),
            *(min(side, _CHUNK) for side in shape[-2:]),
        ),
        dimension_names=_axis_names(image) if version == 3 else None,
        chunk_key_encoding={"name": "v2", "separator": "/"} if version == 2 else None,
    )
    windows: dict[int, dict[str, float]] = {}
    for place, plane in zip(np.ndindex(image.leading), image.planes(level), strict=True):
        _store(array, place, np.moveaxis(plane, -1, 0) if image.rgb else plane)
        number = place[0] if "C" in image.axes else 0
        windows[number] = _window(plane, windows.get(number))
    return list(windows.values())


def _store(array: zarr.Array[Any], place: tuple[int, ...], plane: npt.NDArray[Any]) -> None:
    """Write a plane chunk by chunk, so that after a fault none is still on its way to the folder."""
    for top in range(0, plane.shape[-2], _CHUNK):
        for left in range(0, plane.shape[-1], _CHUNK):
            rows, cols = slice(top, top + _CHUNK), slice(left, left + _CHUNK)
            key: Any = (*place, ..., rows, cols)
            array[key] = plane[..., rows, cols]


def _window(plane: npt.NDArray[Any], so_far: dict[str, float] | None) -> dict[str, float]:
    finite = plane[np.isfinite(plane)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    start, end = contrast_limits(finite)
    window = {"min": min(low, 0.0), "max": max(high, end), "start": start, "end": end}
    if so_far is None:
        return window
    return {name: (min if name in ("min", "start") else max)(so_far[name], window[name]) for name in window}


def _axis_names(image: ScaledImage) -> list[str]:
    return ["c", "y", "x"] if image.rgb else list(image.axes.lower())


def _multiscale(image: ScaledImage) -> dict[str, Any]:
    names = _axis_names(image)
    kinds = {"c": "channel"}
    axes: list[dict[str, str]] = [{"name": name, "type": kinds.get(name, "space")} for name in names]
    if image.pixel_size_um is not None:
        for axis in axes[-2:]:
            axis["unit"] = "micrometer"
    before = [1.0] * (len(names) - 2)
    datasets = []
    for level in range(len(image.level_shapes)):
        size = [2**level * side for side in image.pixel_size_um or (1.0, 1.0)]
        shift = (
            0 if image.kind == "labels" else (2**level - 1) / 2**level / 2
        )  # a mean lies between its pixels
        origin = [start + shift * side for start, side in zip(image.origin_um, size, strict=True)]
        steps = [{"type": "scale", "scale": [*before, *size]}]
        if any(origin):
            steps.append({"type": "translation", "translation": [*(0.0 for _ in before), *origin]})
        datasets.append({"path": str(level), "coordinateTransformations": steps})
    placed = _straight(image)
    return {
        "name": image.name,
        "axes": axes,
        "datasets": datasets,
        "type": "nearest" if image.kind == "labels" else "mean",
        **({"coordinateTransformations": placed} if placed else {}),
    }


def _straight(image: ScaledImage) -> list[dict[str, Any]]:
    """The affine of a layer, where it only scales and moves: all that these versions have a place for."""
    matrix = np.array(image.extra.get("affine", ()), dtype=float)
    units = image.extra.get("units", ())[-2:]
    count = image.pixels.ndim - image.rgb
    if matrix.shape != (count + 1, count + 1) or any(unit not in ("um", "micrometer") for unit in units):
        return []
    scale, move = matrix.diagonal()[:-1], matrix[:-1, -1]
    straight = np.diag(matrix.diagonal())
    straight[:-1, -1] = move
    if (
        not np.array_equal(straight, matrix)
        or (scale <= 0).any()
        or np.array_equal(matrix, np.eye(count + 1))
    ):
        return []
    samples = [1.0] if image.rgb else []
    return [
        {"type": "scale", "scale": [*samples, *scale.tolist()]},
        {"type": "translation", "translation": [*(0.0 for _ in samples), *move.tolist()]},
    ]


def _channels(image: ScaledImage, windows: list[dict[str, float]]) -> list[dict[str, Any]]:
    count = image.leading[0] if "C" in image.axes else 1
    names, colors = image.channels or (image.name,) * count, image.colors
    if image.rgb:
        count = image.pixels.shape[-1]
        names, colors, windows = _RGB[:count], _RGB_COLORS[:count], windows * count
    if len(colors) != count:
        colors = ("#FFFFFF",) * count
    limits = image.extra.get("contrast_limits")
    if limits:
        windows = [window | {"start": limits[0], "end": limits[1]} for window in windows]
    return [
        {
            "label": names[number],
            "color": colors[number].lstrip("#"),
            "active": True,
            "window": windows[number],
        }
        for number in range(count)
    ]


def _label_colors(image: ScaledImage) -> dict[str, Any]:
    """Colours and properties of labels as the format has them."""
    colors = [
        {"label-value": int(label), "rgba": [round(255 * part) for part in rgba]}
        for label, rgba in image.extra.get("colors", {}).items()
        if int(label) > 0
    ]
    features = image.extra.get("features", {})
    labels = features.get("index") or features.get("cluster") or []
    properties = [
        {"label-value": int(label)} | {name: column[row] for name, column in features.items()}
        for row, label in enumerate(labels)
    ]
    return {name: part for name, part in (("colors", colors), ("properties", properties)) if part}


def _group_names(labels: Sequence[ScaledImage]) -> list[str]:
    names: list[str] = []
    for number, one in enumerate(labels):
        name = re.sub(r"\W+", "_", one.name).strip("_") or "labels"
        names.append(name if name not in names else f"{name}_{number}")
    return names
