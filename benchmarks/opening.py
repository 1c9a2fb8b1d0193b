"""Opening files in a running napari window, and moving through their ions.

For each file, in a fresh process: the time from the drop to the TIC image and to the ion stack, the longest
time for which the window handled no event meanwhile, and how long a step of the slider takes until drawn.
The first file of a session includes what is imported for it; the second opening takes the ion images from
the cache. A step is timed five times, and its fastest counts. Beside the time by the clock stands that of
the processor, which other work on the machine does not lengthen: of the process until the TIC is there, of
the window's thread for blocks and steps.

xvfb-run -a -s "-screen 0 1600x1200x24" python benchmarks/opening.py [--pixels 300000]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent.parent))
DATA = Path(os.environ.get("MSICLUST_TEST_DATA", Path(__file__).parent.parent / ".." / "shared" / "data"))
IONS, STEPS, ROUNDS, PEAKS = 300, 60, 5, 400
MOST_SECONDS = 300


def generate(path: Path, pixels: int, mode: str) -> None:
    """A file of random centroids, 600 pixels wide: continuous with 300 ions, processed with 400 peaks."""
    from tests.imzml_files import Layout, MadeSpectrum, write_made

    rng = np.random.default_rng(0)
    axis = np.sort(rng.uniform(100, 1000, IONS if mode == "continuous" else 2 * PEAKS))
    length = IONS if mode == "continuous" else PEAKS
    one = MadeSpectrum(1, 1, None, axis[:length], np.ones(length))
    text = write_made(path, [one], Layout(mode=mode, checksum=None)).read_text("latin-1")  # type: ignore[arg-type]
    ibd = path.with_suffix(".ibd").read_bytes()
    start, end = text.index("<spectrum "), text.index("</spectrum>") + len("</spectrum>")
    template = text[start:end].replace("{", "{{").replace("}", "}}")
    for name, field in (("position x", "x"), ("position y", "y")):
        template = re.sub(rf'(name="{name}" value=)"1"', rf'\1"{{{field}}}"', template)
    mz_at, intensity_at = re.findall(r'name="external offset" value="(\d+)"', template)
    shared = ibd[: int(intensity_at)] if mode == "continuous" else ibd[: int(mz_at)]
    if mode == "processed":
        template = template.replace(f'offset" value="{mz_at}"', 'offset" value="{mz}"')
    template = template.replace(f'offset" value="{intensity_at}"', 'offset" value="{intensity}"')
    with path.open("w", encoding="latin-1") as xml, path.with_suffix(".ibd").open("wb") as data:
        xml.write(text[:start].replace('spectrumList count="1"', f'spectrumList count="{pixels}"'))
        data.write(shared)
        for pixel in range(pixels):
            place = data.tell()
            if mode == "processed":
                chosen = axis[np.sort(rng.permutation(len(axis))[:PEAKS])]
                data.write(np.sort(chosen * (1 + rng.normal(0, 2e-6, PEAKS))).tobytes())
            intensity = data.tell()
            data.write(rng.exponential(100, length).astype(np.float32).tobytes())
            y, x = divmod(pixel, 600)
            xml.write(template.format(x=x + 1, y=y + 1, mz=place, intensity=intensity) + "\n")
        xml.write(text[end:])


def window_clocks() -> tuple[float, float]:
    """Seconds by the clock, and of this thread on the processor."""
    return time.perf_counter(), time.thread_time()


class Window:
    """A napari window whose event loop is watched."""

    def __init__(self) -> None:
        import napari
        from npe2 import PluginManager
        from qtpy.QtCore import QTimer

        PluginManager.instance().discover()
        self.viewer = napari.Viewer(show=True)
        self.ticks: list[tuple[float, float]] = []
        self._timer = QTimer(interval=1)
        self._timer.timeout.connect(lambda: self.ticks.append(window_clocks()))
        self.run(3)
        self._timer.start()

    def run(self, seconds: float, until: str = "") -> None:
        """Handle events for some time, or until there is a layer whose name ends so."""
        from qtpy.QtCore import QEventLoop, QTimer

        loop = QEventLoop()

        def look() -> None:
            if any(layer.name.endswith(until) for layer in self.viewer.layers):
                loop.quit()

        QTimer.singleShot(int(seconds * 1000), loop.quit)
        watch = QTimer(interval=20)
        watch.timeout.connect(look)
        if until:
            watch.start()
        loop.exec()
        watch.stop()

    def open(self, path: Path) -> dict[str, float]:
        """Seconds from the drop to the TIC image and the stack, and the longest block meanwhile."""
        from qtpy.QtCore import QTimer

        came: dict[str, tuple[float, float]] = {}

        def arrive(event: object) -> None:
            kind = event.value.name.rsplit(" ", 1)[1]  # type: ignore[attr-defined]
            QTimer.singleShot(
                0, lambda: came.setdefault(kind, (time.perf_counter(), time.process_time()))
            )  # once it is drawn

        self.viewer.layers.events.inserted.connect(arrive)
        self.ticks.clear()
        begun: list[tuple[float, float]] = []
        used: list[float] = []

        def drop() -> None:
            begun.append(window_clocks())
            used.append(time.process_time())
            self.viewer.open(str(path), plugin="napari-msiclust")

        QTimer.singleShot(0, drop)
        self.run(MOST_SECONDS, until=" ions")
        self.run(0.5)
        self.viewer.layers.events.inserted.disconnect(arrive)
        return {
            "tic": came["TIC"][0] - begun[0][0],
            "tic_cpu": came["TIC"][1] - used[0],
            "ions": came["ions"][0] - begun[0][0],
            **self.longest_block(begun[0]),
        }

    def longest_block(self, begun: tuple[float, float]) -> dict[str, float]:
        """Longest time between two events, by the clock and of the window's thread."""
        clock, cpu = np.diff([begun, *self.ticks], axis=0).max(axis=0)
        return {"block": float(clock), "block_cpu": float(cpu)}

    def steps(self) -> npt.NDArray[np.float64]:
        """Seconds of the slider's steps from setting to drawn, by both clocks (rounds, steps, 2)."""
        from qtpy.QtWidgets import QApplication

        (stack,) = (layer for layer in self.viewer.layers if layer.name.endswith(" ions"))
        ions = np.linspace(0, len(stack.data) - 1, min(STEPS, len(stack.data))).astype(int)
        seconds = np.empty((ROUNDS, len(ions), 2))
        for one_round in seconds:
            for place, ion in enumerate(ions):
                begun = window_clocks()
                self.viewer.dims.set_current_step(0, int(ion))
                QApplication.processEvents()
                one_round[place] = np.subtract(window_clocks(), begun)
        return seconds[:, 1:]


