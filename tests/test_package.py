from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import napari_msiclust
from napari_msiclust.config import ClusterConfig
from tests.conftest import ROOT


def _loaded_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running code."""
    ending = "\nimport sys, json; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_opening_a_file_loads_neither_torch_nor_qt(tissue: Path) -> None:
    loaded = _loaded_after(
        "import napari_msiclust as m\n"
        f"with m.open_imzml({str(tissue)!r}) as f: m.extract_ion_images(f, cache=False)"
    )
    assert not loaded & {"torch", "napari", "qtpy", "PyQt6", "PySide6", "magicgui", "matplotlib"}


def test_the_plugins_readers_load_no_torch() -> None:
    assert "torch" not in _loaded_after("import napari_msiclust.plugin.readers")


def test_the_public_names_exist() -> None:
    for name in napari_msiclust.__all__:
        assert getattr(napari_msiclust, name) is not None
    assert set(napari_msiclust.__all__) <= set(dir(napari_msiclust))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = napari_msiclust.nonsense


def test_the_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert napari_msiclust.__version__ == project["version"]
    assert f"version: {project['version']}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text()


def test_a_config_survives_json() -> None:
    config = ClusterConfig.from_preset("fast", clusters="auto", seed=3).with_epochs(2)
    assert ClusterConfig.model_validate_json(config.model_dump_json()) == config
    assert config.contrastive.epochs == 2
    assert config.self_labeling.epochs >= 1


@pytest.mark.parametrize("change", [{"clusters": 1}, {"clusters": "some"}, {"seed": -1}, {"colour": 3}])
def test_a_wrong_setting_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        ClusterConfig.from_preset("paper", **change)
