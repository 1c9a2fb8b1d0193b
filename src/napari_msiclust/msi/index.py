"""What an imzML file says about itself and where every spectrum lies, as plain arrays.

Accessions are those of the PSI-MS and imaging-MS ontologies.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

MZ_ARRAY = "MS:1000514"
INTENSITY_ARRAY = "MS:1000515"
MOBILITY_ARRAYS = {
    "MS:1002477": "drift time",
    "MS:1002816": "ion mobility",
    "MS:1002893": "ion mobility",
    "MS:1003006": "inverse reduced ion mobility",
    "MS:1003007": "ion mobility",
    "MS:1003008": "inverse reduced ion mobility",
    "MS:1003153": "drift time",
    "MS:1003154": "ion mobility",
    "MS:1003155": "inverse reduced ion mobility",
    "MS:1003156": "drift time",
}


@dataclass(frozen=True)
class Param:
    """A cvParam: its name, value, and unit (accession, or name where no accession is given)."""

    name: str
    value: str
    unit: str


@dataclass(frozen=True)
class Header:
    """What an imzML file says besides its spectra.

    Attributes
    ----------
    content : dict
        Accession to `Param` of fileContent.
    scan_settings : tuple of dict
        Accession to `Param`, one dict for each scanSettings element.
    groups : dict
        referenceableParamGroup id to its accession-to-`Param` dict.
    software : tuple of str
        Names of the programs that wrote the file.
    declared_spectra : int or None
        The count attribute of the spectrum list.
    notes : tuple of str
        Contradictions in the file that had to be settled, and how.
    damage : str
        Where and why reading the XML ended early; empty for a whole file.
    """

    content: dict[str, Param]
    scan_settings: tuple[dict[str, Param], ...]
    groups: dict[str, dict[str, Param]]
    software: tuple[str, ...]
    declared_spectra: int | None
    notes: tuple[str, ...] = ()
    damage: str = ""


@dataclass(frozen=True)
class ArrayKind:
    """How one kind of binary array is stored."""

    dtype: np.dtype[np.generic]
    zlib: bool


@dataclass(frozen=True, eq=False)
class ArrayIndex:
    """Where the m/z, intensity or mobility arrays lie in the .ibd.

    Attributes
    ----------
    offsets, lengths, encoded_lengths : ndarray of int64, shape (P,)
        First byte, number of values, number of bytes.
    kinds : tuple of ArrayKind
    kind : ndarray of uint8, shape (P,)
        Which of `kinds` each array has.
    """

    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    encoded_lengths: npt.NDArray[np.int64]
    kinds: tuple[ArrayKind, ...]
    kind: npt.NDArray[np.uint8]

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """First byte (P,) behind each array; 0 for empty arrays."""
        return np.where(self.lengths > 0, self.offsets + self.encoded_lengths, 0)

    def take(self, pixels: npt.NDArray[np.intp]) -> ArrayIndex:
        """The arrays of some pixels."""
        return replace(
            self,
            offsets=self.offsets[pixels],
            lengths=self.lengths[pixels],
            encoded_lengths=self.encoded_lengths[pixels],
            kind=self.kind[pixels],
        )


@dataclass(frozen=True, eq=False)
class SpectrumIndex:
    """Header, pixel positions and array locations of an imzML file.

    Attributes
    ----------
    positions : ndarray of int32, shape (P, 3)
        x, y, z as the file gives them (1-based).
    polarity : ndarray of int8, shape (P,)
        1 positive, -1 negative, 0 not said.
    mz, intensity : ArrayIndex
    mobility : ArrayIndex or None
        Ion mobility of each value of a spectrum, where the file has it.
    mobility_name : str
        What the mobility is, such as 'drift time'; empty without mobility.
    """

    header: Header
    positions: npt.NDArray[np.int32]
    polarity: npt.NDArray[np.int8]
    mz: ArrayIndex
    intensity: ArrayIndex
    mobility: ArrayIndex | None = None
    mobility_name: str = ""

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, pixels: npt.NDArray[np.intp]) -> SpectrumIndex:
        """The index of some pixels."""
        return replace(
            self,
            positions=self.positions[pixels],
            polarity=self.polarity[pixels],
            mz=self.mz.take(pixels),
            intensity=self.intensity.take(pixels),
            mobility=None if self.mobility is None else self.mobility.take(pixels),
        )
