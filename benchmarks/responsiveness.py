"""Does the window stay quick? Event loop under training, 3,000 ions linked, growth over open-run-close.

usage: python benchmarks/responsiveness.py [--file IMZML] [--preset default] [--part loop|linked|growth] ...

It needs a display.

Prints, for each part, the figure and the bound it is held against; exits 1 if a bound is exceeded.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
import pandas as pd
import psutil
from napari.viewer import Viewer
from qtpy.QtCore import QEvent, QThreadPool, QTimer
from qtpy.QtWidgets import QApplication

from napari_msiclust import pipeline
from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.ion_clustering import Embedding, IonClustering
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.training_set import TrainingSet
from napari_msiclust.plugin.layers import ion_layers
from napari_msiclust.plugin.workbench.dock import Workbench
from napari_msiclust.results.cluster_result import ClusterResult, build_result
from napari_msiclust.sample import write_synthetic

PLUGIN = "napari-msiclust"
TICK_MS = 5
BOUNDS = {
    "lateness p95 (ms)": 20.0,
    "lateness max (ms)": 250.0,
    "selection to all views, median (ms)": 200.0,
    "selection to all views, max (ms)": 200.0,
    "more threads": 0.0,
    "more callbacks": 0.0,
    "more memory per cycle (MB)": 2.0,
}


class LatenessProbe:
    """How late a timer of the window's thread fires, and what that thread worked in between.

    Other programs make a timer late, too; the work of the thread is ours alone.
    """

    def __init__(self) -> None:
        self.late: list[float] = []
        self.busy: list[float] = []
        self._due = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(self._timer.timerType().PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin to count."""
        self._due = time.perf_counter() + TICK_MS / 1000
        self._spent = time.thread_time()
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, now - self._due) * 1000)
        self._due = now + TICK_MS / 1000
        spent = time.thread_time()
        self.busy.append((spent - self._spent) * 1000)
        self._spent = spent

    def stop(self) -> None:
        """End counting."""
        self._timer.stop()


def until(condition: Callable[[], bool], seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while not condition():
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # no event loop does it here
        time.sleep(0.001)
        if time.monotonic() > end:
            raise TimeoutError


def settle(seconds: float) -> None:
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end)


def open_dock(viewer: Viewer) -> Workbench:
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, "Cluster ion images")[1].widget
    return dock


