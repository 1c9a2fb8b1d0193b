"""Colours of clusters, the same in every view."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# Okabe and Ito, Color Universal Design (2008): told apart by colour-blind readers.
_UNIVERSAL = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def cluster_colors(count: int) -> npt.NDArray[np.float64]:
    """RGBA colours (count, 4) of clusters 1..count, 0..1; distinct up to 67 clusters."""
    from matplotlib import color_sequences
    from matplotlib.colors import to_rgba_array

    more = np.concatenate([color_sequences[name] for name in ("tab20", "tab20b", "tab20c")])
    palette = np.concatenate([to_rgba_array(_UNIVERSAL), to_rgba_array(more)])
    colors: npt.NDArray[np.float64] = palette[np.arange(count) % len(palette)]
    return colors
