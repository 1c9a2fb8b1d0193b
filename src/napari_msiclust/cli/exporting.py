"""The command that writes a result in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from napari_msiclust.cli.commands import app
from napari_msiclust.cli.progress_bar import progress_bar
from napari_msiclust.cli.reading import ReadingOptions
from napari_msiclust.errors import InputError, OutputError

if TYPE_CHECKING:
    from napari_msiclust.msi.ion_images import IonImages
    from napari_msiclust.results.exports import SavedResult
    from napari_msiclust.results.scaled_image import ScaledImage

Format = Literal[
    "ome-tiff", "ome-zarr", "ome-zarr-0.4", "csv", "parquet", "imzml", "png", "h5ad", "anndata-zarr"
]
Which = Literal["clusters", "ions", "map"]

_ENDS: dict[Format, tuple[str, ...]] = {
    "ome-tiff": (".ome.tif", ".ome.tiff"),
    "ome-zarr": (".zarr",),
    "ome-zarr-0.4": (".zarr",),
    "csv": (".csv",),
    "parquet": (".parquet",),
    "imzml": (".imzml",),
    "png": (".png",),
    "h5ad": (".h5ad",),
    "anndata-zarr": (".zarr",),
}


@app.command()
def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Folder of a result.")],
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="csv, parquet: the ion table; png: a picture per cluster; "
            "h5ad, anndata-zarr: pixels by ions.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File, or folder of a .zarr.")],
    which: Annotated[
        Which,
        typer.Option(
            "--images",
            help="Of ome-tiff, ome-zarr and imzml: mean images of the clusters, all ion images, or, of "
            "ome-tiff, the dominant cluster map. ome-zarr has the map in any case.",
        ),
    ] = "clusters",
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FILE", help="The file the ions came from, if it was moved."),
    ] = None,
) -> None:
    """Write a result as OME-TIFF, OME-Zarr, imzML, AnnData, a table, or pictures."""
    from napari_msiclust.results.exports import is_result_folder, read_result

    if not out.name.lower().endswith(_ENDS[form]):
        raise InputError(
            f"no name of a file of the format {form}",
            fix=f"let it end with {' or '.join(_ENDS[form])}",
            path=out,
        )
    if not out.parent.is_dir():
        raise OutputError("its folder is not there", fix="make the folder first", path=out)
    if not is_result_folder(result):
        raise InputError("holds no result", fix="give the folder that msiclust cluster wrote", path=result)
    if which == "map" and form != "ome-tiff":
        raise InputError("--images map is of ome-tiff only", fix="take clusters or ions")
    saved = read_result(result)
    for path in _write(form, out, which, result, saved, data):
        typer.echo(str(path))


def _write(
    form: Format, out: Path, which: Which, result: Path, saved: SavedResult, data: Path | None
) -> list[Path]:
    match form:
        case "csv" | "parquet":
            from napari_msiclust.results.ion_table import write_ion_table

            return [write_ion_table(saved.ions, out)]
        case "ome-tiff":
            from napari_msiclust.results.ome_tiff import write_ome_tiff

            image = saved.with_table(saved.dominant_map) if which == "map" else _stack(which, saved, data)
            return [write_ome_tiff(out, image)]
        case "ome-zarr" | "ome-zarr-0.4":
            from napari_msiclust.results.ome_zarr import write_ome_zarr

            labels = [saved.with_table(saved.dominant_map)]
            return [
                write_ome_zarr(out, _stack(which, saved, data), labels, "0.4" if form[-1] == "4" else "0.5")
            ]
        case "imzml":
            from napari_msiclust.results.imzml_export import mean_images_as_ions, write_imzml

            if which == "clusters":
                return [write_imzml(out, mean_images_as_ions(saved.mean_images))]
            if out.resolve() == _source(saved, data).resolve():
                raise InputError("is the file that the ions came from", fix="choose another name", path=out)
            return [write_imzml(out, _ion_images(saved, data))]
        case "png":
            from napari_msiclust.results.montage import write_montages

            return write_montages(out, _ion_images(saved, data), saved.ions)
        case "h5ad" | "anndata-zarr":
            from napari_msiclust.results.anndata_export import saved_clusters, write_anndata

            return [write_anndata(out, _ion_images(saved, data), saved_clusters(result, saved))]


def _stack(which: Which, saved: SavedResult, data: Path | None) -> ScaledImage:
    """The mean ion images, or all ion images, with the ion table."""
    if which == "clusters":
        return saved.with_table(saved.mean_images)
    from napari_msiclust.results.ion_stack import ion_images_as_stack

    return saved.with_table(ion_images_as_stack(_ion_images(saved, data), "ion images"))


def _source(saved: SavedResult, data: Path | None) -> Path:
    """The file that the ions came from."""
    path = data or Path(saved.source)
    if not str(saved.source) and data is None:
        raise InputError("the result does not tell the file it came from", fix="give it with --data")
    if not path.exists():
        raise InputError("the file the ions came from is not there", fix="give it with --data", path=path)
    return path


def _ion_images(saved: SavedResult, data: Path | None) -> IonImages:
    """The ion images of a result, read again as they were read for it."""
    source = _source(saved, data)
    reading = _reading(saved.run.get("input") or {})
    with reading.opened(source) as opened, progress_bar() as report:
        images = reading.images(opened, report)
    if images.mz.tolist() != saved.ions["mz"].tolist():
        raise InputError(
            "gives other ions than the result has",
            fix="give the file of the result, or save from the window",
            path=source,
        )
    return images if saved.tissue is None else images.with_tissue(saved.tissue)


def _reading(settings: dict[str, Any]) -> ReadingOptions:
    """The options with which the ions of a result were read."""
    known = {name: settings[name] for name in ReadingOptions.__dataclass_fields__ if name in settings}
    mz = known.pop("mz", None)
    return ReadingOptions(mz=None if mz is None else Path(mz), **known)
