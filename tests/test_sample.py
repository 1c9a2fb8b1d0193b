from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from napari_msiclust import sample
from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.sample import make_sample


def _pip_that(monkeypatch: pytest.MonkeyPatch, *, leaves: bytes | None, says: str = "") -> None:
    """Stand-in for pip: leaves a wheel of these bytes where it is told to, or fails."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if leaves is not None:
            (Path(command[command.index("--dest") + 1]) / "msight-1.0-py3-none-any.whl").write_bytes(leaves)
        return subprocess.CompletedProcess(command, 0 if leaves is not None else 1, "", says)

    monkeypatch.setattr(sample.subprocess, "run", run)


def test_a_damaged_wheel_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pip_that(monkeypatch, leaves=b"PK no wheel")
    with pytest.raises(FileFormatError, match="damaged"):
        make_sample("msight", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_pip_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pip_that(monkeypatch, leaves=None, says="WARNING: slow\nERROR: no network here")
    with pytest.raises(FileFormatError, match="no network here"):
        make_sample("msight", tmp_path / "out")


def test_an_unknown_name_is_told_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="synthetic, msight"):
        make_sample("liver", tmp_path / "out")
