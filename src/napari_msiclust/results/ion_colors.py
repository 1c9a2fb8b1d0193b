"""Colours of ions by what is known of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.results.colors import cluster_colors, colors_of

COLORINGS = ("cluster", "confidence", "m/z", "bin", "label")

_SCALE = "viridis"
_GREY = (128, 128, 128)


def ion_colors(ions: pd.DataFrame, clusters: pd.DataFrame, by: str) -> npt.NDArray[np.uint8]:
    """RGB of every ion (N, 3).

    Parameters
    ----------
    ions, clusters : DataFrame
    by : str
        One of COLORINGS; ions in no cluster and in no bin are grey.
    """
    if by == "cluster":
        table = np.vstack((_GREY, colors_of(clusters)[:, :3] * 255)).round().astype(np.uint8)
        colored: npt.NDArray[np.uint8] = table[ions["cluster"].to_numpy()]
        return colored
    if by in ("confidence", "m/z"):
        from matplotlib import colormaps

        values = ions["mz" if by == "m/z" else by].to_numpy(dtype=np.float64)
        low, high = (0.0, 1.0) if by == "confidence" else (values.min(), values.max())
        shares = (values - low) / ((high - low) or 1.0)
        scaled: npt.NDArray[np.uint8] = (colormaps[_SCALE](shares)[:, :3] * 255).round().astype(np.uint8)
        return scaled
    column = "bin" if by == "bin" else "label_origin"
    texts = ions[column].astype(str).to_numpy() if column in ions else np.full(len(ions), "")
    names = sorted(set(map(str, texts)) - {"", "learned"})
    table = np.vstack((_GREY, cluster_colors(len(names))[:, :3] * 255)).round().astype(np.uint8)
    numbers = {name: place for place, name in enumerate(names, start=1)}
    return table[[numbers.get(str(text), 0) for text in texts]]
