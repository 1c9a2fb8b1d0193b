"""Projects written and read: one file `.msiclust`, or a folder with the same content."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from napari_msiclust.errors import OutputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.exports import write_result
from napari_msiclust.results.overlay import Histology
from napari_msiclust.results.project.container import (
    Container,
    FolderFiles,
    opened_container,
    refused,
    sha256,
)
from napari_msiclust.results.project.content import Project, project_files
from napari_msiclust.results.project.formats import json_bytes
from napari_msiclust.results.project.links import Link
from napari_msiclust.results.project.loading import project_from
from napari_msiclust.results.project.manifest import Entry, Manifest, parse_manifest
from napari_msiclust.results.project.names import MANIFEST, SUFFIX
from napari_msiclust.results.project.saving import Content, size_and_chunks, write_file, write_folder


def write_project(
    path: Path,
    project: Project,
    *,
    data_files: Sequence[Path] = (),
    histology: Path | None = None,
    report_from: IonImages | None = None,
    source: dict[str, Any] | None = None,
    shown: Histology | None = None,
) -> Path:
    """Write a project; a crash at any moment leaves what was there before, or the new one.

    Parameters
    ----------
    path : Path
        With the ending `.msiclust` a file, else a folder.
    data_files : sequence of Path
        The files that the ion images came from, the main one first; without them, the link that the
        project has stays.
    histology : Path, optional
        The image that the ions are registered to.
    report_from : IonImages, optional
        Put the whole result folder with its report in, too.
    source : dict, optional
        For the report (`describe_source`).
    shown : Histology, optional
        For the report, too.

    Raises
    ------
    OutputError
        It cannot be written, or data that it links to cannot be read.
    """
    path = Path(path).absolute()
    try:
        data = Link.to(data_files, path) if data_files else project.data
        stain = Link.to([histology], path) if histology is not None else project.histology
    except OSError as error:
        raise OutputError(f"cannot link to {error.filename} ({error.strerror})", path=path) from error
    linked = replace(project, data=data, histology=stain)
    if report_from is None:
        _write(path, linked, project_files(linked, None))
        return path
    with tempfile.TemporaryDirectory(prefix="msiclust-") as folder:
        result = write_result(project.current, report_from, Path(folder) / "result", source, shown)
        _write(path, linked, project_files(linked, result))
    return path


def _write(path: Path, project: Project, content: Content) -> None:
    entries = {}
    for name, parts in content.items():
        size, chunks = size_and_chunks(parts)
        digest = hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
        entries[name] = Entry(bytes=size, sha256=digest.hexdigest())

    def manifest(folder: str) -> bytes:
        facts = Manifest(
            saved=datetime.now(UTC).isoformat(timespec="seconds"),
            software=metadata.version("napari-msiclust"),
            content=folder,
            files=entries,
            data=project.data,
            data_path=project.data_path,
            reading=dict(project.reading),
            histology=project.histology,
            position=project.position,
        )
        return json_bytes(facts.model_dump(mode="json"))

    if path.suffix.lower() == SUFFIX and not path.is_dir():
        write_file(path, manifest(""), content)
    else:
        write_folder(path, manifest, content)


def read_project(path: Path) -> Project:
    """Read a project, without trust in anything that it says.

    Raises
    ------
    FileFormatError
        It is missing, damaged, of a later version, or not a project.
    """
    path = Path(path)
    with opened_container(path) as files:
        manifest = parse_manifest(files.read(MANIFEST), path)
        if isinstance(files, FolderFiles) and manifest.content:
            files.enter(manifest.content)
        project = project_from(_Checked(files, manifest), manifest.position)
    return replace(
        project,
        reading=manifest.reading,
        data_path=manifest.data_path,
        data=manifest.data,
        histology=manifest.histology,
    )


class _Checked:
    """Files whose content is what the manifest says; a project of version 1 says nothing of it."""

    def __init__(self, files: Container, manifest: Manifest) -> None:
        self.path = files.path
        self._files, self._entries = files, manifest.files
        self.names = files.names

    def local(self, name: str) -> Path | None:
        return self._files.local(name)

    def read(self, name: str) -> bytes:
        content = self._files.read(name)
        entry = self._entries.get(name)
        if entry is None:
            if self._entries:
                raise refused(self.path, f"does not list {name}")
        elif (entry.bytes, entry.sha256) != (len(content), sha256(content)):
            raise refused(self.path, f"its {name} is not what was saved")
        return content
