"""What our files hold beside what their format has a place for, as plain JSON values."""

from __future__ import annotations

import math
from typing import Any

from napari_msiclust.results.scaled_image import ScaledImage
from napari_msiclust.results.table_json import table_from_json, table_to_json

_NOT_EXTRA = ("kind", "rgb", "axes", "ions", "source")


def with_own_part(image: ScaledImage) -> dict[str, Any]:
    """Kind, layer settings and ion table of an image."""
    own: dict[str, Any] = {"kind": image.kind, "rgb": image.rgb, **_finite(image.extra)}
    if image.ions is not None:
        own |= {"ions": table_to_json(image.ions), "source": image.source}
    return own


def own_part(own: dict[str, Any]) -> dict[str, Any]:
    """Kind, layer settings and ion table again, as arguments of `ScaledImage`; damaged parts are left out."""
    return {
        "kind": "labels" if own.get("kind") == "labels" else "image",
        "extra": {name: value for name, value in own.items() if name not in _NOT_EXTRA},
        "ions": table_from_json(own["ions"]) if "ions" in own else None,
        "source": str(own.get("source", "")),
    }


def _finite(value: Any) -> Any:
    """The same with null for each number that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
