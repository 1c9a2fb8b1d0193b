"""Which ion images are read from a file: one set of options, recorded with a run and read back."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import TypeAdapter, ValidationError

from napari_msiclust.errors import FileFormatError, InputError
from napari_msiclust.progress import Progress, ProgressCallback, drain

if TYPE_CHECKING:
    from napari_msiclust.msi.imzml import ImzmlFile
    from napari_msiclust.msi.ion_images import IonImages

_LIST_HASH = "mz_sha256"


@dataclass(frozen=True)
class ReadingSettings:
    """The options that say which ion images are read from a file.

    Attributes
    ----------
    mz : Path or None
        CSV of m/z to image; None takes the file's own axis, or picked peaks.
    tolerance_ppm, tolerance_da : float or None
        Half width of an m/z window; 20 ppm if neither is given.
    normalization : {'none', 'tic', 'rms', 'median'}
    polarity : {'positive', 'negative'} or None
        Which spectra of a file that holds both.
    max_peaks, min_pixel_frequency
        As in `PeakSettings`.
    min_structure : float or None
        Ion images with a smaller Moran's I are left out.
    damaged : bool
        Read what is left of a damaged file.
    """

    mz: Path | None = None
    tolerance_ppm: float | None = None
    tolerance_da: float | None = None
    normalization: Literal["none", "tic", "rms", "median"] = "none"
    polarity: Literal["positive", "negative"] | None = None
    max_peaks: int = 1500
    min_pixel_frequency: float = 0.01
    min_structure: float | None = None
    damaged: bool = False

    @classmethod
    def from_record(cls, record: Mapping[str, Any], *, mz: Path | None = None) -> Self:
        """The settings that `settings` wrote; other entries of the record are left alone.

        Parameters
        ----------
        mz : Path, optional
            Where the m/z list lies now, if it was moved.

        Raises
        ------
        FileFormatError
            The m/z list is gone, or is not the one that was read.
        InputError
            A value is not what it should be.
        """
        names = cls.__dataclass_fields__
        try:
            own = TypeAdapter(cls).validate_python({name: record[name] for name in names if name in record})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InputError(f"the record of a run garbles {where} ({first['msg']})") from error
        if own.mz is None:
            return own
        own = replace(own, mz=mz or own.mz)
        known = record.get(_LIST_HASH)
        if known is not None and known != _sha256(own.mz):
            raise FileFormatError("not the m/z list of that run", fix="give the one it read", path=own.mz)
        return own

    def like_record(self, record: Mapping[str, Any], own: Collection[str]) -> Self:
        """The settings that `settings` wrote, but the fields `own` as they are here.

        Raises
        ------
        FileFormatError, InputError
            As `from_record`.
        """
        earlier = self.from_record({name: value for name, value in record.items() if name not in own})
        return replace(earlier, **{name: getattr(self, name) for name in own})

    @contextmanager
    def opened(self, file: Path) -> Iterator[ImzmlFile]:
        """The file, opened as the settings have it."""
        from napari_msiclust.msi.open_file import open_msi

        with open_msi(file, polarity=self.polarity, damaged=self.damaged) as opened:
            yield opened

    def images(self, opened: ImzmlFile, report: ProgressCallback | None = None) -> IonImages:
        """The ion images."""
        return drain(self.images_steps(opened), report)

    def images_steps(
        self, opened: ImzmlFile, *, stop: threading.Event | None = None
    ) -> Generator[Progress, None, IonImages]:
        """The ion images, by a generator of `Progress` that `stop` ends with `Stopped`."""
        from napari_msiclust.msi.extract import NORMALIZATIONS, extraction_steps
        from napari_msiclust.msi.ion_list import Tolerance
        from napari_msiclust.msi.mz_lists import read_mz_list
        from napari_msiclust.msi.peaks import PeakSettings
        from napari_msiclust.msi.spatial import keep_structured

        images = yield from extraction_steps(
            opened,
            None if self.mz is None else read_mz_list(self.mz),
            tolerance=Tolerance.of(self.tolerance_ppm, self.tolerance_da),
            normalization=next((name for name in NORMALIZATIONS if name == self.normalization), None),
            peaks=PeakSettings(self.max_peaks, self.min_pixel_frequency),
            stop=stop,
        )
        return images if self.min_structure is None else keep_structured(images, self.min_structure)

    def settings(self) -> dict[str, Any]:
        """The options as plain JSON values, with a hash of the m/z list, for the record of a run."""
        if self.mz is None:
            return asdict(self)
        return asdict(self) | {"mz": str(self.mz.resolve()), _LIST_HASH: _sha256(self.mz)}


def source_record(reading: ReadingSettings, opened: ImzmlFile) -> dict[str, Any]:
    """What was read, how, and what is odd about it, for the record of a run (`describe_source`)."""
    from napari_msiclust.msi.preflight import examine
    from napari_msiclust.results.exports import describe_source

    findings = [
        {"severity": finding.severity, "text": finding.in_words()}
        for finding in examine(opened.path).findings
    ]
    return describe_source(opened.path, opened.ibd_path, **reading.settings(), findings=findings)


def _sha256(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FileFormatError(
            f"the m/z list cannot be read ({error.strerror})", fix="give it with --mz", path=path
        ) from error