def loop_under_training(path: Path, preset: str, seconds: float) -> dict[str, float]:
    """Lateness of the event loop from Run on, while a preset prepares and trains."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    viewer.open(str(path), plugin=PLUGIN)
    dock = open_dock(viewer)
    dock.cluster_step.preset.value = preset
    settle(3)
    probe = LatenessProbe()
    probe.start()
    dock.run_button.click()
    settle(seconds)
    probe.stop()
    dock.stop_button.click()
    until(dock.run_button.isEnabled)
    viewer.close()
    late = np.array(probe.late)
    return {
        "lateness p50 (ms)": float(np.quantile(late, 0.5)),
        "lateness p95 (ms)": float(np.quantile(late, 0.95)),
        "lateness max (ms)": float(late.max()),
        "work between ticks p95 (ms CPU)": float(np.quantile(probe.busy, 0.95)),
        "work between ticks max (ms CPU)": max(probe.busy),
        "training steps meanwhile": float(len(dock.cluster_step.curves.losses)),
    }


def made_result(ions: int, side: int, clusters: int, seed: int = 0) -> tuple[IonImages, ClusterResult]:
    """Many ions in blurred groups, with a result that needed no training."""
    random = np.random.default_rng(seed)
    positions = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2) + 1
    grid = PixelGrid.from_positions(positions.astype(np.int32), (25.0, 25.0))
    labels = np.sort(random.integers(1, clusters + 1, ions))
    kinds = random.random((clusters + 1, side * side)) ** 4
    values = (kinds[labels] + 0.1 * random.random((ions, side * side))).astype(np.float32)
    images = IonImages(np.sort(random.uniform(300, 1800, ions)), values, grid)
    config = ClusterConfig.from_preset("fast", clusters=clusters, image_size=32)
    stack, mask = images.training_stack(32)
    bins = pd.DataFrame({"bin": np.full(ions, ""), "bin_reason": ""})
    prepared = TrainingSet(images, bins, np.arange(ions), stack, mask)
    features = (np.eye(clusters + 1)[labels] + 0.2 * random.normal(size=(ions, clusters + 1))).astype(
        np.float32
    )
    clustering = IonClustering(
        labels=labels.astype(np.int64),
        nearest=labels.astype(np.int64),
        confidence=random.random(ions),
        embedding=Embedding(features.astype(np.float32), "none", "none", ""),
        history=pd.DataFrame(columns=["stage", "epoch", "loss", "confident_fraction"]),
        seconds={},
        notes=(),
        device="cpu",
        threads=1,
    )
    provenance = {"seconds": {"total": 0.0}}
    return images, build_result(prepared, clustering, config, provenance)


def show_made(viewer: Viewer, images: IonImages, result: ClusterResult) -> Workbench:
    """The dock with a result, as after a run."""

    def finished(*_: object, **__: object) -> object:
        yield from ()
        return result

    dock = open_dock(viewer)
    original, pipeline.clustering_steps = pipeline.clustering_steps, finished
    try:
        for data, settings, _ in ion_layers(images, Path("made.imzML")):
            viewer.add_image(data, **settings)
        dock.run_button.click()
        until(lambda: dock.workspace.session is not None and dock.run_button.isEnabled())
        until(lambda: not dock.workspace.session.busy)
    finally:
        pipeline.clustering_steps = original
    return dock


def linked_selection(ions: int = 3000, side: int = 128) -> dict[str, float]:
    """From a selection to the last paint of all views, for single ions, many ions, and clusters."""
    images, result = made_result(ions, side, clusters=20)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1280, 800)
    dock = show_made(viewer, images, result)
    session, step = dock.workspace.session, dock.results_step
    until(lambda: session.background.idle)
    random = np.random.default_rng(1)
    taken: dict[str, list[float]] = {"one ion": [], "300 ions": [], "a cluster": []}
    work: list[float] = []
    started = time.perf_counter()
    session.select_ions([0, 1])
    until(lambda: any(layer.name.startswith("selected ions") for layer in viewer.layers))
    QApplication.processEvents()
    first = (time.perf_counter() - started) * 1000
    for tab in range(3):
        step.tabs.setCurrentIndex(tab)
        settle(0.5)
        for _ in range(8):
            for kind, act in (
                ("one ion", lambda: session.select_ions([int(random.integers(ions))])),
                ("300 ions", lambda: session.select_ions(random.choice(ions, 300, replace=False).tolist())),
                ("a cluster", lambda: session.select_cluster(int(random.integers(1, 21)))),
            ):
                settle(0.3)
                started, spent = time.perf_counter(), time.thread_time()
                act()
                for _ in range(3):  # deferred updates and the paints they ask for
                    QApplication.processEvents()
                until(lambda: session.background.idle)
                QApplication.processEvents()
                taken[kind].append((time.perf_counter() - started) * 1000)
                work.append((time.thread_time() - spent) * 1000)
    viewer.close()
    every = [value for values in taken.values() for value in values]
    return {
        **{f"{kind}, median (ms)": statistics.median(values) for kind, values in taken.items()},
        "several ions for the first time, which adds a layer (ms)": first,
        "selection to all views, median (ms)": statistics.median(every),
        "selection to all views, p95 (ms)": float(np.quantile(every, 0.95)),
        "selection to all views, max (ms)": max(every),
        "work of the window's thread, median (ms CPU)": statistics.median(work),
        "work of the window's thread, p95 (ms CPU)": float(np.quantile(work, 0.95)),
        "work of the window's thread, max (ms CPU)": max(work),
    }


def growth(cycles: int) -> dict[str, float]:
    """What is left over after opening, running and closing again and again, in one viewer."""
    viewer = napari.Viewer(show=True)
    with tempfile.TemporaryDirectory() as folder:
        path = write_synthetic(Path(folder) / "made.imzML", seed=1, shape=(24, 32), ions_per_class=4)
        path = Path(folder) / "made.imzML"
        counts, memory = [], []
        for _ in range(cycles):
            viewer.open(str(path), plugin=PLUGIN)
            dock = open_dock(viewer)
            dock.cluster_step.auto.value = False
            dock.cluster_step.clusters.value = 4
            original = ClusterConfig.from_preset.__func__
            ClusterConfig.from_preset = classmethod(
                lambda cls, preset, _made=original, **changes: _made(
                    cls, preset, image_size=32, **changes
                ).with_epochs(1)
            )
            dock.run_button.click()
            until(lambda dock=dock: dock.workspace.session is not None and dock.run_button.isEnabled())
            ClusterConfig.from_preset = classmethod(original)
            session = dock.workspace.session
            until(lambda session=session: not session.busy and session.background.idle)
            viewer.window.remove_dock_widget(dock)
            del dock, session
            viewer.layers.clear()
            settle(0.2)
            gc.collect()
            counts.append((len(threading.enumerate()), callbacks(viewer)))
            memory.append(psutil.Process().memory_info().rss / 2**20)
    QThreadPool.globalInstance().waitForDone(1000)
    viewer.close()
    warm = cycles // 3  # caches fill in the first cycles
    slope = float(np.polyfit(np.arange(cycles - warm), memory[warm:], 1)[0])
    return {
        "more threads": float(counts[-1][0] - counts[warm][0]),
        "more callbacks": float(counts[-1][1] - counts[warm][1]),
        "more memory per cycle (MB)": slope,
        "memory at the end (MB)": memory[-1],
    }


def callbacks(viewer: Viewer) -> int:
    """Callbacks that hang on the viewer."""
    emitters = (
        viewer.layers.events.inserted,
        viewer.layers.events.removed,
        viewer.layers.events.reordered,
        viewer.dims.events.current_step,
    )
    mouse = (viewer.mouse_drag_callbacks, viewer.mouse_move_callbacks)
    return sum(len(emitter.callbacks) for emitter in emitters) + sum(map(len, mouse))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(os.environ.get("MSICLUST_TEST_DATA", "../shared/data"))
    parser.add_argument("--file", type=Path, default=data / "msight" / "prostate_example.imzML")
    parser.add_argument("--preset", default="default", help="what trains while the window is watched")
    parser.add_argument("--seconds", type=float, default=120, help="how long the window is watched")
    parser.add_argument("--cycles", type=int, default=30)
    parser.add_argument("--part", choices=("loop", "linked", "growth"))
    options = parser.parse_args()
    figures: dict[str, float] = {}
    if options.part in (None, "loop"):
        figures |= loop_under_training(options.file, options.preset, options.seconds)
    if options.part in (None, "linked"):
        figures |= linked_selection()
    if options.part in (None, "growth"):
        figures |= growth(options.cycles)
    figures["load average at the end"] = psutil.getloadavg()[0]
    failed = False
    for name, value in figures.items():
        bound = BOUNDS.get(name)
        verdict = "" if bound is None else f"   bound {bound:g}: {'ok' if value <= bound else 'EXCEEDED'}"
        failed |= bound is not None and value > bound
        print(f"{name:46s} {value:10.2f}{verdict}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
