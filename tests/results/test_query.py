from __future__ import annotations

import numpy as np
import pytest

from napari_msiclust.errors import InputError
from napari_msiclust.results.corrections import History
from napari_msiclust.results.dendrogram import cluster_tree, split_in
from napari_msiclust.results.edits import SetAside
from napari_msiclust.results.ion_basis import IonBasis
from napari_msiclust.results.ion_filter import IonFilter, parse_mz_range
from napari_msiclust.results.outliers import outliers
from napari_msiclust.results.projection import inside_polygon, pca_projection, tsne_projection
from napari_msiclust.results.query import like_image, like_ion, sample_on_grid
from napari_msiclust.results.spectra import mean_spectrum, pixel_at, pixel_spectrum, region_spectrum
from napari_msiclust.results.thumbnails import Thumbnails, color_table


def _classes(basis: IonBasis) -> np.ndarray:
    """Groups of ions by the images alone."""
    from scipy.cluster.hierarchy import fcluster, linkage

    return fcluster(linkage(basis.directions, "average", metric="cosine"), 6, "maxclust")


def test_ions_of_one_kind_rank_first(basis: IonBasis, history: History) -> None:
    classes = _classes(basis)
    table = like_ion(basis, 0).rank(basis, history.current.result.ions)
    assert len(table) == 23
    assert 0 not in table["ion"].to_numpy()
    assert table["cosine"].is_monotonic_decreasing
    best = table["ion"].to_numpy()[: (classes == classes[0]).sum() - 1]
    assert (classes[best] == classes[0]).all()
    assert table["learned"].between(-1.001, 1.001).all()


def test_a_region_finds_the_ions_that_lie_there(basis: IonBasis, history: History) -> None:
    image = np.nan_to_num(basis.images.image(7))
    query = like_image(basis, image > np.quantile(image[basis.images.grid.mask], 0.8), "region")
    table = query.rank(basis, history.current.result.ions)
    classes = _classes(basis)
    assert len(table) == 24
    assert classes[table["ion"][0]] == classes[7]
    learned = table.set_index("ion")["learned"]
    assert learned[table["ion"][0]] > learned.median()


def test_an_empty_region_is_refused(basis: IonBasis) -> None:
    with pytest.raises(InputError, match="covers no tissue"):
        like_image(basis, np.zeros(basis.images.grid.shape), "nothing")
    with pytest.raises(InputError, match="shape"):
        like_image(basis, np.zeros((2, 2)), "small")


def test_sampling_averages_over_the_area_of_a_pixel() -> None:
    fine = np.kron(np.arange(12.0).reshape(3, 4), np.ones((4, 4)))
    fine[::2] += 1
    fine[1::2] -= 1
    to_image = np.array([[4, 0, 1.5], [0, 4, 1.5], [0, 0, 1]])
    np.testing.assert_allclose(sample_on_grid(fine, to_image, (3, 4)), np.arange(12.0).reshape(3, 4))
    shifted = to_image + np.array([[0, 0, 400], [0, 0, 0], [0, 0, 0]])
    assert not sample_on_grid(fine, shifted, (3, 4)).any()


def test_the_tree_holds_every_cluster_once(basis: IonBasis, history: History) -> None:
    tree = cluster_tree(basis, history.current.labels)
    assert sorted(tree.leaves) == list(range(1, history.current.labels.count + 1))
    assert sorted(tree.nodes[-1].clusters) == sorted(tree.leaves)
    heights = [node.height for node in tree.nodes]
    assert heights == sorted(heights)
    assert all(node.left_height <= node.height >= node.right_height for node in tree.nodes)


def test_the_tree_of_one_cluster_has_no_merge(basis: IonBasis, history: History) -> None:
    labels = history.current.labels
    rest = tuple(np.flatnonzero(labels.cluster != 1).tolist())
    alone = history.applied(SetAside(rest)).current.labels
    assert cluster_tree(basis, alone) == type(cluster_tree(basis, alone))((1,), ())


