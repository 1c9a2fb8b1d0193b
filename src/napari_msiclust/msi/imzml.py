"""Open mass spectrometry imaging files: typed metadata, spectra read lazily."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.msi.data_file import DataFile
from napari_msiclust.msi.exchanged import find_exchange
from napari_msiclust.msi.faults import Finding, find_faults, find_polarities, readable_pixels
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.index import SpectrumIndex
from napari_msiclust.msi.metadata import read_metadata
from napari_msiclust.msi.scan import read_index
from napari_msiclust.msi.spectra import SpectrumReader
from napari_msiclust.msi.tic import tic_steps
from napari_msiclust.progress import drain

Polarity = Literal["positive", "negative"]
Spectrum = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

_SIGN: dict[Polarity, int] = {"positive": 1, "negative": -1}


class ImzmlFile:
    """An open imzML file, or another file of the same structure; use it as a context manager.

    Made by `open_imzml` and `open_analyze`. Reading from several threads is safe, and so is handing
    it to another process, which opens the files again.

    Parameters
    ----------
    path, ibd_path : Path
    index : SpectrumIndex
    findings : sequence of Finding
    mz_path : Path, optional
        Where the m/z values lie, if not in the .ibd.
    skip_damaged : bool
        Read a spectrum that cannot be decoded as zeros.
    within : ndarray of int32, shape (Q, 3), optional
        Positions whose bounding box the grid gets; those of the index by default.

    Attributes
    ----------
    path, ibd_path : Path
    metadata : ImzmlMetadata
    grid : PixelGrid
    index : SpectrumIndex
    reader : SpectrumReader
    findings : tuple of Finding
        What was noticed when it was opened.
    """

    def __init__(
        self,
        path: Path,
        ibd_path: Path,
        index: SpectrumIndex,
        findings: Sequence[Finding] = (),
        *,
        mz_path: Path | None = None,
        skip_damaged: bool = False,
        within: npt.NDArray[np.int32] | None = None,
    ) -> None:
        self.path = path
        self.ibd_path = ibd_path
        self.index = index
        self.findings = tuple(findings)
        self.metadata = read_metadata(index)
        self.grid = PixelGrid.from_positions(
            index.positions,
            self.metadata.pixel_size_um if self.metadata.pixel_size_known else None,
            within=within,
        )
        self._data = DataFile(ibd_path)
        self._mz_data = self._data if mz_path is None else DataFile(mz_path)
        self.reader = SpectrumReader(
            index,
            self._data,
            self._mz_data,
            shared_axis=self.metadata.mode == "continuous",
            skip_damaged=skip_damaged,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the data files."""
        self._data.close()
        self._mz_data.close()

    def __len__(self) -> int:
        return len(self.index)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Faults that do not keep the file from being used, in words."""
        return tuple(finding.in_words() for finding in self.findings if finding.severity == "warning")

    @property
    def data_files(self) -> tuple[Path, ...]:
        """All files that hold its data."""
        return tuple(dict.fromkeys((self.path, self.ibd_path, self._mz_data.path)))

    @property
    def has_mobility(self) -> bool:
        """Whether each value of a spectrum has an ion mobility."""
        return self.index.mobility is not None

    def shared_mz(self) -> npt.NDArray[np.float64] | None:
        """The m/z axis (M,) that all pixels share, in the file's order; None if they do not."""
        return self.reader.axis() if self.metadata.mode == "continuous" else None

    def spectrum(self, pixel: int) -> Spectrum:
        """m/z (M,) and intensity (M,) of one pixel, in the file's order.

        Raises
        ------
        IndexError
            There is no such pixel.
        FileFormatError
            The data of the pixel are damaged.
        """
        if not 0 <= pixel < len(self):
            raise IndexError(f"pixel {pixel} of {len(self)}")
        return self.reader.spectrum(pixel)[:2]

    def spectra(self) -> Iterator[Spectrum]:
        """m/z and intensity of every pixel in the file's order, read in blocks of bounded size.

        Intensities that are not finite are given as zero; `spectrum` gives them as they are.
        """
        shared = self.shared_mz()
        for block in self.reader.blocks():
            for begin, end in zip(block.starts[:-1], block.starts[1:], strict=True):
                mz = block.mz[begin:end] if shared is None else shared
                yield mz, block.intensity[begin:end].astype(np.float64)

    def tic(self) -> npt.NDArray[np.float32]:
        """Total ion current (P,): the sum of each spectrum."""
        return drain(tic_steps(self.reader))


