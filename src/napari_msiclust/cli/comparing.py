"""Commands that hold a result against something else: other methods, annotations."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from napari_msiclust.cli.commands import ImzmlArgument, JsonOption, app, tell_notes
from napari_msiclust.cli.progress_bar import progress_bar
from napari_msiclust.cli.reading import ReadingOptions, with_reading_options
from napari_msiclust.config import Device, Preset
from napari_msiclust.errors import InputError


@app.command()
@with_reading_options
def benchmark(
    file: ImzmlArgument,
    reading: ReadingOptions,
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth", metavar="CSV", help="Known classes: columns mz, label; label < 0 is not scored."
        ),
    ] = None,
    clusters: Annotated[
        str | None,
        typer.Option(
            metavar="K,K,...",
            help="Numbers of clusters, or auto: as the first preset chooses; if not given, as many as the "
            "truth has classes, or auto, which needs a preset.",
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="N,N,...", help="Every method runs once for each.")] = "0",
    presets: Annotated[str, typer.Option(metavar="NAME,...", help="Presets to run, or none.")] = ",".join(
        get_args(Preset)
    ),
    epochs: Annotated[
        int | None, typer.Option(min=0, help="Epochs of contrastive training; other stages in proportion.")
    ] = None,
    device: Annotated[Device, typer.Option(help="auto takes CUDA, then MPS, then the CPU.")] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="A result of this file, whose report gets the table; or a new folder.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run simple methods and the presets side by side: quality, evidence, seconds, memory."""
    chosen = _presets(presets)
    numbers, seed_numbers = _cluster_numbers(clusters), _numbers("--seeds", seeds, least=0)
    if not chosen and (("auto" in numbers) or (truth is None and not numbers)):
        raise InputError(
            "without a preset nothing chooses the number of clusters", fix="give numbers with --clusters"
        )
    aside = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    with aside, reading.opened(file) as opened, progress_bar() as report:
        from napari_msiclust.comparison.side_by_side import Settings, comparison_steps
        from napari_msiclust.comparison.tables import as_text, check_comparison_target, write_comparison
        from napari_msiclust.progress import drain
        from napari_msiclust.results.exports import describe_source
        from napari_msiclust.results.metrics import read_truth

        source = describe_source(opened.path, opened.ibd_path, **reading.settings())
        if out is not None:
            check_comparison_target(out, source)
        images = reading.images(opened, report)
        tell_notes(images.notes)
        known = None if truth is None else read_truth(truth, images.mz)
        classes = None if known is None else max(2, len(set(known.classes.tolist())))
        settings = Settings(
            clusters=numbers or (classes or "auto",),
            seeds=seed_numbers or (0,),
            presets=chosen,
            epochs=epochs,
            device=device,
        )
        comparison = drain(comparison_steps(images, settings, known), report)
    typer.echo(json.dumps(comparison.to_dict(), indent=1) if as_json else as_text(comparison))
    if out is not None:
        page = write_comparison(comparison, out, source)
        typer.echo(f"table: {page}", err=as_json)


@app.command()
def enrich(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Folder of a result.")],
    annotations: Annotated[
        Path,
        typer.Argument(
            metavar="CSV", help="Annotations: m/z, formula or name, and columns of classes or pathways."
        ),
    ],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME",
            help="Column of classes or pathways; all such if not given; repeatable.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find molecular classes and pathways that are over-represented in a cluster; for report and table."""
    from napari_msiclust.results.enrichment import enrich as enriched
    from napari_msiclust.results.enrichment import read_annotations
    from napari_msiclust.results.exports import ENRICHMENT, IONS, REPORT, is_result_folder, read_ion_table
    from napari_msiclust.results.folder import replace_file
    from napari_msiclust.results.report import TELLING_Q, with_enrichment

    if not is_result_folder(result):
        raise InputError("holds no result", fix="give the folder that msiclust cluster wrote", path=result)
    table = enriched(read_ion_table(result / IONS), read_annotations(annotations, sets or ()))
    replace_file(result / ENRICHMENT, table.to_csv(index=False, lineterminator="\n"))
    if (result / REPORT).exists():
        page = (result / REPORT).read_text(encoding="utf-8")
        replace_file(result / REPORT, with_enrichment(page, table))
    if as_json:
        typer.echo(table.to_json(orient="records", indent=1))
        return
    telling = table[table["q"] < TELLING_Q]
    for row in telling.to_dict("records"):
        typer.echo(
            f"cluster {row['cluster']}: {row['set']} ({row['kind']}), {row['in_cluster']} of its "
            f"{row['in_all']} molecules, {row['fold']:.1f} times as many as expected, q = {row['q']:.2g}"
        )
    typer.echo(f"{len(telling)} enriched sets (q < {TELLING_Q}); all {len(table)}: {result / ENRICHMENT}")


def _presets(text: str) -> tuple[Preset, ...]:
    names = [name.strip() for name in text.split(",") if name.strip() not in ("", "none")]
    known = {name: name for name in get_args(Preset)}
    strange = [name for name in names if name not in known]
    if strange:
        raise InputError(f"there is no preset {strange[0]!r}", fix=f"choose of {', '.join(known)}, or none")
    return tuple(known[name] for name in names)


def _cluster_numbers(text: str | None) -> tuple[int | Literal["auto"], ...]:
    """Numbers of clusters, `auto` among them or not."""
    parts = [part.strip() for part in (text or "").split(",")]
    numbers = _numbers("--clusters", ",".join(part for part in parts if part != "auto"), least=2)
    return ("auto", *numbers) if "auto" in parts else numbers


def _numbers(option: str, text: str | None, *, least: int) -> tuple[int, ...]:
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) >= least for part in parts):
        raise InputError(
            f"{option} is {text}", fix=f"give whole numbers from {least} on, with commas between"
        )
    return tuple(dict.fromkeys(map(int, parts)))
