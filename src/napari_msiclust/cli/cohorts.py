"""The command that clusters several sections jointly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_msiclust.cli.clustering_options import ClusteringOptions, with_clustering_options
from napari_msiclust.cli.commands import OutOption, app, tell_notes
from napari_msiclust.cli.progress_bar import progress_bar
from napari_msiclust.cli.reading import ReadingOptions, with_reading_options
from napari_msiclust.cli.targets import check_out

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
    from napari_msiclust.progress import drain
    from napari_msiclust.results.cohort_exports import COHORT
    from napari_msiclust.study import study_steps, summary

    check_out(out, COHORT)
    with progress_bar() as report:
        result = drain(study_steps(files, out, config, reading), report)
    tell_notes(result.joint.provenance["notes"])
    typer.echo(summary(result, out))
