"""One picture of a result: where the clusters lie, and every mean ion image."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.colors import colors_of
from napari_msiclust.results.scale_bar import length_in_words, round_length

_COLUMNS = 6
_INCHES = 2.1


def write_overview(path: Path, result: ClusterResult) -> None:
    """Write the dominant cluster map and the mean ion images as one PNG."""
    count = len(result.clusters)
    height, width = (
        length * size for length, size in zip(result.grid.shape, result.grid.pixel_size_um, strict=True)
    )
    rows = math.ceil((count + 1) / _COLUMNS)
    tall = min(max(height / width, 0.4), 2.5) * _INCHES + 0.3
    figure = Figure(figsize=(_COLUMNS * _INCHES, rows * tall), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    aspect = result.grid.pixel_size_um[0] / result.grid.pixel_size_um[1]
    palette = np.vstack((np.zeros((1, 4)), colors_of(result.clusters)))
    panels[0].imshow(palette[result.dominant_cluster_map], aspect=aspect, interpolation="nearest")
    panels[0].set_title("dominant cluster", fontsize=9)
    for panel, image, row in zip(panels[1:], result.mean_images, result.clusters.itertuples(), strict=False):
        panel.imshow(image, cmap="inferno", vmin=0, aspect=aspect, interpolation="nearest")
        panel.set_title(f"cluster {row.cluster}: {row.ions} ions", fontsize=9)
    for panel in panels[: count + 1]:
        _draw_scale_bar(panel, result)
    figure.savefig(path, dpi=130)


def _draw_scale_bar(panel: Axes, result: ClusterResult) -> None:
    rows, cols = result.grid.shape
    length = round_length(cols * result.grid.pixel_size_um[1])
    end = length / result.grid.pixel_size_um[1]
    panel.plot([0, end], [rows * 1.03] * 2, color="black", lw=2, clip_on=False)
    panel.text(0, rows * 1.06, length_in_words(length, um=result.grid.pixel_size_known), fontsize=6, va="top")
