from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from napari_msiclust.errors import InputError, OutputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import read_ion_table
from napari_msiclust.results.ion_table import ion_table, write_ion_table


def test_parquet_keeps_numbers_and_types(tissue_result: ClusterResult, tmp_path: Path) -> None:
    path = write_ion_table(tissue_result.ions, tmp_path / "ions.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(path), tissue_result.ions, check_exact=True)
    arrow = pyarrow.parquet.read_table(path)  # without pandas
    assert arrow.column_names == list(tissue_result.ions.columns)
    assert str(arrow.schema.field("mz").type) == "double"
    np.testing.assert_array_equal(arrow["cluster"].to_numpy(), tissue_result.ions["cluster"])


def test_csv_comes_back(tissue_result: ClusterResult, tmp_path: Path) -> None:
    path = write_ion_table(tissue_result.ions, tmp_path / "ions.csv")
    pd.testing.assert_frame_equal(read_ion_table(path), tissue_result.ions)
    lines = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=(0, 1))  # without pandas
    np.testing.assert_array_equal(lines[:, 0], tissue_result.ions["mz"])
    np.testing.assert_array_equal(lines[:, 1], tissue_result.ions["cluster"])


def test_ions_that_were_not_clustered_have_a_table(tissue_images: IonImages) -> None:
    table = ion_table(tissue_images)
    np.testing.assert_array_equal(table["mz"], tissue_images.mz)
    assert table["name"].tolist() == list(tissue_images.names)


def test_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"mz": [1.0]})
    with pytest.raises(InputError, match="no format of tables"):
        write_ion_table(table, tmp_path / "ions.xlsx")
    for suffix in ("csv", "parquet"):
        with pytest.raises(OutputError, match="cannot be written"):
            write_ion_table(table, tmp_path / "absent" / f"ions.{suffix}")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"Parquet needs pyarrow; install napari-msiclust\[parquet\]"):
        write_ion_table(table, tmp_path / "ions.parquet")
    assert list(tmp_path.iterdir()) == []
