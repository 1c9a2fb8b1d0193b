"""Which ions are set aside before training: into named bins, with the scores that decided.

An ion without spatial structure, off the tissue, in next to no pixel, or imaged twice, costs a
clustering more than it gives: noise is learned, and clusters of nothing appear. Such ions keep
their row, their scores, and the reason in words. Every bin but `empty` can be switched off.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from napari_msiclust.config import TriageConfig
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.spatial import structure_z

EMPTY, OFF_TISSUE, SPARSE, STRUCTURELESS, DUPLICATE = (
    "empty",
    "off-tissue",
    "sparse",
    "structureless",
    "duplicate",
)
NO_SIGNAL = "no signal on the tissue"
COLUMNS = ("bin", "bin_reason", "pixel_fraction", "structure_z", "tissue_contrast", "duplicate_of")
_CLIP_QUANTILE = 0.99  # a few hotspots would hide the structure of all other pixels
_VALUES_PER_BLOCK = 1 << 22

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def structure_scores(images: IonImages) -> Floats:
    """How far Moran's I of each ion (N,) lies above that of the same pixels shuffled (`structure_z`)."""
    acquired = images.grid.acquired
    return np.concatenate(
        [
            structure_z(np.nan_to_num(images.grid.image(_clipped(block))), acquired)
            for block in _value_blocks(images)
        ]
    )


def structured(scores: Floats, config: TriageConfig) -> Flags:
    """Which ions have more structure than chance gives; those too small to tell have, too."""
    shuffled: Flags = scores < norm.isf(config.significance)
    return ~shuffled


def triage(
    images: IonImages,
    config: TriageConfig,
    mask: Flags | None = None,
    *,
    structure: Floats | None = None,
) -> pd.DataFrame:
    """Scores and bin of each ion.

    Parameters
    ----------
    images : IonImages
    config : TriageConfig
    mask : ndarray of bool, shape (H, W), optional
        On-tissue pixels; the mask of the images where none is given.
    structure : ndarray of shape (N,), optional
        What `structure_scores` gave, if it is known already.

    Returns
    -------
    DataFrame
        N rows. bin: empty (no signal on the tissue), off-tissue, sparse, structureless, duplicate, or ""
        for an ion that may train; off-tissue first, then in this order. bin_reason: in words.
        pixel_fraction: share of the on-tissue pixels with signal. structure_z: how far Moran's I lies
        above that of the same pixels shuffled, in standard deviations; NaN where there are too few
        pixels to tell. tissue_contrast: (on - off) / (on + off) of the mean intensities; NaN without
        pixels beside the tissue. duplicate_of: m/z of the other image of the same peak, or NaN.
    """
    if mask is not None:
        images = images.with_mask(mask)
    return assigned_bins(triage_scores(images, config, structure), config)


def triage_scores(images: IonImages, config: TriageConfig, structure: Floats | None = None) -> pd.DataFrame:
    """What decides on the bins of N ions, one column each; of `config` only what a duplicate is."""
    scores = pd.concat([_scores(block, images.grid.on_tissue) for block in _value_blocks(images)])
    scores = scores.reset_index(drop=True)
    scores.insert(1, "structure_z", structure_scores(images) if structure is None else structure)
    scores["duplicate_of"] = _duplicate_of(images, config)
    return scores


def assigned_bins(scores: pd.DataFrame, config: TriageConfig) -> pd.DataFrame:
    """Bins of N ions by their scores, as `triage` returns them."""
    return pd.concat([_bins(scores, config), scores], axis=1)[list(COLUMNS)]


def set_aside_empty(bins: pd.DataFrame, any_signal: Flags) -> pd.DataFrame:
    """The same bins (N rows), ions without any signal (N,) in their training image in the bin `empty`."""
    lost = ~any_signal & (bins["bin"] == "").to_numpy()
    return bins.assign(bin=bins["bin"].mask(lost, EMPTY), bin_reason=bins["bin_reason"].mask(lost, NO_SIGNAL))


