from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from napari_msiclust.cli import app
from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.spatial import morans_i
from napari_msiclust.pipeline import cluster_ions
from napari_msiclust.provenance import TISSUE
from napari_msiclust.reading import ReadingSettings
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.corrections import History, replay
from napari_msiclust.results.edits import Move, Rename, SetAside
from napari_msiclust.results.exports import describe_source, read_result, write_result
from napari_msiclust.results.ion_basis import IonBasis

QUICK = ["--preset", "fast", "--epochs", "1", "--clusters", "4", "--device", "cpu"]

Msiclust = Callable[..., Result]


@pytest.fixture(scope="module")
def msiclust() -> Msiclust:
    runner = CliRunner()

    def run(*arguments: object) -> Result:
        return runner.invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="module")
def mz_list(tissue: Path, tissue_images: IonImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("list") / "mz.csv"
    pd.DataFrame({"mz": tissue_images.mz[2:], "name": "x"}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def result(tissue: Path, mz_list: Path, msiclust: Msiclust, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with no reading option at its default that makes a difference here."""
    out = tmp_path_factory.mktemp("replayed") / "result"
    options = ["--mz", mz_list, "--tolerance-ppm", 35, "--normalization", "rms", "--min-structure", 0.01]
    done = msiclust("cluster", tissue, "--out", out, "--seed", 5, *options, *QUICK)
    assert done.exit_code == 0, done.output
    return out


def assert_refused(done: Result, *said: str) -> None:
    assert done.exit_code == 2, done.output
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for words in said:
        assert words in done.stderr


def test_a_run_is_repeated_identically(result: Path, msiclust: Msiclust, run_in: Path) -> None:
    done = msiclust("replay", result / "run.json", "--out", run_in / "again")
    assert done.exit_code == 0, done.output
    assert "identical" in done.stdout
    assert (run_in / "again" / "ions.csv").read_bytes() == (result / "ions.csv").read_bytes()
    runs = [json.loads((folder / "run.json").read_text()) for folder in (result, run_in / "again")]
    assert runs[0]["input"] == runs[1]["input"]
    assert runs[0]["config"] == runs[1]["config"]


def test_another_outcome_is_told(result: Path, msiclust: Msiclust, tmp_path: Path) -> None:
    shutil.copy(result / "run.json", tmp_path)
    table = pd.read_csv(result / "ions.csv", keep_default_na=False)
    table.loc[3, "cluster"] += 1
    table.to_csv(tmp_path / "ions.csv", index=False, lineterminator="\n")
    done = msiclust("replay", tmp_path / "run.json")
    assert done.exit_code == 1
    assert f"different: cluster: differs for 1 of {len(table)} ions" in done.stdout


def test_moved_data_are_found_with_an_option(
    result: Path, tissue: Path, mz_list: Path, msiclust: Msiclust, tmp_path: Path
) -> None:
    shutil.copytree(result, tmp_path / "result")
    run = json.loads((result / "run.json").read_text())
    run["input"] |= {"path": str(tmp_path / "gone.imzML"), "mz": str(tmp_path / "gone.csv")}
    (tmp_path / "result" / "run.json").write_text(json.dumps(run))
    record = tmp_path / "result" / "run.json"
    assert_refused(msiclust("replay", record), "gone.imzML", "--file")
    for suffix in (".imzML", ".ibd"):
        shutil.copy(tissue.with_suffix(suffix), tmp_path / f"moved{suffix}")
    assert_refused(msiclust("replay", record, "--file", tmp_path / "moved.imzML"), "gone.csv", "--mz")
    done = msiclust("replay", record, "--file", tmp_path / "moved.imzML", "--mz", mz_list)
    assert done.exit_code == 0, done.output
    assert "identical" in done.stdout


def test_other_data_are_refused(result: Path, tissue: Path, msiclust: Msiclust, tmp_path: Path) -> None:
    for suffix in (".imzML", ".ibd"):
        shutil.copy(tissue.with_suffix(suffix), tmp_path / f"other{suffix}")
    with (tmp_path / "other.ibd").open("r+b") as stream:
        stream.seek(5000)
        byte = stream.read(1)
        stream.seek(5000)
        stream.write(bytes([byte[0] ^ 1]))
    done = msiclust("replay", result / "run.json", "--file", tmp_path / "other.imzML")
    assert_refused(done, "other.ibd", "SHA-256 differs")


def test_another_list_of_mz_is_refused(result: Path, msiclust: Msiclust, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("mz\n500\n")
    done = msiclust("replay", result / "run.json", "--mz", tmp_path / "other.csv")
    assert_refused(done, "other.csv", "not the m/z list of that run")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "not the record"),
        ('{"config": {}}', "which data"),
        ('{"config": {"seed": "x"}, "input": {"path": "/", "sha256": {}}}', "seed"),
        ('{"config": {}, "input": {"path": "/", "sha256": {}, "max_peaks": []}}', "max_peaks"),
    ],
)
def test_a_faulty_record_is_one_line(text: str, said: str, msiclust: Msiclust, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    assert_refused(msiclust("replay", tmp_path / "run.json"), said)


def test_a_missing_record_and_the_result_itself_are_refused(result: Path, msiclust: Msiclust) -> None:
    assert_refused(msiclust("replay", result / "absent.json"), "no such file")
    assert_refused(msiclust("replay", result / "run.json", "--out", result), "the result itself")


def test_corrections_are_repeated_too(
    tissue: Path,
    tissue_images: IonImages,
    tissue_result: ClusterResult,
    msiclust: Msiclust,
    tmp_path: Path,
) -> None:
    history = History.begin(tissue_result, IonBasis.of(tissue_result, tissue_images))
    target = int(tissue_result.ions["cluster"].iloc[-1]) or 1
    history = replay(history, [Move((0, 1), target), Rename(target, "tubules"), SetAside((2,))])
    source = describe_source(tissue, tissue.with_suffix(".ibd"), **ReadingSettings().settings())
    out = write_result(history.with_evidence(), tissue_images, tmp_path / "result", source)
    done = msiclust("replay", out / "run.json", "--out", tmp_path / "again")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "again" / "clusters.csv").read_bytes() == (out / "clusters.csv").read_bytes()


@pytest.fixture(scope="module")
def masked(
    tissue: Path,
    tissue_images: IonImages,
    tiny_config: ClusterConfig,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A result on a tissue that was given: the left half."""
    mask = tissue_images.grid.acquired
    mask[:, mask.shape[1] // 2 :] = False
    images = tissue_images.with_mask(mask)
    result = cluster_ions(images, tiny_config.model_copy(update={"tissue": "acquired"}))
    source = describe_source(tissue, tissue.with_suffix(".ibd"), **ReadingSettings().settings())
    return write_result(result, images, tmp_path_factory.mktemp("masked") / "result", source)


def test_the_tissue_that_was_given_is_kept(masked: Path, msiclust: Msiclust, tmp_path: Path) -> None:
    run = json.loads((masked / "run.json").read_text())
    assert run["tissue_mask"] == TISSUE
    assert np.load(masked / TISSUE).sum() == run["pixels"]["on_tissue"] < run["pixels"]["acquired"]
    assert TISSUE in (masked / "report.html").read_text()
    done = msiclust("replay", masked / "run.json", "--out", tmp_path / "again")
    assert done.exit_code == 0, done.output
    assert "identical" in done.stdout
    again = json.loads((tmp_path / "again" / "run.json").read_text())
    assert again["pixels"] == run["pixels"]
    assert (tmp_path / "again" / TISSUE).read_bytes() == (masked / TISSUE).read_bytes()


def test_no_other_tissue_is_kept(result: Path) -> None:
    assert "tissue_mask" not in json.loads((result / "run.json").read_text())
    assert not (result / TISSUE).exists()


def test_a_tissue_mask_that_is_gone_or_of_other_pixels_is_refused(
    masked: Path, msiclust: Msiclust, tmp_path: Path
) -> None:
    shutil.copytree(masked, tmp_path / "result")
    record, mask = tmp_path / "result" / "run.json", tmp_path / "result" / TISSUE
    whole = np.load(mask)
    for faulty in (whole[1:], whole.astype(float), np.zeros_like(whole)):
        np.save(mask, faulty)
        assert_refused(msiclust("replay", record), TISSUE, "no tissue mask of the", "put the file back")
        with pytest.raises(FileFormatError, match="no tissue mask"):
            read_result(record.parent)
    mask.write_bytes(b"")
    assert_refused(msiclust("replay", record), TISSUE, "missing or damaged")
    mask.unlink()
    assert_refused(msiclust("replay", record), TISSUE, "missing or damaged")


def test_every_reading_option_survives_the_record(mz_list: Path) -> None:
    unusual = ReadingSettings(mz_list, 3.5, 0.2, "median", "negative", 77, 0.25, 0.125, True)
    usual = ReadingSettings()
    assert all(getattr(unusual, one.name) != getattr(usual, one.name) for one in fields(usual))
    for settings in (unusual, usual):
        record = json.loads(json.dumps({"path": "a", **settings.settings()}))
        assert ReadingSettings.from_record(record) == settings


def test_a_garbled_reading_option_is_named(mz_list: Path) -> None:
    with pytest.raises(InputError, match="normalization"):
        ReadingSettings.from_record({"normalization": "loud"})
    with pytest.raises(FileFormatError, match="--mz"):
        ReadingSettings.from_record({"mz": "absent.csv", "mz_sha256": "0"})


def test_an_assignment_is_repeated_too(
    result: Path, tissue: Path, mz_list: Path, msiclust: Msiclust, tmp_path: Path
) -> None:
    done = msiclust("assign", result, tissue, "--mz", mz_list, "--out", tmp_path / "assigned")
    assert done.exit_code == 0, done.output
    done = msiclust("replay", tmp_path / "assigned" / "run.json")
    assert done.exit_code == 0, done.output
    assert "identical" in done.stdout


def _assigned(folder: Path) -> tuple[list[int], dict[str, object]]:
    """Clusters of an assignment, and how its data were read."""
    return pd.read_csv(folder / "ions.csv")["cluster"].tolist(), json.loads(
        (folder / "run.json").read_text()
    )["input"]


def test_a_section_is_read_as_the_result_was(
    result: Path, tissue: Path, msiclust: Msiclust, tmp_path: Path
) -> None:
    done = msiclust("assign", result, tissue, "--out", tmp_path / "a")
    assert done.exit_code == 0, done.output
    labels, source = _assigned(tmp_path / "a")
    assert source == json.loads((result / "run.json").read_text())["input"]
    (told,) = [line for line in done.stdout.splitlines() if "read as the result was" in line]
    for words in ("m/z list mz.csv", "tolerance 35 ppm", "normalization rms", "min structure 0.01"):
        assert words in told
    assert "max peaks" not in told
    assert "warning: read" not in done.stdout
    options = ["--normalization", "none", "--tolerance-da", 0.2]
    done = msiclust("assign", result, tissue, "--out", tmp_path / "b", *options)
    assert done.exit_code == 0, done.output
    others, source = _assigned(tmp_path / "b")
    assert (source["normalization"], source["tolerance_ppm"], source["tolerance_da"]) == ("none", None, 0.2)
    assert others != labels
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("warning: read")]
    assert told.endswith("tolerance 0.2 Da, not 35 ppm; normalization none, not rms")


def test_a_list_of_mz_that_is_gone_or_another_one_is_told(
    result: Path, tissue: Path, tissue_images: IonImages, msiclust: Msiclust, tmp_path: Path
) -> None:
    moved = shutil.copytree(result, tmp_path / "result")
    run = json.loads((result / "run.json").read_text())
    run["input"]["mz"] = str(tmp_path / "gone.csv")
    (moved / "run.json").write_text(json.dumps(run))
    assert_refused(msiclust("assign", moved, tissue, "--out", tmp_path / "a"), "gone.csv", "--mz")
    pd.DataFrame({"mz": tissue_images.mz[1:]}).to_csv(tmp_path / "other.csv", index=False)
    done = msiclust("assign", moved, tissue, "--mz", tmp_path / "other.csv", "--out", tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert "warning: read otherwise than the result: m/z list other.csv" in done.stdout


def test_options_that_are_those_of_the_result_are_no_warning(
    tissue: Path,
    tissue_images: IonImages,
    tissue_result: ClusterResult,
    msiclust: Msiclust,
    tmp_path: Path,
) -> None:
    source = describe_source(tissue, tissue.with_suffix(".ibd"), **ReadingSettings().settings())
    out = write_result(tissue_result, tissue_images, tmp_path / "plain", source)
    done = msiclust("assign", out, tissue, "--tolerance-ppm", 20, "--out", tmp_path / "a")
    assert done.exit_code == 0, done.output
    assert "read as the result" not in done.stdout
    assert "read otherwise" not in done.stdout
    silent = write_result(tissue_result, tissue_images, tmp_path / "silent")
    done = msiclust("assign", silent, tissue, "--out", tmp_path / "b")
    assert "does not say how its data were read" in done.stdout


def test_ions_that_are_left_out_for_their_structure_are_told(
    tissue: Path, tissue_images: IonImages, msiclust: Msiclust, tmp_path: Path
) -> None:
    least = float(np.median(morans_i(tissue_images.values, tissue_images.grid)))
    options = [tissue, "--min-structure", least]
    done = msiclust("extract", *options, "--out", tmp_path / "images")
    assert done.exit_code == 0, done.output
    told = f"{len(tissue_images) // 2} of {len(tissue_images)} ion images have a Moran's I under"
    assert f"note: {told}" in done.stdout
    assert "a smaller --min-structure keeps them" in done.stdout
    done = msiclust("cluster", *options, "--out", tmp_path / "result", *QUICK)
    assert done.exit_code == 0, done.output
    assert done.stdout.count(told) == 1
    notes = json.loads((tmp_path / "result" / "run.json").read_text())["notes"]
    assert sum(told in note for note in notes) == 1
    plain = msiclust("extract", tissue, "--out", tmp_path / "all")
    assert "Moran" not in plain.stdout
