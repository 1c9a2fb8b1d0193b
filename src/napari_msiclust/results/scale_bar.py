"""How long a scale bar is."""

from __future__ import annotations

import math


def round_length(width: float) -> float:
    """The longest of 1, 2 or 5 times a power of ten within a quarter of a width."""
    rough = max(width / 4, 1e-9)
    power = 10.0 ** math.floor(math.log10(rough))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= rough * (1 + 1e-9))


def length_in_words(length: float, *, um: bool) -> str:
    """A length as it is written beside a scale bar."""
    if not um:
        return f"{length:g} pixels"
    return f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"
