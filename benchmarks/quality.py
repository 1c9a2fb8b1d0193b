"""Quality of the presets beside simple baselines, on the same ion images, in one run.

uterus13 has known classes (purity at k = 20, ARI at k = 20); the real tissue has none: isotope
agreement (kappa) at k = 20 is printed. Data folder: MSICLUST_TEST_DATA, default ../shared/data.

usage: python benchmarks/quality.py [--presets fast,paper] [--seeds 0,1,2]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA

from napari_msiclust import ClusterConfig, cluster_ions, extract_ion_images, open_imzml
from napari_msiclust.learning.affinity import neighbor_graph, spectral_labels
from napari_msiclust.learning.training import encode
from napari_msiclust.learning.weights import load_encoder
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.tissue import estimate_tissue
from napari_msiclust.results.evidence import collect_evidence
from napari_msiclust.results.metrics import agreement

DATA = Path(os.environ.get("MSICLUST_TEST_DATA", "../shared/data"))
CLUSTERS = 20

Labels = npt.NDArray[np.int64]


def unit_rows(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    centred = rows - rows.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)


def pixel_pearson(stack: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], seed: int) -> Labels:
    return spectral_labels(neighbor_graph(unit_rows(stack[:, mask]), 10), CLUSTERS, seed)


def smoothed_pearson_pca(stack: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], seed: int) -> Labels:
    weight = np.maximum(gaussian_filter(mask.astype(np.float32), 1), 1e-6)
    smooth = np.stack([gaussian_filter(image, 1) / weight for image in stack])
    parts = PCA(min(30, len(stack) - 1), random_state=seed).fit_transform(unit_rows(smooth[:, mask]))
    return spectral_labels(neighbor_graph(unit_rows(parts), 10), CLUSTERS, seed)


def imagenet_features(stack: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], seed: int) -> Labels:
    encoder, _ = load_encoder("efficientnet-lite0", "bundled", seed)
    features = encode(encoder, torch.from_numpy(stack)).numpy()
    return spectral_labels(neighbor_graph(features, 10), CLUSTERS, seed)


def methods(images: IonImages, presets: list[str]) -> dict[str, Callable[[int], Labels]]:
    stack, mask = images.training_stack()

    def run_preset(preset: str, seed: int) -> Labels:
        config = ClusterConfig.from_preset(preset, clusters=CLUSTERS, seed=seed)  # type: ignore[arg-type]
        return cluster_ions(images, config).ions["cluster"].to_numpy()

    simple = [imagenet_features, pixel_pearson, smoothed_pearson_pca]
    named = {way.__name__.replace("_", " "): lambda seed, way=way: way(stack, mask, seed) for way in simple}
    return named | {f"preset {name}": lambda seed, name=name: run_preset(name, seed) for name in presets}


def report(title: str, images: IonImages, truth: Labels | None, presets: list[str], seeds: list[int]) -> None:
    images = images.with_mask(estimate_tissue(images))
    stack, mask = images.training_stack()
    flat = stack[:, mask]
    print(f"\n{title}: {len(images)} ions, k = {CLUSTERS}, seeds {seeds}: mean (spread)")
    print(f"{'method':24}{'purity':>16}{'ARI':>16}{'isotope kappa':>16}{'seconds':>10}")
    for name, method in methods(images, presets).items():
        rows = []
        for seed in seeds:
            started = time.perf_counter()
            labels = method(seed)
            seconds = time.perf_counter() - started
            scores = None if truth is None else agreement(truth, labels)
            kappa = collect_evidence(images.mz, labels, flat).isotope_kappa
            rows.append(
                (
                    np.nan if scores is None else scores.purity,
                    np.nan if scores is None else scores.ari,
                    np.nan if kappa is None else kappa,
                    seconds,
                )
            )
        mean, spread = np.mean(rows, axis=0), np.ptp(rows, axis=0)
        cells = "".join(f"{m:10.3f} ({s:.2f})" for m, s in zip(mean[:3], spread[:3], strict=True))
        print(f"{name:24}{cells}{mean[3]:10.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", default="fast,paper")
    parser.add_argument("--seeds", default="0,1,2")
    options = parser.parse_args()
    presets = [name for name in options.presets.split(",") if name]
    seeds = [int(seed) for seed in options.seeds.split(",")]
    with open_imzml(DATA / "uterus13" / "uterus13.imzML") as file:
        images = extract_ion_images(file)
    truth = pd.read_csv(DATA / "uterus13" / "uterus13.csv").sort_values("mz", kind="stable")["label"]
    report("uterus13 (known classes)", images, truth.to_numpy(dtype=np.int64), presets, seeds)
    with open_imzml(DATA / "msight" / "prostate_example.imzML") as file:
        images = extract_ion_images(file)
    report("msight (real tissue)", images, None, presets, seeds)


if __name__ == "__main__":
    main()
