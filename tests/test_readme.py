from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from napari_msiclust.cli import app
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_runs(
    tissue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in (".imzML", ".ibd"):
        shutil.copy(tissue.with_suffix(suffix), tmp_path)
    monkeypatch.chdir(tmp_path)
    (example,) = _blocks("python")
    names: dict[str, object] = {}
    exec(example, names)
    printed = capsys.readouterr().out
    assert "cluster" in printed
    assert "13C" in printed
    assert set(names["result"].ions["cluster"]) <= set(range(1, 7))  # type: ignore[attr-defined]


def test_every_command_line_example_names_a_command() -> None:
    lines = "\n".join(_blocks("console")).splitlines()
    used = {line.split()[1] for line in lines if line.startswith("msiclust ")}
    known = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    assert used == known


def test_make_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"^make (\w+)", README, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_link_and_picture_exists() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
