"""A project from its files, each of which may be anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors
import safetensors.numpy
from pydantic import TypeAdapter, ValidationError

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError, MsiclustError
from napari_msiclust.learning.ion_clustering import Embedding
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.registration.transforms import parse_registration
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import learned_labels
from napari_msiclust.results.edits import Edit, Labeling, edit_from_dict
from napari_msiclust.results.evidence import Evidence
from napari_msiclust.results.exports import (
    EMBEDDING,
    NETWORK,
    RUN_FACTS,
    read_ion_table,
)
from napari_msiclust.results.project.container import Container, check_memory, refused
from napari_msiclust.results.project.content import (
    ADDED,
    CORRECTIONS,
    CURRENT,
    FILES,
    GRID,
    IMAGES,
    LEARNED,
    REGISTRATION,
    GridFacts,
    Project,
)
from napari_msiclust.results.project.formats import (
    read_array,
    read_json,
    table_source,
)

MOST_EDITS = 10_000
_ENTITIES = (b"<!ENTITY", b"<!DOCTYPE")
Rows = npt.NDArray[np.intp]


def project_from(files: Container, position: int | None) -> Project:
    """The project in some files; links are left open.

    Raises
    ------
    FileFormatError
        A file is missing, damaged, or does not fit the others.
    """
    try:
        return _project_from(files, position)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:80]
        raise refused(files.path, f"garbles {where} ({first['msg']})") from error
    except InputError as error:
        raise refused(files.path, error.fault[:200]) from error
    except MsiclustError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise refused(files.path, f"lacks or garbles a value ({str(error)[:80]})") from error


def _project_from(files: Container, position: int | None) -> Project:
    grid = _grid(files)
    facts = read_json(files, f"{LEARNED}/run.json")
    own = LEARNED if f"{LEARNED}/{EMBEDDING}" in files.names else FILES
    learned = _result(files, LEARNED, grid, facts, _embedding(files, own, facts))
    edits = _edits(files)
    position = len(edits) if position is None else position
    if position > len(edits):
        raise InputError("has fewer corrections than are in force")
    labels = _labels_after(learned, edits, position)
    current = learned
    if position:
        now = facts | read_json(files, f"{CURRENT}/run.json")
        embedding = (learned.embedding, learned.embedded) if own == FILES else _embedding(files, FILES, now)
        current = _result(files, CURRENT, grid, now, embedding, labels.count)
    if current.ions["cluster"].tolist() != labels.cluster.tolist():
        raise InputError("its corrections do not lead to its labels")
    registration = None
    if REGISTRATION in files.names:
        registration = parse_registration(files.read(REGISTRATION).decode(), files.path)
    for name in files.names:
        if name.endswith(".tif") and any(mark in files.read(name) for mark in _ENTITIES):
            raise InputError(f"its {name} holds XML entities, which images have no use for")
    return Project(
        learned,
        current,
        edits,
        position,
        images=_images(files, grid, learned.ions) if f"{IMAGES}/values.npy" in files.names else None,
        registration=registration,
        added={name: files.read(f"{FILES}/{name}") for name in ADDED if f"{FILES}/{name}" in files.names},
    )


def _grid(files: Container) -> PixelGrid:
    facts = GridFacts.model_validate(read_json(files, GRID))
    rows, cols = (
        read_array(files, f"{LEARNED}/{name}.npy", "iu").astype(np.int32) for name in ("rows", "cols")
    )
    mask = np.array(read_array(files, f"{LEARNED}/mask.npy", "b"))
    height, width = facts.shape
    if rows.ndim != 1 or rows.shape != cols.shape or not len(rows) or mask.shape != facts.shape:
        raise InputError("its pixel grid does not fit together")
    if min(rows.min(), cols.min()) < 0 or rows.max() >= height or cols.max() >= width:
        raise InputError("its pixels lie outside of their grid")
    if len(facts.planes) * facts.plane_shape[0] * facts.plane_shape[1] > height * width:
        raise InputError("its planes are larger than its grid")
    grid = PixelGrid(
        facts.shape,
        rows,
        cols,
        facts.pixel_size_um,
        mask,
        facts.origin,
        facts.pixel_size_known,
        facts.planes,
        facts.plane_shape,
    )
    if grid.unfold(mask).shape[-2:] != facts.plane_shape or not grid.on_tissue.any():
        raise InputError("its pixel grid does not fit together")
    return grid


def _result(
    files: Container,
    folder: str,
    grid: PixelGrid,
    facts: Mapping[str, Any],
    embedded: tuple[Embedding, Rows],
    count: int | None = None,
) -> ClusterResult:
    name = f"{folder}/ions.csv"
    ions = read_ion_table(files.path / name, table_source(files, name))
    clusters = _cluster_table(files, f"{folder}/clusters.csv")
    means = np.array(read_array(files, f"{folder}/mean_images.npy", "f"), dtype=np.float32)
    dominant = np.array(read_array(files, f"{folder}/dominant.npy", "u"), dtype=np.uint16)
    number = len(means) if count is None else count
    if means.shape != (number, *grid.shape) or dominant.shape != grid.shape or len(clusters) != number:
        raise InputError(f"its {folder} tables and images do not fit together")
    if dominant.max() > number or not ions["cluster"].between(0, number).all():
        raise InputError(f"its {folder} labels go beyond its {number} clusters")
    needed = {"mz", "cluster", "confidence", "bin", "centrality", "annotation", "isotope_of"}
    if missing := needed - set(ions.columns):
        raise InputError(f"its {folder} table of ions lacks {min(missing)}")
    ions = ions.assign(
        cluster=ions["cluster"].astype(np.int64),
        **{name: pd.to_numeric(ions[name]).astype(float) for name in ("confidence", "centrality", "mz")},
    )
    if embedded[1].max(initial=-1) >= len(ions):
        raise InputError("its embedding does not fit its ions")
    provenance = {name: value for name, value in facts.items() if name not in RUN_FACTS}
    provenance["seconds"] = TypeAdapter(dict[str, float]).validate_python(provenance.get("seconds", {}))
    return ClusterResult(
        ions=ions,
        clusters=clusters,
        embedding=embedded[0],
        embedded=embedded[1],
        mean_images=means,
        dominant_cluster_map=dominant,
        evidence=TypeAdapter(Evidence).validate_python(facts["evidence"]),
        history=pd.read_csv(table_source(files, f"{LEARNED}/history.csv")),
        grid=grid,
        config=ClusterConfig.model_validate(facts["config"]),
        provenance=provenance,
    )


def _cluster_table(files: Container, name: str) -> pd.DataFrame:
    table = pd.read_csv(table_source(files, name), keep_default_na=False)
    for column in ("mean_confidence", "central_mz"):
        table[column] = pd.to_numeric(table[column], errors="coerce")
    if table["cluster"].tolist() != list(range(1, len(table) + 1)):
        raise InputError(f"its {name} does not number the clusters from 1 on")
    return table


def _embedding(files: Container, folder: str, facts: Mapping[str, Any]) -> tuple[Embedding, Rows]:
    features = np.array(read_array(files, f"{folder}/{EMBEDDING}", "f"), dtype=np.float32)
    if features.ndim != 2:
        raise InputError("its embedding is no table")
    seen = np.flatnonzero(np.isfinite(features).all(axis=1))
    network: dict[str, Any] = {}
    if f"{folder}/{NETWORK}" in files.names:
        content = files.read(f"{folder}/{NETWORK}")
        check_memory(files.path, 2 * len(content))
        try:
            network = safetensors.numpy.load(content)
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise InputError("its network is damaged") from error
    weights = facts.get("weights") or {}
    encoder = str(facts["config"].get("encoder", ""))
    embedding = Embedding(
        features[seen], encoder, str(weights.get("origin", "")), str(weights.get("sha256", "")), network
    )
    return embedding, seen


def _edits(files: Container) -> tuple[Edit, ...]:
    listed = read_json(files, CORRECTIONS)["edits"]
    if not isinstance(listed, list) or len(listed) > MOST_EDITS:
        raise InputError(f"its corrections are no list of at most {MOST_EDITS}")
    return tuple(edit_from_dict(edit) for edit in listed)


def _labels_after(learned: ClusterResult, edits: Sequence[Edit], position: int) -> Labeling:
    """Labels after the corrections in force; all corrections must fit."""
    labels = now = learned_labels(learned.ions, len(learned.mean_images))
    for number, edit in enumerate(edits, start=1):
        labels = edit.apply(labels)
        now = labels if number <= position else now
    return now


def _images(files: Container, grid: PixelGrid, ions: pd.DataFrame) -> IonImages:
    table = pd.read_csv(
        table_source(files, f"{IMAGES}/ions.csv"), keep_default_na=False, converters={"mz": float}
    )
    values = read_array(files, f"{IMAGES}/values.npy", "f")
    if values.dtype != np.float32 or values.shape != (len(ions), len(grid.rows)):
        raise InputError("its ion images do not fit its ions and pixels")
    mz = table.pop("mz").to_numpy(dtype=np.float64)
    if mz.tolist() != ions["mz"].tolist():
        raise InputError("its ion images are of other m/z than its table")
    names = tuple(map(str, table.pop("name")))
    polarity = read_json(files, f"{IMAGES}/images.json").get("polarity")
    return IonImages(
        mz,
        values,
        replace(grid, mask=grid.acquired),
        names,
        table.apply(_as_numbers) if len(table.columns) else table,
        polarity if polarity in ("positive", "negative") else None,
    )


def _as_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column that holds nothing but numbers and gaps, as numbers."""
    numbers = pd.to_numeric(column.where(column != ""), errors="coerce")
    return numbers if (numbers.notna() | (column == "")).all() and numbers.notna().any() else column
