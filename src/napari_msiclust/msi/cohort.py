"""Several sections of one study as one set of ion images."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse.csgraph import connected_components

from napari_msiclust.config import ClusterConfig
from napari_msiclust.errors import InputError, Stopped
from napari_msiclust.msi.grid import PixelGrid
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.ion_list import DEFAULT_TOLERANCE, Tolerance
from napari_msiclust.msi.ion_matching import match_ions
from napari_msiclust.msi.mosaic import Mosaic
from napari_msiclust.msi.section_scale import nearest_inside, section_scale
from napari_msiclust.msi.training_set import TrainingSet, judged, prepared
from napari_msiclust.progress import Progress, drain

_COARSE = 48  # pixels of the longer side, to see which ions lie alike
_SAME_SIZE = 0.01  # relative difference of two pixel sizes that counts as none

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Section:
    """One section of a study: a name and its ion images."""

    name: str
    images: IonImages


@dataclass(frozen=True, eq=False)
class Cohort:
    """Sections whose ions are matched and whose intensities are on one scale.

    Attributes
    ----------
    sections : tuple of Section, length S
        With their on-tissue masks.
    bins : tuple of DataFrame, length S
        What `triage` says of the ions of each section.
    rows : ndarray of int, shape (S, N)
        Row of each joint ion in each section; -1 where the section lacks it.
    scale : ndarray of float64, shape (S,)
        What the intensities of each section were divided by (`section_scale`).
    gain : ndarray of float64, shape (S, N)
        What those of each ion in each section were divided by on top of that.
    mosaic : Mosaic
    images : IonImages
        The N joint ions on the mosaic. An ion that a section lacks is even there: at its mean, so that it
        is neither like nor unlike any other.
    """

    sections: tuple[Section, ...]
    bins: tuple[pd.DataFrame, ...]
    rows: npt.NDArray[np.intp]
    scale: Floats
    gain: Floats
    mosaic: Mosaic
    images: IonImages

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the sections."""
        return tuple(section.name for section in self.sections)

    @property
    def held(self) -> npt.NDArray[np.bool_]:
        """Which sections hold which ions; (S, N)."""
        held: npt.NDArray[np.bool_] = self.rows >= 0
        return held

    def training_set(self, config: ClusterConfig) -> TrainingSet:
        """All sections ready for one clustering.

        An ion is set aside if no section has a use for it: it is judged in the section that does, and
        where there are several, or none, in the one where it has most structure.

        Raises
        ------
        InputError
            Fewer than two ions are left.
        """
        best = pd.DataFrame(index=range(len(self.images)))
        tables = []
        for rows, bins in zip(self.rows, self.bins, strict=True):
            own = best.assign(ion=best.index, row=rows)[rows >= 0]
            tables.append(own.join(bins, on="row"))
        ranked = pd.concat(tables).assign(aside=lambda table: table["bin"] != "")
        ranked = ranked.sort_values(
            ["ion", "aside", "structure_z"], ascending=[True, True, False], kind="stable"
        )
        chosen = ranked.drop_duplicates("ion").reset_index(drop=True)
        return prepared(self.images, chosen.drop(columns=["ion", "row", "aside"]), config)


def cohort_of(
    sections: Sequence[Section], config: ClusterConfig, tolerance: Tolerance = DEFAULT_TOLERANCE
) -> Cohort:
    """Join sections of one study.

    Parameters
    ----------
    sections : sequence of Section
        Two or more.
    config : ClusterConfig
        How tissue is found, ions are set aside, and hotspots are clipped.
    tolerance : Tolerance
        How far apart the m/z of one ion may lie in two sections.

    Raises
    ------
    InputError
        The sections do not go together: fewer than two, different polarities or pixel sizes, or no shared
        ion.
    """
    return drain(joining_steps(sections, config, tolerance))


def joining_steps(
    sections: Sequence[Section],
    config: ClusterConfig,
    tolerance: Tolerance = DEFAULT_TOLERANCE,
    *,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, Cohort]:
    """`cohort_of` as a generator of `Progress` that `stop` ends with `Stopped`."""
    check_comparable([(one.name, one.images.grid, one.images.polarity) for one in sections])
    rows = match_ions([one.images for one in sections], tolerance)
    _check_shared([one.name for one in sections], rows, tolerance)
    with_tissue: list[IonImages] = []
    bins, tops, roots, coarse = [], [], [], []
    for number, section in enumerate(sections):
        if stop is not None and stop.is_set():
            raise Stopped
        yield Progress("joining sections", number, len(sections))
        images, own_bins = judged(section.images, config)
        with_tissue.append(images)
        bins.append(own_bins)
        tops.append(_tops(images, config.hotspot_quantile))
        roots.append(_mean_roots(images, tops[-1]))
        stack, mask = images.training_stack(_COARSE, config.hotspot_quantile)
        coarse.append(stack[:, mask])
    yield Progress("joining sections", len(sections), len(sections))
    scale, gain = section_scale(rows, roots, nearest_inside(rows, coarse))
    mosaic = Mosaic.of([images.grid for images in with_tissue])
    images = IonImages(
        mz=_mean_mz(rows, with_tissue),
        values=_joint_values(rows, with_tissue, tops, scale[:, None] * gain, mosaic),
        grid=mosaic.grid,
        names=_first_names(rows, with_tissue),
        columns=_first_columns(rows, with_tissue),
        polarity=next((one.polarity for one in with_tissue if one.polarity), None),
        notes=tuple(f"{one.name}: {note}" for one in sections for note in one.images.notes),
    )
    named = tuple(replace(one, images=own) for one, own in zip(sections, with_tissue, strict=True))
    return Cohort(named, tuple(bins), rows, scale, gain, mosaic, images)


