from __future__ import annotations

import numpy as np
import pandas as pd

from napari_msiclust.results.colors import cluster_color_names, cluster_colors, colors_of

# Machado, Oliveira and Fernandes 2009: full protanopia and deuteranopia, on linear RGB.
SIGHTS = (
    np.eye(3),
    np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
)
TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _oklab(rgb: np.ndarray, sight: np.ndarray) -> np.ndarray:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt((linear @ sight.T).clip(0, 1) @ TO_LMS.T) @ TO_LAB.T


def test_the_colours_stay_apart_for_colour_blind_eyes() -> None:
    for count in (7, 12, 20):
        for sight in SIGHTS:
            lab = _oklab(cluster_colors(count)[:, :3], sight)
            apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
            assert apart[~np.eye(count, dtype=bool)].min() > 0.07


def test_a_cluster_keeps_its_colour_whatever_their_number() -> None:
    assert cluster_color_names(30)[:5] == cluster_color_names(5)
    assert len(set(cluster_color_names(60))) == 60
    assert cluster_colors(0).shape == (0, 4)


def test_a_chosen_colour_wins() -> None:
    table = pd.DataFrame({"cluster": [1, 2], "color": ["#FF0000", "#00FF00"]})
    assert colors_of(table)[0].tolist() == [1, 0, 0, 1]
    np.testing.assert_array_equal(colors_of(table[["cluster"]]), cluster_colors(2))
