"""Units of length, made ready for threads."""

from __future__ import annotations

import threading

import pint

_building = threading.Lock()


def prepare_units() -> None:
    """Build the registry of units that every layer asks, in one thread while others wait.

    pint builds it on first use; two layers made in two threads at once would find it half built.
    """
    with _building:
        pint.get_application_registry().parse_units("um")  # type: ignore[no-untyped-call]