def measure_file(path: Path) -> dict[str, object]:
    window = Window()
    first = window.open(path)
    seconds = window.steps() * 1000
    window.viewer.layers.clear()
    window.run(0.5)
    again = window.open(path)
    window.viewer.close()
    clock, cpu = seconds.min(axis=0).T
    return {
        "first": first,
        "again": again,
        "step": {"median": float(np.median(clock)), "largest": float(clock.max())},
        "step_cpu": {"median": float(np.median(cpu)), "largest": float(cpu.max())},
    }


def measure_dock() -> dict[str, float]:
    """Seconds until the widget's dock is there, until it is filled, and the longest block until torch is."""
    from qtpy.QtCore import QThreadPool, QTimer

    window = Window()
    begun: list[tuple[float, float]] = []
    docks: list[object] = []
    there: list[float] = []

    def act() -> None:
        begun.append(window_clocks())
        docks.append(window.viewer.window.add_plugin_dock_widget("napari-msiclust", "Cluster ion images")[1])
        there.append(time.perf_counter() - begun[0][0])

    window.ticks.clear()
    QTimer.singleShot(0, act)
    window.run(0.05)
    while docks[0].widget is None:  # type: ignore[attr-defined]
        window.run(0.05)
    filled = time.perf_counter() - begun[0][0]
    while QThreadPool.globalInstance().activeThreadCount():  # it imports torch
        window.run(0.05)
    found = {"there": there[0], "filled": filled, **window.longest_block(begun[0])}
    window.viewer.close()
    return found


def in_fresh_process(*arguments: str) -> dict[str, object]:
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def report(label: str, path: Path) -> None:
    found = in_fresh_process("--file", str(path))
    for name in ("first", "again"):
        one: dict[str, float] = found[name]  # type: ignore[assignment]
        print(
            f"{label}, {name}: TIC after {one['tic']:.2f} s (processor {one['tic_cpu']:.2f} s; target 1.5), "
            f"ions after {one['ions']:.2f} s, longest block {one['block']:.2f} s "
            f"(processor {one['block_cpu']:.2f} s; target 0.5)"
        )
    step: dict[str, float] = found["step"]  # type: ignore[assignment]
    cpu: dict[str, float] = found["step_cpu"]  # type: ignore[assignment]
    print(
        f"{label}, slider: median {step['median']:.0f} ms, largest {step['largest']:.0f} ms "
        f"(processor {cpu['median']:.0f} and {cpu['largest']:.0f} ms; target 50)"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pixels", type=int, default=300_000)
    options.add_argument("--file", type=Path, help="measure one file in this process")
    options.add_argument("--dock", action="store_true", help="measure the dock in this process")
    chosen = options.parse_args()
    if chosen.file:
        print(json.dumps(measure_file(chosen.file)))
        return
    if chosen.dock:
        print(json.dumps(measure_dock()))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MSICLUST_CACHE"] = str(folder / "cache")
        os.environ["NAPARI_CONFIG"] = str(folder / "napari.yaml")
        dock = in_fresh_process("--dock")
        print(
            f"widget: there after {dock['there']:.2f} s (target 0.3), filled after {dock['filled']:.2f} s, "
            f"longest block until torch is there {dock['block']:.2f} s (processor {dock['block_cpu']:.2f} s)"
        )
        real = DATA / "msight" / "prostate_example.imzML"
        if real.exists():
            report("msight, 33,035 pixels", real)
        for mode in ("continuous", "processed"):
            path = folder / f"{mode}.imzML"
            generate(path, chosen.pixels, mode)
            report(f"{mode}, {chosen.pixels:,} pixels", path)


if __name__ == "__main__":
    main()
