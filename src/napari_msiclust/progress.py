"""What a stage tells while it works."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

_Step = TypeVar("_Step")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Progress:
    """One step of a stage.

    Attributes
    ----------
    stage : str
        Name of the stage, for people.
    step, total : int
        Steps done and steps in all, of this stage.
    loss : float or None
        Training loss of this step.
    confident_fraction : float or None
        Share of the ion images that may teach (self-labeling only).
    note : str
        Something the user should know, such as a smaller batch.
    """

    stage: str
    step: int
    total: int
    loss: float | None = None
    confident_fraction: float | None = None
    note: str = ""


ProgressCallback = Callable[[Progress], None]


def drain(steps: Generator[_Step, None, _Result], report: Callable[[_Step], object] | None = None) -> _Result:
    """Run a stage to its end, hand every step to `report`, and return the stage's result."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result
        if report is not None:
            report(step)
