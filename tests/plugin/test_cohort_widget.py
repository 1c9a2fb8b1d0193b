from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.viewer import Viewer
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.plugin.layers import ClusteredIons, IonDataset
from napari_msiclust.plugin.widgets.cohort_widget import CohortWidget
from napari_msiclust.results.imzml_export import write_imzml
from tests.cohorts import without
from tests.plugin.conftest import PLUGIN
from tests.plugin.workbench.conftest import SECONDS, quick  # noqa: F401

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def other(tissue_images: IonImages, tmp_path: Path) -> Path:
    """A second section, twice as bright, that lacks an ion."""
    images = without(tissue_images, [4])
    write_imzml(tmp_path / "other.imzML", replace(images, values=np.asarray(images.values) * np.float32(2)))
    return tmp_path / "other.imzML"


@pytest.fixture
def widget(viewer: Viewer, tissue: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> CohortWidget:
    """The widget as the Plugins menu opens it, which is asked for two files."""
    docked = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster several sections")[1]
    docked.settings.auto.value = False
    docked.settings.clusters.value = 4
    docked.settings.device.value = "cpu"
    chosen = [str(tissue), str(other)]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (chosen, ""))
    return docked


def click(qtbot: QtBot, button: QPushButton) -> None:
    assert button.isEnabled()
    qtbot.mouseClick(button, LEFT)


@pytest.mark.usefixtures("quick")
def test_sections_are_clustered_and_opened(
    qtbot: QtBot, viewer: Viewer, widget: CohortWidget, tmp_path: Path
) -> None:
    assert not widget.run_button.isEnabled()
    click(qtbot, widget.add_button)
    click(qtbot, widget.add_button)
    assert widget.files.count() == 2, "a file is listed once"
    out = tmp_path / "study"
    widget.folder.clear()
    qtbot.keyClicks(widget.folder, str(out))
    click(qtbot, widget.run_button)
    assert not widget.run_button.isEnabled()
    qtbot.waitUntil(lambda: widget.run_button.isEnabled(), timeout=SECONDS)
    assert "2 sections, 24 ions (23 in all sections) in 4 clusters" in widget.status.text()
    table = pd.read_csv(out / "sections.csv")
    assert table["section"].value_counts().to_dict() == {"tissue": 24, "other": 24}
    joint = len(viewer.layers)
    assert joint > 0
    item = widget.files.item(1)
    qtbot.mouseClick(widget.files.viewport(), LEFT, pos=widget.files.visualItemRect(item).center())
    click(qtbot, widget.open_button)
    shown = [value for layer in viewer.layers[joint:] for value in layer.metadata.values()]
    ions = next(value for value in shown if isinstance(value, IonDataset))
    clustered = next(value for value in shown if isinstance(value, ClusteredIons))
    assert len(ions.images) == len(clustered.ions) == 23


@pytest.mark.usefixtures("quick")
def test_sections_that_do_not_go_together(
    qtbot: QtBot, widget: CohortWidget, tissue_images: IonImages, other: Path, tmp_path: Path
) -> None:
    write_imzml(other, replace(tissue_images, polarity="negative"))
    click(qtbot, widget.add_button)
    widget.folder.setText(str(tmp_path / "study"))
    click(qtbot, widget.run_button)
    qtbot.waitUntil(lambda: widget.run_button.isEnabled(), timeout=SECONDS)
    assert "tissue is of positive polarity, other of negative" in widget.status.text()
    assert not (tmp_path / "study").exists()


def test_stop_ends_it(qtbot: QtBot, widget: CohortWidget, tmp_path: Path) -> None:
    click(qtbot, widget.add_button)
    widget.folder.setText(str(tmp_path / "study"))
    click(qtbot, widget.run_button)
    click(qtbot, widget.stop_button)
    qtbot.waitUntil(lambda: widget.run_button.isEnabled(), timeout=SECONDS)
    assert widget.status.text() == "Stopped. Nothing was written."
    assert not (tmp_path / "study").exists()
