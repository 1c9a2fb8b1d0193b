"""A result as a folder of files, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import safetensors.numpy

from napari_msiclust.errors import FileFormatError
from napari_msiclust.learning.ion_clustering import Embedding
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.provenance import TISSUE
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.colors import color_names_of
from napari_msiclust.results.folder import FolderKind, whole_folder
from napari_msiclust.results.ome_tiff import read_ome_tiff, write_ome_tiff
from napari_msiclust.results.scaled_image import ScaledImage

if TYPE_CHECKING:
    from napari_msiclust.results.overlay import Histology

IONS, CLUSTERS = "ions.csv", "clusters.csv"
MEAN_IMAGES, DOMINANT_MAP = "mean_ion_images.ome.tif", "dominant_cluster.ome.tif"
EMBEDDING, NETWORK = "embedding.npy", "network.safetensors"
RUN, REPORT, OVERVIEW = "run.json", "report.html", "overview.png"
BENCHMARK, ENRICHMENT = "benchmark.json", "enrichment.csv"  # added to a result later
# Entries of run.json that come from other parts of a result than its provenance.
RUN_FACTS = frozenset({"config", "seed", "input", "evidence", "pixels", "clusters", "ions"})
RESULT = FolderKind(
    frozenset({IONS, CLUSTERS, MEAN_IMAGES, DOMINANT_MAP, EMBEDDING, NETWORK, RUN, REPORT, OVERVIEW})
    | {BENCHMARK, ENRICHMENT, TISSUE},
    marker=RUN,
)
_OPTIONAL_NUMBERS = frozenset(
    {"isotope_of", "mobility", "structure_z", "tissue_contrast", "duplicate_of"}
)  # empty where there is none
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if pd.__version__ < "3" else {}  # 3 always is
ION_IMAGES = FolderKind(frozenset({"values.npy", "mz.npy", "ions.csv", "grid.json"}), marker="grid.json")


def mean_images_tiff(result: ClusterResult) -> ScaledImage:
    """Mean ion images as a stack with one channel per cluster; z planes lie one above the other."""
    return ScaledImage(
        result.grid.unfold(result.mean_images),
        result.grid.physical_pixel_size_um,
        "mean ion images",
        tuple(f"cluster {number}" for number in result.clusters["cluster"]),
        colors=tuple(color_names_of(result.clusters)),
        deep=len(result.grid.planes) > 1,
    )


def dominant_map_tiff(result: ClusterResult) -> ScaledImage:
    """The dominant cluster map as labels; z planes lie one above the other."""
    return ScaledImage(
        result.grid.unfold(result.dominant_cluster_map),
        result.grid.physical_pixel_size_um,
        "dominant cluster map",
        kind="labels",
        extra={"features": result.clusters.to_dict("list")},
        deep=len(result.grid.planes) > 1,
    )


def write_result(
    result: ClusterResult,
    images: IonImages,
    out: str | Path,
    source: dict[str, Any] | None = None,
    histology: Histology | None = None,
) -> Path:
    """Write a result folder; it appears whole or not at all.

    Parameters
    ----------
    result : ClusterResult
    images : IonImages
        The ion images it was made from, for the report's thumbnails.
    out : path
        A new or empty folder, or one that holds nothing but an earlier result, which is replaced.
    source : dict, optional
        Where the ion images came from (`describe_source`), for run.json and the report.
    histology : Histology, optional
        What the result is registered to, for the report.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    from napari_msiclust.results.overview import write_overview  # both need matplotlib, which takes
    from napari_msiclust.results.report import render_report  # half a second to import

    out = Path(out)
    run = run_record(result, source)
    with whole_folder(out, RESULT) as folder:
        result.ions.to_csv(folder / IONS, index=False, lineterminator="\n")
        result.clusters.to_csv(folder / CLUSTERS, index=False, lineterminator="\n")
        write_ome_tiff(folder / MEAN_IMAGES, mean_images_tiff(result))
        write_ome_tiff(folder / DOMINANT_MAP, dominant_map_tiff(result))
        write_overview(folder / OVERVIEW, result)
        np.save(folder / EMBEDDING, embedding_of_all(result))
        if result.embedding.network:
            safetensors.numpy.save_file(dict(result.embedding.network), folder / NETWORK)
        if "tissue_mask" in run:
            np.save(folder / TISSUE, result.grid.on_tissue)
        (folder / RUN).write_text(json.dumps(run, indent=1), encoding="utf-8")
        (folder / REPORT).write_text(render_report(result, images, run, histology), encoding="utf-8")
    return out


