"""Projects made to do harm: each is refused in one line, and nothing is written."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from napari_msiclust.errors import FileFormatError
from napari_msiclust.results.project import container
from napari_msiclust.results.project.project_file import read_project
from tests.results.project.conftest import contents, repacked


@pytest.fixture(autouse=True)
def nothing_is_written(run_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a project leaves no file, wherever it is told to put one."""
    monkeypatch.chdir(run_in)


def assert_refused(path: Path, said: str | None = None) -> None:
    before = psutil.Process().memory_info().rss
    with pytest.raises(FileFormatError, match=said) as caught:
        read_project(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    assert str(path) in message
    assert psutil.Process().memory_info().rss - before < 500e6
    assert not list(path.parent.parent.glob("escaped*"))


def npy(header: dict[str, Any] | str, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = (header if isinstance(header, str) else repr(header)).encode() + b"\n"
    length = struct.pack("<H", len(text)) if version == b"\x01\x00" else struct.pack("<I", len(text))
    return b"\x93NUMPY" + version + length + text + content


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.txt",
        "learned/../../escaped.txt",
        "/tmp/escaped.txt",
        "C:/escaped.txt",
        "..\\escaped.txt",
        "\\\\server\\escaped.txt",
        "es\ncaped",
    ],
)
def test_names_that_lead_outside(name: str, plain_file: Path, tmp_path: Path) -> None:
    path = repacked(plain_file, tmp_path / "p.msiclust", {name: b"x"})
    assert_refused(path, "outside of it")


def test_a_link_in_the_archive(plain_file: Path, tmp_path: Path) -> None:
    path = repacked(plain_file, tmp_path / "p.msiclust", {})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("learned/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert_refused(path, "holds a link")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_a_link_in_a_folder(plain_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name, content in contents(plain_file).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    read_project(folder)
    secret = tmp_path / "secret.npy"
    (folder / "learned" / "mask.npy").rename(secret)
    (folder / "learned" / "mask.npy").symlink_to(secret)
    assert_refused(folder, "link to elsewhere")


def test_a_content_folder_outside(plain_file: Path, tmp_path: Path) -> None:
    manifest = json.loads(contents(plain_file)["manifest.json"]) | {"content": "../elsewhere"}
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "manifest.json").write_text(json.dumps(manifest))
    assert_refused(tmp_path / "folder", "outside of it")


def test_a_bomb_that_tells_its_size(plain_file: Path, tmp_path: Path) -> None:
    path = repacked(plain_file, tmp_path / "p.msiclust", {"corrections.json": b" " * (15 << 20)})
    assert_refused(path, "grows more than 200 times")


