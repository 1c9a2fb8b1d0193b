"""Ion images and clusters as AnnData: pixels by ions, for scanpy, squidpy and their kin."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.exports import CLUSTERS, EMBEDDING, SavedResult
from napari_msiclust.results.folder import FolderKind, whole_file, whole_folder
from napari_msiclust.results.ion_table import ion_table

if TYPE_CHECKING:
    from anndata import AnnData

_PIXELS_PER_BLOCK = 4096
_MARKERS = (".zgroup", "zarr.json")
_NAMES = frozenset(
    {
        *_MARKERS,
        ".zattrs",
        ".zmetadata",
        "X",
        "obs",
        "var",
        "obsm",
        "varm",
        "obsp",
        "varp",
        "layers",
        "uns",
        "raw",
    }
)


@dataclass(frozen=True, eq=False)
class Clusters:
    """What is known of the clusters of ion images.

    Attributes
    ----------
    ions : DataFrame
        Ion table, in the order of the ion images.
    dominant_map : ndarray or None
        (H, W), or (Z, h, w) where there are z planes.
    mean_images : ndarray or None
        (K, H, W), or (K, Z, h, w).
    table : DataFrame or None
        One row per cluster.
    embedding : ndarray or None
        (N, D); left out if it has other ions.
    """

    ions: pd.DataFrame
    dominant_map: npt.NDArray[Any] | None = None
    mean_images: npt.NDArray[Any] | None = None
    table: pd.DataFrame | None = None
    embedding: npt.NDArray[np.float32] | None = None
    run: dict[str, str] = field(default_factory=dict)


def saved_clusters(folder: Path, saved: SavedResult) -> Clusters:
    """The clusters of a result folder."""
    run = {name: json.dumps(saved.run.get(name)) for name in ("config", "versions", "weights", "input")}
    try:
        table = pd.read_csv(folder / CLUSTERS)
        embedding = np.load(folder / EMBEDDING, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FileFormatError(
            f"a file of the result is missing or damaged ({error})",
            fix="run the clustering again",
            path=folder,
        ) from error
    means, dominant = saved.mean_images.pixels, saved.dominant_map.pixels
    return Clusters(saved.ions, np.asarray(dominant), np.asarray(means), table, embedding, run)


def write_anndata(path: Path, images: IonImages, clusters: Clusters | None = None) -> Path:
    """Write an .h5ad file or a .zarr folder; it appears whole or not at all.

    obs are the pixels, with their place in um in obsm["spatial"] (x, y); var are the ions with the ion
    table; X are the intensities; uns["clusters"] is the table of clusters.

    Raises
    ------
    InputError
        anndata is not installed, the name ends otherwise, or the clusters are of other ions or pixels.
    OutputError
        It cannot be written; an earlier file is as it was.
    """
    if path.suffix not in (".h5ad", ".zarr"):
        raise InputError("no name of an AnnData file", fix="let it end with .h5ad or .zarr", path=path)
    table = _as_anndata(path, images, clusters)
    if path.suffix == ".h5ad":
        with whole_file(path) as part:
            table.write_h5ad(part)
        return path
    marker = next((name for name in _MARKERS if (path / name).exists()), _MARKERS[0])
    import dask

    # one chunk after the other: after a fault, none is still on its way to the folder
    chunks = (min(_PIXELS_PER_BLOCK, table.n_obs), table.n_vars)
    with whole_folder(path, FolderKind(_NAMES, marker)) as folder, dask.config.set(scheduler="synchronous"):
        table.write_zarr(folder, chunks=chunks)
    return path


def _as_anndata(path: Path, images: IonImages, clusters: Clusters | None) -> AnnData:
    try:
        from anndata import AnnData
    except ImportError as error:
        raise InputError(
            "AnnData needs anndata", fix="install napari-msiclust[anndata]", path=path
        ) from error
    import dask.array as da

    ions = ion_table(images) if clusters is None else clusters.ions
    if ions["mz"].tolist() != images.mz.tolist():
        raise InputError("the ion table is of other ions", fix="choose the result of this file", path=path)
    obs, spatial = _pixels(images.grid)
    values = da.from_array(images.values, chunks=(len(images), _PIXELS_PER_BLOCK))  # type: ignore[no-untyped-call]
    table = AnnData(X=values.T, obs=obs, var=_ions(ions), obsm={"spatial": spatial})
    table.uns["pixel_size_um"] = np.array(images.grid.physical_pixel_size_um or (), dtype=float)
    if clusters is None:
        return table
    if clusters.dominant_map is not None:
        table.obs["dominant_cluster"] = pd.Categorical(
            _at_pixels(path, images.grid, clusters.dominant_map).astype(str)
        )
    if clusters.mean_images is not None:
        table.obsm["mean_ion_images"] = _at_pixels(path, images.grid, clusters.mean_images).T
    if clusters.table is not None:
        table.uns["clusters"] = clusters.table.set_axis(clusters.table.index.astype(str))
    if clusters.embedding is not None and len(clusters.embedding) == len(images):
        table.varm["embedding"] = clusters.embedding
    table.uns["run"] = clusters.run
    return table


def _pixels(grid: PixelGrid) -> tuple[pd.DataFrame, npt.NDArray[np.float64]]:
    """A row per pixel with its 1-based place in the file, and x and y (P, 2) in um."""
    plane, rows, cols = _places(grid)
    table = {"x": cols + grid.origin[1], "y": rows + grid.origin[0], "region": grid.regions}
    if len(grid.planes) > 1:
        table["z"] = np.array(grid.planes)[plane]
    table["on_tissue"] = grid.on_tissue
    names = [f"pixel_{number}" for number in range(len(rows))]
    spatial = np.stack((cols * grid.pixel_size_um[1], rows * grid.pixel_size_um[0]), axis=1)
    return pd.DataFrame(table, index=names), spatial


def _places(grid: PixelGrid) -> tuple[npt.NDArray[np.int64], ...]:
    """Plane, row and column of each pixel."""
    facts = grid.to_dict()
    rows, cols = np.array(facts["rows"]), np.array(facts["cols"])
    return np.array(facts.get("plane", np.zeros(len(rows), int))), rows, cols


def _ions(ions: pd.DataFrame) -> pd.DataFrame:
    """The ion table with a name of its own for each ion."""
    names = [f"{mz:.4f}" for mz in ions["mz"]]
    seen: dict[str, int] = {}
    for number, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        names[number] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return ions.set_axis(names).astype({name: str for name in ions if ions[name].dtype.kind not in "iufb"})


def _at_pixels(path: Path, grid: PixelGrid, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Values (..., P) of images with or without a z axis."""
    plane, rows, cols = _places(grid)
    if image.shape[-2:] != grid.plane_shape:
        raise InputError("the result is of other pixels", fix="choose the result of this file", path=path)
    return image[..., plane, rows, cols] if len(grid.planes) > 1 else image[..., rows, cols]
