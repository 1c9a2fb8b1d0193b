"""The command line: msiclust info, extract, cluster, evaluate, sample, cache."""

from __future__ import annotations

from napari_msiclust.cli import clustering, reading
from napari_msiclust.cli.commands import app

__all__ = ["app", "clustering", "main", "reading"]


def main() -> None:
    """Run the command line."""
    app()
