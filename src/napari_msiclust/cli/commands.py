"""What all commands share: the application, its faults, its options."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from napari_msiclust.errors import MsiclustError


class _Commands(TyperGroup):
    """Faults are one line with exit 2; Ctrl-C leaves with 130, as a shell expects."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MsiclustError as error:
            typer.echo(f"msiclust: {error}", err=True)
            raise typer.Exit(2) from error
        except (OSError, MemoryError) as error:
            typer.echo(f"msiclust: {error or 'memory ran out'}", err=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            typer.echo("msiclust: stopped; nothing was written", err=True)
            raise typer.Exit(130) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Group co-localized ions of mass spectrometry imaging data, without manual annotation.",
)


def tell_notes(notes: Iterable[str]) -> None:
    """Tell what the user should know of a run."""
    for note in notes:
        typer.echo(f"note: {note}")


ImzmlArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="The .imzML file, its .ibd beside it; or an Analyze 7.5 .hdr file."),
]
OutOption = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="Folder for the result; new, empty, or an earlier result."),
]
MzOption = Annotated[
    Path | None,
    typer.Option(
        "--mz", metavar="CSV", help="m/z to image (columns mz, name, ...; METASPACE annotations fit)."
    ),
]
TolerancePpmOption = Annotated[
    float | None, typer.Option("--tolerance-ppm", help="Half width of an m/z window in ppm; 20 if not given.")
]
ToleranceDaOption = Annotated[
    float | None, typer.Option("--tolerance-da", help="Half width of an m/z window in Da, instead of ppm.")
]
PolarityOption = Annotated[
    Literal["positive", "negative"] | None,
    typer.Option("--polarity", help="Which spectra to take of a file that holds both."),
]
MaxPeaksOption = Annotated[int, typer.Option("--max-peaks", help="Most ions to pick.")]
FrequencyOption = Annotated[
    float, typer.Option("--min-pixel-frequency", help="Pick ions that occur in this share of the pixels.")
]
StructureOption = Annotated[
    float | None,
    typer.Option("--min-structure", help="Drop ion images with a smaller Moran's I (noise is near 0)."),
]
DamagedOption = Annotated[
    bool, typer.Option("--damaged", help="Read what is left of a damaged file instead of refusing it.")
]
NormalizationOption = Annotated[
    Literal["none", "tic", "rms", "median"],
    typer.Option("--normalization", help="Divide each spectrum by this."),
]
KeepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="BIN",
        help="Cluster the ions of this bin, too: sparse, structureless, off-tissue, duplicate; repeatable.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
