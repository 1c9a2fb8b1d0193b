"""Commands that look at files and read ion images."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_msiclust.cli.commands import (
    DamagedOption,
    FrequencyOption,
    ImzmlArgument,
    JsonOption,
    MaxPeaksOption,
    MzOption,
    NormalizationOption,
    OutOption,
    PolarityOption,
    StructureOption,
    ToleranceDaOption,
    TolerancePpmOption,
    app,
    tell_notes,
)
from napari_msiclust.cli.progress_bar import progress_bar
from napari_msiclust.cli.targets import check_out
from napari_msiclust.errors import MsiclustError
from napari_msiclust.reading import ReadingSettings

if TYPE_CHECKING:
    from napari_msiclust.msi.imzml import ImzmlFile


class ReadingOptions(ReadingSettings):
    """The same as options of a command, which tells the warnings of the file it opens."""

    @contextmanager
    def opened(self, file: Path) -> Iterator[ImzmlFile]:
        """The file, with its warnings told."""
        with super().opened(file) as opened:
            for finding in opened.findings:
                if finding.severity != "note":
                    typer.echo(f"warning: {finding.in_words()}")
            yield opened


_OPTIONS: dict[str, Any] = {
    "mz": MzOption,
    "tolerance_ppm": TolerancePpmOption,
    "tolerance_da": ToleranceDaOption,
    "normalization": NormalizationOption,
    "polarity": PolarityOption,
    "max_peaks": MaxPeaksOption,
    "min_pixel_frequency": FrequencyOption,
    "min_structure": StructureOption,
    "damaged": DamagedOption,
}
_TOLERANCES = {"tolerance_ppm", "tolerance_da"}


def with_reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all `ReadingOptions`; it gets them as its argument `reading`."""
    own = dict(inspect.signature(command, eval_str=True).parameters)
    del own["reading"]
    options = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=_OPTIONS[field.name]
        )
        for field in fields(ReadingOptions)
    ]
    parameters = [
        *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own.values()),
        *options,
    ]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        reading = ReadingOptions(**{option.name: values.pop(option.name) for option in options})
        command(**values, reading=reading)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def read_like(reading: ReadingOptions, record: Mapping[str, Any], context: typer.Context) -> ReadingOptions:
    """Options as those of a result where the user gave none; told where that makes a difference.

    The two tolerances are one option in two units; whether damage is accepted is a matter of each file.

    Parameters
    ----------
    record : dict
        How the result was read: `input` of its run.json.
    context : typer.Context
        Of the command: it knows which options were given.

    Raises
    ------
    FileFormatError, InputError
        The record is garbled, or the m/z list of the result is gone.
    """
    if "normalization" not in record:
        typer.echo("note: the result does not say how its data were read")
        return reading
    sources = {name: context.get_parameter_source(name) for name in _OPTIONS}
    own = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    followed = reading.like_record(record, {*own, "damaged"} | (_TOLERANCES if own & _TOLERANCES else set()))
    usual = ReadingOptions().settings()
    now, before, plain = (_choices(one) for one in (followed.settings(), {**usual, **record}, usual))
    taken = [f"{name} {now[name]}" for name in now if now[name] == before[name] != plain[name]]
    if taken:
        typer.echo(f"note: read as the result was: {', '.join(taken)}")
    other = [f"{name} {now[name]}, not {before[name]}" for name in now if now[name] != before[name]]
    if other:
        typer.echo(f"warning: read otherwise than the result: {'; '.join(other)}")
    return followed


def _choices(settings: Mapping[str, Any]) -> dict[str, str]:
    """What settings choose, in words; lists of m/z are told apart by what is in them."""
    from napari_msiclust.msi.ion_list import Tolerance

    names = ("normalization", "polarity", "max_peaks", "min_pixel_frequency", "min_structure")
    listed = settings["mz"] and f"{Path(settings['mz']).name} (SHA-256 {str(settings.get('mz_sha256'))[:8]})"
    tolerance = Tolerance.of(settings["tolerance_ppm"], settings["tolerance_da"])
    chosen = {"m/z list": listed, "tolerance": tolerance} | {name: settings[name] for name in names}
    return {name.replace("_", " "): "none" if value is None else str(value) for name, value in chosen.items()}


@app.command()
def info(
    file: ImzmlArgument,
    as_json: JsonOption = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also compare the data with their checksum; reads all of them.")
    ] = False,
) -> None:
    """Tell facts and faults of a file; exit 0 if it is usable, 2 if not."""
    from napari_msiclust.msi.preflight import examine

    report = examine(file, verify=verify)
    if as_json:
        findings = [asdict(finding) | {"path": str(finding.path or file)} for finding in report.findings]
        content = {"file": str(file), "usable": report.usable, "facts": report.facts, "findings": findings}
        typer.echo(json.dumps(content, indent=1))
    else:
        for name, value in report.facts.items():
            typer.echo(f"{name.replace('_', ' '):22}{_plain(value)}")
        for finding in report.findings:
            if finding.severity != "error":
                typer.echo(f"{finding.severity}: {finding.in_words()}")
    for finding in report.findings:
        if finding.severity == "error":
            raise MsiclustError(finding.fault, fix=finding.fix, path=finding.path or file)


def _plain(value: object) -> str:
    if value is None:
        return "not given"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@app.command()
@with_reading_options
def extract(file: ImzmlArgument, out: OutOption, reading: ReadingOptions) -> None:
    """Write all ion images: values.npy (ions, pixels), mz.npy, ions.csv, grid.json."""
    from napari_msiclust.results.exports import ION_IMAGES, write_ion_images

    check_out(out, ION_IMAGES)
    with reading.opened(file) as opened, progress_bar() as report:
        images = reading.images(opened, report)
    write_ion_images(images, out)
    tell_notes(images.notes)
    typer.echo(f"{len(images)} ion images of {images.values.shape[1]} pixels in {out}")


@app.command()
def cache(clear: Annotated[bool, typer.Option("--clear", help="Remove what is in it.")] = False) -> None:
    """Tell where extracted ion images are kept, and how much room they take."""
    from napari_msiclust.msi import cache as image_cache

    freed = image_cache.clear() if clear else 0
    typer.echo(f"{image_cache.cache_folder()}: {image_cache.size() / 1e6:.1f} MB")
    if clear:
        typer.echo(f"{freed / 1e6:.1f} MB removed")
