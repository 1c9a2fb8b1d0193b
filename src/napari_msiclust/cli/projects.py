"""Commands on what was done before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_msiclust.cli.commands import app, tell_notes
from napari_msiclust.cli.progress_bar import progress_bar
from napari_msiclust.cli.targets import check_out
from napari_msiclust.errors import InputError


@app.command()
def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN.json", help="run.json of a result.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for the new result; only compared if not given."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="MOVED.imzML", help="Where the data lie now, if they were moved."),
    ] = None,
    mz: Annotated[
        Path | None,
        typer.Option("--mz", metavar="MOVED.csv", help="Where the m/z list lies now, if it was moved."),
    ] = None,
) -> None:
    """Do a run again from its record and compare the ion tables; exit 0 if identical, 1 if not."""
    from napari_msiclust.progress import drain
    from napari_msiclust.replay import RunRecord, differences, replay_steps
    from napari_msiclust.results.exports import RESULT, write_result

    record = RunRecord.read(run, file=file, mz=mz)
    if out is not None:
        if out.resolve() == run.parent.resolve():
            raise InputError("--out is the result itself", fix="give another folder", path=out)
        check_out(out, RESULT)
    with record.reading.opened(record.file) as opened, progress_bar() as report:
        source = record.check_data(opened)
        images = record.images(opened, report)
        result = drain(replay_steps(record, images), report)
    if out is not None:
        write_result(result, images, out, source)
    tell_notes(record.notes(result))
    found = differences(record, result)
    if found is None:
        typer.echo(f"{len(result.ions)} ions; no ions.csv lies beside {run} to compare with")
    elif not found:
        typer.echo(f"identical: ions.csv, {len(result.ions)} ions in {len(result.clusters)} clusters")
    else:
        for line in found:
            typer.echo(f"different: {line}")
        raise typer.Exit(1)
