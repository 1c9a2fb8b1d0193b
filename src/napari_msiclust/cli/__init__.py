"""The command line: msiclust info, extract, cluster, evaluate, benchmark, enrich, export, replay, ..."""

from __future__ import annotations

from napari_msiclust.cli import clustering, comparing, exporting, projects, reading
from napari_msiclust.cli.commands import app

__all__ = ["app", "clustering", "comparing", "exporting", "main", "projects", "reading"]


def main() -> None:
    """Run the command line."""
    app()
