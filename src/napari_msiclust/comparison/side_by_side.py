"""Run every method on the same ion images and hold their clusters against each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.comparison.baselines import BASELINES, Baseline
from napari_msiclust.comparison.memory import MemoryWatch
from napari_msiclust.config import ClusterConfig, Device, Preset
from napari_msiclust.errors import InputError, MsiclustError, Stopped
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.training_set import TrainingSet, training_set
from napari_msiclust.pipeline import clustering_steps
from napari_msiclust.progress import Progress
from napari_msiclust.results.evidence import collect_evidence, isotope_agreement, stability
from napari_msiclust.results.metrics import Truth

Labels = npt.NDArray[np.int64]
Auto = Literal["auto"]

QUALITY = ("purity", "ari", "nmi", "hungarian_accuracy")
EVIDENCE = ("isotope_kappa", "adduct_kappa", "colocalization_within", "colocalization_between")
ALL_IONS = "isotope_kappa_all_ions"
COST = ("seconds", "peak_memory_bytes")
MEASURES = (*QUALITY, ALL_IONS, *EVIDENCE, "ions_in_clusters", "clusters", *COST)


@dataclass(frozen=True, eq=False)
class Found:
    """Clusters of all ions (N,): 1..K, 0 in no cluster; and those of ions that would be in one, too."""

    labels: Labels
    nearest: Labels


_Method = Callable[[int, threading.Event | None], Generator[Progress, None, Found]]


@dataclass(frozen=True)
class Settings:
    """What is compared.

    Attributes
    ----------
    clusters : tuple of int or 'auto'
        Numbers of clusters asked of every method. auto: presets choose their own, and simple methods get
        the number that the first preset found, on average over the seeds.
    seeds : tuple of int
    presets : tuple of str
    epochs : int or None
        Of contrastive training; the presets' own if None.
    baselines : bool
        Whether the simple methods run, too.
    device : str
    """

    clusters: tuple[int | Auto, ...]
    seeds: tuple[int, ...] = (0,)
    presets: tuple[Preset, ...] = get_args(Preset)
    epochs: int | None = None
    baselines: bool = True
    device: Device = "auto"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of all methods.

    Attributes
    ----------
    runs : DataFrame
        One row per method, number of clusters asked for and seed: method, asked, seed, `MEASURES`,
        fault (why a method could not run). isotope_kappa_all_ions counts unassigned ions to the cluster
        that they would be in.
    summary : DataFrame
        One row per method and number: mean of each measure over the seeds, `<measure>_spread` (largest -
        smallest), stability (mean adjusted Rand index of two seeds), fault.
    ions : int
        All ions, those set aside before any method ran included.
    settings : Settings
    """

    runs: pd.DataFrame
    summary: pd.DataFrame
    ions: int
    settings: Settings

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "clusters": list(self.settings.clusters),
            "seeds": list(self.settings.seeds),
            "epochs": self.settings.epochs,
            "ions": self.ions,
            "methods": _records(self.summary),
            "runs": _records(self.runs),
        }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain JSON values, None where there is no number."""
    missing = table.isna()
    return [
        {name: None if missing.at[row, name] else _plain(table.at[row, name]) for name in table.columns}
        for row in table.index
    ]


def _plain(value: Any) -> Any:
    return round(float(value), 6) if isinstance(value, float) else getattr(value, "item", lambda: value)()


def comparison_steps(
    images: IonImages,
    settings: Settings,
    truth: Truth | None = None,
    *,
    stop: threading.Event | None = None,
) -> Generator[Progress, None, Comparison]:
    """Run all methods on the same ions; generator of `Progress`.

    The tissue is estimated and ions are set aside once, as by the pipeline. A method that cannot run,
    as with fewer ions than clusters, gets a row that says why.

    Raises
    ------
    InputError
        No preset could choose the number of clusters.
    Stopped
        `stop` was set.
    """
    prepared = training_set(images, ClusterConfig())
    runs: list[dict[str, Any]] = []
    summary: list[dict[str, Any]] = []
    done: set[int] = set()
    for asked in settings.clusters:
        number = asked
        for name, preset in _presets(prepared, settings, asked):
            rows, labels = yield from _over_seeds(name, asked, preset, prepared, settings, truth, stop)
            runs += rows
            summary.append(_summarized(rows, labels))
            if number == "auto" and labels:
                number = max(2, round(summary[-1]["clusters"]))
        if number == "auto":
            faults = [row["fault"] for row in summary if row["fault"]]
            raise InputError(
                f"no preset could choose the number of clusters{f' ({faults[0]})' if faults else ''}",
                fix="give numbers with --clusters",
            )
        if number in done:
            continue
        done.add(number)
        for name, baseline in _baselines(prepared, settings, number):
            rows, labels = yield from _over_seeds(name, number, baseline, prepared, settings, truth, stop)
            runs += rows
            summary.append(_summarized(rows, labels))
    return Comparison(pd.DataFrame(runs), pd.DataFrame(summary), len(images), settings)


def _over_seeds(
    name: str,
    asked: int | Auto,
    method: _Method,
    prepared: TrainingSet,
    settings: Settings,
    truth: Truth | None,
    stop: threading.Event | None,
) -> Generator[Progress, None, tuple[list[dict[str, Any]], list[Labels]]]:
    """One row and the labels of each run of one method."""
    rows: list[dict[str, Any]] = []
    labels: list[Labels] = []
    stage = f"{name}, k = {asked}"
    for number, seed in enumerate(settings.seeds):
        if stop is not None and stop.is_set():
            raise Stopped
        yield Progress(stage, number, len(settings.seeds))
        row = {"method": name, "asked": asked, "seed": seed} | dict.fromkeys(MEASURES, np.nan)
        started = time.perf_counter()
        try:
            with MemoryWatch() as memory:
                found = yield from method(seed, stop)
        except MsiclustError as error:
            rows.append(row | {"fault": str(error)})
            continue
        cost = {"seconds": time.perf_counter() - started, "peak_memory_bytes": memory.peak_bytes}
        rows.append(row | cost | _scores(prepared, found, truth) | {"fault": ""})
        labels.append(found.labels)
    yield Progress(stage, len(settings.seeds), len(settings.seeds))
    return rows, labels


def _summarized(rows: list[dict[str, Any]], found: list[Labels]) -> dict[str, Any]:
    """Mean and spread over the seeds."""
    numbers = pd.DataFrame(rows)[list(MEASURES)].astype(float)
    spread = (numbers.max() - numbers.min()).add_suffix("_spread")
    return {
        "method": rows[0]["method"],
        "asked": rows[0]["asked"],
        **numbers.mean(),
        **spread,
        "stability": stability(np.stack(found)) if found else None,
        "fault": next((row["fault"] for row in rows if row["fault"]), ""),
    }


def _baselines(prepared: TrainingSet, settings: Settings, clusters: int) -> Iterator[tuple[str, _Method]]:
    """Names of the simple methods, and ways from a seed to clusters."""
    for baseline in BASELINES if settings.baselines else ():
        yield baseline.name, partial(_run_baseline, baseline, prepared, clusters)


def _presets(
    prepared: TrainingSet, settings: Settings, clusters: int | Auto
) -> Iterator[tuple[str, _Method]]:
    """Names of the presets, and ways from a seed to clusters."""
    for preset in settings.presets:
        config = ClusterConfig.from_preset(preset, clusters=clusters, device=settings.device)
        config = config if settings.epochs is None else config.with_epochs(settings.epochs)
        yield f"preset {preset}", partial(_run_preset, config, prepared.images)


def _run_baseline(
    baseline: Baseline, prepared: TrainingSet, clusters: int, seed: int, stop: threading.Event | None
) -> Generator[Progress, None, Found]:
    del stop  # seconds at most
    yield Progress(baseline.name, 0, 1)
    labels = np.zeros(len(prepared.images), dtype=np.int64)
    labels[prepared.used] = baseline.cluster(prepared.stack, prepared.mask, clusters, seed) + 1
    return Found(labels, labels)


def _run_preset(
    config: ClusterConfig, images: IonImages, seed: int, stop: threading.Event | None
) -> Generator[Progress, None, Found]:
    result = yield from clustering_steps(images, config.model_copy(update={"seed": seed}), stop=stop)
    columns = (result.ions[name].to_numpy(dtype=np.int64) for name in ("cluster", "nearest_cluster"))
    return Found(*columns)


def _scores(prepared: TrainingSet, found: Found, truth: Truth | None) -> dict[str, float | int | None]:
    """Quality where the truth is known, and evidence."""
    labels, mz = found.labels, prepared.images.mz[prepared.used]
    quality = {} if truth is None else truth.score(labels).to_dict()
    evidence = collect_evidence(
        mz, labels[prepared.used], prepared.flat, polarity=prepared.images.polarity
    ).to_dict()
    return (
        {name: quality[name] for name in QUALITY if name in quality}
        | {name: evidence[name] for name in EVIDENCE}
        | {ALL_IONS: isotope_agreement(mz, found.nearest[prepared.used]).kappa}
        | {"ions_in_clusters": float((labels > 0).mean()), "clusters": len(np.unique(labels[labels > 0]))}
    )
