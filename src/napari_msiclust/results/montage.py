"""A picture of each cluster: its mean ion image and its ions, with m/z and a scale bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from napari_msiclust.errors import InputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.composite import mean_of_ions, stack_of_ions
from napari_msiclust.results.folder import whole_files
from napari_msiclust.results.scale_bar import length_in_words, round_length

_COLUMNS = 6
_MOST_IONS = 59
_INCHES = 2.1
_COLORMAP = "inferno"


def write_montages(path: Path, images: IonImages, ions: pd.DataFrame) -> list[Path]:
    """Write one PNG per cluster: `<stem>_cluster_01.png` and so on, all or none.

    Ions come by their centrality, the most central first; each image is scaled to its own 0.999 quantile.

    Parameters
    ----------
    path : Path
        Its name begins the names of the pictures.
    images : IonImages
    ions : DataFrame
        An ion table of the same ions, in the same order.

    Raises
    ------
    InputError
        The table is of other ions, or has no cluster.
    OutputError
        A picture cannot be written.
    """
    if ions["mz"].tolist() != images.mz.tolist():
        raise InputError("the ion table is of other ions", fix="choose the result of this file", path=path)
    numbers = [int(number) for number in np.unique(ions["cluster"]) if number > 0]
    if not numbers:
        raise InputError("no ion is in a cluster", fix="cluster the ions first", path=path)
    targets = [path.with_name(f"{path.stem}_cluster_{number:02d}.png") for number in numbers]
    with whole_files(targets) as folder:
        for number, target in zip(numbers, targets, strict=True):
            cluster_montage(images, ions, number).savefig(folder / target.name, dpi=130)
    return targets


def cluster_montage(images: IonImages, ions: pd.DataFrame, cluster: int) -> Figure:
    """The picture of one cluster."""
    members = np.flatnonzero(ions["cluster"] == cluster)
    if "centrality" in ions:
        members = members[np.argsort(-ions["centrality"].to_numpy()[members], kind="stable")]
    shown = members[:_MOST_IONS].tolist()
    grid = images.grid
    height, width = (side * size for side, size in zip(grid.shape, grid.pixel_size_um, strict=True))
    rows = math.ceil((len(shown) + 1) / _COLUMNS)
    tall = min(max(height / width, 0.4), 2.5) * _INCHES + 0.45
    figure = Figure(figsize=(_COLUMNS * _INCHES, rows * tall + 0.4), layout="constrained")
    figure.suptitle(_title(ions, cluster, len(members), len(shown)), fontsize=11)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    pictures = (mean_of_ions(images, members.tolist()), *stack_of_ions(images, shown))
    names = ("mean ion image", *(_name(ions.iloc[ion]) for ion in shown))
    aspect = grid.pixel_size_um[0] / grid.pixel_size_um[1]
    for panel, picture, name in zip(panels, pictures, names, strict=False):
        _draw(panel, picture, name, aspect)
    _add_scale_bar(panels[0], grid.shape, grid.pixel_size_um[1], um=grid.pixel_size_known)
    return figure


def _title(ions: pd.DataFrame, cluster: int, count: int, shown: int) -> str:
    more = "" if shown == count else f", the {shown} most central shown"
    return f"cluster {cluster}: {count} {'ion' if count == 1 else 'ions'}{more}"


def _name(ion: Any) -> str:
    annotation = str(ion.get("annotation") or "")
    return f"m/z {ion['mz']:.4f}" + (f"\n{annotation[:28]}" if annotation else "")


def _draw(panel: Axes, picture: npt.NDArray[np.float32], name: str, aspect: float) -> None:
    panel.imshow(picture, cmap=_COLORMAP, vmin=0, aspect=aspect, interpolation="nearest")
    panel.set_title(name, fontsize=8)


def _add_scale_bar(panel: Axes, shape: Sequence[int], pixel_width: float, *, um: bool) -> None:
    length = round_length(shape[1] * pixel_width)
    end = length / pixel_width
    below = shape[0] * 1.06
    panel.set_autoscale_on(False)  # the image keeps its size
    panel.plot((0, end), (below, below), color="black", lw=3, solid_capstyle="butt", clip_on=False)
    panel.text(0, below * 1.03, length_in_words(length, um=um), fontsize=8, va="top")
