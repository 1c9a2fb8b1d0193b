"""Where anndata is not installed, all but the message is skipped (`make readers` has it)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from napari_msiclust.errors import InputError, OutputError
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.anndata_export import Clusters, write_anndata


def _images(deep: bool = False) -> IonImages:
    rng = np.random.default_rng(4)
    places = rng.permutation(200)[:50]
    positions = np.stack((places % 20 + 7, places // 20 + 3, places % 2 + 1 if deep else 0 * places + 1), 1)
    grid = PixelGrid.from_positions(positions.astype(np.int32), (20.0, 10.0))
    mz = np.array([100.5, 200.25, 200.25, 300.125])
    return IonImages(mz, rng.random((4, 50), dtype=np.float32), grid, ("", "PC", "", "ü"))


def _clusters(images: IonImages) -> Clusters:
    ions = pd.DataFrame(
        {
            "mz": images.mz,
            "cluster": [1, 2, 0, 1],
            "confidence": [0.5, 1.0, 0.0, 0.25],
            "isotope_of": [np.nan, 100.5, np.nan, np.nan],
            "annotation": list(images.names),
        }
    )
    means = images.grid.unfold(images.grid.image(images.values[:2]))
    dominant = np.nan_to_num(images.grid.unfold(images.grid.image(np.arange(50) % 3))).astype(np.uint8)
    table = pd.DataFrame({"cluster": [1, 2], "ions": [2, 1]})
    return Clusters(ions, dominant, means, table, np.eye(4, dtype=np.float32), {"weights": "bundled"})


def _check(found: Any, images: IonImages, clusters: Clusters) -> None:
    """AnnData as any program has it."""
    x = found.X.toarray() if hasattr(found.X, "toarray") else np.asarray(found.X)
    np.testing.assert_array_equal(x, images.values.T)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(found.obs["x"], images.grid.cols % 22 + 7)
    np.testing.assert_array_equal(found.obsm["spatial"][:, 1], (found.obs["y"] - 3) * 20.0)
    np.testing.assert_array_equal(found.obsm["spatial"][:, 0], (found.obs["x"] - 7) * 10.0)
    assert list(found.var_names) == ["100.5000", "200.2500", "200.2500 (2)", "300.1250"]
    for name in clusters.ions:
        assert list(found.var[name].astype(object).fillna(-1)) == list(clusters.ions[name].fillna(-1)), name
    assert found.obs["dominant_cluster"].astype(int).tolist() == (np.arange(50) % 3).tolist()
    np.testing.assert_array_equal(found.obsm["mean_ion_images"], images.values[:2].T)
    np.testing.assert_array_equal(found.varm["embedding"], np.eye(4))
    assert found.uns["clusters"]["ions"].tolist() == [2, 1]
    np.testing.assert_array_equal(found.uns["pixel_size_um"], [20.0, 10.0])
    assert found.uns["run"] == {"weights": "bundled"}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("deep", [False, True], ids=["one plane", "two planes"])
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_anndata_finds_the_same(tmp_path: Path, suffix: str, deep: bool) -> None:
    anndata = pytest.importorskip("anndata", reason="anndata wants an earlier pandas; see docs/formats.md")
    images = _images(deep)
    path = write_anndata(tmp_path / f"x.{suffix}", images, _clusters(images))
    found = anndata.read_h5ad(path) if suffix == "h5ad" else anndata.read_zarr(path)
    if deep:
        assert found.obs["z"].tolist() == [images.grid.planes[p] for p in images.grid.to_dict()["plane"]]
    else:
        _check(found, images, _clusters(images))
    np.testing.assert_array_equal(np.asarray(found.obsm["mean_ion_images"]), images.values[:2].T)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    write_anndata(path, images)  # over the earlier one, without clusters
    assert "clusters" not in (anndata.read_h5ad(path) if suffix == "h5ad" else anndata.read_zarr(path)).uns


@pytest.mark.filterwarnings("default")
def test_the_plain_containers_hold_it(tmp_path: Path) -> None:
    pytest.importorskip("anndata", reason="anndata wants an earlier pandas; see docs/formats.md")
    h5py = pytest.importorskip("h5py")
    images = _images()
    with h5py.File(write_anndata(tmp_path / "x.h5ad", images, _clusters(images))) as file:
        np.testing.assert_array_equal(file["X"][...], images.values.T)
        np.testing.assert_array_equal(file["var/mz"][...], images.mz)
    group = zarr.open_group(write_anndata(tmp_path / "x.zarr", images, _clusters(images)), mode="r")
    np.testing.assert_array_equal(group["X"][...], images.values.T)  # type: ignore[index]
    np.testing.assert_array_equal(group["obsm/spatial"][:, 0], images.grid.cols * 10.0)  # type: ignore[index]


@pytest.mark.filterwarnings("default")
def test_what_does_not_belong_together(tmp_path: Path) -> None:
    pytest.importorskip("anndata", reason="anndata wants an earlier pandas; see docs/formats.md")
    images = _images()
    clusters = _clusters(images)
    with pytest.raises(InputError, match="of other ions"):
        write_anndata(tmp_path / "x.h5ad", images, Clusters(clusters.ions.iloc[1:]))
    with pytest.raises(InputError, match="of other pixels"):
        write_anndata(tmp_path / "x.h5ad", images, Clusters(clusters.ions, np.zeros((2, 2))))
    with pytest.raises(OutputError, match="cannot be written"):
        write_anndata(tmp_path / "absent" / "x.h5ad", images)
    assert list(tmp_path.iterdir()) == []


def test_without_anndata_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(InputError, match=r"AnnData needs anndata; install napari-msiclust\[anndata\]"):
        write_anndata(tmp_path / "x.h5ad", _images())
    with pytest.raises(InputError, match=r"let it end with .h5ad or .zarr"):
        write_anndata(tmp_path / "x.csv", _images())
    assert list(tmp_path.iterdir()) == []
