from __future__ import annotations

import subprocess
import sys

# A fresh process, as the registry of units is built once in each.
_AT_ONCE = """
import sys, threading
sys.setswitchinterval(1e-6)
from napari.layers import Layer
from napari_msiclust.plugin.units import prepare_units
import numpy as np

start, failures = threading.Barrier(4), []

def make():
    start.wait()
    try:
        prepare_units()
        Layer.create(np.zeros((4, 4)), {"scale": (2, 2), "units": ("um", "um")}, "image")
    except Exception as error:
        failures.append(repr(error))

threads = [threading.Thread(target=make) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(failures)
"""


def test_layers_are_made_in_several_threads_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", _AT_ONCE], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
