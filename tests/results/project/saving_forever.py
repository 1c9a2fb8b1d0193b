"""For each line of input, a child that saves two projects over one another until it is killed.

The line says which of them comes first. Before all, it tells the seconds that saving takes.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from napari_msiclust.results.edits import Rename
from napari_msiclust.results.project.content import Project
from napari_msiclust.results.project.project_file import read_project, write_project


def variants(path: Path) -> tuple[Project, Project]:
    """Two projects that differ in their last correction."""
    saved = read_project(path)
    one, other = (replace(saved, edits=(*saved.edits[:4], Rename(3, name))) for name in ("one", "other"))
    return one, other


def tell(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    projects = variants(source)
    write_project(target, projects[0])
    began = time.perf_counter()
    write_project(target, projects[0])
    tell(time.perf_counter() - began)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            while True:
                for project in projects[:: int(line)]:
                    write_project(target, project)
        tell(child)
        os.waitpid(child, 0)
        tell("dead")


if __name__ == "__main__":
    main()
