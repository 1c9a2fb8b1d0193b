from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.provenance import TISSUE
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import (
    BENCHMARK,
    ENRICHMENT,
    RESULT,
    describe_source,
    is_result_folder,
    read_ion_table,
    read_result,
    write_ion_images,
    write_result,
)


@pytest.fixture(scope="module")
def folder(
    tissue_result: ClusterResult,
    tissue_images: IonImages,
    tissue: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    source = describe_source(tissue, tissue.with_suffix(".ibd"), tolerance_ppm=20.0)
    return write_result(tissue_result, tissue_images, tmp_path_factory.mktemp("out") / "result", source)


def test_the_folder_holds_what_is_promised(folder: Path, tissue_result: ClusterResult) -> None:
    assert {entry.name for entry in folder.iterdir()} == RESULT.files - {BENCHMARK, ENRICHMENT, TISSUE}
    assert is_result_folder(folder)
    ions = pd.read_csv(folder / "ions.csv", keep_default_na=False)
    assert ions["cluster"].tolist() == tissue_result.ions["cluster"].tolist()
    embedding = np.load(folder / "embedding.npy")
    np.testing.assert_array_equal(embedding[tissue_result.embedded], tissue_result.embedding.features)
    assert np.isnan(np.delete(embedding, tissue_result.embedded, axis=0)).all()


def test_the_run_can_be_judged_and_repeated(folder: Path, tissue_result: ClusterResult, tissue: Path) -> None:
    run = json.loads((folder / "run.json").read_text())
    assert ClusterConfig.model_validate(run["config"]) == tissue_result.config
    assert run["input"]["path"] == str(tissue)
    assert len(run["input"]["sha256"]["ibd"]) == 64
    for key in ("seed", "weights", "versions", "seconds", "peak_memory_bytes", "evidence", "device"):
        assert key in run


def test_a_result_comes_back(folder: Path, tissue_result: ClusterResult) -> None:
    saved = read_result(folder)
    np.testing.assert_array_equal(saved.mean_images.pixels, tissue_result.mean_images)
    np.testing.assert_array_equal(saved.dominant_map.pixels, tissue_result.dominant_cluster_map)
    assert saved.dominant_map.kind == "labels"
    assert saved.dominant_map.pixel_size_um == tissue_result.grid.pixel_size_um
    pd.testing.assert_frame_equal(saved.ions, tissue_result.ions)


class _Pictures(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_report_is_one_file_with_every_cluster(folder: Path, tissue_result: ClusterResult) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = _Pictures()
    page.feed(text)
    pictures = [source for source in page.sources if source.startswith("data:image/png;base64,")]
    foreign = [source for source in page.sources if not source.startswith(("data:", "#"))]
    assert foreign == []
    assert "link" not in page.tags
    count = len(tissue_result.clusters)
    assert len(pictures) == 1 + count + sum(min(8, size) for size in tissue_result.clusters["ions"])
    assert len(re.findall(r'id="cluster-\d+"', text)) == count
    assert text.count("<tr>") >= len(tissue_result.ions)
    assert "contrastive training" in text
    assert re.search("50 . 50 µm", text)


def test_names_in_the_report_cannot_inject_html(
    tissue_result: ClusterResult, tissue_images: IonImages, tmp_path: Path
) -> None:
    names = ("<script>alert(1)</script>", *[""] * (len(tissue_images) - 1))
    images = IonImages(tissue_images.mz, tissue_images.values, tissue_images.grid, names)
    cluster = tissue_result.ions["cluster"].iloc[0]
    assert 0 in tissue_result.members(cluster)[:8]
    report = write_result(tissue_result, images, tmp_path / "r") / "report.html"
    assert "<script>alert(1)" not in report.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in report.read_text(encoding="utf-8")


def test_extracted_images_are_plain_arrays(tissue_images: IonImages, tmp_path: Path) -> None:
    out = write_ion_images(tissue_images, tmp_path / "images")
    np.testing.assert_array_equal(np.load(out / "values.npy"), tissue_images.values)
    np.testing.assert_array_equal(np.load(out / "mz.npy"), tissue_images.mz)
    assert json.loads((out / "grid.json").read_text())["shape"] == list(tissue_images.grid.shape)


def test_damaged_results_are_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ions.csv").write_text("mz,cluster\n1,\n")
    with pytest.raises(FileFormatError, match="not an ion table"):
        read_ion_table(tmp_path / "ions.csv")
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"run.json: missing or damaged"):
        read_result(tmp_path)
