from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_msiclust.errors import FileFormatError
from napari_msiclust.results.metrics import agreement, evaluate_files


def test_renamed_clusters_agree_fully() -> None:
    scores = agreement(np.array([0, 0, 1, 1, 2]), np.array([5, 5, 9, 9, 1]))
    assert (scores.purity, scores.ari, scores.nmi, scores.hungarian_accuracy) == pytest.approx((1, 1, 1, 1))


def test_scores_of_a_small_case_by_hand() -> None:
    truth, clusters = np.array([0, 0, 0, 1, 1, 1]), np.array([1, 1, 2, 2, 2, 3])
    scores = agreement(truth, clusters)
    assert scores.purity == pytest.approx(5 / 6)  # 2 of 2, 2 of 3, 1 of 1
    assert scores.hungarian_accuracy == pytest.approx(4 / 6)  # cluster 3 stays without a class
    # pairs together in both: 2 (1 in cluster 1, 1 in cluster 2); expected 6 * 4 / 15
    assert scores.ari == pytest.approx((2 - 1.6) / ((6 + 4) / 2 - 1.6))


def test_purity_flatters_where_ari_does_not() -> None:
    truth = np.repeat([0, 1], 10)
    scores = agreement(truth, np.arange(20))
    assert scores.purity == 1
    assert scores.ari == 0


def _write(folder: Path, ions: str, truth: str) -> tuple[Path, Path]:
    (folder / "ions.csv").write_text(ions)
    (folder / "truth.csv").write_text(truth)
    return folder / "ions.csv", folder / "truth.csv"


def test_files_are_matched_by_mz_and_unlabelled_ions_left_out(tmp_path: Path) -> None:
    ions = "mz,cluster\n300.0,2\n100.0,1\n200.0,1\n400.0,2\n"
    truth = "mz,label\n100.0005,0\n200,0\n300,1\n400,-1\n500,1\n"
    scores = evaluate_files(*_write(tmp_path, ions, truth))
    assert (scores.ions, scores.unmatched, scores.clusters, scores.classes) == (3, 1, 2, 2)
    assert scores.ari == 1


def test_two_ions_of_one_mz_are_kept_apart(tmp_path: Path) -> None:
    table = "mz,{}\n100.0,1\n100.0,2\n300.0,2\n"
    assert evaluate_files(*_write(tmp_path, table.format("cluster"), table.format("label"))).purity == 1


@pytest.mark.parametrize(
    ("ions", "truth", "said"),
    [
        ("mz,cluster\n1,1\n", "mz,class\n1,1\n", "no column label"),
        ("mz,group\n1,1\n", "mz,label\n1,1\n", "no column cluster"),
        ("mz,cluster\n1,1\n", "mz,label\n9,1\n", "none of its m/z"),
        ("mz,cluster\n1,x\n", "mz,label\n1,1\n", "lacks a number"),
        ("", "mz,label\n1,1\n", "not a CSV table"),
    ],
)
def test_bad_tables(tmp_path: Path, ions: str, truth: str, said: str) -> None:
    with pytest.raises(FileFormatError, match=said):
        evaluate_files(*_write(tmp_path, ions, truth))