def check_comparable(sections: Iterable[tuple[str, PixelGrid, str | None]]) -> None:
    """Make sure that sections go together, by name, grid and polarity, before their data are read.

    Raises
    ------
    InputError
        They do not.
    """
    names, grids, polarities = zip(*sections, strict=True)
    if len(names) < 2:
        raise InputError(f"a cohort of {len(names)} section", fix="give two or more sections")
    known = [number for number, polarity in enumerate(polarities) if polarity]
    for number in known[1:]:
        if polarities[number] != polarities[known[0]]:
            raise InputError(
                f"{names[known[0]]} is of {polarities[known[0]]} polarity, {names[number]} of "
                f"{polarities[number]}",
                fix="cluster the polarities apart",
            )
    sized = [number for number, grid in enumerate(grids) if grid.pixel_size_known]
    for number in sized[1:]:
        first, other = grids[sized[0]].pixel_size_um, grids[number].pixel_size_um
        if not np.allclose(first, other, rtol=_SAME_SIZE):
            raise InputError(
                f"the pixels of {names[sized[0]]} are {_size(first)}, of {names[number]} {_size(other)}",
                fix="cluster sections of one pixel size together",
            )


def _size(pixel_size_um: tuple[float, float]) -> str:
    height, width = pixel_size_um
    return f"{width:g} um" if height == width else f"{width:g} x {height:g} um"


def _check_shared(names: Sequence[str], rows: npt.NDArray[np.intp], tolerance: Tolerance) -> None:
    """Every section has to share ions with the others, directly or through a third one."""
    held = (rows >= 0).astype(int)
    _, group = connected_components(held @ held.T)
    apart = np.flatnonzero(group != group[0])
    if len(apart):
        raise InputError(
            f"{names[apart[0]]} shares no ion with {names[0]} within {tolerance}",
            fix="widen the tolerance, or give one list of m/z for all sections",
        )


def _tops(images: IonImages, hotspot_quantile: float) -> Floats:
    """Hotspot quantile of each ion over the tissue (N,); its maximum where that is zero."""
    tops = np.zeros(len(images))
    on_tissue = images.grid.on_tissue
    for ion in range(len(images)):
        inside = _clean(images.values[ion])[on_tissue]
        tops[ion] = np.quantile(inside, hotspot_quantile) or inside.max()
    return tops


def _clean(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    clean: npt.NDArray[np.float32] = np.nan_to_num(
        np.asarray(values, np.float32), nan=0.0, posinf=0.0, neginf=0.0
    ).clip(min=0)
    return clean


def _mean_roots(images: IonImages, tops: Floats) -> Floats:
    """Mean square root of the on-tissue intensities of each ion (N,), hotspots clipped."""
    on_tissue = images.grid.on_tissue
    return np.array(
        [
            np.sqrt(np.minimum(_clean(values)[on_tissue], np.float32(top))).mean(dtype=np.float64)
            for values, top in zip(images.values, tops, strict=True)
        ]
    )


def _joint_values(
    rows: npt.NDArray[np.intp],
    sections: Sequence[IonImages],
    tops: Sequence[Floats],
    scale: Floats,
    mosaic: Mosaic,
) -> npt.NDArray[np.float32]:
    """Intensities (N, P) divided by a scale (S, N), hotspots clipped section by section."""
    values = np.full((rows.shape[1], len(mosaic.grid.rows)), np.nan, np.float32)
    for number, (own, images) in enumerate(zip(rows, sections, strict=True)):
        for ion in np.flatnonzero(own >= 0):
            clipped = np.minimum(_clean(images.values[own[ion]]), np.float32(tops[number][own[ion]]))
            values[ion, mosaic.pixels(number)] = clipped / np.float32(scale[number, ion])
    on_tissue = mosaic.grid.on_tissue
    for ion in np.flatnonzero((rows < 0).any(axis=0)):
        even = (
            np.nanmean(np.sqrt(values[ion, on_tissue]), dtype=np.float64) ** 2
        )  # ions are compared by roots
        values[ion] = np.nan_to_num(values[ion], nan=even)
    return values


def _mean_mz(rows: npt.NDArray[np.intp], sections: Sequence[IonImages]) -> Floats:
    total, count = np.zeros(rows.shape[1]), (rows >= 0).sum(axis=0)
    for own, images in zip(rows, sections, strict=True):
        total[own >= 0] += images.mz[own[own >= 0]]
    mean: Floats = total / count
    return mean


def _first_names(rows: npt.NDArray[np.intp], sections: Sequence[IonImages]) -> tuple[str, ...]:
    """The name of each ion in the first section that has one."""
    return tuple(
        next((s.names[row] for s, row in zip(sections, own, strict=True) if row >= 0 and s.names[row]), "")
        for own in rows.T
    )


def _first_columns(rows: npt.NDArray[np.intp], sections: Sequence[IonImages]) -> pd.DataFrame:
    """What else the first section that holds an ion knows of it."""
    joined = pd.DataFrame(index=range(rows.shape[1]))
    for own, images in zip(rows, sections, strict=True):
        held = np.flatnonzero(own >= 0)
        joined = joined.combine_first(images.columns.iloc[own[held]].set_axis(held))
    return joined.reindex(range(rows.shape[1]))
