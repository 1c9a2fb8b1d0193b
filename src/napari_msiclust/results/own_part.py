"""What our files hold beside what their format has a place for, as plain JSON values."""

from __future__ import annotations

from typing import Any

from napari_msiclust.results.scaled_image import ScaledImage
from napari_msiclust.results.table_json import table_from_json, table_to_json


def with_own_part(image: ScaledImage) -> dict[str, Any]:
    """Kind, layer settings and ion table of an image."""
    own: dict[str, Any] = {"kind": image.kind, **image.extra}
    if image.ions is not None:
        own |= {"ions": table_to_json(image.ions), "source": image.source}
    return own


def own_part(own: dict[str, Any]) -> dict[str, Any]:
    """The same again, as arguments of `ScaledImage`; damaged parts are left out."""
    extra = {name: value for name, value in own.items() if name not in ("kind", "axes", "ions", "source")}
    return {
        "kind": "labels" if own.get("kind") == "labels" else "image",
        "extra": extra,
        "ions": table_from_json(own["ions"]) if "ions" in own else None,
        "source": str(own.get("source", "")),
    }
