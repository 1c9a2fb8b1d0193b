from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from napari_msiclust.results.project.project_file import read_project

MOMENTS = 60


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to kill without fork")
@pytest.mark.parametrize("name", ["p.msiclust", "folder"])
def test_a_program_killed_while_saving_leaves_a_whole_project(
    name: str, plain_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / name
    command = [sys.executable, "-m", "tests.results.project.saving_forever", str(plain_file), str(target)]
    rng = np.random.default_rng(11)
    left, found = 0, set()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as saving:
        assert saving.stdin is not None
        assert saving.stdout is not None
        seconds = float(saving.stdout.readline())
        for moment in range(MOMENTS):
            saving.stdin.write(f"{(-1) ** moment}\n")
            child = int(saving.stdout.readline())
            time.sleep(rng.uniform(0, 2.5 * seconds))
            os.kill(child, signal.SIGKILL)
            assert saving.stdout.readline() == "dead\n"
            found.add(read_project(target).edits[4].name)
            pieces = tmp_path if target.is_file() else target
            left += (
                len([entry for entry in pieces.iterdir() if entry.name not in (name, "manifest.json")]) > 1
            )
        saving.stdin.close()
    assert found == {"one", "other"}
    assert left  # it was indeed interrupted at work
