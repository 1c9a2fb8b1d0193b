"""A comparison as text, HTML and files."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from napari_msiclust.comparison.side_by_side import MEASURES, Comparison
from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.results.exports import BENCHMARK, REPORT, RUN, is_result_folder
from napari_msiclust.results.folder import FolderKind, check_target, replace_file, whole_folder
from napari_msiclust.results.report import with_comparison

COMPARISON = FolderKind(frozenset({BENCHMARK, "benchmark.csv", "benchmark.html"}), marker=BENCHMARK)
_HEADINGS = {
    "method": "method",
    "asked": "k",
    "purity": "purity",
    "ari": "ARI",
    "nmi": "NMI",
    "hungarian_accuracy": "Hungarian",
    "isotope_kappa": "isotopes",
    "isotope_kappa_all_ions": "isotopes, all",
    "adduct_kappa": "adducts",
    "colocalization_within": "within",
    "colocalization_between": "between",
    "ions_in_clusters": "clustered",
    "stability": "stability",
    "seconds": "seconds",
    "peak_memory_bytes": "MB",
}
LEGEND = (
    "k: clusters asked for, auto where the method chose; isotopes, adducts: kappa of their pairs in one "
    "cluster (0: chance, 1: perfect), all: with unassigned ions in their nearest cluster; within, between: "
    "mean correlation of ion images; clustered: share of the ions in clusters; stability: adjusted Rand "
    "index of two seeds; MB: largest memory of the whole process while the method ran. Means over the seeds."
)


def shown(comparison: Comparison) -> pd.DataFrame:
    """The measures that were taken, as text; one row per method and number of clusters."""
    summary = comparison.summary
    table = pd.DataFrame(index=summary.index)
    for name, heading in _HEADINGS.items():
        spread = summary.get(f"{name}_spread") if len(comparison.settings.seeds) > 1 else None
        if summary[name].notna().any():
            table[heading] = [
                _cell(name, value, None if spread is None else spread.iloc[row])
                for row, value in enumerate(summary[name])
            ]
    if summary["fault"].any():
        table["fault"] = summary["fault"]
    return table


def _cell(name: str, value: Any, spread: float | None) -> str:
    if pd.isna(value):
        return "-"
    if name in ("method", "asked"):
        return str(value)
    if name == "peak_memory_bytes":
        return f"{value / 1e6:.0f}"
    if name == "seconds":
        return f"{value:.1f}"
    return f"{value:.3f}" + (f" ({spread:.2f})" if spread is not None and name in MEASURES else "")


def as_text(comparison: Comparison) -> str:
    """The table for a terminal."""
    seeds = comparison.settings.seeds
    note = f"{LEGEND} Largest minus smallest in brackets." if len(seeds) > 1 else LEGEND
    return f"{shown(comparison).to_string(index=False, justify='left')}\n{note}"


def as_html(comparison: Comparison) -> str:
    """The table as a section of a page."""
    template = files("napari_msiclust.comparison").joinpath("templates/section.html.j2")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    table = shown(comparison)
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        columns=list(table.columns),
        rows=table.to_numpy().tolist(),
        seeds=comparison.settings.seeds,
        ions=comparison.ions,
        legend=LEGEND,
    )


def check_comparison_target(out: Path, source: dict[str, Any]) -> None:
    """Make sure that a comparison can be put into a folder, before any work is done.

    Raises
    ------
    InputError
        The folder holds a result of another file.
    FileFormatError
        Its run.json is damaged.
    OutputError
        The folder holds other files, or cannot be written.
    """
    if not is_result_folder(out):
        check_target(out, COMPARISON)
        return
    try:
        made_from = json.loads((out / RUN).read_text(encoding="utf-8"))["input"]
    except (OSError, ValueError, KeyError) as error:
        raise FileFormatError("missing or damaged", fix="run the clustering again", path=out / RUN) from error
    if made_from is not None and made_from["sha256"] != source["sha256"]:
        raise InputError(
            "holds a result of another file",
            fix="give the folder of this file's result, or a new one",
            path=out,
        )


def write_comparison(comparison: Comparison, out: Path, source: dict[str, Any]) -> Path:
    """Put a comparison into a folder; into the report if the folder holds a result.

    Returns
    -------
    Path
        The page that shows it.

    Raises
    ------
    As `check_comparison_target`.
    """
    check_comparison_target(out, source)
    record = json.dumps({"input": source, **comparison.to_dict()}, indent=1)
    section = as_html(comparison)
    if is_result_folder(out):
        page = with_comparison((out / REPORT).read_text(encoding="utf-8"), section)
        replace_file(out / BENCHMARK, record)
        replace_file(out / REPORT, page)
        return out / REPORT
    with whole_folder(out, COMPARISON) as folder:
        (folder / BENCHMARK).write_text(record, encoding="utf-8")
        comparison.summary.to_csv(folder / "benchmark.csv", index=False, lineterminator="\n")
        (folder / "benchmark.html").write_text(
            f"<!doctype html><meta charset=utf-8>{section}", encoding="utf-8"
        )
    return out / "benchmark.html"
