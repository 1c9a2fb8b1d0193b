"""The result of a cohort as a folder: the joint result, and one result folder for each section."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_msiclust.results.cohort_result import CohortResult
from napari_msiclust.results.exports import RESULT, write_result
from napari_msiclust.results.folder import FolderKind, check_target, whole_folder

TABLE, SECTIONS = "sections.csv", "sections"
COHORT = FolderKind(RESULT.files | {TABLE, SECTIONS}, marker=RESULT.marker)


def check_cohort_target(out: Path) -> None:
    """Make sure that a cohort can be written to a folder, as `check_target` does.

    Raises
    ------
    OutputError
        It cannot, or a folder of a section holds other files.
    """
    check_target(out, COHORT)
    if (out / SECTIONS).is_dir():
        for folder in sorted((out / SECTIONS).iterdir()):
            check_target(folder, RESULT)


def write_cohort(
    result: CohortResult, out: str | Path, sources: Sequence[dict[str, Any]] | None = None
) -> Path:
    """Write a cohort: the joint result, sections.csv, and `sections/<name>` with each section's result.

    The folder itself and that of each section open as results. They appear all or not at all.

    Parameters
    ----------
    result : CohortResult
    out : path
        As for `write_result`.
    sources : sequence of dict, optional
        Where the ion images of each section came from (`describe_source`).

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    out = Path(out)
    check_cohort_target(out)
    each = [None] * len(result.sections) if sources is None else list(sources)
    about = result.joint.provenance["cohort"] | {"sources": each}
    joint = replace(result.joint, provenance=result.joint.provenance | {"cohort": about})
    with whole_folder(out, COHORT) as folder:
        write_result(joint, result.cohort.images, folder)
        result.table().to_csv(folder / TABLE, index=False, lineterminator="\n")
        for name, section, one, source in zip(
            section_folders(result.cohort.names), result.cohort.sections, result.sections, each, strict=True
        ):
            write_result(one, section.images, folder / SECTIONS / name, source)
    return out


def section_folders(names: Sequence[str]) -> list[str]:
    """A name for the folder of each section that every system allows, each another one."""
    folders: list[str] = []
    for name in names:
        plain = re.sub(r"[^\w .-]", "_", name).strip(" .")[:80] or "section"
        taken = {folder.casefold() for folder in folders}
        number, free = 2, plain
        while free.casefold() in taken:
            number, free = number + 1, f"{plain} ({number})"
        folders.append(free)
    return folders
