from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.exports import run_record
from napari_msiclust.results.overlay import Histology, overlay_pictures
from napari_msiclust.results.report import render_report, with_comparison, with_enrichment

SOURCE = {
    "path": "/data/tissue.imzML",
    "sha256": {"imzml": "a" * 64, "ibd": "b" * 64},
    "tolerance_ppm": 12.5,
    "normalization": "tic",
    "damaged": False,
    "mz": None,
    "findings": [{"severity": "warning", "text": "no <pixel> size; lengths are in pixels"}],
}


class Page(HTMLParser):
    """Elements in order: tag, attributes, and the text below headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: dict[str, str] = {}
        self._heading = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "img", "br", "path", "use", "rect", "line"):
            self.open.append(tag)
        if tag == "h2":
            self._heading = dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words[self._heading] = self.words.get(self._heading, "") + data

    def pictures(self) -> list[int]:
        return [at for at, (tag, _) in enumerate(self.elements) if tag == "img"]


@pytest.fixture(scope="module")
def named(tissue_result: ClusterResult) -> ClusterResult:
    names = [f"lipid {row} <b>" if row < 6 else "" for row in range(len(tissue_result.ions))]
    return replace(tissue_result, ions=tissue_result.ions.assign(annotation=names))


@pytest.fixture(scope="module")
def stain(tissue_result: ClusterResult) -> Histology:
    """A stain of 5 um, on which the ions of 50 um lie turned by 90 degrees and shifted."""
    matrix = np.array([[0, 1.0, 400], [-1, 0, 1600], [0, 0, 1]])
    pixels = np.full((500, 400, 3), 200, np.uint8)
    pixels[:100] = (255, 0, 0)
    return Histology(pixels, (5.0, 5.0), matrix, "H&E", 3.25)


@pytest.fixture(scope="module")
def text(named: ClusterResult, tissue_images: IonImages, stain: Histology) -> str:
    return render_report(named, tissue_images, run_record(named, SOURCE), stain)


def test_every_image_has_a_scale_bar(text: str) -> None:
    page = Page(text)
    assert page.open == []
    assert len(page.pictures()) > 10
    for at in page.pictures():
        tag, settings = page.elements[at + 1]
        assert (tag, settings["class"]) == ("div", "bar")
        assert 1 <= float(re.findall(r"[\d.]+", settings["style"])[0]) <= 25


def test_bars_are_as_long_as_they_say(text: str, tissue_result: ClusterResult) -> None:
    width_um = tissue_result.grid.shape[1] * tissue_result.grid.pixel_size_um[1]
    for percent, length in re.findall(r'width: ([\d.]+)%"></div>([\d.]+) µm(?!;)', text):
        assert float(percent) / 100 * width_um == pytest.approx(float(length), rel=1e-3)
    for percent, length in re.findall(r'width: ([\d.]+)%"></div>([\d.]+) µm;', text):
        assert float(percent) / 100 * 400 * 5 == pytest.approx(float(length), rel=1e-3)


def test_findings_and_how_to_repeat_stand_in_it(text: str) -> None:
    page = Page(text)
    assert "warning: no <pixel> size" in page.words["findings"]
    assert "msiclust replay run.json" in page.words["repeat"]
    assert "tolerance ppm 12.5" in text
    assert "normalization tic" in text
    assert "damaged False" not in text


def test_annotations_are_listed_by_cluster(text: str, named: ClusterResult) -> None:
    words = Page(text).words["annotations"]
    clustered = named.ions.loc[(named.ions["annotation"] != "") & (named.ions["cluster"] > 0)]
    for annotation in clustered["annotation"]:
        assert annotation in words


def test_without_annotations_and_source_it_says_so(
    tissue_result: ClusterResult, tissue_images: IonImages
) -> None:
    bare = replace(tissue_result, provenance={"seconds": {"total": 0.0}})
    page = Page(render_report(bare, tissue_images, run_record(bare, None)))
    assert "No ion in a cluster has an annotation" in page.words["annotations"]
    assert "not looked over" in page.words["findings"]
    assert "msiclust replay" not in page.words["repeat"]
    assert "histology" not in page.words


def test_clusters_lie_where_the_registration_puts_them(
    text: str, named: ClusterResult, stain: Histology
) -> None:
    photograph, blended, width_um = overlay_pictures(named, stain)
    assert width_um == 2000
    covered = (photograph != blended).any(axis=2)
    grid, step = named.grid, 2500 / photograph.shape[0]
    found = named.dominant_cluster_map > 0
    for row, col in [(5, 5), (5, 25), (18, 10), (12, 16)]:
        y, x, _ = stain.matrix @ (row * grid.pixel_size_um[0], col * grid.pixel_size_um[1], 1)
        assert covered[round(y / step), round(x / step)] == found[row, col]
    assert not covered[: int(350 / step)].any()
    (source,) = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="with the clusters', text)
    shown = imread(io.BytesIO(base64.b64decode(source)))
    np.testing.assert_allclose(shown[..., :3], blended, atol=0.005)
    assert "3.2 µm apart" in text or "3.3 µm apart" in text


def test_the_number_of_clusters_is_explained(tissue_result: ClusterResult, tissue_images: IonImages) -> None:
    run = run_record(tissue_result, SOURCE)
    clusters = len(tissue_result.clusters)
    plain = render_report(tissue_result, tissue_images, run)
    assert "Why this number" not in plain
    run["cluster_counts"] = [
        {"clusters": k, "silhouette": 0.5, "stability": 0.5, "eigengap": 0.1, "chosen": k == clusters}
        for k in range(2, 9)
    ]
    run["branch_agreement"] = np.eye(8).tolist()
    ions = tissue_result.ions.assign(branch=np.arange(len(tissue_result.ions)) % 8 + 1)
    tissue_result = replace(tissue_result, ions=ions)
    run["cluster_reason"] = f"{clusters} clusters: largest <silhouette>"
    text = render_report(tissue_result, tissue_images, run)
    assert f"{clusters} clusters: largest &lt;silhouette&gt;." in text
    assert "What would merge and split next" in text
    assert "What would merge and split next" not in render_report(
        tissue_result, tissue_images, run | {"corrections": {"ions": {}, "edits": [{"edit": "Pin"}]}}
    )


def test_it_prints_well(text: str) -> None:
    style = text[text.index("@media print") : text.index("</style>")]
    for rule in ("break-inside: avoid", "max-height: none", "table-header-group", "print-color-adjust"):
        assert rule in style
    assert "@page" in text
    assert "beforeprint" in text  # what is folded is printed, too


def test_enrichment_is_put_in_and_replaced(text: str) -> None:
    table = pd.DataFrame(
        {
            "cluster": [1, 2], "kind": ["class", "class"], "set": ["PC <1>", "PE"], "in_cluster": [5, 1],
            "in_all": [6, 6], "fold": [4.0, 0.5], "p": [0.001, 0.9], "q": [0.002, 0.9],
        }
    )  # fmt: skip
    once = with_enrichment(text, table)
    assert "PC <1>" in Page(once).words["enrichment"]
    assert "PE" not in Page(once).words["enrichment"]
    assert "1 of 2 sets" in Page(once).words["enrichment"]
    assert with_enrichment(once, table) == once
    both = with_comparison(once, "<p>others</p>")
    assert "<p>others</p>" in both
    assert "PC &lt;1&gt;" in both


def test_the_command_puts_enrichment_into_the_report(
    tissue_images: IonImages, named: ClusterResult, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from napari_msiclust.cli import app
    from napari_msiclust.results.exports import write_result

    out = write_result(named, tissue_images, tmp_path / "result", SOURCE)
    classes = pd.DataFrame({"mz": named.ions["mz"], "name": "x", "class": "PC", "formula": "C5H9"})
    classes.to_csv(tmp_path / "list.csv", index=False)
    done = CliRunner().invoke(app, ["enrich", str(out), str(tmp_path / "list.csv")])
    assert done.exit_code == 0, done.output
    assert 'id="enrichment"' in (out / "report.html").read_text(encoding="utf-8")
