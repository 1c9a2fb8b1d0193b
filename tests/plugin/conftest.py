"""Fixtures of the tests that open a viewer."""

from __future__ import annotations

from pathlib import Path

import pytest
from napari.viewer import Viewer
from npe2 import PluginManager

PLUGIN = "napari-msiclust"


@pytest.fixture
def viewer(make_napari_viewer, monkeypatch: pytest.MonkeyPatch) -> Viewer:  # type: ignore[no-untyped-def]
    """A real viewer, with our manifest registered."""
    PluginManager.instance().discover()
    opened = make_napari_viewer(show=True)
    monkeypatch.setattr("napari.current_viewer", lambda: opened)
    return opened


@pytest.fixture
def opened(viewer: Viewer, tissue: Path) -> Viewer:
    """A viewer in which the small tissue was opened."""
    viewer.open(str(tissue), plugin=PLUGIN)
    return viewer
