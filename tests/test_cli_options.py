from __future__ import annotations

from dataclasses import fields

import pytest
import typer.main

from napari_msiclust.cli import app
from napari_msiclust.cli.reading import ReadingOptions


@pytest.mark.parametrize("name", ["extract", "cluster", "benchmark"])
def test_commands_that_read_ion_images_take_all_reading_options(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    taken = {option.name: option.default for option in command.params}
    for option in fields(ReadingOptions):
        assert taken[option.name] == option.default
    assert "reading" not in taken
