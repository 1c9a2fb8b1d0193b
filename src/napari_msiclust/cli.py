"""The command line: msiclust info, extract, cluster, evaluate, sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from napari_msiclust.config import ClusterConfig, Device, EncoderName, Preset
from napari_msiclust.errors import InputError, MsiclustError

if TYPE_CHECKING:
    from napari_msiclust.msi.peaks import MzList
    from napari_msiclust.progress import ProgressCallback


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

ImzmlArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The .imzML file; its .ibd lies beside it.")
]
OutOption = Annotated[
    Path,
    typer.Option("--out", metavar="DIR", help="Folder for the result; new, empty, or an earlier result."),
]
MzOption = Annotated[
    Path | None, typer.Option("--mz", metavar="CSV", help="m/z to image (columns mz, name).")
]
ToleranceOption = Annotated[float, typer.Option("--tolerance-ppm", help="Half width of an m/z window.")]
NormalizationOption = Annotated[
    Literal["none", "tic", "rms", "median"],
    typer.Option("--normalization", help="Divide each spectrum by this."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def info(file: ImzmlArgument, as_json: JsonOption = False) -> None:
    """Tell facts and faults of a file; exit 0 if it is usable, 2 if not."""
    from napari_msiclust.msi.preflight import examine

    report = examine(file)
    if as_json:
        findings = [
            {
                "severity": finding.severity,
                "fault": finding.fault,
                "consequence": finding.consequence,
                "fix": finding.fix,
                "path": str(finding.path or file),
            }
            for finding in report.findings
        ]
        typer.echo(
            json.dumps(
                {"file": str(file), "usable": report.usable, "facts": report.facts, "findings": findings},
                indent=1,
            )
        )
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
def extract(
    file: ImzmlArgument,
    out: OutOption,
    mz: MzOption = None,
    tolerance_ppm: ToleranceOption = 20.0,
    normalization: NormalizationOption = "none",
) -> None:
    """Write all ion images: values.npy (ions, pixels), mz.npy, grid.json."""
    from napari_msiclust.msi.extract import extract_ion_images
    from napari_msiclust.msi.imzml import open_imzml
    from napari_msiclust.results.exports import ION_IMAGES, write_ion_images
    from napari_msiclust.results.folder import check_target

    check_target(out, ION_IMAGES)
    with open_imzml(file) as opened, _progress_bar() as report:
        images = extract_ion_images(
            opened,
            _mz_list(mz),
            tolerance_ppm=tolerance_ppm,
            normalization=None if normalization == "none" else normalization,
            progress=report,
        )
    write_ion_images(images, out)
    typer.echo(f"{len(images)} ion images of {images.values.shape[1]} pixels in {out}")


@app.command()
def cluster(
    file: ImzmlArgument,
    out: OutOption,
    preset: Annotated[
        Preset, typer.Option(help="paper: as published; fast: the same stages, fewer epochs.")
    ] = "paper",
    clusters: Annotated[
        str | None, typer.Option(metavar="auto|K", help="Number of clusters; 20 if not given.")
    ] = None,
    mz: MzOption = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Same seed, same machine: same result.")
    ] = 0,
    device: Annotated[Device, typer.Option(help="auto takes CUDA, then MPS, then the CPU.")] = "auto",
    epochs: Annotated[
        int | None, typer.Option(min=0, help="Epochs of contrastive training; other stages in proportion.")
    ] = None,
    encoder: Annotated[EncoderName, typer.Option(help="The network.")] = "efficientnet-lite0",
    weights: Annotated[str, typer.Option(help="bundled, download, random, or a weight file.")] = "bundled",
    tolerance_ppm: ToleranceOption = 20.0,
    normalization: NormalizationOption = "none",
) -> None:
    """Group co-localized ions and write tables, images and a report."""
    config = ClusterConfig.from_preset(
        preset, seed=seed, device=device, encoder=encoder, weights=weights, **_cluster_number(clusters)
    )
    if epochs is not None:
        config = config.with_epochs(epochs)
    from napari_msiclust.msi.extract import extract_ion_images
    from napari_msiclust.msi.imzml import open_imzml
    from napari_msiclust.results.exports import RESULT, describe_source, write_result
    from napari_msiclust.results.folder import check_target

    check_target(out, RESULT)
    wanted = _mz_list(mz)
    with open_imzml(file) as opened, _progress_bar() as report:
        images = extract_ion_images(
            opened,
            wanted,
            tolerance_ppm=tolerance_ppm,
            normalization=None if normalization == "none" else normalization,
            progress=report,
        )
        source = describe_source(
            opened.path,
            opened.ibd_path,
            mz_list=None if mz is None else str(mz.resolve()),
            tolerance_ppm=tolerance_ppm,
            normalization=None if normalization == "none" else normalization,
        )
        from napari_msiclust.pipeline import cluster_ions

        result = cluster_ions(images, config, report)
    write_result(result, images, out, source)
    for warning in opened.warnings:
        typer.echo(f"warning: {warning}")
    for note in result.provenance["notes"]:
        typer.echo(f"note: {note}")
    typer.echo(f"{len(result.ions)} ions in {len(result.clusters)} clusters; report: {out / 'report.html'}")


def _cluster_number(text: str | None) -> dict[str, int | str]:
    """The --clusters option as a setting; the preset's own number if it is not given."""
    if text is None:
        return {}
    if text == "auto":
        return {"clusters": "auto"}
    if not text.isdecimal() or int(text) < 2:
        raise InputError(f"--clusters is {text}", fix="give auto or a number from 2 on")
    return {"clusters": int(text)}


def _mz_list(path: Path | None) -> MzList | None:
    from napari_msiclust.msi.peaks import read_mz_list

    return None if path is None else read_mz_list(path)


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


class _progress_bar:
    """A bar with stage, loss and remaining time; one line per stage where there is no terminal."""

    def __enter__(self) -> ProgressCallback:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        from napari_msiclust import progress as steps

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description:22}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]:28}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._bar.start()
        tasks: dict[str, int] = {}

        def report(step: steps.Progress) -> None:
            if step.stage not in tasks:
                tasks[step.stage] = int(self._bar.add_task(step.stage, total=step.total, detail=""))
                if not console.is_terminal:
                    typer.echo(f"{step.stage} ...")
            detail = [] if step.loss is None else [f"loss {step.loss:.3f}"]
            if step.confident_fraction is not None:
                detail.append(f"confident {step.confident_fraction:.0%}")
            task = tasks[step.stage]
            self._bar.update(task, completed=step.step, total=step.total)  # type: ignore[arg-type]
            if detail:
                self._bar.update(task, detail=", ".join(detail))  # type: ignore[arg-type]

        return report

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def main() -> None:
    """Run the command line."""
    app()
