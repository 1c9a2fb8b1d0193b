"""Large imzML files of random centroids, written one spectrum at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent.parent))

IONS, PEAKS, WIDTH = 1500, 1000, 500
Floats = npt.NDArray[np.float64]
_UUID_BYTES = 16
_SPECTRUM = (
    '<spectrum id="Scan={number}" defaultArrayLength="0" index="{index}">\n'
    '<scanList count="1"><cvParam cvRef="MS" accession="MS:1000795" name="no combination"/><scan>'
    '<cvParam cvRef="IMS" accession="IMS:1000050" name="position x" value="{x}"/>'
    '<cvParam cvRef="IMS" accession="IMS:1000051" name="position y" value="{y}"/>'
    '</scan></scanList><binaryDataArrayList count="2">\n'
)
_ARRAY = (
    '<binaryDataArray encodedLength="0"><referenceableParamGroupRef ref="{}"/>'
    '<cvParam cvRef="IMS" accession="IMS:1000103" name="external array length" value="{}"/>'
    '<cvParam cvRef="IMS" accession="IMS:1000104" name="external encoded length" value="{}"/>'
    '<cvParam cvRef="IMS" accession="IMS:1000102" name="external offset" value="{}"/>'
    "<binary/></binaryDataArray>\n"
)


class _Writer:
    """Both files, with the header and footer of a small file of the same kind."""

    def __init__(self, path: Path, pixels: int, mode: str) -> None:
        from tests.imzml_files import Layout, MadeSpectrum, write_made

        last = MadeSpectrum(WIDTH, -(-pixels // WIDTH), None, np.array([100.0]), np.array([1.0]))
        layout = Layout(mode=mode, checksum=None)  # type: ignore[arg-type]
        header, rest = write_made(path, [last], layout).read_text("latin-1").split("<spectrum ", 1)
        self._footer = rest.split("</spectrum>", 1)[1]
        names = [part.split('"')[1] for part in header.split("<referenceableParamGroup ")[1:]]
        self._groups = [next(name for name in names if kind in name.lower()) for kind in ("mz", "int")]
        uuid = path.with_suffix(".ibd").read_bytes()[:_UUID_BYTES]
        self._xml, self._ibd = path.open("w", encoding="latin-1"), path.with_suffix(".ibd").open("wb")
        self._xml.write(header)
        self._ibd.write(uuid)
        self._pixel = 0

    def array(self, values: npt.NDArray[np.generic]) -> tuple[int, npt.NDArray[np.generic]]:
        """Write an array; returns where."""
        place = self._ibd.tell()
        self._ibd.write(values.tobytes())
        return place, values

    def spectrum(self, *arrays: tuple[int, npt.NDArray[np.generic]]) -> None:
        """Write the place of m/z and intensity."""
        y, x = divmod(self._pixel, WIDTH)
        self._xml.write(_SPECTRUM.format(number=self._pixel + 1, index=self._pixel, x=x + 1, y=y + 1))
        for group, (place, values) in zip(self._groups, arrays, strict=True):
            self._xml.write(_ARRAY.format(group, len(values), values.nbytes, place))
        self._xml.write("</binaryDataArrayList></spectrum>\n")
        self._pixel += 1

    def close(self) -> None:
        self._xml.write(self._footer)
        self._xml.close()
        self._ibd.close()


def write_spectra(path: Path, pixels: int, spectra: Iterable[tuple[Floats, Floats]]) -> None:
    """A processed file of m/z and intensities."""
    writer = _Writer(path, pixels, "processed")
    for mz, intensity in spectra:
        writer.spectrum(writer.array(mz), writer.array(intensity.astype(np.float32)))
    writer.close()


def write_processed(path: Path, pixels: int) -> Floats:
    """A file in which each pixel has 1,000 of 1,500 ions, with 2 ppm of scatter; returns their m/z."""
    rng = np.random.default_rng(0)
    ions = np.sort(rng.uniform(100, 1000, IONS))

    def spectrum() -> tuple[Floats, Floats]:
        chosen = np.sort(rng.permutation(IONS)[:PEAKS])
        mz = np.sort(ions[chosen] * (1 + rng.normal(0, 2e-6, PEAKS)))
        return mz, rng.exponential(100, PEAKS)

    write_spectra(path, pixels, (spectrum() for _ in range(pixels)))
    return ions


def write_continuous(path: Path, pixels: int, ions: int) -> None:
    """A file whose pixels share an ascending axis."""
    rng = np.random.default_rng(0)
    writer = _Writer(path, pixels, "continuous")
    axis = writer.array(np.sort(rng.uniform(100, 1000, ions)))
    for _ in range(pixels):
        writer.spectrum(axis, writer.array(rng.exponential(100, ions).astype(np.float32)))
    writer.close()
