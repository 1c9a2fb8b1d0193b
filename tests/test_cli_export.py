"""`msiclust export`: every format from one result, and what goes wrong."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from matplotlib.image import imread
from typer.testing import CliRunner

from napari_msiclust.cli import app
from napari_msiclust.msi.extract import extract_ion_images
from napari_msiclust.msi.imzml import open_imzml
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import describe_source, read_ion_table, write_result
from napari_msiclust.results.ome_tiff import read_ome_tiff
from napari_msiclust.results.ome_zarr_reading import read_ome_zarr


@pytest.fixture(scope="module")
def folder(
    tissue_result: ClusterResult,
    tissue_images: IonImages,
    tissue: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    source = describe_source(tissue, tissue.with_suffix(".ibd"), normalization="none", mz=None)
    return write_result(tissue_result, tissue_images, tmp_path_factory.mktemp("out") / "result", source)


def _export(*arguments: object) -> Any:
    assert isinstance(app, typer.Typer)
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def _written(folder: Path, form: str, out: Path, *options: object) -> Path:
    done = _export(folder, "--format", form, "--out", out, *options)
    assert done.exit_code == 0, done.output
    assert str(out.parent) in done.stdout.splitlines()[-1]
    return out


def test_tables(folder: Path, tissue_result: ClusterResult, tmp_path: Path) -> None:
    path = _written(folder, "csv", tmp_path / "ions.csv")
    assert path.read_bytes() == (folder / "ions.csv").read_bytes()
    table = pd.read_parquet(_written(folder, "parquet", tmp_path / "ions.parquet"))
    pd.testing.assert_frame_equal(table, read_ion_table(folder / "ions.csv"))


def test_ome_tiff(
    folder: Path, tissue_result: ClusterResult, tissue_images: IonImages, tissue: Path, tmp_path: Path
) -> None:
    means = read_ome_tiff(_written(folder, "ome-tiff", tmp_path / "means.ome.tif"))
    np.testing.assert_array_equal(means.pixels, tissue_result.mean_images)
    assert means.ions is not None
    pd.testing.assert_frame_equal(means.ions, tissue_result.ions)
    assert means.source == str(tissue)
    dominant = read_ome_tiff(_written(folder, "ome-tiff", tmp_path / "map.ome.tif", "--images", "map"))
    np.testing.assert_array_equal(dominant.pixels, tissue_result.dominant_cluster_map)
    ions = read_ome_tiff(_written(folder, "ome-tiff", tmp_path / "ions.ome.tif", "--images", "ions"))
    np.testing.assert_array_equal(ions.pixels, tissue_images.grid.image(tissue_images.values))
    assert ions.channels[3] == f"m/z {tissue_images.mz[3]:.4f}"


@pytest.mark.parametrize("form", ["ome-zarr", "ome-zarr-0.4"])
def test_ome_zarr(
    folder: Path, tissue_result: ClusterResult, tissue_images: IonImages, tmp_path: Path, form: str
) -> None:
    means, dominant = read_ome_zarr(_written(folder, form, tmp_path / "x.ome.zarr"))
    np.testing.assert_array_equal(means.pixels, tissue_result.mean_images)
    np.testing.assert_array_equal(dominant.pixels, tissue_result.dominant_cluster_map)
    assert means.pixel_size_um == dominant.pixel_size_um == tissue_result.grid.pixel_size_um
    assert (tmp_path / "x.ome.zarr" / ("zarr.json" if form == "ome-zarr" else ".zattrs")).exists()
    ions, dominant = read_ome_zarr(_written(folder, form, tmp_path / "x.ome.zarr", "--images", "ions"))
    np.testing.assert_array_equal(ions.pixels, tissue_images.grid.image(tissue_images.values))
    assert dominant.kind == "labels"


def test_imzml(folder: Path, tissue_images: IonImages, tmp_path: Path) -> None:
    with open_imzml(_written(folder, "imzml", tmp_path / "i.imzML", "--images", "ions")) as file:
        again = extract_ion_images(file, cache=False)
    np.testing.assert_array_equal(again.values, tissue_images.values)
    np.testing.assert_array_equal(again.mz, tissue_images.mz)
    with open_imzml(_written(folder, "imzml", tmp_path / "c.imzML")) as file:
        assert extract_ion_images(file, cache=False).mz.tolist() == [1, 2, 3, 4]


def test_pictures(folder: Path, tissue_result: ClusterResult, tmp_path: Path) -> None:
    _written(folder, "png", tmp_path / "tissue.png")
    assert len(list(tmp_path.iterdir())) == len(tissue_result.clusters)
    assert imread(tmp_path / "tissue_cluster_01.png").ndim == 3


@pytest.mark.skipif(
    importlib.util.find_spec("anndata") is None, reason="anndata wants an earlier pandas; see docs/formats.md"
)
@pytest.mark.filterwarnings("default")
def test_anndata(
    folder: Path, tissue_result: ClusterResult, tissue_images: IonImages, tmp_path: Path
) -> None:
    import anndata

    for found in (
        anndata.read_h5ad(_written(folder, "h5ad", tmp_path / "x.h5ad")),
        anndata.read_zarr(_written(folder, "anndata-zarr", tmp_path / "x.zarr")),
    ):
        np.testing.assert_array_equal(np.asarray(found.X), tissue_images.values.T)
        assert found.var["cluster"].tolist() == tissue_result.ions["cluster"].tolist()
        grid = tissue_images.grid
        dominant = tissue_result.dominant_cluster_map[grid.rows, grid.cols]
        assert found.obs["dominant_cluster"].astype(int).tolist() == dominant.tolist()
        assert json.loads(found.uns["run"]["config"])["seed"] == tissue_result.config.seed


def _moved(folder: Path, tmp_path: Path, **source: Any) -> Path:
    """The same result, as if its file were elsewhere."""
    copy = tmp_path / "moved"
    shutil.copytree(folder, copy)
    run = json.loads((copy / "run.json").read_text())
    run["input"] = None if source.pop("unknown", False) else run["input"] | source
    (copy / "run.json").write_text(json.dumps(run))
    return copy


def test_a_file_that_was_moved_can_be_named(
    folder: Path, tissue: Path, tissue_images: IonImages, tmp_path: Path
) -> None:
    for settings in ({"path": str(tmp_path / "gone.imzML")}, {"unknown": True}):
        moved = _moved(folder, tmp_path, **settings)
        done = _export(moved, "--format", "png", "--out", tmp_path / "x.png")
        assert done.exit_code == 2
        assert "give it with --data" in done.stderr
        _written(moved, "imzml", tmp_path / "x.imzML", "--images", "ions", "--data", tissue)
        shutil.rmtree(moved)


def test_the_options_of_the_run_are_taken_again(folder: Path, tmp_path: Path) -> None:
    ions = read_ome_tiff(_written(folder, "ome-tiff", tmp_path / "a.ome.tif", "--images", "ions"))
    scaled = _moved(folder, tmp_path, normalization="tic")
    normalized = read_ome_tiff(_written(scaled, "ome-tiff", tmp_path / "b.ome.tif", "--images", "ions"))
    assert np.nanmax(normalized.pixels) != np.nanmax(ions.pixels)


def test_another_file_is_not_taken(folder: Path, tmp_path: Path, tissue: Path) -> None:
    means = _written(folder, "imzml", tmp_path / "means.imzML")
    done = _export(folder, "--format", "h5ad", "--out", tmp_path / "x.h5ad", "--data", means)
    assert done.exit_code == 2
    assert "gives other ions" in done.stderr
    arguments = ("--format", "imzml", "--images", "ions", "--out", tissue)
    before = tissue.read_bytes()
    assert "is the file that the ions came from" in _export(folder, *arguments).stderr
    assert tissue.read_bytes() == before


@pytest.mark.parametrize(
    ("form", "name", "options", "said"),
    [
        ("csv", "ions.xlsx", (), "let it end with .csv"),
        ("ome-tiff", "x.tif", (), "let it end with .ome.tif or .ome.tiff"),
        ("ome-zarr", "absent/x.zarr", (), "its folder is not there"),
        ("imzml", "x.imzML", ("--images", "map"), "of ome-tiff only"),
        ("ome-zarr", "blocked.zarr", (), "holds other files"),
        ("csv", "folder.csv", (), "cannot be written"),
        ("ome-tiff", "folder.ome.tif", (), "cannot be written"),
        ("imzml", "folder.imzML", (), "cannot be written"),
    ],
)
def test_a_bad_target_is_one_line(
    folder: Path, tmp_path: Path, form: str, name: str, options: tuple[str, ...], said: str
) -> None:
    for blocked in ("blocked.zarr", "folder.csv", "folder.ome.tif", "folder.imzML"):
        (tmp_path / blocked).mkdir()
        (tmp_path / blocked / "mine.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    done = _export(folder, "--format", form, "--out", tmp_path / name, *options)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert said in done.stderr
    assert name.rpartition("/")[2] in done.stderr or options
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []


def test_a_folder_without_a_result(tmp_path: Path) -> None:
    done = _export(tmp_path, "--format", "csv", "--out", tmp_path / "x.csv")
    assert done.exit_code == 2
    assert "holds no result" in done.stderr
