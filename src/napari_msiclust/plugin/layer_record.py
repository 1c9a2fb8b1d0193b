"""What of a layer no image format has a place for, so that a saved layer comes back as it was."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal

import numpy as np
import pint
from napari.utils.colormaps import AVAILABLE_COLORMAPS, Colormap, DirectLabelColormap
from pydantic import BaseModel, ConfigDict, Field, ValidationError

Vector = tuple[float, ...]
Rgba = tuple[float, float, float, float]
Share = Annotated[float, Field(ge=0, le=1)]

_UM_PER_UNIT = {
    "micrometer": 1.0,
    "um": 1.0,
    "µm": 1.0,
    "nanometer": 1e-3,
    "nm": 1e-3,
    "millimeter": 1e3,
    "mm": 1e3,
}


class ColorRamp(BaseModel):
    """A colormap of the user's own."""

    name: str
    colors: tuple[Rgba, ...]
    controls: Vector


class LayerRecord(BaseModel):
    """Settings of a layer as plain values, in the units of the layer.

    A file may come from anywhere: what does not fit is left out, and what does not fit the image is not
    applied.
    """

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    scale: Vector = ()
    translate: Vector = ()
    shear: Vector = ()
    rotate: tuple[Vector, ...] = ()
    affine: tuple[Vector, ...] = ()
    units: tuple[str, ...] = ()
    axis_labels: tuple[str, ...] = ()
    opacity: Share | None = None
    gamma: Annotated[float, Field(gt=0)] | None = None
    visible: bool | None = None
    blending: (
        Literal["opaque", "translucent", "translucent_no_depth", "additive", "minimum", "multiplicative"]
        | None
    ) = None
    colormap: str | ColorRamp | None = None
    contrast_limits: tuple[float, float] | None = None
    features: dict[str, list[Any]] = Field(default_factory=dict)
    colors: dict[int, Rgba] = Field(default_factory=dict)

    @classmethod
    def of(cls, attributes: dict[str, Any]) -> LayerRecord:
        """The record of a layer from what napari hands to a writer."""
        plain: dict[str, Any] = {
            name: np.asarray(attributes[name]).tolist()
            for name in ("scale", "translate", "shear", "rotate", "affine", "contrast_limits")
            if attributes.get(name) is not None
        }
        plain |= {name: tuple(map(str, attributes.get(name) or ())) for name in ("units", "axis_labels")}
        plain |= {name: attributes[name] for name in ("opacity", "gamma", "visible") if name in attributes}
        if "blending" in attributes:
            plain["blending"] = str(attributes["blending"])
        features = attributes.get("features")
        if features is not None:
            columns = features.to_dict("list")
            plain["features"] = {str(name): [_json_value(v) for v in columns[name]] for name in columns}
        return cls.model_validate(plain | _colors(attributes.get("colormap")))

    @classmethod
    def parse(cls, extra: dict[str, Any]) -> LayerRecord:
        """The record of a file; each value that is damaged is left out."""
        try:
            return cls.model_validate(extra)
        except ValidationError as error:
            damaged = {fault["loc"][0] for fault in error.errors()}
            return cls.model_validate({name: extra[name] for name in extra if name not in damaged})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; nothing for what is not set."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def um(self) -> tuple[float, float] | None:
        """Micrometres per unit of rows and columns; None where they have no unit of length."""
        units = self.units[-2:]
        if len(units) < 2 or len(self.scale) < 2 or any(unit not in _UM_PER_UNIT for unit in units):
            return None
        return _UM_PER_UNIT[units[0]], _UM_PER_UNIT[units[1]]

    def placement(self, ndim: int, pixel_size_um: tuple[float, float] | None) -> dict[str, Any]:
        """Where the layer lies.

        Nothing if the pixel size of the file is another, as when a program corrected it, or the number of
        axes does not fit.
        """
        size = None if self.um is None else tuple(np.multiply(self.scale[-2:], self.um))
        same = (size is None) == (pixel_size_um is None)
        if not same or (size and pixel_size_um and not np.allclose(size, pixel_size_um, rtol=1e-6, atol=0)):
            return {}
        if len(self.scale) != ndim or not all(self.scale) or not _known_units(self.units):
            return {}
        square = {"rotate": (ndim, ndim), "affine": (ndim + 1, ndim + 1)}
        vectors = {
            name: getattr(self, name)
            for name in ("scale", "translate", "units", "axis_labels")
            if len(getattr(self, name)) == ndim
        }
        matrices = {
            name: np.array(getattr(self, name))
            for name, shape in square.items()
            if _shape(getattr(self, name)) == shape
        }
        if len(self.shear) == ndim * (ndim - 1) // 2:
            vectors["shear"] = self.shear
        return vectors | {
            name: matrix for name, matrix in matrices.items() if abs(np.linalg.det(matrix)) > 1e-12
        }

    def look(self) -> dict[str, Any]:
        """How an image is shown."""
        names = ("opacity", "gamma", "visible", "blending")
        look = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.contrast_limits is not None and self.contrast_limits[0] < self.contrast_limits[1]:
            look["contrast_limits"] = self.contrast_limits
        if isinstance(self.colormap, str) and self.colormap in AVAILABLE_COLORMAPS:
            look["colormap"] = self.colormap
        if isinstance(self.colormap, ColorRamp):
            ramp = self.colormap
            with suppress(ValueError):
                look["colormap"] = Colormap(ramp.colors, name=ramp.name, controls=ramp.controls)
        return look

    def label_colors(self) -> DirectLabelColormap | None:
        """Colours of labels, if the layer had its own."""
        if not self.colors:
            return None
        colors: dict[int | None, Any] = {number: np.array(color) for number, color in self.colors.items()}
        return DirectLabelColormap(color_dict={None: np.zeros(4), 0: np.zeros(4)} | colors)


def _colors(colormap: Any) -> dict[str, Any]:
    """A colormap as `colormap` (of images) or `colors` (of labels)."""
    if isinstance(colormap, DirectLabelColormap):
        colors = colormap.color_dict.items()
        return {"colors": {k: np.asarray(v, float).tolist() for k, v in colors if k is not None}}
    if not isinstance(colormap, dict):
        return {"colormap": colormap} if isinstance(colormap, str) else {}
    name = str(colormap.get("name"))
    if name in AVAILABLE_COLORMAPS or "controls" not in colormap:
        return {"colormap": name}
    ramp = {key: np.asarray(colormap[key], float).tolist() for key in ("colors", "controls")}
    return {"colormap": ramp | {"name": name}}


def top_color(colormap: Any) -> str | None:
    """'#RRGGBB' of the largest value in a colormap as napari hands it to a writer."""
    if isinstance(colormap, str) and colormap in AVAILABLE_COLORMAPS:
        colormap = {"colors": AVAILABLE_COLORMAPS[colormap].colors}
    if not isinstance(colormap, dict) or not len(colormap.get("colors", ())):
        return None
    last = (np.asarray(colormap["colors"][-1], float)[:3] * 255).round().astype(int)
    return "#{:02X}{:02X}{:02X}".format(*last.clip(0, 255))


def _json_value(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and not np.isfinite(plain) else plain


def _shape(rows: tuple[Vector, ...]) -> tuple[int, ...]:
    lengths = {len(row) for row in rows}
    return (len(rows), *lengths)


def _known_units(units: tuple[str, ...]) -> bool:
    registry = pint.get_application_registry()  # type: ignore[no-untyped-call]
    try:
        return all(registry.parse_units(unit) is not None for unit in units)
    except (pint.errors.PintError, ValueError, AttributeError):
        return False
