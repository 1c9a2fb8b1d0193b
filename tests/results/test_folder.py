from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from napari_msiclust.errors import OutputError
from napari_msiclust.results.folder import FolderKind, check_target, whole_files, whole_folder

OWN = FolderKind(frozenset({"a.txt", "b.txt"}), marker="a.txt")


def test_a_folder_appears_whole(run_in: Path) -> None:
    target = run_in / "deep" / "result"
    with whole_folder(target, OWN) as folder:
        (folder / "a.txt").write_text("1")
        assert not target.exists()
    assert [entry.name for entry in target.iterdir()] == ["a.txt"]
    assert [entry.name for entry in target.parent.iterdir()] == ["result"]


def test_nothing_is_left_after_a_fault(run_in: Path) -> None:
    def interrupted() -> None:
        with whole_folder(run_in / "result", OWN) as folder:
            (folder / "a.txt").write_text("1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(run_in.iterdir()) == []


def test_an_earlier_result_is_replaced_only_when_the_new_one_is_whole(run_in: Path) -> None:
    target = run_in / "result"
    with whole_folder(target, OWN) as folder:
        (folder / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), whole_folder(target, OWN):
        raise RuntimeError
    assert (target / "a.txt").read_text() == "old"
    with whole_folder(target, OWN) as folder:
        (folder / "a.txt").write_text("new")
    assert (target / "a.txt").read_text() == "new"
    assert [entry.name for entry in run_in.iterdir()] == ["result"]


def test_a_users_files_are_never_replaced(run_in: Path) -> None:
    target = run_in / "thesis"
    target.mkdir()
    (target / "chapter.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"holds other files \(chapter.txt\)"), whole_folder(target, OWN):
        raise AssertionError("must not begin")
    assert (target / "chapter.txt").read_text() == "precious"


def test_a_file_of_the_same_name_is_not_taken_for_a_result(run_in: Path) -> None:
    target = run_in / "project"
    target.mkdir()
    (target / "b.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"holds other files \(b.txt\)"):
        check_target(target, OWN)


def test_a_result_that_cannot_take_its_place_is_kept(run_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = run_in / "result"
    with whole_folder(target, OWN) as folder:
        (folder / "a.txt").write_text("old")
    rename = Path.rename

    def refuse(self: Path, other: Path) -> Path:
        if Path(other) == target and self.name != "old":
            raise PermissionError(13, "in use")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="the files are in") as caught, whole_folder(target, OWN) as folder:
        (folder / "a.txt").write_text("new")
    assert (target / "a.txt").read_text() == "old"
    kept = Path(str(caught.value).rpartition("the files are in ")[2])
    assert (kept / "a.txt").read_text() == "new"
    for entry in run_in.iterdir():
        if entry != target:
            shutil.rmtree(entry)


def test_a_file_in_the_way(run_in: Path) -> None:
    (run_in / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        check_target(run_in / "file", OWN)
    with pytest.raises(OutputError, match="cannot be written"):
        check_target(run_in / "file" / "below", OWN)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights(run_in: Path) -> None:
    run_in.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        check_target(run_in / "result", OWN)
    run_in.chmod(0o700)


def test_files_appear_together_or_not_at_all(run_in: Path) -> None:
    targets = (run_in / "x.imzML", run_in / "x.ibd")
    for text in ("old", "new"):
        with whole_files(targets) as folder:
            for target in targets:
                (folder / target.name).write_text(text)
        assert [target.read_text() for target in targets] == [text] * 2
    with pytest.raises(OutputError, match="cannot be written"), whole_files(targets) as folder:
        (folder / "x.imzML").write_text("half")  # the other is missing
    assert [target.read_text() for target in targets] == ["new"] * 2
    fresh = (run_in / "y.imzML", run_in / "y.ibd")
    with pytest.raises(OutputError, match="cannot be written"), whole_files(fresh) as folder:
        (folder / "y.imzML").write_text("half")
    assert sorted(entry.name for entry in run_in.iterdir()) == ["x.ibd", "x.imzML"]
