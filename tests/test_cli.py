from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.generated import Recipe, generate

from tests.conftest import WriteImzml

QUICK = ["--preset", "fast", "--epochs", "1", "--clusters", "4", "--device", "cpu"]


def msiclust(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Type a command as a user would."""
    command = [sys.executable, "-m", "napari_msiclust", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def assert_one_line(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for words in said:
        assert words in done.stderr


@pytest.fixture(scope="module")
def result(tissue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "result"
    done = msiclust("cluster", tissue, "--out", out, "--seed", 5, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "report" in done.stdout
    return out


def test_info_tells_facts(tissue: Path) -> None:
    done = msiclust("info", tissue)
    assert done.returncode == 0
    assert "continuous" in done.stdout
    assert "positions were not acquired" in done.stdout


def test_info_as_json(tissue: Path) -> None:
    done = msiclust("info", tissue, "--json")
    report = json.loads(done.stdout)
    assert report["usable"] is True
    assert report["facts"]["pixel_size_um"] == [50.0, 50.0]


def test_info_of_a_broken_file_is_json_too(tmp_path: Path) -> None:
    done = msiclust("info", tmp_path / "absent.imzML", "--json")
    assert_one_line(done, "absent.imzML", "no such file")
    assert json.loads(done.stdout)["usable"] is False


def test_extract_writes_plain_arrays(tissue: Path, run_in: Path) -> None:
    (run_in / "list.csv").write_text("mz\n600\n500\n")
    done = msiclust("extract", tissue, "--mz", run_in / "list.csv", "--out", run_in / "images")
    assert done.returncode == 0, done.stderr
    values = np.load(run_in / "images" / "values.npy")
    assert values.dtype == np.float32
    assert values.shape[0] == 2
    assert np.load(run_in / "images" / "mz.npy").tolist() == [500, 600]
    assert len(json.loads((run_in / "images" / "grid.json").read_text())["rows"]) == values.shape[1]


def test_the_same_seed_gives_the_same_file(result: Path, tissue: Path, tmp_path: Path) -> None:
    done = msiclust("cluster", tissue, "--out", tmp_path / "again", "--seed", 5, *QUICK)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again" / "ions.csv").read_bytes() == (result / "ions.csv").read_bytes()


def test_replacing_a_result_is_said_before_the_work(result: Path, tissue: Path, tmp_path: Path) -> None:
    out = tmp_path / "earlier"
    shutil.copytree(result, out)
    before = (out / "run.json").stat().st_mtime_ns
    done = msiclust("cluster", tissue, "--out", out, "--seed", 6, *QUICK)
    assert done.returncode == 0, done.stderr
    said, *rest = done.stdout.splitlines()
    assert str(out) in said
    assert "holds an earlier result" in said
    assert rest[-1].endswith(f"report: {out / 'report.html'}")
    assert (out / "run.json").stat().st_mtime_ns > before
    first = msiclust("cluster", tissue, "--out", tmp_path / "new", "--seed", 6, *QUICK)
    assert "earlier" not in first.stdout.replace(str(tmp_path), "")


def test_replacing_ion_images_is_said_before_the_work(tissue: Path, tmp_path: Path) -> None:
    first, again = (msiclust("extract", tissue, "--out", tmp_path / "ions") for _ in range(2))
    assert "holds an earlier result" not in first.stdout
    assert again.stdout.startswith(f"note: {tmp_path / 'ions'} holds an earlier result")


def test_evaluate_compares_with_known_classes(result: Path, tissue: Path) -> None:
    truth = tissue.with_name("tissue_classes.csv")
    scores = json.loads(msiclust("evaluate", result / "ions.csv", truth, "--json").stdout)
    assert scores["ions"] == 24
    assert scores["classes"] == 6
    assert 0 < scores["purity"] <= 1
    assert "purity" in msiclust("evaluate", result / "ions.csv", truth).stdout


def test_a_list_names_the_ions(tissue: Path, tmp_path: Path) -> None:
    classes = pd.read_csv(tissue.with_name("tissue_classes.csv"))
    names = classes.assign(name=[f"ion {k}" for k in range(len(classes))])[["mz", "name"]]
    names.to_csv(tmp_path / "list.csv", index=False)
    done = msiclust("cluster", tissue, "--out", tmp_path / "r", "--mz", tmp_path / "list.csv", *QUICK)
    assert done.returncode == 0, done.stderr
    ions = pd.read_csv(tmp_path / "r" / "ions.csv")
    assert ions["annotation"].tolist() == names["name"].tolist()


def test_sample_makes_a_usable_file(run_in: Path) -> None:
    done = msiclust("sample", "synthetic", "--out", run_in / "s")
    assert done.returncode == 0, done.stderr
    assert msiclust("info", done.stdout.strip()).returncode == 0


@pytest.fixture
def cut(tissue: Path, tmp_path: Path) -> Path:
    """A file whose .ibd is cut in half."""
    path = tmp_path / "cut.imzML"
    shutil.copy(tissue, path)
    data = tissue.with_suffix(".ibd").read_bytes()
    path.with_suffix(".ibd").write_bytes(data[: len(data) // 2])
    return path


def test_a_bad_file_is_one_line_and_leaves_nothing(tissue: Path, cut: Path, run_in: Path) -> None:
    alone = run_in / "alone.imzML"
    shutil.copy(tissue, alone)
    text = run_in / "text.imzML"
    text.write_text("hello")
    for path, said in [
        (alone, "alone.ibd is missing"),
        (cut, "truncated"),
        (text, "not an imzML file"),
        (run_in / "absent.imzML", "no such file"),
    ]:
        for command in ("cluster", "extract"):
            assert_one_line(msiclust(command, path, "--out", run_in / "r"), said, path.stem)
    assert not (run_in / "r").exists()


def test_bad_settings_are_one_line_and_leave_nothing(tissue: Path, run_in: Path) -> None:
    no_column = run_in / "list.csv"
    no_column.write_text("a,b\n1,2\n")
    blocked = run_in / "file"
    blocked.write_text("x")
    busy = run_in / "busy"
    busy.mkdir()
    (busy / "thesis.txt").write_text("precious")
    out = run_in / "r"
    for arguments, said in [
        (["--out", out, "--mz", no_column], "no m/z column"),
        (["--out", out, "--clusters", 99], "99 clusters were asked of 24 ions"),
        (["--out", out, "--clusters", "many"], "--clusters is many"),
        (["--out", blocked], "is a file"),
        (["--out", blocked / "below"], "cannot be written"),
        (["--out", busy], "holds other files"),
        (["--out", out, "--weights", run_in / "absent.pth"], "no such weight file"),
        (["--out", out, "--tolerance-ppm", -1], "tolerance_ppm"),
    ]:
        assert_one_line(msiclust("cluster", tissue, *QUICK[:4], *arguments), said)
    assert not out.exists()
    assert [entry.name for entry in busy.iterdir()] == ["thesis.txt"]


def test_an_unknown_option_is_explained() -> None:
    done = msiclust("cluster", "x.imzML", "--out", "y", "--preset", "magic")
    assert done.returncode == 2
    assert "magic" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_leaves_nothing(tissue: Path, run_in: Path) -> None:
    command = [sys.executable, "-m", "napari_msiclust", "cluster", tissue, "--out", run_in / "r"]
    running = subprocess.Popen(
        [*command, "--device", "cpu"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stderr is not None
    while "contrastive" not in (line := running.stdout.readline()):
        assert line, "it ended too early"
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    assert "nothing was written" in running.stderr.read()
    running.stdout.close()
    running.stderr.close()
    assert list(run_in.iterdir()) == []


def test_empty_spectra_say_what_to_do(write_imzml: WriteImzml, tmp_path: Path) -> None:
    axis = [100.0, 200.0]
    path = write_imzml([(axis, [0, 0])] * 4, [(k + 1, 1) for k in range(4)], mode="continuous")
    assert_one_line(msiclust("cluster", path, "--out", tmp_path / "r"), "0 of 2 ion images have a signal")


def test_ions_set_aside_are_kept_on_demand(tmp_path: Path) -> None:
    made = generate(Recipe(size=(32, 32), classes=4, ions=16, structureless=4, seed=2))
    made.write(tmp_path / "noisy.imzML")
    done = msiclust("cluster", tmp_path / "noisy.imzML", "--out", tmp_path / "usual", *QUICK)
    assert done.returncode == 0, done.stderr
    ions = pd.read_csv(tmp_path / "usual" / "ions.csv", keep_default_na=False)
    noise = made.kinds == "structureless"
    assert (ions.loc[noise, "bin"] == "structureless").sum() >= 3
    assert (ions.loc[ions["bin"] != "", "cluster"] == 0).all()
    assert "structureless" in (tmp_path / "usual" / "report.html").read_text(encoding="utf-8")
    kept = ["--keep", "structureless", "--keep", "off-tissue"]
    done = msiclust("cluster", tmp_path / "noisy.imzML", "--out", tmp_path / "all", *kept, *QUICK)
    assert done.returncode == 0, done.stderr
    ions = pd.read_csv(tmp_path / "all" / "ions.csv", keep_default_na=False)
    assert (ions.loc[noise, "cluster"] > 0).all()
    assert_one_line(
        msiclust("cluster", tmp_path / "noisy.imzML", "--out", tmp_path / "x", "--keep", "odd"),
        "--keep is odd",
    )


def test_methods_side_by_side(tissue: Path, result: Path, tmp_path: Path) -> None:
    truth = tissue.with_name("tissue_classes.csv")
    few = ["--presets", "none", "--clusters", "6"]
    done = msiclust("benchmark", tissue, "--truth", truth, "--json", "--out", tmp_path / "b", *few)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert "median-thresholded cosine, k-means" in [method["method"] for method in report["methods"]]
    assert max(method["ari"] for method in report["methods"]) > 0.8
    assert (tmp_path / "b" / "benchmark.csv").exists()
    copy = shutil.copytree(result, tmp_path / "copy")
    done = msiclust("benchmark", tissue, "--out", copy, *few)
    assert done.returncode == 0, done.stderr
    assert "isotopes" in done.stdout
    assert "pixel Pearson" in (copy / "report.html").read_text(encoding="utf-8")
    assert_one_line(msiclust("benchmark", tissue, "--presets", "best"), "no preset 'best'")
    assert_one_line(msiclust("benchmark", tissue, "--clusters", "auto,1"), "--clusters is 1")
    assert_one_line(msiclust("benchmark", tissue, "--presets", "none"), "give numbers with --clusters")
    assert_one_line(msiclust("benchmark", tissue, "--truth", tmp_path / "absent.csv"), "absent.csv")


def test_classes_enriched_in_a_cluster(result: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(result, tmp_path / "copy")
    ions = pd.read_csv(copy / "ions.csv", keep_default_na=False)
    classes = pd.DataFrame({"mz": ions["mz"], "name": ions.index.map("M{}".format), "class": "other"})
    classes.loc[ions["cluster"] == 1, "class"] = "first"
    classes.to_csv(tmp_path / "classes.csv", index=False)
    done = msiclust("enrich", copy, tmp_path / "classes.csv")
    assert done.returncode == 0, done.stderr
    assert "cluster 1: first (class)" in done.stdout
    assert pd.read_csv(copy / "enrichment.csv")["q"].min() < 0.05
    found = json.loads(msiclust("enrich", copy, tmp_path / "classes.csv", "--json").stdout)
    assert found[0]["set"] == "first"
    assert_one_line(msiclust("enrich", tmp_path, tmp_path / "classes.csv"), "holds no result")
    assert_one_line(msiclust("enrich", copy, tmp_path / "classes.csv", "--column", "x"), "no column x")


def test_another_section_gets_the_clusters_of_a_result(result: Path, tissue: Path, tmp_path: Path) -> None:
    done = msiclust("assign", result, tissue, "--out", tmp_path / "second")
    assert done.returncode == 0, done.stderr
    first, second = (pd.read_csv(folder / "ions.csv") for folder in (result, tmp_path / "second"))
    assigned = second["cluster"] > 0
    assert assigned.mean() > 0.8
    assert set(second.loc[assigned, "cluster"]) <= set(first["cluster"])
    assert_one_line(msiclust("assign", tmp_path, tissue, "--out", tmp_path / "x"), "holds no result")
    assert_one_line(msiclust("assign", result, tissue, "--out", result), "--out is the result itself")
