"""The command line: msiclust info, extract, cluster, evaluate, benchmark, enrich, replay, sample, cache."""

from __future__ import annotations

from napari_msiclust.cli import clustering, comparing, projects, reading
from napari_msiclust.cli.commands import app

__all__ = ["app", "clustering", "comparing", "main", "projects", "reading"]


def main() -> None:
    """Run the command line."""
    app()
