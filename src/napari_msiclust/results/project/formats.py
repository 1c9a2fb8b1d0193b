"""What the files of a project are made of: arrays, tables, JSON; written plainly, read without trust."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.results.project.container import Container, check_memory, limit_of, refused

_LONGEST_HEADER = 10_000
_KINDS = "fiub"  # floats, integers, truth values; no objects
_MAGIC = b"\x93NUMPY\x01\x00"
_LONGEST_FIRST_LINE = 1 << 16

Array = npt.NDArray[Any]


def array_parts(array: Array) -> tuple[bytes, memoryview]:
    """Header and data of an .npy file, without a copy of the data."""
    whole = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(whole))
    return header.getvalue(), memoryview(whole.reshape(-1).view(np.uint8).data)


def read_array(files: Container, name: str, kinds: str = _KINDS) -> Array:
    """An .npy file; memory-mapped where it lies on disk.

    Raises
    ------
    FileFormatError
        It is missing, damaged, of another kind of numbers, or its header does not fit its size.
    """
    local = files.local(name)
    try:
        if local is None:
            content = files.read(name)
            shape, dtype, start = _header(io.BytesIO(content), len(content), kinds)
            return np.frombuffer(content, dtype, offset=start).reshape(shape)
        with local.open("rb") as stream:
            shape, dtype, start = _header(stream, min(local.stat().st_size, limit_of(name)), kinds)
        mapped: Array = (
            np.memmap(local, dtype, "r", start, shape) if math.prod(shape) else np.empty(shape, dtype)
        )
        return mapped
    except (ValueError, TypeError, EOFError, SyntaxError, RecursionError, OSError) as error:
        raise refused(files.path, f"its {name} is damaged ({str(error)[:80]})") from error


def _header(stream: Any, size: int, kinds: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("not an array")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, _LONGEST_HEADER)
    start = int(stream.tell())
    if fortran or dtype.kind not in kinds or dtype.hasobject:
        raise ValueError(f"holds {dtype}")
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize != size - start:
        raise ValueError(f"its header promises the shape {shape}")
    return shape, dtype, start


def json_bytes(value: Any) -> bytes:
    """Plain values as JSON."""
    return json.dumps(value, indent=1).encode()


def read_json(files: Container, name: str) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    FileFormatError
        It is missing, damaged, nested too deeply, or no object.
    """
    return parse_json(files.read(name), name, files.path)


def parse_json(content: bytes, name: str, path: Path) -> dict[str, Any]:
    """A JSON object from its text."""
    try:
        value = json.loads(content)
    except RecursionError:
        raise refused(path, f"its {name} is nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise refused(path, f"its {name} is damaged") from error
    if not isinstance(value, dict):
        raise refused(path, f"its {name} is damaged")
    return value


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV."""
    return table.to_csv(index=False, lineterminator="\n").encode()


def table_source(files: Container, name: str) -> io.BytesIO:
    """The text of a CSV file, with no more columns than a table can have.

    Raises
    ------
    FileFormatError
        It is missing, or its first line is longer than a line of headings.
    """
    content = files.read(name)
    check_memory(files.path, 20 * len(content))
    if content.find(b"\n", 0, _LONGEST_FIRST_LINE) < 0:
        raise refused(files.path, f"its {name} is no table")
    return io.BytesIO(content)
