"""Remaining time of a stage, from the time its steps took."""

from __future__ import annotations

import time

from napari_msiclust.progress import Progress


class StageClock:
    """Describes a step: stage, loss, confident share, remaining time."""

    def __init__(self) -> None:
        self._stage = ""
        self._first = (0, 0.0)

    def describe(self, step: Progress) -> str:
        """The step in words."""
        now = time.monotonic()
        if step.stage != self._stage:
            self._stage, self._first = step.stage, (step.step, now)
        parts = [f"{step.stage}: {step.step} of {step.total}"]
        if step.loss is not None:
            parts.append(f"loss {step.loss:.3f}")
        if step.confident_fraction is not None:
            parts.append(f"confident {step.confident_fraction:.0%}")
        done = step.step - self._first[0]
        if done > 0:
            seconds = (now - self._first[1]) / done * (step.total - step.step)
            parts.append(f"about {_duration(seconds)} left")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