def test_a_split_separates_what_is_least_alike(basis: IonBasis, history: History) -> None:
    classes = _classes(basis)
    labels = history.current.labels
    mixed = next(
        number for number in range(1, labels.count + 1) if len(set(classes[labels.members(number)])) > 1
    )
    after = history.applied(split_in(basis, labels, mixed)).current.labels
    one, other = set(classes[after.members(mixed)]), set(classes[after.members(after.count)])
    assert not one & other


def test_outliers_lie_far_below_their_cluster(history: History) -> None:
    ions = history.current.result.ions.assign(cluster=1, centrality=0.9)
    ions.loc[3, "centrality"] = 0.1
    assert np.flatnonzero(outliers(ions)).tolist() == [3]
    few = ions.assign(cluster=np.arange(len(ions)) // 4 + 1)
    assert not outliers(few).any()


def test_filters_hold_together(history: History) -> None:
    ions = history.current.result.ions.copy()
    ions["annotation"] = [f"PC 34:{row}" for row in range(len(ions))]
    low, high = ions["mz"][4], ions["mz"][9]
    assert IonFilter(mz=(low, high)).rows(ions).sum() == 6
    assert IonFilter(text="pc 34:1").rows(ions).sum() == 11
    assert IonFilter(cluster=1).rows(ions).sum() == (ions["cluster"] == 1).sum()
    assert not IonFilter(bin="empty").rows(ions).any()
    assert IonFilter(mz=(low, high), text="34:5", least_confidence=0.0).rows(ions).sum() == 1


@pytest.mark.parametrize(
    ("typed", "range_"),
    [
        ("", (0, np.inf)),
        ("400-500", (400, 500)),
        (" 400.5 - ", (400.5, np.inf)),
        ("-500", (0, 500)),
        ("798.54", (798.53, 798.55)),
        ("798", (797, 799)),
    ],
)
def test_mz_ranges_are_read_as_typed(typed: str, range_: tuple[float, float]) -> None:
    assert parse_mz_range(typed) == pytest.approx(range_)


def test_what_is_no_range_is_said() -> None:
    with pytest.raises(InputError, match="no m/z range"):
        parse_mz_range("PC 34:1")


def test_projections_have_a_place_for_every_ion(basis: IonBasis) -> None:
    classes = _classes(basis)
    for points in (pca_projection(basis), tsne_projection(basis)):
        assert points.shape == (24, 2)
        assert np.isfinite(points).all()
    np.testing.assert_array_equal(pca_projection(basis), pca_projection(basis))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    same = classes[:, None] == classes[None]
    assert np.median(apart[same]) < np.median(apart[~same])


def test_a_lasso_takes_what_it_encloses() -> None:
    points = np.array([[0.5, 0.5], [2, 2], [0.1, 0.9]])
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    assert inside_polygon(points, square).tolist() == [True, False, True]
    assert not inside_polygon(points, square[:2]).any()


def test_spectra_are_means_over_their_pixels(basis: IonBasis) -> None:
    images = basis.images
    np.testing.assert_allclose(pixel_spectrum(images, 5), images.values[:, 5])
    row, col = int(images.grid.rows[5]), int(images.grid.cols[5])
    assert pixel_at(images, row, col) == 5
    assert pixel_at(images, -1, 0) is None
    one = np.zeros(images.grid.shape, bool)
    one[row, col] = True
    np.testing.assert_allclose(region_spectrum(images, one), images.values[:, 5])
    assert not region_spectrum(images, np.zeros_like(one)).any()
    np.testing.assert_allclose(
        mean_spectrum(images), images.values[:, images.grid.on_tissue].mean(axis=1), rtol=1e-5
    )


def test_a_thumbnail_looks_like_its_image(basis: IonBasis) -> None:
    pictures = Thumbnails(basis, side=16).render([0, 3])
    height, width = pictures.shape[1:]
    assert max(height, width) == 16
    assert pictures.max() == 255
    full = np.nan_to_num(basis.images.image(3))
    big = full[np.ix_(*(np.arange(n) * s // n for n, s in zip((height, width), full.shape, strict=True)))]
    assert np.corrcoef(big.ravel(), pictures[1].ravel())[0, 1] > 0.6
    assert color_table().shape == (256, 4)
    assert color_table()[0, 3] == 0
