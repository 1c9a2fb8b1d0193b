"""The result of a joint clustering of several sections: of all together, and of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_msiclust.config import ClusterConfig
from napari_msiclust.learning.ion_clustering import IonClustering
from napari_msiclust.msi.cohort import Cohort
from napari_msiclust.msi.training_set import TrainingSet
from napari_msiclust.results.cluster_result import ClusterResult, build_result, dominant_cluster_map

COHORT_MZ = "cohort_mz"
_COLUMNS = ["section", "mz", "section_mz", "held", "cluster", "confidence", "bin", "centrality"]
_COLUMNS += ["pixel_fraction", "structure_z", "mean_intensity", "annotation"]
_JOINT = ["bin", "bin_reason"]  # what is decided for all sections together

_Maps = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]


@dataclass(frozen=True, eq=False)
class CohortResult:
    """Clusters of ions that are the same in every section.

    Attributes
    ----------
    cohort : Cohort
    joint : ClusterResult
        Of all sections on the mosaic; one row per ion.
    sections : tuple of ClusterResult, length S
        Of each section alone: its own ions with the labels and confidence of the joint clustering (its column
        `cohort_mz` names the joint ion), scores, centrality and evidence of the section, and its part of the
        mean ion images and of the dominant cluster map, whose scale is that of the cohort.
    """

    cohort: Cohort
    joint: ClusterResult
    sections: tuple[ClusterResult, ...]

    def table(self) -> pd.DataFrame:
        """One row per ion and section, by section and m/z.

        Columns section; mz (of the joint ion); section_mz (NaN where the section lacks the ion); held;
        cluster, confidence, bin, annotation (of the joint ion); and in this section centrality,
        pixel_fraction, structure_z, mean_intensity (over its tissue, in units of its file), NaN where the
        section lacks the ion.
        """
        return pd.concat(list(self._tables()), ignore_index=True)

    def _tables(self) -> Iterator[pd.DataFrame]:
        shared = self.joint.ions[["mz", "cluster", "confidence", "bin", "annotation"]]
        for section, rows, own in zip(self.cohort.sections, self.cohort.rows, self.sections, strict=True):
            held = rows >= 0
            on_tissue = section.images.grid.on_tissue
            means = [np.nanmean(values[on_tissue], dtype=np.float64) for values in section.images.values]
            facts = own.ions[["mz", "centrality", "pixel_fraction", "structure_z"]].assign(
                mean_intensity=means
            )
            facts = facts.rename(columns={"mz": "section_mz"}).iloc[rows].reset_index(drop=True)
            facts[~held] = np.nan
            table = pd.concat([shared.assign(held=held), facts], axis=1)
            table.insert(0, "section", section.name)
            yield table[_COLUMNS]


def cohort_result(
    cohort: Cohort,
    prepared: TrainingSet,
    clustering: IonClustering,
    config: ClusterConfig,
    provenance: dict[str, Any],
) -> CohortResult:
    """Assemble the results of a cohort from what was clustered jointly and what came of it.

    Parameters
    ----------
    prepared : TrainingSet
        Of the cohort (`Cohort.training_set`).
    """
    count = int(clustering.labels.max())
    labels = np.zeros(len(cohort.images), np.int64)
    labels[prepared.used] = clustering.labels
    means = _mean_ion_images(cohort, labels, count, config.hotspot_quantile)
    dominant = dominant_cluster_map(means, cohort.mosaic.grid, config.hotspot_quantile)
    about = {"sections": list(cohort.names), "scale": cohort.scale.round(6).tolist()}
    joint = build_result(
        prepared, clustering, config, provenance | {"cohort": about}, clusters=count, maps=(means, dominant)
    )
    sections = tuple(
        _section_result(
            cohort,
            number,
            prepared,
            clustering,
            joint,
            (means[:, cohort.mosaic.pixels(number)], cohort.mosaic.part(dominant, number)),
        )
        for number in range(len(cohort.sections))
    )
    return CohortResult(cohort, joint, sections)


def _mean_ion_images(
    cohort: Cohort, labels: npt.NDArray[np.int64], count: int, hotspot_quantile: float
) -> npt.NDArray[np.float32]:
    """Mean of the scaled ion images of each cluster (count, P), in each section over the ions it holds."""
    total = np.zeros((count, len(cohort.mosaic.grid.rows)), np.float64)
    members = np.zeros((count, len(cohort.sections)))
    for first, block in cohort.images.scaled(hotspot_quantile):
        for ion, values in enumerate(block, start=first):
            if not labels[ion]:
                continue
            for number, held in enumerate(cohort.held[:, ion]):
                if held:
                    pixels = cohort.mosaic.pixels(number)
                    total[labels[ion] - 1, pixels] += values[pixels]
                    members[labels[ion] - 1, number] += 1
    for number in range(len(cohort.sections)):
        total[:, cohort.mosaic.pixels(number)] /= np.maximum(members[:, [number]], 1)
    return total.astype(np.float32)


def _section_result(
    cohort: Cohort,
    number: int,
    prepared: TrainingSet,
    clustering: IonClustering,
    joint: ClusterResult,
    maps: _Maps,
) -> ClusterResult:
    """What the joint clustering means for one section."""
    config, section = joint.config, cohort.sections[number]
    ion_of = np.empty(len(section.images), np.intp)  # of each row of the section
    held = np.flatnonzero(cohort.held[number])
    ion_of[cohort.rows[number, held]] = held
    seen_as = np.full(len(cohort.images), -1)
    seen_as[prepared.used] = np.arange(len(prepared.used))
    used = np.flatnonzero(seen_as[ion_of] >= 0)
    seen = seen_as[ion_of[used]]
    columns = section.images.columns.assign(**{COHORT_MZ: cohort.images.mz[ion_of]})
    images = replace(section.images, columns=columns)
    decided = prepared.bins[_JOINT].iloc[ion_of].reset_index(drop=True)
    bins = pd.concat([decided, cohort.bins[number].drop(columns=_JOINT)], axis=1)
    stack, mask = images.training_stack(config.image_size, config.hotspot_quantile)
    about = joint.provenance["cohort"] | {"section": section.name}
    return build_result(
        TrainingSet(images, bins, used, stack[used], mask),
        _of_some_ions(clustering, seen),
        config,
        joint.provenance | {"cohort": about},
        clusters=len(joint.clusters),
        maps=maps,
    )


def _of_some_ions(clustering: IonClustering, rows: npt.NDArray[np.intp]) -> IonClustering:
    """A clustering seen by some of its ions; its network reads all sections side by side, and stays there."""
    return replace(
        clustering,
        labels=clustering.labels[rows],
        nearest=clustering.nearest[rows],
        confidence=clustering.confidence[rows],
        embedding=replace(clustering.embedding, features=clustering.embedding.features[rows], network={}),
        votes=None if clustering.votes is None else clustering.votes.of(rows),
    )
