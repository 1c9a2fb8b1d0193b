"""The manifest of a project: what it holds, in which version; and how older versions are brought up to date.

Version 2 is what is written. Version 1 is a first form without relative paths, sizes, and undone steps: its
links are what run.json says of the input, and all its corrections are in force.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_msiclust.results.project.container import MOST_FILES, refused
from napari_msiclust.results.project.formats import parse_json
from napari_msiclust.results.project.links import Link
from napari_msiclust.results.project.names import FORMAT, MANIFEST

VERSION = 2
_Name = Annotated[str, Field(max_length=200)]


class Entry(BaseModel):
    """A file of the project."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """What a project holds.

    Attributes
    ----------
    saved : str
        Time, as ISO 8601 with its zone.
    software : str
        Version of this package.
    content : str
        Folder below the project that holds the files; empty in a zip file.
    files : dict of Entry
        All files but the manifest; none are listed by a project of version 1.
    data : Link or None
        Where the ion images came from; None where the file was gone when the project was saved.
    data_path : str
        Where that file had been, for people and for what was read of it.
    reading : dict
        How they were read (`ReadingSettings.settings`).
    histology : Link or None
        The image that the ions are registered to.
    position : int or None
        Corrections in force; later ones can be redone. None: all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["napari-msiclust project"] = FORMAT  # type: ignore[assignment]
    version: Literal[2] = VERSION  # type: ignore[assignment]
    saved: Annotated[str, Field(max_length=40)]
    software: Annotated[str, Field(max_length=80)]
    content: _Name = ""
    files: Annotated[dict[_Name, Entry], Field(max_length=MOST_FILES)] = {}
    data: Link | None = None
    data_path: Annotated[str, Field(max_length=4096)] = ""
    reading: dict[str, Any] = {}
    histology: Link | None = None
    position: Annotated[int, Field(ge=0)] | None = None


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """The manifest of a project of any version so far.

    Raises
    ------
    FileFormatError
        It is damaged, of a later version, or not a project's.
    """
    facts = parse_json(content, MANIFEST, path)
    if facts.get("format") != FORMAT:
        raise refused(path, "not a project of napari-msiclust")
    version = facts.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise refused(path, f"written as version {version!r}, which needs a later napari-msiclust")
    try:
        for step in range(version, VERSION):
            facts = _MIGRATIONS[step](facts)
        return Manifest.model_validate(facts)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:80]
        raise refused(path, f"its {MANIFEST} garbles {where} ({first['msg']})") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise refused(path, f"its {MANIFEST} lacks or garbles {str(error)[:80]}") from error


def _from_1_to_2(facts: dict[str, Any]) -> dict[str, Any]:
    """Links get stamps, and what was read is told apart from where."""
    source = facts.get("input")
    link, reading = None, {}
    if source is not None:
        main = str(source["path"])
        reading = {name: value for name, value in source.items() if name not in ("path", "sha256")}
        paths = PureWindowsPath(main) if "\\" in main else PurePath(main)
        names = {"imzml": paths.name, "ibd": paths.with_suffix(".ibd").name}
        link = {
            "path": main,
            "relative": None,
            "files": [{"name": names[kind], "sha256": source["sha256"][kind]} for kind in ("imzml", "ibd")],
        }
    return {
        "format": FORMAT,
        "version": 2,
        "saved": facts["saved"],
        "software": facts["software"],
        "data": link,
        "data_path": "" if link is None else link["path"],
        "reading": reading,
    }


_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1_to_2}
