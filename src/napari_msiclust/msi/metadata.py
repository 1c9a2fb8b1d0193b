"""Typed metadata of an imzML file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from napari_msiclust.msi.index import Header, Param, SpectrumIndex

_UM_PER_UNIT = {
    "UO:0000008": 1e6,
    "UO:0000015": 1e4,
    "UO:0000016": 1e3,
    "UO:0000017": 1.0,
    "UO:0000018": 1e-3,
    "UO:0000019": 1e-4,
    "UO:0000020": 1e-6,
    "meter": 1e6,
    "centimeter": 1e4,
    "millimeter": 1e3,
    "micrometer": 1.0,
    "micron": 1.0,
    "nanometer": 1e-3,
    "angstrom": 1e-4,
    "picometer": 1e-6,
}
_AREA_UNITS = frozenset({"UO:0000080", "UO:0000081", "UO:0000082", "UO:0000083"})


@dataclass(frozen=True)
class ImzmlMetadata:
    """Facts that an imzML file states about itself.

    Attributes
    ----------
    mode : {'continuous', 'processed'}
        continuous: all pixels share one m/z axis.
    spectrum_type : {'centroid', 'profile', None}
    polarity : {'positive', 'negative', 'mixed', None}
    pixel_size_um : tuple of float
        (height, width); 1.0 where the file gives none (see `pixel_size_known`).
    uuid : str
        Lower-case hexadecimal digits; shared with the .ibd.
    software : str
        Programs that wrote the file.
    spectrum_types_declared : int
        2 for a file that claims to be both centroid and profile.
    """

    mode: Literal["continuous", "processed"]
    spectrum_type: Literal["centroid", "profile"] | None
    polarity: Literal["positive", "negative", "mixed"] | None
    pixel_size_um: tuple[float, float]
    pixel_size_known: bool
    uuid: str
    software: str
    spectrum_types_declared: int


def read_metadata(index: SpectrumIndex) -> ImzmlMetadata:
    """Typed metadata from the header of an imzML file."""
    header = index.header
    terms: dict[str, Param] = {}
    for group in (*header.groups.values(), header.content):
        terms.update(group)
    size, known = _pixel_size_um(header)
    types: dict[str, Literal["centroid", "profile"]] = {"MS:1000127": "centroid", "MS:1000128": "profile"}
    declared = [name for term, name in types.items() if term in terms]
    return ImzmlMetadata(
        mode=_mode(index, header),
        spectrum_type=declared[0] if len(declared) == 1 else None,
        spectrum_types_declared=len(declared),
        polarity=_polarity(index, terms),
        pixel_size_um=size,
        pixel_size_known=known,
        uuid="".join(
            c for c in header.content.get("IMS:1000080", Param("", "", "")).value.lower() if c.isalnum()
        ),
        software=", ".join(dict.fromkeys(header.software)),
    )


def _mode(index: SpectrumIndex, header: Header) -> Literal["continuous", "processed"]:
    """What the arrays show: one shared m/z array is continuous, whatever the header says."""
    mz = index.mz
    shared = bool((mz.offsets == mz.offsets[0]).all() and (mz.lengths == mz.lengths[0]).all())
    declared = "IMS:1000030" in header.content
    if shared and (declared or len(mz.offsets) > 1):
        return "continuous"
    return "processed"


def _polarity(
    index: SpectrumIndex, terms: dict[str, Param]
) -> Literal["positive", "negative", "mixed"] | None:
    """What the spectra say; what the header says where they say nothing."""
    positive, negative = bool((index.polarity > 0).any()), bool((index.polarity < 0).any())
    if not positive and not negative:
        positive, negative = "MS:1000130" in terms, "MS:1000129" in terms
    if positive and negative:
        return "mixed"
    return "positive" if positive else "negative" if negative else None


def _pixel_size_um(header: Header) -> tuple[tuple[float, float], bool]:
    """(height, width) of a pixel; a length without a unit is taken as micrometres.

    Where no pixel size is given, it follows from the size and the pixel count of the image.
    """
    settings = header.scan_settings[0] if header.scan_settings else {}
    width, height = _length_um(settings.get("IMS:1000046")), _length_um(settings.get("IMS:1000047"))
    if width is None and height is None:
        width = _share_um(settings, "IMS:1000044", "IMS:1000042")
        height = _share_um(settings, "IMS:1000045", "IMS:1000043")
    known = width is not None or height is not None
    return (height or width or 1.0, width or height or 1.0), known


def _length_um(param: Param | None) -> float | None:
    if param is None or param.unit in _AREA_UNITS:
        return None
    unit = param.unit if ":" in param.unit else param.unit.lower().replace("metre", "meter")
    try:
        length = float(param.value) * _UM_PER_UNIT.get(unit, 1.0)
    except ValueError:
        return None
    return length if math.isfinite(length) and length > 0 else None


def _share_um(settings: dict[str, Param], dimension: str, count: str) -> float | None:
    whole = _length_um(settings.get(dimension))
    try:
        pixels = float(settings[count].value) if count in settings else 0.0
    except ValueError:
        return None
    return whole / pixels if whole and pixels >= 1 and math.isfinite(pixels) else None
