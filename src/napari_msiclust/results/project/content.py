"""What a project is, and what it is as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import psutil
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field

from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.registration.transforms import Registration, registration_json
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import History
from napari_msiclust.results.edits import REFINED, Edit, Relabel, edit_to_dict
from napari_msiclust.results.exports import (
    BENCHMARK,
    EMBEDDING,
    ENRICHMENT,
    NETWORK,
    RESULT,
    embedding_of_all,
    run_record,
)
from napari_msiclust.results.ion_basis import IonBasis
from napari_msiclust.results.project.formats import (
    array_parts,
    csv_bytes,
    json_bytes,
)
from napari_msiclust.results.project.links import Link
from napari_msiclust.results.project.saving import Part

LEARNED, CURRENT, IMAGES, FILES = "learned", "current", "images", "result"
CORRECTIONS, REGISTRATION, GRID = "corrections.json", "registration.json", f"{LEARNED}/grid.json"
ADDED = (BENCHMARK, ENRICHMENT)  # to a result, by other commands


@dataclass(frozen=True, eq=False)
class Project:
    """A result with everything that was made of it.

    Attributes
    ----------
    learned : ClusterResult
        As learning left it.
    current : ClusterResult
        As corrected so far.
    edits : tuple of Edit
        All corrections, those that were undone included.
    position : int
        Corrections in force.
    reading : dict
        How the ion images were read (`ReadingSettings.settings`).
    data_path : str
        The file they came from; empty if unknown.
    data : Link or None
    images : IonImages or None
        The ion images themselves, where they were put into the project.
    registration : Registration or None
        To the histology.
    histology : Link or None
    added : dict of bytes
        Files that other commands put beside a result.
    """

    learned: ClusterResult
    current: ClusterResult
    edits: tuple[Edit, ...] = ()
    position: int = 0
    reading: Mapping[str, Any] = field(default_factory=dict)
    data_path: str = ""
    data: Link | None = None
    images: IonImages | None = None
    registration: Registration | None = None
    histology: Link | None = None
    added: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History, **more: Any) -> Project:
        """The project of a result under correction."""
        return cls(history.states[0].result, history.current.result, history.edits, history.position, **more)

    @property
    def can_be_undone(self) -> bool:
        """Whether all states on the way fit into half of the free memory."""
        wanted = len(self.edits) * 2 * self.learned.mean_images.nbytes
        return bool(wanted < psutil.virtual_memory().available / 2)

    def history(self, basis: IonBasis) -> History:
        """The corrections, one after the other, to be gone on with.

        Of several networks that were learned again from the corrections, the one in force is kept, and comes
        with the last of these steps; the others are replaced by the first one.

        Parameters
        ----------
        basis : IonBasis
            Of the learned result.
        """
        history = History.begin(self.learned, basis)
        relearned = self._relearned()
        for number, edit in enumerate(self.edits):
            fresh = (self.current.embedding, self.current.embedded) if number == relearned else ()
            history = history.applied(edit, *fresh)
        return replace(history, position=self.position)

    def _relearned(self) -> int | None:
        """The correction that the network in force came with; None if it is the first one."""
        if self.current.embedding is self.learned.embedding:
            return None
        steps = [
            number
            for number, edit in enumerate(self.edits[: self.position])
            if isinstance(edit, Relabel) and edit.origin == REFINED
        ]
        return steps[-1] if steps else None


class GridFacts(BaseModel):
    """A pixel grid without its arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    pixel_size_um: tuple[
        Annotated[float, Field(gt=0, allow_inf_nan=False)], Annotated[float, Field(gt=0, allow_inf_nan=False)]
    ]
    origin: tuple[int, int]
    pixel_size_known: bool
    planes: Annotated[tuple[int, ...], Field(min_length=1, max_length=10_000)]
    plane_shape: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


def project_files(project: Project, result_folder: Path | None) -> dict[str, tuple[Part, ...]]:
    """Name and content of all files of a project but the manifest.

    Parameters
    ----------
    result_folder : Path or None
        The current result as a folder (`write_result`), to be carried along.
    """
    learned, grid = project.learned, project.learned.grid
    files: dict[str, tuple[Part, ...]] = {
        GRID: (json_bytes(_grid_facts(grid).model_dump(mode="json")),),
        f"{LEARNED}/rows.npy": array_parts(grid.rows),
        f"{LEARNED}/cols.npy": array_parts(grid.cols),
        f"{LEARNED}/mask.npy": array_parts(grid.mask),
        f"{LEARNED}/run.json": (json_bytes(run_record(learned, None)),),
        f"{LEARNED}/history.csv": (csv_bytes(learned.history),),
        **_tables(LEARNED, learned),
        **_embedding_files(FILES, project.current),
        CORRECTIONS: (json_bytes({"edits": [edit_to_dict(edit) for edit in project.edits]}),),
    }
    if learned.embedding is not project.current.embedding:
        files |= _embedding_files(LEARNED, learned)
    if project.position:
        files |= _tables(CURRENT, project.current)
        files[f"{CURRENT}/run.json"] = (json_bytes(run_record(project.current, None)),)
    if project.registration is not None:
        files[REGISTRATION] = (registration_json(project.registration).encode(),)
    if project.images is not None:
        files |= _image_files(project.images)
    files |= {f"{FILES}/{name}": (content,) for name, content in project.added.items() if name in ADDED}
    if result_folder is not None:
        for path in result_folder.iterdir():
            if path.name in RESULT.files:
                files[f"{FILES}/{path.name}"] = (path,)
    return files


def _embedding_files(folder: str, result: ClusterResult) -> dict[str, tuple[Part, ...]]:
    files: dict[str, tuple[Part, ...]] = {
        f"{folder}/{EMBEDDING}": array_parts(embedding_of_all(result)),
    }
    if result.embedding.network:
        files[f"{folder}/{NETWORK}"] = (safetensors.numpy.save(dict(result.embedding.network)),)
    return files


def _tables(folder: str, result: ClusterResult) -> dict[str, tuple[Part, ...]]:
    return {
        f"{folder}/ions.csv": (csv_bytes(result.ions),),
        f"{folder}/clusters.csv": (csv_bytes(result.clusters),),
        f"{folder}/mean_images.npy": array_parts(result.mean_images),
        f"{folder}/dominant.npy": array_parts(result.dominant_cluster_map),
    }


def _grid_facts(grid: PixelGrid) -> GridFacts:
    return GridFacts(
        shape=grid.shape,
        pixel_size_um=grid.pixel_size_um,
        origin=grid.origin,
        pixel_size_known=grid.pixel_size_known,
        planes=grid.planes,
        plane_shape=grid.plane_shape,
    )


def _image_files(images: IonImages) -> dict[str, tuple[Part, ...]]:
    table = pd.concat([pd.DataFrame({"mz": images.mz, "name": images.names}), images.columns], axis=1)
    return {
        f"{IMAGES}/values.npy": array_parts(np.asarray(images.values, dtype=np.float32)),
        f"{IMAGES}/ions.csv": (csv_bytes(table),),
        f"{IMAGES}/images.json": (json_bytes({"polarity": images.polarity}),),
    }
