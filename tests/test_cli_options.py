from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from napari_msiclust.cli import app
from napari_msiclust.cli.clustering_options import ClusteringOptions
from napari_msiclust.cli.reading import ReadingOptions
from napari_msiclust.config import ClusterConfig, TriageConfig


@pytest.mark.parametrize("name", ["extract", "cluster", "cohort", "assign", "benchmark"])
def test_commands_that_read_ion_images_take_all_reading_options(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    taken = {option.name: option.default for option in command.params}
    for option in fields(ReadingOptions):
        assert taken[option.name] == option.default
    assert "reading" not in taken


def test_tissue_and_thresholds_of_the_triage_are_options() -> None:
    options = ClusteringOptions(
        tissue="acquired", keep=["off-tissue"], triage=["min_contrast=-0.2", "duplicate_ppm=5"]
    )
    config = options.config()
    assert config.tissue == "acquired"
    assert config.triage == TriageConfig(off_tissue=False, min_contrast=-0.2, duplicate_ppm=5)
    assert ClusteringOptions().config() == ClusterConfig()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("contrast=1", "--triage sets contrast; give NAME=VALUE with a name of min_pixel_fraction"),
        ("sparse=false", "--triage sets sparse"),
        ("", "give NAME=VALUE"),
        ("min_contrast=5", "--triage min_contrast=5: input should be less than or equal to 1"),
        ("min_contrast=much", "--triage min_contrast=much: input should be a valid number"),
        ("min_contrast", "--triage min_contrast=: input should be a valid number"),
        ("significance=nan", "--triage significance=nan"),
    ],
)
def test_a_wrong_threshold_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["cluster", "a.imzML", "--out", str(tmp_path / "r"), "--triage", text])
    assert done.exit_code == 2
    (line,) = done.stderr.strip().splitlines()
    assert said in line