def open_imzml(path: str | Path, *, polarity: Polarity | None = None, damaged: bool = False) -> ImzmlFile:
    """Open an imzML file and its .ibd.

    Parameters
    ----------
    path : path
        The .imzML file; the .ibd is found beside it in any letter case.
    polarity : {'positive', 'negative'}, optional
        Which spectra to take of a file that holds both; None takes the more numerous.
    damaged : bool
        Open a damaged file with what can be read of it; by default damage is an error.

    Returns
    -------
    ImzmlFile
        Use it in a `with` statement.

    Raises
    ------
    FileFormatError
        A file is missing, is not imzML, or has a fault that would give wrong data.
    InputError
        There are no spectra of that polarity.
    """
    found = _find(Path(path), damaged=damaged)
    if polarity is None:
        found.findings.extend(find_polarities(found.index))
    return found.open(_of_polarity(found.index, polarity, found.path))


def open_polarities(path: str | Path, *, damaged: bool = False) -> tuple[ImzmlFile, ...]:
    """Open an imzML file, once for each polarity that it holds: positive, then negative.

    Their grids are the same in shape and origin. Parameters and errors as in `open_imzml`.
    """
    found = _find(Path(path), damaged=damaged)
    if not find_polarities(found.index):
        return (found.open(found.index),)
    return tuple(found.open(_of_polarity(found.index, polarity, found.path)) for polarity in _SIGN)


@dataclass(frozen=True)
class _Found:
    """A file that was looked over; `open` opens it with some of its spectra."""

    path: Path
    ibd_path: Path
    index: SpectrumIndex
    findings: list[Finding]
    damaged: bool

    def open(self, index: SpectrumIndex) -> ImzmlFile:
        return ImzmlFile(
            self.path,
            self.ibd_path,
            index,
            self.findings,
            skip_damaged=self.damaged,
            within=self.index.positions,
        )


def _find(path: Path, *, damaged: bool) -> _Found:
    refuse_raw_folder(path)
    index = read_index(path, damaged=damaged)
    ibd_path = find_ibd(path)
    findings = find_faults(index, ibd_path)
    if damaged:
        index = _readable(index, ibd_path)
    if all(finding.severity != "error" for finding in findings):
        findings += find_exchange(index, ibd_path)
    for finding in findings:
        if finding.severity == "error" and not (damaged and finding.recoverable):
            raise FileFormatError(finding.fault, fix=finding.fix, path=finding.path or path)
    return _Found(path, ibd_path, index, findings, damaged)


def _readable(index: SpectrumIndex, ibd_path: Path) -> SpectrumIndex:
    pixels = readable_pixels(index, ibd_path)
    if not len(pixels):
        raise FileFormatError("no spectrum can be read", fix="copy or export the file again", path=ibd_path)
    return index.take(pixels)


def _of_polarity(index: SpectrumIndex, polarity: Polarity | None, path: Path) -> SpectrumIndex:
    """The spectra of one polarity, where a file has both."""
    counts = {name: int((index.polarity == sign).sum()) for name, sign in _SIGN.items()}
    if polarity is None:
        if not all(counts.values()):
            return index
        polarity = "positive" if counts["positive"] >= counts["negative"] else "negative"
    elif not counts[polarity]:
        if not any(counts.values()) and read_metadata(index).polarity in (polarity, None):
            return index
        raise InputError(f"the file has no {polarity} spectra", fix="choose the other polarity", path=path)
    return index.take(np.flatnonzero(index.polarity == _SIGN[polarity]))


def refuse_raw_folder(path: Path) -> None:
    """Name a converter if a path is raw data of an instrument vendor.

    Raises
    ------
    FileFormatError
        It is.
    """
    if path.suffix.lower() in (".d", ".raw", ".wiff", ".wiff2", ".lif", ".tdf", ".tsf", ".baf"):
        raise FileFormatError(
            "raw data of an instrument cannot be read",
            fix="convert them to imzML: SCiLS Lab or TIMSCONVERT for .d, msconvert (ProteoWizard) and "
            "imzMLConverter for .raw and .wiff",
            path=path,
        )


def find_ibd(path: Path) -> Path:
    """The .ibd beside an .imzML, in any letter case.

    Raises
    ------
    FileFormatError
        There is none.
    """
    exact = path.with_suffix(".ibd")
    if exact.is_file():
        return exact
    wanted = exact.name.lower()
    for entry in sorted(path.parent.iterdir()):
        if entry.name.lower() == wanted and entry.is_file():
            return entry
    raise FileFormatError(
        f"its data file {exact.name} is missing", fix="put the .ibd file beside the .imzML file", path=path
    )
