"""Picture of napari with a clustered tissue, for the documentation.

usage: python scripts/screenshot.py TISSUE.imzML RESULT_FOLDER PICTURE.png  (needs a display)
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

PLUGIN = "napari-msiclust"


def settle(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.02)


def main(imzml: str, result: str, picture: str) -> None:
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    viewer.open(imzml, plugin=PLUGIN)
    viewer.open(result, plugin=PLUGIN)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")
    settle(2)
    dock.widget.table.selectRow(3)
    settle(1)
    for name in ("mean ion images", "dominant cluster map"):
        viewer.layers[name].visible = True
    ions = next(layer for layer in viewer.layers if layer.name.endswith(" ions"))
    tic = next(layer for layer in viewer.layers if layer.name.endswith(" TIC"))
    viewer.dims.set_current_step(0, 0)
    tic.visible = ions.visible = True
    shown = [tic, viewer.layers["dominant cluster map"], viewer.layers["mean ion images"], ions]
    for place, layer in enumerate(reversed(shown)):
        viewer.layers.move(viewer.layers.index(layer), place)
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (2, 2)
    viewer.reset_view()
    settle(3)
    viewer.screenshot(picture, canvas_only=False, flash=False)
    print(Path(picture).resolve())
    viewer.close()


if __name__ == "__main__":
    main(*sys.argv[1:4])
