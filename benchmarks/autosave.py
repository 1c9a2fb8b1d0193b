"""How late the window's thread is while a session is kept beside it: python benchmarks/autosave.py."""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from qtpy.QtCore import QCoreApplication, QTimer

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.ion_clustering import Embedding
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.evidence import collect_evidence
from napari_msiclust.results.project.autosave import autosave, autosaved
from napari_msiclust.results.project.content import Project

DATA = Path("made.imzML")


def made_result(side: int, ions: int, clusters: int) -> ClusterResult:
    """A result of random numbers, which no file packs well."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[1 : side + 1, 1 : side + 1]
    grid = PixelGrid.from_positions(np.stack([x.ravel(), y.ravel()], 1).astype(np.int32), (10.0, 10.0))
    labels = rng.integers(1, clusters + 1, ions)
    table = pd.DataFrame(
        {
            "mz": np.sort(rng.uniform(100, 2000, ions)),
            "cluster": labels,
            "confidence": rng.random(ions).round(6),
            "bin": "",
            "centrality": rng.random(ions).round(6),
            "annotation": "",
            "isotope_of": np.nan,
        }
    )
    counts = np.bincount(labels, minlength=clusters + 1)[1:]
    network = {"network": rng.random((1000, 3500)).astype(np.float32)}
    return ClusterResult(
        ions=table,
        clusters=pd.DataFrame({"cluster": range(1, clusters + 1), "ions": counts}).assign(
            mean_confidence=0.5, central_mz=1.0, dominant_pixels=1
        ),
        embedding=Embedding(rng.random((ions, 1280)).astype(np.float32), "", "", "", network),
        embedded=np.arange(ions),
        mean_images=rng.random((clusters, side, side)).astype(np.float32),
        dominant_cluster_map=rng.integers(0, clusters, (side, side)).astype(np.uint16),
        evidence=collect_evidence(table["mz"].to_numpy(), labels, np.zeros((ions, 1), np.float32)),
        history=pd.DataFrame({"stage": ["training"] * 500, "epoch": 0, "loss": 1.0}),
        grid=grid,
        config=ClusterConfig(),
        provenance={"seconds": {"total": 1.0}},
    )


def lateness_ms(work: Callable[[], object]) -> tuple[float, float, float]:
    """Seconds that the work took in a thread; median and largest gap of a timer of 2 ms meanwhile."""
    app = QCoreApplication.instance() or QCoreApplication([])
    gaps: list[float] = []
    last = time.perf_counter()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        gaps.append(1e3 * (now - last))
        last = now

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(2)
    thread = threading.Thread(target=work)
    began = time.perf_counter()
    thread.start()
    while thread.is_alive():
        app.processEvents()
        time.sleep(0.0005)
    timer.stop()
    return time.perf_counter() - began, float(np.median(gaps)), max(gaps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=300, help="pixels of a side")
    parser.add_argument("--ions", type=int, default=1500)
    parser.add_argument("--clusters", type=int, default=20)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MSICLUST_STATE"] = folder
        result = made_result(options.side, options.ions, options.clusters)
        project = Project(result, result, data_path=str(DATA))
        rows = [("nothing", *lateness_ms(lambda: time.sleep(1)))]
        rows += [("autosave", *lateness_ms(lambda: autosave(project, DATA))) for _ in range(options.times)]
        size = autosaved(DATA).stat().st_size / 1e6
    print(f"{size:.1f} MB; load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else f"{size:.1f} MB")
    for name, seconds, median, worst in rows:
        print(f"{name:10} {seconds:6.2f} s   late by {median:5.1f} ms (median), {worst:5.1f} ms (at most)")


if __name__ == "__main__":
    main()
