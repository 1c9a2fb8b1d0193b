"""Where and how training runs: device, precision, threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from napari_msiclust.config import Device
from napari_msiclust.errors import InputError


def choose_device(wanted: Device) -> torch.device:
    """The device to train on; auto takes CUDA, then MPS, then the CPU.

    Raises
    ------
    InputError
        The wanted device is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name in present if present[name]))
    if not present[wanted]:
        raise InputError(f"no {wanted} device is available to torch", fix="choose device auto or cpu")
    return torch.device(wanted)


def mixed_precision(device: torch.device) -> torch.autocast:
    """Half precision for the forward pass on CUDA; full precision elsewhere."""
    return torch.autocast(device.type, dtype=torch.float16, enabled=device.type == "cuda")


@contextmanager
def limited_threads(count: int | None) -> Iterator[int]:
    """Use `count` CPU threads inside the block; None takes `default_threads`."""
    before = torch.get_num_threads()
    wanted = count or default_threads()
    torch.set_num_threads(wanted)
    try:
        yield wanted
    finally:
        torch.set_num_threads(before)


def default_threads() -> int:
    """One thread per physical core that this process may use.

    More threads than cores make training several times slower.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), allowed))
