from __future__ import annotations

import subprocess
import sys

from npe2 import PluginManager, PluginManifest
from npe2.manifest.utils import import_python_name

from tests.conftest import ROOT

MANIFEST = ROOT / "src" / "napari_msiclust" / "napari.yaml"


def _manifest() -> PluginManifest:
    return PluginManifest.from_file(MANIFEST)


def test_every_command_resolves() -> None:
    commands = _manifest().contributions.commands
    assert commands
    for command in commands:
        assert callable(import_python_name(str(command.python_name)))


def test_every_contribution_names_a_command() -> None:
    contributions = _manifest().contributions
    known = {command.id for command in contributions.commands or []}
    kinds = (contributions.readers, contributions.writers, contributions.widgets, contributions.sample_data)
    used = {item.command for kind in kinds for item in kind or []}
    used |= {item.command for menu in (contributions.menus or {}).values() for item in menu}
    assert used == known


def test_the_installed_plugin_is_found() -> None:
    manager = PluginManager.instance()
    manager.discover()
    manifest = manager.get_manifest("napari-msiclust")
    assert manifest.display_name == "MSI ion clustering"


def test_the_link_at_the_top_is_the_manifest() -> None:
    link = ROOT / "napari.yaml"
    assert link.samefile(MANIFEST)


def test_npe2_accepts_it() -> None:
    command = [sys.executable, "-m", "npe2", "validate", "napari-msiclust", "--imports"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