def test_a_file_larger_than_its_kind_can_be(plain_file: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(32, 127, 17 << 20, dtype=np.uint8).tobytes()
    path = repacked(plain_file, tmp_path / "p.msiclust", {"corrections.json": noise})
    assert_refused(path, "larger than 16 MB")


def test_a_bomb_that_lies_about_its_size(plain_file: Path, tmp_path: Path) -> None:
    """The directory says 100 bytes; what is unpacked is counted all the same."""
    path = repacked(plain_file, tmp_path / "p.msiclust", {"corrections.json": b" " * (15 << 20)})
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = -1
        while (at := raw.find(mark, at + 1)) >= 0:
            if struct.unpack_from("<I", raw, at + offset)[0] == 15 << 20:
                struct.pack_into("<I", raw, at + offset, 100)
    path.write_bytes(raw)
    assert_refused(path, "corrections.json is damaged")


def test_more_files_than_a_project_has(plain_file: Path, tmp_path: Path) -> None:
    extra = {f"learned/{number}": b"" for number in range(300)}
    with zipfile.ZipFile(tmp_path / "p.msiclust", "w") as archive:
        for name, content in (contents(plain_file) | extra).items():
            archive.writestr(name, content)
    assert_refused(tmp_path / "p.msiclust", "more than 200")


def test_a_directory_that_would_fill_the_memory(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.msiclust", "w") as archive:
        for number in range(30_000):
            archive.writestr(f"{number:060}", b"")
    assert_refused(tmp_path / "p.msiclust", "its directory takes")


def test_a_name_twice(plain_file: Path, tmp_path: Path) -> None:
    path = repacked(plain_file, tmp_path / "p.msiclust", {})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("corrections.json", b"{}")
    assert_refused(path, "twice")


def test_other_ways_of_packing(plain_file: Path, tmp_path: Path) -> None:
    path = repacked(plain_file, tmp_path / "p.msiclust", {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("learned/x", b"x" * 1000)
    assert_refused(path, "packs learned/x")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (npy({"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6, 10**6)}), "promises the shape"),
        (npy({"descr": "<f4", "fortran_order": False, "shape": (-1,)}), "promises the shape"),
        (npy({"descr": "|O", "fortran_order": False, "shape": (1,)}, pickle.dumps(print)), "holds object"),
        (npy("(" * 5000 + ")" * 5000), "damaged"),
        (npy("__import__('os').system('touch escaped')"), "damaged"),
        (npy("{'descr': '<f4'}" + " " * 60_000), "damaged"),
        (npy({"descr": "<f4", "fortran_order": False, "shape": ()}, version=b"\x02\x00"), "not an array"),
        (pickle.dumps(np.zeros(3)), "not an array"),
        (b"", "not an array"),
    ],
)
def test_arrays_that_are_none(content: bytes, said: str, plain_file: Path, tmp_path: Path) -> None:
    path = repacked(plain_file, tmp_path / "p.msiclust", {"learned/mean_images.npy": content})
    assert_refused(path, said)


@pytest.mark.parametrize("name", ["manifest.json", "corrections.json", "learned/grid.json"])
@pytest.mark.parametrize(
    "content", [b'{"a":' * 50_000, b"[" * 100_000, b"{", b"[]", b"\xff\xfe", b"9" * 5000, b""]
)
def test_json_that_is_none(name: str, content: bytes, plain_file: Path, tmp_path: Path) -> None:
    assert_refused(repacked(plain_file, tmp_path / "p.msiclust", {name: content}), name)


def test_xml_entities(plain_file: Path, tmp_path: Path) -> None:
    lol = b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><OME/>'
    path = repacked(plain_file, tmp_path / "p.msiclust", {"result/mean_ion_images.ome.tif": b"II*\0" + lol})
    assert_refused(path, "XML entities")


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (
            [{"edit": "Relabel", "ions": [0], "clusters": [10**9], "bins": [""], "origin": "x", "what": "x"}],
            "no",
        ),
        (
            [{"edit": "Relabel", "ions": [0, 1], "clusters": [1], "bins": [], "origin": "x", "what": "x"}],
            "as",
        ),
        ([{"edit": "Move", "ions": [-1], "cluster": 1}], "ions"),
        ([{"edit": "Move", "ions": "abc", "cluster": 1}], "not an edit"),
        ([{"edit": "Move", "ions": [0], "cluster": 1, "__class__": "os"}], "not an edit"),
        ([{"edit": "__import__"}], "not an edit"),
        ([{"edit": ["Move"]}], "not an edit"),
        (["Move"], "not an edit"),
        ({"edit": "Move"}, "no list"),
        ([{"edit": "Pin", "ions": [0]}] * 10_001, "no list"),
        ([{"edit": "Rename", "cluster": 1, "name": "x"}], "fewer corrections"),
    ],
)
def test_corrections_that_are_none(edits: Any, said: str, plain_file: Path, tmp_path: Path) -> None:
    content = json.dumps({"edits": edits}).encode()
    assert_refused(repacked(plain_file, tmp_path / "p.msiclust", {"corrections.json": content}), said)


def test_corrections_that_lead_elsewhere(plain_file: Path, tmp_path: Path) -> None:
    edits = json.loads(contents(plain_file)["corrections.json"])["edits"]
    edits[2]["ions"] = [1]
    content = json.dumps({"edits": edits}).encode()
    path = repacked(plain_file, tmp_path / "p.msiclust", {"corrections.json": content})
    assert_refused(path, "do not lead to its labels")


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [10**9, 10**9]},
        {"shape": [0, 0]},
        {"pixel_size_um": [float("nan"), 1]},
        {"pixel_size_um": [1e400, 1]},
        {"planes": list(range(20_000))},
        {"planes": [1, 2, 3]},
        {"plane_shape": [10**9, 1]},
        {"origin": ["a", 0]},
        {"strange": 1},
    ],
)
def test_grids_that_are_none(change: dict[str, Any], plain_file: Path, tmp_path: Path) -> None:
    facts = json.loads(contents(plain_file)["learned/grid.json"]) | change
    path = repacked(plain_file, tmp_path / "p.msiclust", {"learned/grid.json": json.dumps(facts).encode()})
    assert_refused(path, "grid|planes|shape|pixel_size|origin|strange|plane_shape")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("learned/ions.csv", b"a,b\n1,2\n", "ion table"),
        ("learned/ions.csv", b"a," * 100_000, "no table"),
        ("learned/ions.csv", b"", "no table"),
        ("learned/clusters.csv", b"cluster,mean_confidence,central_mz\n7,1,1\n", "number the clusters"),
        ("learned/rows.npy", npy({"descr": "<i4", "fortran_order": False, "shape": (0,)}), "grid"),
        ("learned/run.json", b'{"config": {"clusters": 1e9}}', "garbles"),
        ("result/network.safetensors", b"\xff" * 64, "network is damaged"),
        ("result/network.safetensors", struct.pack("<Q", 2**62) + b"{}", "network is damaged"),
        ("registration.json", b"{}", "registration"),
    ],
)
def test_parts_that_do_not_fit(
    name: str, content: bytes, said: str, plain_file: Path, tmp_path: Path
) -> None:
    assert_refused(repacked(plain_file, tmp_path / "p.msiclust", {name: content}), said)


