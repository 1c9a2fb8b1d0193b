"""The same run again, from its record, and whether it came out the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import ValidationError

from napari_msiclust.assignment import assignment_steps
from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.imzml import ImzmlFile
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.pipeline import clustering_steps
from napari_msiclust.progress import Progress, ProgressCallback
from napari_msiclust.reading import ReadingSettings, source_record
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import History, replay
from napari_msiclust.results.edits import Edit, edit_from_dict
from napari_msiclust.results.exports import IONS, read_ion_table, read_tissue
from napari_msiclust.results.ion_basis import IonBasis

_LARGEST_RECORD = 64_000_000


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What run.json says of a run.

    Attributes
    ----------
    path : Path
        The run.json.
    file : Path
        The data, where they lie now.
    hashes : dict of str
        SHA-256 of the files of the data.
    config : ClusterConfig
    reading : ReadingSettings
    edits : tuple of Edit
        Corrections made by hand afterwards.
    assigned_from : Path or None
        The result whose clusters were given to the ions, where nothing was trained.
    tissue : ndarray of bool, shape (P,), or None
        Pixels on the tissue, where a mask was given.
    facts : dict
        Everything in the file.
    """

    path: Path
    file: Path
    hashes: Mapping[str, str]
    config: ClusterConfig
    reading: ReadingSettings
    edits: tuple[Edit, ...]
    assigned_from: Path | None
    tissue: npt.NDArray[np.bool_] | None
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path, *, file: Path | None = None, mz: Path | None = None) -> RunRecord:
        """Read a run.json.

        Parameters
        ----------
        file, mz : Path, optional
            Where the data and the m/z list lie now, if they were moved.

        Raises
        ------
        FileFormatError
            It is missing, damaged, or does not say what was read; or the data or the tissue mask are gone.
        InputError
            A value of it is not what it should be.
        """
        facts = _facts(path)
        source = facts.get("input")
        if not isinstance(source, dict) or not isinstance(source.get("sha256"), dict) or "path" not in source:
            raise FileFormatError(
                "does not say which data were read", fix="only a run on a file can be repeated", path=path
            )
        file = file or Path(str(source["path"]))
        if not file.exists():
            raise FileFormatError("the data of the run are gone", fix="give --file MOVED.imzML", path=file)
        edits = (facts.get("corrections") or {}).get("edits") or ()
        origin = facts.get("assigned_from")
        return cls(
            path,
            file,
            source["sha256"],
            _config(facts, path),
            ReadingSettings.from_record(source, mz=mz),
            tuple(edit_from_dict(edit) for edit in edits),
            None if origin is None else Path(str(origin)),
            read_tissue(path.parent, facts),
            facts,
        )

    def check_data(self, opened: ImzmlFile) -> dict[str, Any]:
        """Make sure that the data are those of the run; returns their description for a new record.

        Raises
        ------
        FileFormatError
            A hash differs.
        """
        source = source_record(self.reading, opened)
        for kind, path in (("imzml", opened.path), ("ibd", opened.ibd_path)):
            if source["sha256"][kind] != self.hashes.get(kind):
                raise FileFormatError(
                    "not the data of that run (its SHA-256 differs)", fix="give --file with them", path=path
                )
        return source

    def images(self, opened: ImzmlFile, report: ProgressCallback | None = None) -> IonImages:
        """The ion images, with the tissue that was given."""
        images = self.reading.images(opened, report)
        return images if self.tissue is None else images.with_tissue(self.tissue)

    def notes(self, result: ClusterResult) -> list[str]:
        """What else than the data and the settings is not as it was."""
        then, now = self.facts, result.provenance
        pairs = [
            (name, (then.get("versions") or {}).get(name), version)
            for name, version in (now.get("versions") or {}).items()
        ]
        pairs += [(name, then.get(name), now.get(name)) for name in ("device", "threads")]
        before, after = ((part.get("weights") or {}).get("sha256") for part in (then, now))
        pairs.append(("weights", before, after))
        return [f"{name}: {before} then, {after} now" for name, before, after in pairs if before != after]


def _facts(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            raise FileFormatError("is too large", fix="give the run.json of a result", path=path)
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileFormatError("no such file", fix="give the run.json of a result", path=path) from None
    except (OSError, ValueError, RecursionError) as error:
        raise FileFormatError(
            "cannot be read, or damaged", fix="give the run.json of a result", path=path
        ) from error
    if not isinstance(facts, dict) or "config" not in facts:
        raise FileFormatError(
            "not the record of a run", fix="give the run.json of a result", path=path
        ) from None
    return facts


def _config(facts: Mapping[str, Any], path: Path) -> ClusterConfig:
    try:
        return ClusterConfig.model_validate(facts["config"])
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise FileFormatError(
            f"its setting {where} is not known here", fix="use the version that wrote it", path=path
        ) from error


def replay_steps(
    record: RunRecord, images: IonImages, *, stop: threading.Event | None = None
) -> Generator[Progress, None, ClusterResult]:
    """The run again, with its corrections; generator of `Progress`.

    Parameters
    ----------
    record : RunRecord
    images : IonImages
        As `record.images` gives them.
    stop : threading.Event, optional
        Set it to end with `Stopped`.

    Raises
    ------
    MsiclustError
        As for the run itself; or a correction does not fit what came out.
    """
    if record.assigned_from is None:
        threads = record.facts.get("threads")
        steps = clustering_steps(
            images, record.config, threads=threads if isinstance(threads, int) else None, stop=stop
        )
    else:
        steps = assignment_steps(record.assigned_from, images, stop=stop)
    result = yield from steps
    if "corrections" not in record.facts:
        return result
    history = replay(History.begin(result, IonBasis.of(result, images)), record.edits)
    return history.with_evidence()


def differences(record: RunRecord, result: ClusterResult) -> list[str] | None:
    """In what the ion table differs from the recorded one; none if they are the same, byte for byte.

    None where no table lies beside the record.
    """
    path = record.path.parent / IONS
    if not path.exists():
        return None
    text = result.ions.to_csv(index=False, lineterminator="\n")
    if text.encode() == path.read_bytes():
        return []
    read_ion_table(path)  # tells what is wrong with a table that is none
    then, now = (pd.read_csv(source, dtype=str, keep_default_na=False) for source in (path, StringIO(text)))
    return _told(then, now) or ["the files differ, but no value does"]


def _told(then: pd.DataFrame, now: pd.DataFrame) -> list[str]:
    said = []
    if list(then.columns) != list(now.columns):
        gone, new = (
            sorted({*map(str, one)} - {*map(str, other)}) for one, other in ((then, now), (now, then))
        )
        said.append(f"columns: without {', '.join(gone) or 'none'}; new {', '.join(new) or 'none'}")
    if len(then) != len(now):
        return [*said, f"{len(then)} ions then, {len(now)} now"]
    for name in then.columns.intersection(now.columns):
        different = int((then[name] != now[name]).sum())
        if different:
            said.append(f"{name}: differs for {different} of {len(now)} ions")
    return said
