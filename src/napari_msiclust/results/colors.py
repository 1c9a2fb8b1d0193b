"""Colours of clusters, the same in every view."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

# The first seven: Okabe and Ito, Color Universal Design (2008). The others were chosen one by one, each
# as far as can be from all before it in OKLab, for normal, protanopic and deuteranopic sight (Machado et
# al. 2009), and neither so light nor so dark that it is lost on a white or a black page.
_PALETTE = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#781E00",
    "#78FFFF", "#5A2D69", "#0000FF", "#87D2A5", "#5A87FF", "#874B5A", "#3C0FB4", "#B42D00",
    "#A5FFB4", "#96D2FF", "#C31E96", "#0F69F0", "#FF4B69", "#C3D269", "#E100C3", "#69C3C3",
)  # fmt: skip


def cluster_color_names(count: int) -> list[str]:
    """Colours of clusters 1..count as '#RRGGBB'; distinct up to 84 clusters."""
    from matplotlib import color_sequences
    from matplotlib.colors import to_hex

    more = [
        to_hex(color).upper() for name in ("tab20", "tab20b", "tab20c") for color in color_sequences[name]
    ]
    palette = [*_PALETTE, *more]
    return [palette[number % len(palette)] for number in range(count)]


def cluster_colors(count: int) -> npt.NDArray[np.float64]:
    """RGBA colours (count, 4) of clusters 1..count, 0..1."""
    from matplotlib.colors import to_rgba_array

    colors: npt.NDArray[np.float64] = to_rgba_array(cluster_color_names(count)).reshape(count, 4)
    return colors


def color_names_of(clusters: pd.DataFrame) -> list[str]:
    """Colours of a cluster table as '#RRGGBB': its column `color` where it has one."""
    if "color" not in clusters:
        return cluster_color_names(len(clusters))
    from matplotlib.colors import to_hex

    return [to_hex(color).upper() for color in clusters["color"]]


def colors_of(clusters: pd.DataFrame) -> npt.NDArray[np.float64]:
    """RGBA colours (K, 4) of a cluster table, as `color_names_of`."""
    from matplotlib.colors import to_rgba_array

    colors: npt.NDArray[np.float64] = to_rgba_array(color_names_of(clusters)).reshape(len(clusters), 4)
    return colors