def embedding_of_all(result: ClusterResult) -> npt.NDArray[np.float32]:
    """Features of all N ions; NaN for those that the network did not see."""
    features = result.embedding.features
    rows = np.full((len(result.ions), features.shape[1]), np.nan, np.float32)
    rows[result.embedded] = features
    return rows


def run_record(result: ClusterResult, source: dict[str, Any] | None) -> dict[str, Any]:
    """The content of run.json: all that is needed to repeat and to judge a run."""
    return {
        "config": result.config.model_dump(mode="json"),
        "seed": result.config.seed,
        "input": source,
        **result.provenance,
        "evidence": result.evidence.to_dict(),
        "pixels": {"acquired": len(result.grid.rows), "on_tissue": int(result.grid.mask.sum())},
        "clusters": len(result.clusters),
        "ions": len(result.ions),
    }


def describe_source(imzml: Path, ibd: Path, **settings: Any) -> dict[str, Any]:
    """Path, hashes and settings of the ion images of a file, as plain JSON values."""
    return {
        "path": str(imzml.resolve()),
        "sha256": {"imzml": _sha256(imzml), "ibd": _sha256(ibd)},
        **settings,
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_ion_images(images: IonImages, out: str | Path) -> Path:
    """Write values.npy (N, P), mz.npy (N,), ions.csv and grid.json as a folder, whole or not at all."""
    out = Path(out)
    with whole_folder(out, ION_IMAGES) as folder:
        np.save(folder / "values.npy", images.values)
        np.save(folder / "mz.npy", images.mz)
        ions = pd.concat([pd.DataFrame({"mz": images.mz, "name": images.names}), images.columns], axis=1)
        ions.to_csv(folder / "ions.csv", index=False, lineterminator="\n")
        (folder / "grid.json").write_text(json.dumps(images.grid.to_dict()), encoding="utf-8")
    return out


@dataclass(frozen=True, eq=False)
class SavedResult:
    """What a result folder holds for looking at: images with scale, tables, the run.

    `embedding` is what the network made of the ions, with their rows; None where it is missing. `tissue` is
    which pixels (P,) are on the tissue, in the order of the file; None unless that was given.
    """

    mean_images: ScaledImage
    dominant_map: ScaledImage
    ions: pd.DataFrame
    run: dict[str, Any]
    embedding: tuple[Embedding, npt.NDArray[np.intp]] | None = None
    tissue: npt.NDArray[np.bool_] | None = None

    @property
    def provenance(self) -> dict[str, Any]:
        """What the run was, without what is said elsewhere (`ClusterResult.provenance`)."""
        return {name: value for name, value in self.run.items() if name not in RUN_FACTS}

    @property
    def source(self) -> str:
        """Path of the file that the ions came from; empty if unknown."""
        return str((self.run.get("input") or {}).get("path", ""))

    def with_table(self, image: ScaledImage) -> ScaledImage:
        """An image of the result together with the ion table."""
        return replace(image, ions=self.ions, source=self.source)


def is_result_folder(path: Path) -> bool:
    """Whether a folder holds a result of this package."""
    return (path / RUN).is_file() and (path / IONS).is_file()


def read_result(path: Path) -> SavedResult:
    """Read a result folder.

    Raises
    ------
    FileFormatError
        A file of it is missing or damaged.
    """
    try:
        run = json.loads((path / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileFormatError(
            "missing or damaged", fix="run the clustering again", path=path / RUN
        ) from error
    embedding = None
    if (path / EMBEDDING).exists():
        embedding = read_embedding(path, run)
    return SavedResult(
        read_ome_tiff(path / MEAN_IMAGES),
        read_ome_tiff(path / DOMINANT_MAP),
        read_ion_table(path / IONS),
        run,
        embedding,
        read_tissue(path, run),
    )


def read_clusters(path: Path) -> pd.DataFrame:
    """The cluster table of a result folder.

    Raises
    ------
    FileFormatError
        It is missing or damaged.
    """
    try:
        table = pd.read_csv(path / CLUSTERS, keep_default_na=False)
        table["cluster"] = table["cluster"].astype(int)
        if table.empty:
            raise ValueError("no cluster")
    except (OSError, KeyError, ValueError) as error:
        raise FileFormatError(
            "missing or damaged", fix="run the clustering again", path=path / CLUSTERS
        ) from error
    return table


def read_embedding(path: Path, run: dict[str, Any]) -> tuple[Embedding, npt.NDArray[np.intp]]:
    """What the network of a result folder made of its ions, and their rows in the ion table.

    Parameters
    ----------
    run : dict
        The content of run.json.

    Raises
    ------
    FileFormatError
        A file is damaged, or the embedding is missing.
    """
    try:
        features = np.load(path / EMBEDDING, allow_pickle=False)
        seen = np.flatnonzero(np.isfinite(features).all(axis=1))
    except (OSError, ValueError, TypeError) as error:
        raise FileFormatError(
            "missing or damaged", fix="run the clustering again", path=path / EMBEDDING
        ) from error
    network: dict[str, npt.NDArray[Any]] = {}
    if (path / NETWORK).exists():
        try:
            network = safetensors.numpy.load_file(path / NETWORK)
        except (OSError, safetensors.SafetensorError) as error:
            raise FileFormatError("damaged", fix="run the clustering again", path=path / NETWORK) from error
    weights = run.get("weights", {})
    encoder = str(run.get("config", {}).get("encoder", ""))
    embedding = Embedding(
        features[seen], encoder, str(weights.get("origin", "")), str(weights.get("sha256", "")), network
    )
    return embedding, seen


def read_tissue(path: Path, run: Mapping[str, Any]) -> npt.NDArray[np.bool_] | None:
    """Which pixels (P,) of a result folder are on the tissue; None where no mask was given.

    Parameters
    ----------
    run : mapping
        The content of run.json.

    Raises
    ------
    FileFormatError
        The mask that run.json names is missing, damaged, or of other pixels.
    """
    if "tissue_mask" not in run:
        return None
    fix = "put the file back that was saved with the result, or run the clustering again"
    try:
        tissue: npt.NDArray[np.bool_] = np.load(path / TISSUE, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileFormatError("missing or damaged", fix=fix, path=path / TISSUE) from error
    acquired = (run.get("pixels") or {}).get("acquired")
    if tissue.dtype != bool or tissue.shape != (acquired,) or not tissue.any():
        raise FileFormatError(
            f"no tissue mask of the {acquired} pixels of the run", fix=fix, path=path / TISSUE
        )
    return tissue


def read_ion_table(path: Path, source: IO[bytes] | None = None) -> pd.DataFrame:
    """Read an ions.csv.

    Parameters
    ----------
    source : stream, optional
        Where its text comes from, if not from the path itself.

    Raises
    ------
    FileFormatError
        It is missing, damaged, or has no columns mz and cluster.
    """
    try:
        table: pd.DataFrame = pd.read_csv(path if source is None else source, keep_default_na=False, **_EXACT)
        numbers: npt.NDArray[np.float64] = table[["mz", "cluster"]].to_numpy(dtype=np.float64)
        if not np.isfinite(numbers).all():
            raise ValueError("a number is missing")
        for name in _OPTIONAL_NUMBERS.intersection(table.columns):
            table[name] = pd.to_numeric(table[name], errors="coerce")
    except (OSError, KeyError, ValueError) as error:
        raise FileFormatError(
            "not an ion table", fix="give a table with mz and cluster", path=path
        ) from error
    return table
