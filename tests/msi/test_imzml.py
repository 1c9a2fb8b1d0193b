from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pyimzml.compression import ZlibCompression

from napari_msiclust.errors import FileFormatError
from napari_msiclust.msi.imzml import open_imzml
from tests.conftest import WriteImzml

SPECTRA = [([100.0, 200.5, 300.25], [1, 2, 3]), ([150.0, 250.0], [4, 5]), ([99.0], [6])]
POSITIONS = [(1, 1, 1), (2, 1, 1), (2, 2, 1)]


@pytest.mark.parametrize("compression", [None, ZlibCompression()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
def test_processed_spectra_come_back(write_imzml: WriteImzml, dtype: type, compression: object) -> None:
    names = () if compression is None else ("mz_compression", "intensity_compression")
    extra = dict.fromkeys(names, compression)
    path = write_imzml(SPECTRA, POSITIONS, intensity_dtype=dtype, mz_dtype=np.float64, **extra)
    with open_imzml(path) as file:
        assert file.metadata.mode == "processed"
        assert file.metadata.spectrum_type == "centroid"
        assert len(file) == 3
        for (mz, intensity), (read_mz, read_intensity) in zip(SPECTRA, file.spectra(), strict=True):
            np.testing.assert_array_equal(read_mz, mz)
            np.testing.assert_array_equal(read_intensity, intensity)
        np.testing.assert_array_equal(file.spectrum(1)[0], SPECTRA[1][0])


def test_continuous_spectra_share_an_axis(write_imzml: WriteImzml) -> None:
    axis = [100.0, 200.0]
    path = write_imzml([(axis, [1, 2]), (axis, [3, 4])], [(1, 1), (2, 1)], mode="continuous")
    with open_imzml(path) as file:
        shared = file.shared_mz()
        assert shared is not None
        np.testing.assert_array_equal(shared, axis)
        (block,) = file.reader.blocks()
    assert (block.first, block.last) == (0, 2)
    np.testing.assert_array_equal(block.intensity, [1, 2, 3, 4])


def test_the_standard_examples_agree_with_each_other(shared_data: Path) -> None:
    folder = shared_data / "conformance" / "pyimzml"
    with (
        open_imzml(folder / "Example_Continuous.imzML") as one,
        open_imzml(folder / "Example_Processed.imzML") as other,
    ):
        assert (one.metadata.mode, other.metadata.mode) == ("continuous", "processed")
        for (mz, intensity), (other_mz, other_intensity) in zip(one.spectra(), other.spectra(), strict=True):
            np.testing.assert_array_equal(mz, other_mz)
            np.testing.assert_array_equal(intensity, other_intensity)
        assert one.metadata.pixel_size_um == (100.0, 100.0)


def test_another_readers_axis(shared_data: Path) -> None:
    folder = shared_data / "conformance" / "pym2aia"
    with open_imzml(folder / "test.imzML") as file:
        axis = file.shared_mz()
    assert axis is not None
    np.testing.assert_array_equal(axis, np.load(folder / "XS.npy").ravel())


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("thyra/unit_nanometre.imzML", (4.40625, 4.40625)),
        ("thyra/two_scansettings.imzML", (10.0, 10.0)),
        ("galaxy/out3.imzml", (1.0, 1.0)),  # the height is infinite: the width is taken
    ],
)
def test_pixel_size_in_um(shared_data: Path, name: str, size: tuple[float, float]) -> None:
    with open_imzml(shared_data / "conformance" / name) as file:
        assert file.metadata.pixel_size_um == pytest.approx(size)
        assert file.metadata.pixel_size_known


def test_the_ibd_is_found_in_any_case(write_imzml: WriteImzml) -> None:
    path = write_imzml(SPECTRA, POSITIONS)
    path.with_suffix(".ibd").rename(path.with_name("MADE.IBD"))
    with open_imzml(path) as file:
        assert file.ibd_path.name == "MADE.IBD"
        assert len(list(file.spectra())) == 3


def test_a_missing_ibd_is_named(shared_data: Path) -> None:
    with pytest.raises(FileFormatError, match=r"imzml_file.ibd is missing; put the .ibd"):
        open_imzml(shared_data / "conformance" / "imsmicrolink" / "imzml_file.imzML")


def test_a_truncated_ibd_says_how_many_pixels(write_imzml: WriteImzml) -> None:
    path = write_imzml(SPECTRA, POSITIONS)
    ibd = path.with_suffix(".ibd")
    ibd.write_bytes(ibd.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match="truncated: 1 of 3 pixels"):
        open_imzml(path)


def test_damaged_compression_is_an_error(write_imzml: WriteImzml) -> None:
    path = write_imzml(SPECTRA, POSITIONS, intensity_compression=ZlibCompression())
    with open_imzml(path) as file:
        offset = int(file.index.intensity.offsets[1])
    raw = bytearray(path.with_suffix(".ibd").read_bytes())
    raw[offset : offset + 4] = b"\xff\xff\xff\xff"
    path.with_suffix(".ibd").write_bytes(bytes(raw))
    with open_imzml(path) as file, pytest.raises(FileFormatError, match="spectrum 2 are damaged"):
        list(file.spectra())


def test_several_threads_read_the_same(write_imzml: WriteImzml) -> None:
    spectra = [([float(k + 1), float(k + 2)], [k, k]) for k in range(200)]
    path = write_imzml(spectra, [(k + 1, 1) for k in range(200)])
    with open_imzml(path) as file, ThreadPoolExecutor(4) as pool:
        read = list(pool.map(file.spectrum, list(range(200)) * 5))
    for number, (mz, _) in enumerate(read):
        assert mz[0] == number % 200 + 1


def test_a_pixel_beyond_the_end(write_imzml: WriteImzml) -> None:
    with open_imzml(write_imzml(SPECTRA, POSITIONS)) as file, pytest.raises(IndexError, match="pixel 3 of 3"):
        file.spectrum(3)


def test_closing_frees_the_file(write_imzml: WriteImzml) -> None:
    with open_imzml(write_imzml(SPECTRA, POSITIONS)) as file:
        pass
    with pytest.raises(ValueError, match="closed"):
        file.spectrum(0)


@pytest.mark.parametrize("compression", [None, ZlibCompression()])
def test_empty_spectra_are_empty(write_imzml: WriteImzml, compression: object) -> None:
    names = () if compression is None else ("mz_compression", "intensity_compression")
    path = write_imzml([([1.0], [2.0]), ([3.0], [4.0])], POSITIONS[:2], **dict.fromkeys(names, compression))
    text = path.read_text(encoding="ISO-8859-1")
    text = text.replace('name="external array length" value="1"', 'name="external array length" value="0"')
    path.write_text(text, encoding="ISO-8859-1")
    with open_imzml(path) as file:
        assert [len(mz) for mz, _ in file.spectra()] == [0, 0]
