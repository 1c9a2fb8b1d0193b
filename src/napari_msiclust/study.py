"""Sections of one study: read, joined, clustered together, and written."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError
from napari_msiclust.msi.cohort import Section, check_comparable, joining_steps
from napari_msiclust.msi.ion_list import Tolerance
from napari_msiclust.progress import Progress
from napari_msiclust.reading import ReadingSettings, source_record
from napari_msiclust.results.cohort_exports import TABLE, check_cohort_target, write_cohort
from napari_msiclust.results.cohort_result import CohortResult


def study_steps(
    files: Sequence[Path],
    out: Path,
    config: ClusterConfig,
    reading: ReadingSettings,
    *,
    threads: int | None = None,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, CohortResult]:
    """Cluster the sections of a study jointly and write the result; generator of `Progress`.

    Parameters
    ----------
    files : sequence of Path
        Two or more files of sections, named after their file (`section_names`).
    out : Path
        Folder for the result (`write_cohort`).
    config, reading
        How to cluster, and which ion images to read from every file.
    threads : int, optional
        CPU threads for training; None takes one per core.
    stop : threading.Event, optional
        Set it to end with `Stopped`; nothing is written then.

    Raises
    ------
    InputError
        The sections do not go together, or a setting does not fit.
    FileFormatError
        A file cannot be read.
    OutputError
        The folder cannot be written.
    """
    if len(files) < 2:
        raise InputError("one section is no cohort", fix="give more files, or cluster it alone")
    _check_different([file.resolve() for file in files], files)
    check_cohort_target(out)
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
        sections = []
        for name, one in zip(names, opened, strict=True):
            images = yield from reading.images_steps(one, stop=stop)
            sections.append(Section(name, images))
        tolerance = Tolerance.of(reading.tolerance_ppm, reading.tolerance_da)
        cohort = yield from joining_steps(sections, config, tolerance, stop=stop)
        from napari_msiclust.pipeline import cohort_steps

        result = yield from cohort_steps(cohort, config, threads=threads, stop=stop)
    write_cohort(result, out, sources)
    return result


def summary(result: CohortResult, out: Path) -> str:
    """What was found and where it lies, in one sentence."""
    joint, cohort = result.joint, result.cohort
    everywhere = int(cohort.held.all(axis=0).sum())
    return (
        f"{len(cohort.sections)} sections, {len(joint.ions)} ions ({everywhere} in all sections) in "
        f"{len(joint.clusters)} clusters; table: {out / TABLE}, report: {out / 'report.html'}"
    )


def section_names(files: Sequence[Path]) -> list[str]:
    """Names of the files without their ending; with the folder before where two are alike."""
    stems = [file.stem for file in files]
    return [
        stem if stems.count(stem) == 1 else f"{file.resolve().parent.name} {stem}"
        for file, stem in zip(files, stems, strict=True)
    ]


def _check_different(signs: Sequence[object], files: Sequence[Path]) -> None:
    """No two files may be the same data; `signs` tell them apart."""
    for number, sign in enumerate(signs):
        if sign in signs[:number]:
            first = files[signs.index(sign)]
            raise InputError(f"holds the same data as {first}", fix="give it once", path=files[number])
