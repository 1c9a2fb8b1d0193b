"""Errors that a user can cause or a file can hold."""

from __future__ import annotations

from pathlib import Path


class MsiclustError(Exception):
    """A fault that the user can act on, in one line.

    Parameters
    ----------
    fault : str
        What is wrong.
    fix : str
        What to do about it.
    path : path or str, optional
        The file or folder at fault; put in front of the message.
    """

    def __init__(self, fault: str, *, fix: str = "", path: Path | str | None = None) -> None:
        self.fault = fault
        self.fix = fix
        self.path = None if path is None else Path(path)
        where = "" if path is None else f"{path}: "
        then = f"; {fix}" if fix else ""
        super().__init__(f"{where}{fault}{then}".replace("\n", " "))


class FileFormatError(MsiclustError):
    """A file is missing, damaged, or not what it should be."""


class OutputError(MsiclustError):
    """A result cannot be written where the user wants it."""


class InputError(MsiclustError):
    """A setting or an array does not fit the data."""


class Stopped(Exception):
    """The user stopped the run; nothing was written."""
