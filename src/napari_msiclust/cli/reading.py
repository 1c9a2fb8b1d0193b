"""Commands that look at files and read ion images."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator
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
    typer.echo(f"{len(images)} ion images of {images.values.shape[1]} pixels in {out}")


@app.command()
def cache(clear: Annotated[bool, typer.Option("--clear", help="Remove what is in it.")] = False) -> None:
    """Tell where extracted ion images are kept, and how much room they take."""
    from napari_msiclust.msi import cache as image_cache

    freed = image_cache.clear() if clear else 0
    typer.echo(f"{image_cache.cache_folder()}: {image_cache.size() / 1e6:.1f} MB")
    if clear:
        typer.echo(f"{freed / 1e6:.1f} MB removed")
