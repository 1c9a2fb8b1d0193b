"""report.html: one file that opens offline."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Hashable, Mapping
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imsave

from napari_msiclust.msi.attributes import spatial_attributes
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import DOMINANT_MAP_MEANING, ClusterResult
from napari_msiclust.results.colors import colors_of
from napari_msiclust.results.figures import as_svg, count_curves, merge_tree
from napari_msiclust.results.overlay import Histology, overlay_pictures
from napari_msiclust.results.scale_bar import round_length
from napari_msiclust.results.surrogate import fit_surrogate

_THUMBNAILS = 8
_THUMBNAIL_SIDE = 140
_COMPARISON_BEGIN, _COMPARISON_END = "<!-- comparison -->", "<!-- end of comparison -->"
_ENRICHMENT_BEGIN, _ENRICHMENT_END = "<!-- enrichment -->", "<!-- end of enrichment -->"
_COLORMAP = "inferno"
_ANNOTATIONS = 12
_READING = (
    "mz", "tolerance_ppm", "tolerance_da", "normalization", "polarity", "max_peaks", "min_pixel_frequency",
    "min_structure", "damaged",
)  # fmt: skip
TELLING_Q = 0.05


def render_report(
    result: ClusterResult, images: IonImages, run: dict[str, Any], histology: Histology | None = None
) -> str:
    """The report as HTML with all pictures inside.

    Parameters
    ----------
    run : dict
        The content of run.json.
    histology : Histology, optional
        Where the result lies on it.
    """
    template = (
        files("napari_msiclust.results").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    )
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    colors = colors_of(result.clusters)
    attributes = spatial_attributes(images.with_mask(result.grid.mask), result.config.hotspot_quantile)
    surrogate = fit_surrogate(attributes, result.ions["cluster"].to_numpy())
    width_um = result.grid.shape[1] * result.grid.pixel_size_um[1]
    return environment.from_string(template).render(
        run=run,
        shape=result.grid.plane_shape,
        planes=len(result.grid.planes),
        pixel_size_um=result.grid.physical_pixel_size_um,
        unit="µm" if result.grid.pixel_size_known else "pixels",
        scale_bar=_scale_bar(width_um),
        evidence=result.evidence.sentences(),
        pairs=[pair for pair in result.evidence.pairs if pair.pairs],
        map_meaning=DOMINANT_MAP_MEANING,
        dominant_map=_dominant_png(result, colors),
        curves=_curves_svg(result.history),
        confidence=_confidence_svg(result.ions),
        confidence_meaning=_confidence_meaning(result, run),
        **_as_learned(result, run, [to_hex(color) for color in colors]),
        in_words=surrogate.sentence(),
        clusters=[
            _cluster_entry(result, images, row, to_hex(color))
            | {"in_words": surrogate.rules[row["cluster"]].sentence()}
            for row, color in zip(result.clusters.to_dict("records"), colors, strict=True)
            if row["ions"]
        ],
        bins=_bins(result.ions),
        annotated=_annotated(result.ions),
        overlay=None if histology is None else _overlay(result, histology),
        reading=_reading(run.get("input") or {}),
        columns=list(result.ions.columns),
        ions=result.ions.to_dict("records"),
        pixelated=max(result.grid.shape) < 400,
    )


def _as_learned(result: ClusterResult, run: dict[str, Any], colors: list[str]) -> dict[str, str]:
    """Why this number of clusters, and their tree; empty after corrections, which change clusters."""
    reason = run.get("cluster_reason")
    if (run.get("corrections") or {}).get("edits"):
        return {"reason": "", "counts": "", "tree": ""}
    return {
        "reason": reason or "",
        "counts": count_curves(run["cluster_counts"]) if reason and run["cluster_counts"] else "",
        "tree": merge_tree(run.get("branch_agreement") or (), result.ions, colors),
    }


def with_comparison(page: str, section: str) -> str:
    """A report with a comparison of methods in it; an earlier one is replaced."""
    return _with_section(page, _COMPARISON_BEGIN, _COMPARISON_END, section)


def with_enrichment(page: str, table: pd.DataFrame) -> str:
    """A report with the enriched sets of an enrichment table in it; earlier ones are replaced."""
    template = files("napari_msiclust.results").joinpath("templates/enrichment.html.j2")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    telling = table[table["q"] < TELLING_Q]
    section = environment.from_string(template.read_text(encoding="utf-8")).render(
        rows=telling.to_dict("records"), tested=len(table), limit=TELLING_Q
    )
    return _with_section(page, _ENRICHMENT_BEGIN, _ENRICHMENT_END, section)


def _with_section(page: str, begin_mark: str, end_mark: str, section: str) -> str:
    before, begin, rest = page.partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:  # a report of an earlier version
        before, begin, end, after = page.replace("</body>", ""), begin_mark, end_mark, "</body></html>"
    return f"{before}{begin}{section}{end}{after}"


def _annotated(ions: pd.DataFrame) -> list[dict[str, Any]]:
    """Clusters with annotated ions: number, and m/z with its annotation, the most central first."""
    named = ions[(ions["annotation"].astype(str) != "") & (ions["cluster"] > 0)]
    named = named.sort_values("centrality", ascending=False, kind="stable")
    return [
        {
            "cluster": cluster,
            "ions": len(members),
            "shown": members[["mz", "annotation"]].head(_ANNOTATIONS).to_dict("records"),
        }
        for cluster, members in named.groupby("cluster")
    ]


def _overlay(result: ClusterResult, histology: Histology) -> dict[str, Any]:
    photograph, blended, width_um = overlay_pictures(result, histology)
    return {
        "photograph": _data_uri(photograph),
        "blended": _data_uri(blended),
        "name": histology.name,
        "rms_um": histology.rms_um,
        "scale_bar": _scale_bar(width_um),
    }


def _reading(source: dict[str, Any]) -> dict[str, Any]:
    """How ion images were read: the settings that say something, in words."""
    told = {name.replace("_", " "): value for name, value in source.items() if name in _READING}
    return {name: value for name, value in told.items() if value not in (None, False, "none")}


def _bins(ions: pd.DataFrame) -> list[dict[str, Any]]:
    """Name, number, and one reason of each bin that holds ions."""
    return [
        {"name": name, "ions": len(members), "reason": members["bin_reason"].iloc[0]}
        for name, members in ions[ions["bin"] != ""].groupby("bin")
    ]


def _cluster_entry(
    result: ClusterResult, images: IonImages, row: Mapping[Hashable, Any], color: str
) -> dict[Hashable, Any]:
    members = result.members(row["cluster"])
    thumbnails = [
        {
            "mz": f"{images.mz[ion]:.4f}",
            "annotation": images.names[ion],
            "png": _ion_png(images.image(ion), result),
        }
        for ion in members[:_THUMBNAILS]
    ]
    mean = result.mean_images[row["cluster"] - 1]
    return {**row, "color": color, "png": _png(mean), "thumbnails": thumbnails}


def _ion_png(image: npt.NDArray[np.float32], result: ClusterResult) -> str:
    """A small picture of an ion image, hotspots clipped as for training."""
    inside = image[result.grid.mask]
    inside = inside[np.isfinite(inside)]
    top = float(np.quantile(inside, result.config.hotspot_quantile)) if len(inside) else 0.0
    step = max(1, math.ceil(max(image.shape) / _THUMBNAIL_SIDE))
    return _png(image[::step, ::step], top or None)


def _png(image: npt.NDArray[np.float32], top: float | None = None) -> str:
    from matplotlib import colormaps

    finite = image[np.isfinite(image)]
    top = top or float(finite.max(initial=0.0)) or 1.0
    pixels = colormaps[_COLORMAP](np.nan_to_num(image / top).clip(0, 1))
    pixels[~np.isfinite(image)] = 0.0
    return _data_uri(pixels)


def _dominant_png(result: ClusterResult, colors: npt.NDArray[np.float64]) -> str:
    return _data_uri(np.vstack((np.zeros((1, 4)), colors))[result.dominant_cluster_map])


def _data_uri(pixels: npt.NDArray[np.float64]) -> str:
    stream = io.BytesIO()
    imsave(stream, (pixels * 255).astype(np.uint8), format="png")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _scale_bar(width_um: float) -> dict[str, float]:
    """A round length of about a quarter of the width, and its share of the width in per cent."""
    length = round_length(width_um)
    return {"length": length, "percent": 100 * length / width_um}


def _confidence_meaning(result: ClusterResult, run: dict[str, Any]) -> str:
    if "assigned_from" in run:
        return (
            "Confidence: how much nearer the embedding of an ion is to its cluster than to the others; not "
            "calibrated."
        )
    if result.config.recipe == "consensus":
        return (
            "Confidence: how likely an ion is in its right cluster, calibrated on generated tissues whose "
            "classes are known, by how well it stands in its cluster and by how far separate pixels agree."
        )
    return "Confidence: the largest probability of the classifier; not calibrated, and often too sure."


def _curves_svg(history: pd.DataFrame) -> str:
    stages = [
        stage
        for stage in history["stage"].unique()
        if history.loc[history["stage"] == stage, "loss"].notna().any()
    ]
    if not stages:
        return ""
    figure = Figure(figsize=(3.4 * len(stages), 2.4), layout="constrained")
    for position, stage in enumerate(stages, start=1):
        rows = history[history["stage"] == stage]
        axes = figure.add_subplot(1, len(stages), position)
        axes.plot(np.arange(len(rows)) + 1, rows["loss"], color="#0072B2", lw=1)
        axes.set(title=stage, xlabel="step", ylabel="loss")
        if rows["confident_fraction"].notna().any():
            other = axes.twinx()
            other.plot(np.arange(len(rows)) + 1, rows["confident_fraction"], color="#D55E00", lw=1)
            other.set(ylabel="confident fraction", ylim=(0, 1.02))
            other.yaxis.label.set_color("#D55E00")
    return as_svg(figure)


def _confidence_svg(ions: pd.DataFrame) -> str:
    figure = Figure(figsize=(3.6, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(ions.loc[ions["cluster"] > 0, "confidence"], bins=25, range=(0, 1), color="#009E73")
    axes.set(xlabel="confidence", ylabel="ions")
    return as_svg(figure)
