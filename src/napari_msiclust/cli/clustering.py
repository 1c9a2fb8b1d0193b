"""Commands that cluster, and compare clusters with known classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_msiclust.cli.clustering_options import ClusteringOptions, with_clustering_options
from napari_msiclust.cli.commands import ImzmlArgument, JsonOption, OutOption, app, tell_notes
from napari_msiclust.cli.progress_bar import progress_bar
from napari_msiclust.cli.reading import ReadingOptions, read_like, with_reading_options
from napari_msiclust.cli.targets import check_out
from napari_msiclust.errors import InputError
from napari_msiclust.reading import source_record


@app.command()
@with_reading_options
@with_clustering_options
def cluster(
    file: ImzmlArgument,
    out: OutOption,
    reading: ReadingOptions,
    clustering: ClusteringOptions,
) -> None:
    """Group co-localized ions and write tables, images and a report."""
    config = clustering.config()
    from napari_msiclust.results.exports import RESULT, write_result

    check_out(out, RESULT)
    with reading.opened(file) as opened, progress_bar() as report:
        images = reading.images(opened, report)
        source = source_record(reading, opened)
        from napari_msiclust.pipeline import cluster_ions

        result = cluster_ions(images, config, report)
    write_result(result, images, out, source)
    tell_notes(result.provenance["notes"])
    typer.echo(f"{len(result.ions)} ions in {len(result.clusters)} clusters; report: {out / 'report.html'}")


@app.command()
@with_reading_options
def assign(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Folder of a result.")],
    file: ImzmlArgument,
    out: OutOption,
    reading: ReadingOptions,
    context: typer.Context,
) -> None:
    """Give the ions of another section the clusters of a result, without training.

    The section is read as the result was, except for the options that are given.
    """
    from napari_msiclust.results.exports import RESULT, is_result_folder, read_result, write_result

    if not is_result_folder(result):
        raise InputError("holds no result", fix="give the folder that msiclust cluster wrote", path=result)
    if out.resolve() == result.resolve():
        raise InputError("--out is the result itself", fix="give another folder", path=out)
    check_out(out, RESULT)
    reading = read_like(reading, read_result(result).run.get("input") or {}, context)
    with reading.opened(file) as opened, progress_bar() as report:
        images = reading.images(opened, report)
        source = source_record(reading, opened)
        from napari_msiclust.assignment import assignment_steps
        from napari_msiclust.progress import drain

        assigned = drain(assignment_steps(result, images), report)
    write_result(assigned, images, out, source)
    tell_notes(assigned.provenance["notes"])
    used = (assigned.clusters["ions"] > 0).sum()
    typer.echo(
        f"{len(assigned.ions)} ions in {used} of {len(assigned.clusters)} clusters; "
        f"report: {out / 'report.html'}"
    )


@app.command()
def evaluate(
    ions_csv: Annotated[Path, typer.Argument(metavar="IONS.csv", help="ions.csv of a result.")],
    truth_csv: Annotated[
        Path, typer.Argument(metavar="TRUTH.csv", help="Columns mz, label; label < 0 is not scored.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Compare clusters with known classes: purity, ARI, NMI, Hungarian accuracy."""
    from napari_msiclust.results.metrics import evaluate_files

    scores = evaluate_files(ions_csv, truth_csv).to_dict()
    if as_json:
        typer.echo(json.dumps(scores))
        return
    for name, value in scores.items():
        typer.echo(
            f"{name.replace('_', ' '):20}{value:.4f}" if isinstance(value, float) else f"{name:20}{value}"
        )


@app.command()
def sample(
    name: Annotated[
        Literal["synthetic", "msight"],
        typer.Argument(
            metavar="NAME", help="synthetic (generated, offline) or msight (real tissue, fetched with pip)."
        ),
    ],
    out: OutOption,
) -> None:
    """Put sample data into a folder."""
    from napari_msiclust.sample import make_sample

    typer.echo(str(make_sample(name, out)))
