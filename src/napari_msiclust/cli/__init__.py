"""The command line: msiclust info, extract, cluster, cohort, evaluate, benchmark, enrich, export, ..."""

from __future__ import annotations

from napari_msiclust.cli import clustering, cohorts, comparing, exporting, projects, reading
from napari_msiclust.cli.commands import app

__all__ = ["app", "clustering", "cohorts", "comparing", "exporting", "main", "projects", "reading"]


def main() -> None:
    """Run the command line."""
    app()
