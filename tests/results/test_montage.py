from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from napari_msiclust.errors import InputError, OutputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import ClusterResult
from napari_msiclust.results.montage import cluster_montage, write_montages
from napari_msiclust.results.scale_bar import length_in_words, round_length


def test_one_picture_per_cluster(
    tissue_images: IonImages, tissue_result: ClusterResult, tmp_path: Path
) -> None:
    paths = write_montages(tmp_path / "tissue.png", tissue_images, tissue_result.ions)
    numbers = sorted(set(tissue_result.ions["cluster"]) - {0})
    assert [path.name for path in paths] == [f"tissue_cluster_{number:02d}.png" for number in numbers]
    assert sorted(tmp_path.iterdir()) == paths
    for path in paths:
        picture = imread(path)
        assert picture.shape[1] > 1000
        assert picture[..., :3].std() > 0.05  # something is drawn


def test_a_picture_names_every_ion(tissue_images: IonImages, tissue_result: ClusterResult) -> None:
    ions = tissue_result.ions
    cluster = int(ions["cluster"].max())
    figure = cluster_montage(tissue_images, ions, cluster)
    titles = [axes.get_title() for axes in figure.axes]
    members = ions[ions["cluster"] == cluster].sort_values("centrality", ascending=False, kind="stable")
    assert titles[0] == "mean ion image"
    assert [title.splitlines()[0] for title in titles[1 : len(members) + 1]] == [
        f"m/z {mz:.4f}" for mz in members["mz"]
    ]
    (bar,) = figure.axes[0].lines
    length = float(np.ptp(bar.get_xdata()) * tissue_images.grid.pixel_size_um[1])
    assert figure.axes[0].texts[0].get_text() == length_in_words(length, um=True)
    shown = figure.axes[1].images[0].get_array()
    image = tissue_images.image(int(members.index[0]))
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), np.isnan(image))
    assert 1 - 1e-6 <= float(shown.max()) <= 1


def test_round_lengths() -> None:
    assert [round_length(width) for width in (4000, 1600, 800, 90, 0.5)] == [1000, 200, 200, 20, 0.1]
    assert length_in_words(2000, um=True) == "2 mm"
    assert length_in_words(50, um=True) == "50 µm"
    assert length_in_words(5, um=False) == "5 pixels"


def test_all_pictures_or_none(
    tissue_images: IonImages,
    tissue_result: ClusterResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ions = tissue_result.ions
    with pytest.raises(InputError, match="of other ions"):
        write_montages(tmp_path / "x.png", tissue_images, ions.iloc[1:])
    with pytest.raises(InputError, match="no ion is in a cluster"):
        write_montages(tmp_path / "x.png", tissue_images, ions.assign(cluster=0))
    calls = []

    def save(figure: Figure, path: Path, **_: object) -> None:
        calls.append(path)
        path.write_bytes(b"half")
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", save)
    with pytest.raises(OutputError, match="No space left"):
        write_montages(tmp_path / "x.png", tissue_images, ions)
    assert list(tmp_path.iterdir()) == []
