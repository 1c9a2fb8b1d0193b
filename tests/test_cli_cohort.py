from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.imzml_export import write_imzml
from napari_msiclust.study import section_names
from tests.cohorts import without
from tests.test_cli import QUICK, assert_one_line, msiclust


@pytest.fixture
def other(tissue_images: IonImages, tmp_path: Path) -> Path:
    """A second section, twice as bright, that lacks an ion."""
    images = without(tissue_images, [4])
    images = replace(images, values=np.asarray(images.values) * np.float32(2))
    write_imzml(tmp_path / "other.imzML", images)
    return tmp_path / "other.imzML"


def refused(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A cohort that cannot be; nothing may be left."""
    done = msiclust("cohort", *arguments, "--out", tmp_path / "result", *QUICK)
    assert not (tmp_path / "result").exists()
    assert not list(tmp_path.glob(".*"))
    return done


def test_sections_are_clustered_jointly(tissue: Path, other: Path, tmp_path: Path) -> None:
    out = tmp_path / "result"
    done = msiclust("cohort", tissue, other, "--out", out, "--seed", 5, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "2 sections, 24 ions (23 in all sections)" in done.stdout
    table = pd.read_csv(out / "sections.csv")
    one, two = (part["cluster"].tolist() for _, part in table.groupby("section", sort=False))
    assert one == two == pd.read_csv(out / "ions.csv")["cluster"].tolist()
    assert len(pd.read_csv(out / "sections" / "other" / "ions.csv")) == 23
    again = msiclust("cohort", tissue, other, "--out", tmp_path / "again", "--seed", 5, *QUICK)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again" / "sections.csv").read_bytes() == (out / "sections.csv").read_bytes()


def test_it_has_all_options_of_cluster() -> None:
    cluster, cohort = (set(msiclust(name, "--help").stdout.split()) for name in ("cluster", "cohort"))
    options = {word for word in cluster if word.startswith("--")}
    assert len(options) > 15
    assert options <= cohort


def test_one_file_is_no_cohort(tissue: Path, tmp_path: Path) -> None:
    assert_one_line(refused(tmp_path, tissue), "one section is no cohort", "cluster it alone")


def test_the_same_file_twice(tissue: Path, tmp_path: Path) -> None:
    assert_one_line(refused(tmp_path, tissue, tissue), "same data", "give it once")


def test_a_copy_of_a_file(tissue: Path, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    for suffix in (".imzML", ".ibd"):
        shutil.copy(tissue.with_suffix(suffix), copies / f"copy{suffix}")
    assert_one_line(refused(tmp_path, tissue, copies / "copy.imzML"), "copy.imzML", "same data")


def test_a_damaged_file(tissue: Path, other: Path, tmp_path: Path) -> None:
    data = other.with_suffix(".ibd")
    data.write_bytes(data.read_bytes()[:1000])
    assert_one_line(refused(tmp_path, tissue, other), "other.ibd")


def test_a_file_that_is_not_there(tissue: Path, tmp_path: Path) -> None:
    assert_one_line(refused(tmp_path, tissue, tmp_path / "absent.imzML"), "absent.imzML", "no such file")


def test_other_polarity(tissue: Path, tissue_images: IonImages, tmp_path: Path) -> None:
    write_imzml(tmp_path / "negative.imzML", replace(tissue_images, polarity="negative"))
    done = refused(tmp_path, tissue, tmp_path / "negative.imzML")
    assert_one_line(done, "tissue is of positive polarity, negative of negative")


def test_other_pixels(tissue: Path, tissue_images: IonImages, tmp_path: Path) -> None:
    finer = replace(tissue_images, grid=replace(tissue_images.grid, pixel_size_um=(25.0, 25.0)))
    write_imzml(tmp_path / "finer.imzML", finer)
    done = refused(tmp_path, tissue, tmp_path / "finer.imzML")
    assert_one_line(done, "the pixels of tissue are 50 um, of finer 25 um")


def test_no_shared_ion(tissue: Path, tissue_images: IonImages, tmp_path: Path) -> None:
    write_imzml(tmp_path / "apart.imzML", replace(tissue_images, mz=tissue_images.mz + 0.3))
    done = refused(tmp_path, tissue, tmp_path / "apart.imzML")
    assert_one_line(done, "apart shares no ion with tissue within 20 ppm")


def test_a_folder_with_other_files_is_kept(tissue: Path, other: Path, tmp_path: Path) -> None:
    done = msiclust("cohort", tissue, other, "--out", tmp_path, *QUICK)
    assert_one_line(done, "holds other files")


def test_files_of_one_name_are_told_apart() -> None:
    assert section_names([Path("/a/scan.imzML"), Path("/b/scan.imzML"), Path("/b/other.imzML")]) == [
        "a scan",
        "b scan",
        "other",
    ]
