"""Pictures of every step of the workbench, for the documentation, taken by working through them.

usage: python scripts/workbench_pictures.py TISSUE.imzML FOLDER [--theme light]  (needs a display)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QPointF, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

PLUGIN = "napari-msiclust"
SIZE = (1280, 800)


def settle(seconds: float) -> None:
    """Let the window work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        settle(0.05)


class Tour:
    """A viewer that is worked with and photographed."""

    def __init__(self, imzml: Path, folder: Path, theme: str, epochs: int) -> None:
        self.folder = folder
        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = theme
        self.viewer.window.resize(*SIZE)
        self.dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
        config = self.dock.cluster_step.config
        self.dock.cluster_step.config = lambda **more: config(**more).with_epochs(epochs)
        settle(1)
        self.viewer.open(str(imzml), plugin=PLUGIN)
        until(lambda: self.dock.data_box.count() > 0)
        self.viewer.reset_view()

    @property
    def step(self):
        """Step four."""
        return self.dock.results_step

    @property
    def session(self):
        """The result that is looked at."""
        return self.dock.workspace.session

    def take(self, name: str) -> None:
        """Write a picture of the whole window."""
        settle(1)
        self.viewer.screenshot(str(self.folder / f"{name}.png"), canvas_only=False, flash=False)

    def idle(self) -> None:
        """Wait until nothing is worked on."""
        until(lambda: not self.session.busy and self.session.background.idle)

    def go(self) -> None:
        """All steps."""
        dock, step = self.dock, self.step
        until(lambda: "clustered" in dock.file_step.report.text())
        self.take("step1-file")
        dock.steps.setCurrentIndex(1)
        until(lambda: "of" in dock.images_step.counts.text())
        self.take("step2-ion-images")
        dock.steps.setCurrentIndex(2)
        dock.cluster_step.preset.value = "fast"
        dock.cluster_step.auto.value = False
        dock.cluster_step.clusters.value = 10
        dock.run_button.click()
        until(lambda: len(dock.cluster_step.curves.confident) > 4 or dock.run_button.isEnabled())
        self.take("step3-cluster")
        until(dock.run_button.isEnabled)
        self.idle()
        step.ions.table.selectRow(40)
        self.take("step4-ions")
        step.tabs.setCurrentIndex(1)
        self.session.select_cluster(step.clusters.numbers[1])
        settle(2)
        self.take("step4-gallery")
        self.lasso()
        self.query()
        self.correct()
        self.viewer.close()

    def lasso(self) -> None:
        """Draw around some ions of the t-SNE plot."""
        step, plot = self.step, self.step.embedding.plot
        step.tabs.setCurrentIndex(2)
        step.embedding.layout_box.setCurrentIndex(1)
        settle(1)
        middle = plot.place_of(int(self.session.members(step.clusters.numbers[2])[0]))
        ring = [
            (middle + QPointF(34 * np.cos(angle), 34 * np.sin(angle))).toPoint()
            for angle in np.linspace(0, 2 * np.pi, 20)
        ]
        QTest.mousePress(plot, Qt.MouseButton.LeftButton, pos=ring[0])
        for place in ring[1:]:
            QTest.mouseMove(plot, place)
            settle(0.02)
        QTest.mouseRelease(plot, Qt.MouseButton.LeftButton, pos=ring[-1])
        settle(1)
        QTest.mouseMove(plot, plot.place_of(self.session.selection.ions[0]).toPoint())
        settle(1)
        self.take("step4-plot")

    def query(self) -> None:
        """Ask about an ion."""
        step = self.step
        self.session.select_ions([int(self.session.members(step.clusters.numbers[3])[0])])
        step.tabs.setCurrentIndex(3)
        step.query.find.click()
        until(lambda: step.query.table.rowCount() > 0)
        self.take("step4-query")

    def correct(self) -> None:
        """Merge two clusters, rename one, and look at the log and the map."""
        step = self.step
        step.tabs.setCurrentIndex(4)
        until(lambda: len(step.tree.view.tree.nodes) > 0)
        node = step.tree.view.tree.nodes[0]
        QTest.mouseMove(step.tree.view, step.tree.view.place_of(node).toPoint())
        QTest.mouseClick(
            step.tree.view, Qt.MouseButton.LeftButton, pos=step.tree.view.place_of(node).toPoint()
        )
        self.take("step4-tree")
        step.merge.click()
        self.idle()
        row = step.clusters.numbers.index(node.clusters[0])
        step.clusters.item(row, 0).setText("gland")
        self.idle()
        step.tabs.setCurrentIndex(5)
        self.viewer.layers["mean ion images"].visible = False
        for layer in self.viewer.layers:
            layer.visible = layer.name == "dominant cluster map"
        self.take("step4-log")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("imzml", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--theme", default="dark")
    parser.add_argument("--epochs", type=int, default=14)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as state:  # no offer to restore what somebody did before
        os.environ["MSICLUST_STATE"] = state
        Tour(options.imzml, options.folder, options.theme, options.epochs).go()


if __name__ == "__main__":
    main()
