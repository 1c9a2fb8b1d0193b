"""What clusters and ions do in regions of the histology."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from napari_msiclust.errors import InputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.registration.geometry import Matrix, apply, area_factor
from napari_msiclust.results.regions import Region

COLUMNS = (
    "region",
    "classification",
    "region_area_um2",
    "measured_area_um2",
    "kind",
    "name",
    "cluster",
    "mz",
    "dominant_area_um2",
    "dominant_share",
    "mean",
    "std",
    "low",
    "q25",
    "median",
    "q75",
    "high",
)
_SUBDIVISIONS = 5
_QUANTILES = {"low": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "high": 0.95}
_IONS_PER_BLOCK = 32

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeasuredClusters:
    """Clusters of one dataset.

    Attributes
    ----------
    dominant_map : ndarray of int, shape (H, W)
    mean_images : ndarray of float32, shape (K, H, W), or None
        NaN where nothing was acquired.
    names : dict
        Names of clusters 1..K, where they have one.
    """

    dominant_map: npt.NDArray[np.integer]
    mean_images: npt.NDArray[np.float32] | None
    names: dict[int, str]


def coverage(region: Region, acquired: npt.NDArray[np.bool_], pixel_to_um: Matrix) -> FloatArray:
    """Which part of each acquired pixel (H, W) lies in a region, 0..1, to 1/25."""
    rows, cols = np.nonzero(acquired)
    offset = (np.arange(_SUBDIVISIONS) + 0.5) / _SUBDIVISIONS - 0.5
    inside = np.zeros(len(rows), dtype=np.int64)
    for down in offset:
        for across in offset:
            inside += region.contains(apply(pixel_to_um, np.stack((rows + down, cols + across), axis=1)))
    parts = np.zeros(acquired.shape)
    parts[rows, cols] = inside / _SUBDIVISIONS**2
    return parts


def read_out(
    regions: Sequence[Region],
    acquired: npt.NDArray[np.bool_],
    pixel_to_um: Matrix,
    clusters: MeasuredClusters | None = None,
    images: IonImages | None = None,
    ions: Iterable[int] | None = None,
) -> pd.DataFrame:
    """A tidy table of clusters and ions per region.

    Pixels on the border of a region count with the part that lies in it.

    Parameters
    ----------
    regions : sequence of Region
    acquired : ndarray of bool, shape (H, W)
    pixel_to_um : ndarray of shape (3, 3)
        From (row, column, 1) of the ion images to (y, x, 1) in um of the optical image.
    clusters : MeasuredClusters, optional
    images : IonImages, optional
        Its grid has the shape (H, W).
    ions : iterable of int, optional
        Rows of `images` to read out; all by default.

    Returns
    -------
    DataFrame
        One row for each region and cluster, and each region and ion. region_area_um2 is the region's
        own area, measured_area_um2 the part of it where ions were measured. For a cluster:
        dominant_area_um2 and dominant_share (of the measured area) of the dominant cluster map, and
        the distribution of the mean ion image (0..1); for an ion, of its intensity. low and high are
        the 5 % and 95 % quantiles. Values are NaN in a region without measured pixels.

    Raises
    ------
    InputError
        There are no regions, or no region holds a measured pixel.
    """
    if not regions:
        raise InputError("no regions", fix="draw one in a Shapes layer, or import GeoJSON")
    weights = [coverage(region, acquired, pixel_to_um) for region in regions]
    if not any(weight.any() for weight in weights):
        raise InputError(
            "no region lies on the measured pixels", fix="register the ion images to the histology first"
        )
    pixel_area = area_factor(pixel_to_um)
    rows: list[dict[str, object]] = []
    for region, weight in zip(regions, weights, strict=True):
        own: dict[str, object] = {
            "region": region.name,
            "classification": region.classification,
            "region_area_um2": region.area_um2,
            "measured_area_um2": float(weight.sum()) * pixel_area,
        }
        if clusters is not None:
            rows += [own | row for row in _cluster_rows(clusters, weight, pixel_area)]
        if images is not None:
            rows += [own | row for row in _ion_rows(images, weight, ions)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"cluster": "Int64"})


def _cluster_rows(
    clusters: MeasuredClusters, weight: FloatArray, pixel_area: float
) -> list[dict[str, object]]:
    top = int(clusters.dominant_map.max(initial=0))
    means = clusters.mean_images
    count = top if means is None else max(top, len(means))
    area = np.bincount(clusters.dominant_map.ravel(), weight.ravel(), minlength=count + 1)
    total = weight.sum()
    rows = []
    for cluster in range(1, count + 1):
        row: dict[str, object] = {
            "kind": "cluster",
            "name": clusters.names.get(cluster) or f"cluster {cluster}",
            "cluster": cluster,
            "dominant_area_um2": float(area[cluster]) * pixel_area,
            "dominant_share": float(area[cluster] / total) if total > 0 else np.nan,
        }
        if means is not None and cluster <= len(means):
            inside = weight > 0
            row |= _distribution(means[cluster - 1][inside][None], weight[inside])[0]
        rows.append(row)
    return rows


def _ion_rows(images: IonImages, weight: FloatArray, ions: Iterable[int] | None) -> list[dict[str, object]]:
    wanted = np.arange(len(images)) if ions is None else np.fromiter(ions, dtype=np.intp)
    per_pixel = weight[images.grid.rows, images.grid.cols]
    inside = np.flatnonzero(per_pixel > 0)
    rows = []
    for first in range(0, len(wanted), _IONS_PER_BLOCK):
        block = wanted[first : first + _IONS_PER_BLOCK]
        values = np.stack([np.asarray(images.values[ion])[inside] for ion in block])
        for ion, row in zip(block, _distribution(values, per_pixel[inside]), strict=True):
            mz = float(images.mz[ion])
            rows.append({"kind": "ion", "name": images.names[ion] or f"m/z {mz:.4f}", "mz": mz, **row})
    return rows


def _distribution(values: npt.NDArray[np.floating], weight: FloatArray) -> list[dict[str, object]]:
    """Weighted mean, standard deviation and quantiles of rows (N, P); NaN without pixels."""
    if not values.shape[1]:
        nothing: dict[str, object] = dict.fromkeys(("mean", "std", *_QUANTILES), np.nan)
        return [dict(nothing) for _ in values]
    exact = np.nan_to_num(values.astype(np.float64))
    mean = np.average(exact, axis=1, weights=weight)
    std = np.sqrt(np.average((exact - mean[:, None]) ** 2, axis=1, weights=weight))
    order = np.argsort(exact, axis=1, kind="stable")
    ranked = np.take_along_axis(exact, order, axis=1)
    below = np.cumsum(weight[order], axis=1)
    share = (below - 0.5 * weight[order]) / below[:, -1:]
    return [
        {
            "mean": float(mean[row]),
            "std": float(std[row]),
            **{
                name: float(np.interp(quantile, share[row], ranked[row]))
                for name, quantile in _QUANTILES.items()
            },
        }
        for row in range(len(values))
    ]


def draw_boxes(figure: Figure, table: pd.DataFrame, name: str, color: str = "black") -> None:
    """Box plots of one cluster or ion, a box for each region, into a figure.

    Boxes span the quartiles with a line at the median, whiskers reach from 5 % to 95 %, a dot is
    the mean.

    Parameters
    ----------
    table : DataFrame
        From `read_out`.
    name : str
        As in its column `name`.
    color : str
        Of axes and text.
    """
    figure.clear()
    axes = figure.add_subplot()
    chosen = table[(table["name"] == name) & table["median"].notna()]
    boxes = [
        {
            "label": row.region,
            "med": row.median,
            "q1": row.q25,
            "q3": row.q75,
            "whislo": row.low,
            "whishi": row.high,
            "mean": row.mean,
        }
        for row in chosen.itertuples()
    ]
    line = {"color": color}
    if boxes:
        axes.bxp(
            boxes,
            showfliers=False,
            showmeans=True,
            boxprops=line,
            whiskerprops=line,
            capprops=line,
            medianprops={"color": "#D55E00", "linewidth": 2},
            meanprops={"marker": "o", "markerfacecolor": "#56B4E9", "markeredgecolor": "none"},
        )
        axes.tick_params(axis="x", rotation=30 if len(boxes) > 3 else 0)
    is_ion = bool((chosen["kind"] == "ion").any())
    axes.set_ylabel("intensity" if is_ion else "scaled mean intensity", color=color, fontsize=8)
    axes.set_title(name, color=color, fontsize=9)
    axes.tick_params(colors=color, labelsize=8)
    axes.set_facecolor("none")
    for spine in axes.spines.values():
        spine.set_color(color)
