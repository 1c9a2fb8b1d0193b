"""The command that clusters several sections jointly."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_msiclust.cli.clustering_options import ClusteringOptions, with_clustering_options
from napari_msiclust.cli.commands import OutOption, app
from napari_msiclust.cli.progress_bar import progress_bar
from napari_msiclust.cli.reading import ReadingOptions, with_reading_options
from napari_msiclust.errors import InputError
from napari_msiclust.reading import source_record

SectionsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE FILE ...", help="Two or more .imzML or Analyze 7.5 .hdr files of one study."
    ),
]


@app.command()
@with_reading_options
@with_clustering_options
def cohort(
    files: SectionsArgument, out: OutOption, reading: ReadingOptions, clustering: ClusteringOptions
) -> None:
    """Cluster several sections jointly: cluster 3 is cluster 3 in each of them.

    Ions match by m/z, within --tolerance-ppm or --tolerance-da.
    """
    config = clustering.config()
    if len(files) < 2:
        raise InputError("one section is no cohort", fix="give more files, or take msiclust cluster")
    _check_different([file.resolve() for file in files], files)
    from napari_msiclust.msi.cohort import Section, check_comparable, joining_steps
    from napari_msiclust.msi.ion_list import Tolerance
    from napari_msiclust.results.cohort_exports import TABLE, check_cohort_target, write_cohort

    check_cohort_target(out)
    tolerance = Tolerance.of(reading.tolerance_ppm, reading.tolerance_da)
    names = section_names(files)
    with ExitStack() as stack:
        opened = [stack.enter_context(reading.opened(file)) for file in files]
        check_comparable(
            [
                (name, one.grid, one.metadata.polarity if one.metadata.polarity != "mixed" else None)
                for name, one in zip(names, opened, strict=True)
            ]
        )
        sources: list[dict[str, Any]] = [source_record(reading, one) for one in opened]
        _check_different([source["sha256"]["ibd"] for source in sources], files)
        report = stack.enter_context(progress_bar())
        sections = [
            Section(name, reading.images(one, report)) for name, one in zip(names, opened, strict=True)
        ]
        from napari_msiclust.pipeline import cohort_steps
        from napari_msiclust.progress import drain

        joined = drain(joining_steps(sections, config, tolerance), report)
        result = drain(cohort_steps(joined, config), report)
    write_cohort(result, out, sources)
    for note in result.joint.provenance["notes"]:
        typer.echo(f"note: {note}")
    everywhere = int(joined.held.all(axis=0).sum())
    typer.echo(
        f"{len(sections)} sections, {len(result.joint.ions)} ions ({everywhere} in all sections) in "
        f"{len(result.joint.clusters)} clusters; table: {out / TABLE}, report: {out / 'report.html'}"
    )


def _check_different(signs: Sequence[object], files: Sequence[Path]) -> None:
    """No two files may be the same data; `signs` tell them apart."""
    for number, sign in enumerate(signs):
        if sign in signs[:number]:
            first = files[signs.index(sign)]
            raise InputError(f"holds the same data as {first}", fix="give it once", path=files[number])


def section_names(files: Sequence[Path]) -> list[str]:
    """Names of the files without their ending; with the folder before where two are alike."""
    stems = [file.stem for file in files]
    return [
        stem if stems.count(stem) == 1 else f"{file.resolve().parent.name} {stem}"
        for file, stem in zip(files, stems, strict=True)
    ]
