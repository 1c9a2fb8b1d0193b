from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.results.ion_colors import COLORINGS, color_legend, ion_colors

IONS = pd.DataFrame(
    {
        "mz": [200.0, 300.0, 400.0, 600.0],
        "cluster": [1, 2, 0, 0],
        "confidence": [1.0, 0.5, 0.25, 0.0],
        "bin": ["", "", "too_sparse", "unassigned"],
        "label_origin": ["learned", "manual", "learned", "refined"],
    }
)
CLUSTERS = pd.DataFrame({"cluster": [1, 2], "color": ["#ff0000", "#0000ff"]})


@pytest.mark.parametrize("by", COLORINGS)
def test_the_legend_has_the_colors_of_the_ions(by: str) -> None:
    drawn = {tuple(color) for color in ion_colors(IONS, CLUSTERS, by).tolist()}
    listed = {rgb for _, rgb in color_legend(IONS, by)}
    assert listed & drawn
    if by in ("bin", "label"):
        assert listed == drawn


def test_the_legend_says_what_the_colors_mean() -> None:
    assert [text for text, _ in color_legend(IONS, "confidence")] == ["0", "0.25", "0.5", "0.75", "1"]
    assert [text for text, _ in color_legend(IONS, "m/z")] == ["200", "300", "400", "500", "600"]
    assert [text for text, _ in color_legend(IONS, "bin")] == ["too sparse", "unassigned", "in no bin"]
    assert [text for text, _ in color_legend(IONS, "label")] == ["manual", "refined", "learned"]
    assert [text for text, _ in color_legend(IONS, "cluster")] == ["in no cluster"]
    assert color_legend(IONS[:2], "cluster") == []
    assert [text for text, _ in color_legend(IONS[:2], "bin")] == ["in no bin"]


def test_one_ion_has_a_scale_too() -> None:
    one = IONS[:1]
    assert np.isfinite(ion_colors(one, CLUSTERS, "m/z")).all()
    assert [text for text, _ in color_legend(one, "m/z")] == ["200"]