def test_a_content_that_was_exchanged(plain_file: Path, tmp_path: Path) -> None:
    files = contents(plain_file)
    files["learned/clusters.csv"] += b"\n"
    with zipfile.ZipFile(tmp_path / "p.msiclust", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    assert_refused(tmp_path / "p.msiclust", "not what was saved")


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"path": "a", "relative": None, "files": []}},
        {"data": {"path": "a" * 10_000, "relative": None, "files": []}},
        {"data": {"path": "a", "relative": None, "files": [{"name": "a", "sha256": "x"}]}},
        {"files": {"a": {"bytes": -1, "sha256": "0" * 64}}},
        {"position": -1},
        {"format": "other"},
        {"version": "2"},
        {"version": None},
        {"more": 1},
    ],
)
def test_manifests_that_are_none(change: dict[str, Any], plain_file: Path, tmp_path: Path) -> None:
    facts = json.loads(contents(plain_file)["manifest.json"]) | change
    path = repacked(plain_file, tmp_path / "p.msiclust", {"manifest.json": json.dumps(facts).encode()})
    assert_refused(path, "garbles|version|not a project")


@pytest.mark.parametrize("link", ["/dev/zero", "//server/share/a.imzML", "\\\\server\\a.imzML", "a\0b", ""])
def test_links_to_what_is_no_file_are_not_followed(link: str, plain_file: Path, tmp_path: Path) -> None:
    facts = json.loads(contents(plain_file)["manifest.json"])
    facts["data"] |= {"path": link, "relative": link}
    facts["data"]["files"][0]["name"] = link
    path = repacked(plain_file, tmp_path / "p.msiclust", {"manifest.json": json.dumps(facts).encode()})
    found = read_project(path).data
    assert found is not None
    assert found.locate(path) is None


def test_every_cut_and_many_flipped_bytes(plain_file: Path, tmp_path: Path) -> None:
    """Whatever a damaged disk makes of a project, it opens as it was or is refused in one line."""
    whole = plain_file.read_bytes()
    rng = np.random.default_rng(5)
    path = tmp_path / "p.msiclust"
    for length in rng.integers(0, len(whole), 40):
        path.write_bytes(whole[:length])
        assert_refused(path)
    messages = []
    for at in rng.integers(0, len(whole), 60):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            read_project(path)
        except FileFormatError as error:
            messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)


def test_a_project_is_refused_before_it_fills_the_memory(
    plain_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Little:
        available = 10_000

    monkeypatch.setattr(container.psutil, "virtual_memory", Little)
    assert_refused(plain_file, "more than is free")


def test_absent_and_other_files(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.msiclust", "no such file")
    (tmp_path / "text.msiclust").write_text("hello")
    assert_refused(tmp_path / "text.msiclust", "not a project")
    (tmp_path / "folder").mkdir()
    assert_refused(tmp_path / "folder", "lacks manifest.json")
    stream = io.BytesIO()
    zipfile.ZipFile(stream, "w").close()
    (tmp_path / "empty.msiclust").write_bytes(stream.getvalue())
    assert_refused(tmp_path / "empty.msiclust", "lacks manifest.json")