def bin_counts(bins: pd.DataFrame) -> str:
    """How many ions are in each bin, in words."""
    counts = bins.loc[bins["bin"] != "", "bin"].value_counts()
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _value_blocks(images: IonImages) -> list[npt.NDArray[np.float32]]:
    """The intensities in views of some ions each, so that memory stays bounded."""
    height, width = images.grid.shape
    parts = max(1, min(len(images), len(images) * height * width // _VALUES_PER_BLOCK))
    return np.array_split(images.values, parts)


def _scores(values: npt.NDArray[np.float32], on_tissue: Flags) -> pd.DataFrame:
    """Scores of some ions (n, P)."""
    clean = _clipped(values)
    contrast, contrast_z = _contrast(clean[:, on_tissue], clean[:, ~on_tissue])
    return pd.DataFrame(
        {
            "pixel_fraction": (clean[:, on_tissue] > 0).mean(axis=1),
            "tissue_contrast": contrast,
            "contrast_z": contrast_z,
        }
    )


def _clipped(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Intensities (n, P) without hotspots, each ion scaled to 0..1; what is no number is zero."""
    clean = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
    top = np.quantile(clean, _CLIP_QUANTILE, axis=1)
    top = np.where(top > 0, top, clean.max(axis=1))
    top = np.where(top > 0, top, 1)[:, None].astype(np.float32)
    clipped: npt.NDArray[np.float32] = np.minimum(clean / top, np.float32(1))
    return clipped


def _contrast(on: npt.NDArray[np.float32], off: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Contrast of the mean intensities, and Welch's z of their difference; NaN if all is tissue."""
    if off.shape[1] == 0:
        return np.full(len(on), np.nan), np.full(len(on), np.nan)
    one, other = on.mean(axis=1, dtype=np.float64), off.mean(axis=1, dtype=np.float64)
    error = np.sqrt(
        on.var(axis=1, dtype=np.float64) / on.shape[1] + off.var(axis=1, dtype=np.float64) / off.shape[1]
    )
    difference, total = one - other, one + other
    contrast = np.divide(difference, total, out=np.zeros(len(on)), where=total > 0)
    return contrast, np.divide(difference, error, out=np.zeros(len(on)), where=error > 1e-12)


def _duplicate_of(images: IonImages, config: TriageConfig) -> Floats:
    """The m/z of the brighter image of the same peak; NaN where there is none.

    Only images of nearby m/z are compared: ions far apart whose images are alike are co-localized,
    and that is what clusters are for.
    """
    mz = images.mz
    found = np.full(len(mz), np.nan)
    if len(mz) < 2:
        return found
    last = np.searchsorted(mz, mz * (1 + config.duplicate_ppm * 1e-6), side="right")
    brightness = images.with_mask(images.grid.acquired).mean_intensity()
    on_tissue = images.grid.on_tissue
    for ion in np.flatnonzero(last > np.arange(len(mz)) + 1):
        rows = _clipped(images.values[ion : last[ion]][:, on_tissue])
        rows = rows - rows.mean(axis=1, keepdims=True)
        length = np.linalg.norm(rows, axis=1)
        alike = np.divide(
            rows[1:] @ rows[0],
            length[1:] * length[0],
            out=np.zeros(len(rows) - 1),
            where=length[1:] * length[0] > 1e-12,
        )
        for other in ion + 1 + np.flatnonzero(alike >= config.duplicate_correlation):
            bright, dim = (ion, other) if brightness[ion] >= brightness[other] else (other, ion)
            found[dim] = mz[bright]
    return found


def _bins(scores: pd.DataFrame, config: TriageConfig) -> pd.DataFrame:
    """The first bin that holds for each ion, and why."""
    least_z = float(norm.isf(config.significance))
    shaped = structured(scores["structure_z"].to_numpy(dtype=np.float64), config)
    beside = (scores["tissue_contrast"] < config.min_contrast) & (scores["contrast_z"] < -least_z)
    rules = (
        (
            OFF_TISSUE,
            config.off_tissue,
            beside & shaped,
            f"contrast of tissue to surroundings {{tissue_contrast:.2f}}, below {config.min_contrast:g}",
        ),
        (EMPTY, True, scores["pixel_fraction"] == 0, NO_SIGNAL),
        (
            SPARSE,
            config.sparse,
            scores["pixel_fraction"] < config.min_pixel_fraction,
            f"signal in {{pixel_fraction:.2%}} of the tissue, less than {config.min_pixel_fraction:.2%}",
        ),
        (
            STRUCTURELESS,
            config.structureless,
            ~shaped,
            "Moran's I is {structure_z:.1f} standard deviations above that of shuffled pixels, "
            f"less than {least_z:.1f}",
        ),
        (
            DUPLICATE,
            config.duplicate,
            scores["duplicate_of"].notna(),
            "second image of the peak at m/z {duplicate_of:.4f}",
        ),
    )
    bins, reasons = np.full(len(scores), "", dtype=object), np.full(len(scores), "", dtype=object)
    for name, switched_on, holds, reason in rules:
        for ion in np.flatnonzero(holds & (bins == "")) if switched_on else ():
            bins[ion], reasons[ion] = name, reason.format_map(scores.iloc[ion])
    return pd.DataFrame({"bin": bins, "bin_reason": reasons})
