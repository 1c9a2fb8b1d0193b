"""Colours of ions by what is known of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.results.colors import cluster_colors, colors_of

COLORINGS = ("cluster", "confidence", "m/z", "bin", "label")

_SCALE = "viridis"
_SCALED = {"confidence": "confidence", "m/z": "mz"}  # columns
_LEGEND_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
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
    if by in _SCALED:
        low, high = _range(ions, by)
        return _on_scale((ions[_SCALED[by]].to_numpy(dtype=np.float64) - low) / ((high - low) or 1.0))
    names, texts = _names(ions, by)
    numbers = {name: place for place, name in enumerate(names, start=1)}
    return _table(len(names))[[numbers.get(text, 0) for text in texts]]


def color_legend(ions: pd.DataFrame, by: str) -> list[tuple[str, tuple[int, int, int]]]:
    """What the colours of `ion_colors` mean: texts with their RGB, in order.

    Clusters are not listed: their colours stand beside their names wherever clusters are listed.
    """
    if by == "cluster":
        return [("in no cluster", _GREY)] if (ions["cluster"] == 0).any() else []
    if by in _SCALED:
        low, high = _range(ions, by)
        steps = _LEGEND_STEPS if high > low else _LEGEND_STEPS[:1]
        colors = _on_scale(np.array(steps))
        texts = [f"{low + step * (high - low):.4g}" for step in steps]
        return [(text, _rgb(color)) for text, color in zip(texts, colors, strict=True)]
    names, texts = _names(ions, by)
    rest = ["in no bin" if by == "bin" else "learned"] if set(texts) - set(names) else []
    colors = _table(len(names))
    named = [(name.replace("_", " "), _rgb(color)) for name, color in zip(names, colors[1:], strict=True)]
    return named + [(text, _GREY) for text in rest]


def _range(ions: pd.DataFrame, by: str) -> tuple[float, float]:
    """Values at the ends of a scale."""
    if by == "confidence":
        return 0.0, 1.0
    values = ions[_SCALED[by]].to_numpy(dtype=np.float64)
    return float(values.min()), float(values.max())


def _on_scale(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    from matplotlib import colormaps

    colors: npt.NDArray[np.uint8] = (colormaps[_SCALE](shares)[:, :3] * 255).round().astype(np.uint8)
    return colors


def _names(ions: pd.DataFrame, by: str) -> tuple[list[str], list[str]]:
    """What has a colour of its own, and the text of every ion."""
    column = "bin" if by == "bin" else "label_origin"
    texts = ions[column].astype(str).tolist() if column in ions else [""] * len(ions)
    return sorted(set(texts) - {"", "learned"}), texts


def _table(count: int) -> npt.NDArray[np.uint8]:
    """RGB (count + 1, 3): grey, then one colour for each name."""
    table: npt.NDArray[np.uint8] = (
        np.vstack((_GREY, cluster_colors(count)[:, :3] * 255)).round().astype(np.uint8)
    )
    return table


def _rgb(color: npt.NDArray[np.uint8]) -> tuple[int, int, int]:
    red, green, blue = color.tolist()
    return red, green, blue
