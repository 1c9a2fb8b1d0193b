from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from napari_msiclust.errors import InputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.results.cluster_result import (
    ClusterResult,
    dominant_cluster_map,
    mean_ion_images,
)
from napari_msiclust.results.corrections import History, replay
from napari_msiclust.results.edits import (
    Edit,
    LinkIsotopes,
    Merge,
    Move,
    Pin,
    Recolor,
    Relabel,
    Rename,
    SetAside,
    Split,
    edit_from_dict,
    edit_to_dict,
)
from napari_msiclust.results.exports import read_result, write_result
from napari_msiclust.results.ion_basis import IonBasis

EDITS: list[Edit] = [
    Move((0, 5, 7), 2),
    Merge((1, 3)),
    SetAside((2, 3)),
    Pin((9,)),
    Rename(2, "epithelium"),
    Recolor(2, "#123456"),
    Split(1, ((10, 11),)),
    LinkIsotopes((4,), (6,)),
]


@pytest.fixture
def splittable(history: History) -> list[Edit]:
    """The edits, with a split that fits this result."""
    after = replay(history, EDITS[:6]).current.labels
    part = tuple(after.members(1)[:2].tolist())
    return [*EDITS[:6], Split(1, (part,)), EDITS[7]]


def test_images_follow_the_labels_as_if_made_anew(
    history: History, splittable: list[Edit], tissue_images: IonImages, tissue_result: ClusterResult
) -> None:
    quantile = tissue_result.config.hotspot_quantile
    images = tissue_images.with_mask(tissue_result.grid.mask)
    for edit in splittable:
        history = history.applied(edit)
        current = history.current
        labels, count = current.labels.cluster, current.labels.count
        means = mean_ion_images(images, labels, count, quantile)
        shown = current.result.mean_images[:, images.grid.rows, images.grid.cols]
        np.testing.assert_allclose(shown, means, atol=2e-6)
        again = dominant_cluster_map(means, images.grid, quantile)
        assert (again == current.result.dominant_cluster_map).mean() > 0.99
        assert current.result.clusters["ions"].tolist() == [
            int((labels == number).sum()) for number in range(1, count + 1)
        ]


def test_undo_and_redo_go_back_and_forth_exactly(history: History, splittable: list[Edit]) -> None:
    before = history.current
    full = replay(history, splittable)
    back = full
    for _ in splittable:
        back = back.undone()
    assert back.current is before
    assert back.undone().current is before
    forth = back
    for _ in splittable:
        forth = forth.redone()
    assert forth.current is full.current
    assert forth.redone().current is full.current
    other = full.undone().undone().applied(Pin((1,)))
    assert other.redone().current is other.current
    assert len(other.edits) == len(splittable) - 1


def test_origins_tell_manual_from_learned_labels(history: History) -> None:
    history = history.applied(Move((0, 5), 2)).applied(SetAside((1,), "matrix"))
    ions = history.current.result.ions
    assert ions["label_origin"].tolist()[:3] == ["manual", "manual", "learned"]
    assert ions["confidence"][0] == 1.0
    assert ions["pinned"].tolist()[:3] == [True, True, False]
    assert (ions["cluster"][1], ions["bin"][1], ions["centrality"][1]) == (0, "matrix", 0)
    assert ions["learned_cluster"].tolist() == history.states[0].labels.cluster.tolist()
    assert history.current.result.provenance["corrections"]["ions"] == {"learned": 21, "manual": 3}


def test_ions_return_from_a_bin(history: History) -> None:
    learned = history.current.labels
    history = history.applied(SetAside((1, 2))).applied(history.way_back((1, 2)))
    assert history.current.labels.cluster.tolist() == learned.cluster.tolist()
    assert history.current.labels.bin == learned.bin
    assert history.current.labels.origin == learned.origin


def test_an_isotope_of_an_isotope_follows_the_first_ion(history: History) -> None:
    history = history.applied(Move((4,), 1)).applied(Move((6,), 2)).applied(Move((8,), 3))
    cluster = history.applied(LinkIsotopes((6, 8), (4, 6))).current.labels.cluster
    assert (cluster[6], cluster[8]) == (1, 1)


def test_numbers_and_colours_stay_when_clusters_merge(history: History) -> None:
    colors = history.current.result.clusters["color"].tolist()
    merged = history.applied(Merge((2, 1)))
    clusters = merged.current.result.clusters
    assert clusters["color"].tolist() == colors
    assert clusters["ions"][0] == 0
    assert not np.nan_to_num(merged.current.result.mean_images[0]).any()
    assert (merged.current.result.dominant_cluster_map != 1).all()


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (Move((0,), 99), "no cluster 99"),
        (Move((), 1), "no ion is selected"),
        (Move((400,), 1), "there are 24 ions"),
        (Merge((1, 1)), "cannot be merged"),
        (Split(1, ((0,), (0,))), "not parts"),
        (Rename(1, "cluster 2"), "another cluster"),
        (Recolor(1, "red"), "not a colour"),
        (SetAside((0,), " "), "no name"),
    ],
)
def test_an_edit_that_does_not_fit_changes_nothing(history: History, edit: Edit, fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        history.applied(edit)
    assert history.position == 0


def test_splitting_off_everything_is_refused(history: History) -> None:
    everything = tuple(history.current.labels.members(1).tolist())
    with pytest.raises(InputError, match="nothing would be left"):
        history.applied(Split(1, (everything,)))


def test_edits_survive_json(splittable: list[Edit]) -> None:
    edits = [*splittable, Relabel((1,), (2,), ("",), "refined", "refine")]
    read = [edit_from_dict(json.loads(json.dumps(edit_to_dict(edit)))) for edit in edits]
    assert read == edits
    with pytest.raises(InputError, match="not an edit"):
        edit_from_dict({"edit": "Explode"})


def test_evidence_is_that_of_the_corrected_labels(history: History) -> None:
    merged = history.applied(Merge(tuple(range(1, history.current.labels.count + 1))))
    assert merged.with_evidence().evidence.colocalization_between is None
    assert history.with_evidence() is history.current.result


def test_edits_leave_the_stability_of_the_learning(tissue_result: ClusterResult, basis: IonBasis) -> None:
    evidence = dataclasses.replace(tissue_result.evidence, stability=0.75, runs=2)
    history = History.begin(dataclasses.replace(tissue_result, evidence=evidence), basis)
    for edit in (Rename(1, "rim"), Move((0, 5), 2)):
        history = history.applied(edit)
        now = history.with_evidence().evidence
        assert (now.stability, now.runs) == (0.75, 2)
        assert "agree by" in " ".join(now.sentences())


def test_evidence_of_corrected_labels_counts_what_that_of_the_learned_ones_does(
    tissue_result: ClusterResult, tissue_images: IonImages
) -> None:
    images = dataclasses.replace(tissue_images, polarity="positive")
    history = History.begin(tissue_result, IonBasis.of(tissue_result, images))
    first = int(np.flatnonzero(history.current.labels.cluster > 0)[0])
    corrected = history.applied(SetAside((first,))).with_evidence().evidence
    learned = tissue_result.evidence
    assert (corrected.ions, corrected.ions_in_clusters) == (learned.ions, learned.ions_in_clusters - 1)
    assert "[M+Na]+ and [M+H]+" in [pair.name for pair in corrected.pairs]


def test_linked_isotopes_are_no_evidence_for_the_clusters(
    tissue_result: ClusterResult, tissue_images: IonImages
) -> None:
    mz = tissue_images.mz.copy()
    kept = np.flatnonzero(tissue_result.ions["cluster"] > 0)[:2]
    mz[kept[1]] = mz[kept[0]] + 1.00335
    images = dataclasses.replace(tissue_images, mz=mz)
    history = History.begin(tissue_result, IonBasis.of(tissue_result, images))
    before = history.applied(Rename(1, "rim")).with_evidence().evidence
    linked = history.applied(LinkIsotopes((int(kept[1]),), (int(kept[0]),))).with_evidence().evidence
    assert linked.isotope_pairs < before.isotope_pairs
    assert before.pairs_by_hand == 0 < linked.pairs_by_hand
    ions = tuple(map(int, kept))
    let_go = history.applied(LinkIsotopes(ions[1:], ions[:1])).applied(Pin(ions, pinned=False))
    assert let_go.with_evidence().evidence.pairs_by_hand == linked.pairs_by_hand


def test_what_merging_brought_together_is_no_evidence(
    tissue_result: ClusterResult, tissue_images: IonImages
) -> None:
    mz = tissue_images.mz.copy()
    clusters = tissue_result.ions["cluster"].to_numpy()
    one, other = (int(np.flatnonzero(clusters == cluster)[0]) for cluster in (1, 2))
    mz[other] = mz[one] + 1.00335
    images = dataclasses.replace(tissue_images, mz=mz)
    result = dataclasses.replace(tissue_result, ions=tissue_result.ions.assign(mz=mz))
    history = History.begin(result, IonBasis.of(result, images))
    before = history.applied(Rename(1, "rim")).with_evidence().evidence
    merged = history.applied(Merge((1, 2))).with_evidence().evidence
    assert merged.isotope_pairs < before.isotope_pairs
    assert merged.pairs_by_hand > 0


def test_exports_tell_what_was_done(
    history: History, splittable: list[Edit], tissue_images: IonImages, run_in: Path
) -> None:
    history = replay(history, splittable)
    write_result(history.with_evidence(), tissue_images, run_in / "result")
    saved = read_result(run_in / "result")
    assert set(saved.ions["label_origin"]) == {"learned", "manual"}
    assert [entry["edit"] for entry in saved.run["corrections"]["edits"]] == [
        type(edit).__name__ for edit in splittable
    ]
    assert "epithelium" in (run_in / "result" / "clusters.csv").read_text()
    report = (run_in / "result" / "report.html").read_text()
    assert "(epithelium)" in report
    assert "placed by hand" in report
    again = replay(
        History.begin(history.states[0].result, history.basis),
        [edit_from_dict(entry) for entry in saved.run["corrections"]["edits"]],
    )
    assert again.current.labels.cluster.tolist() == saved.ions["cluster"].tolist()


def test_foreign_ion_images_are_refused(tissue_result: ClusterResult, basis: IonBasis) -> None:
    from napari_msiclust.results.ion_basis import take_ions

    with pytest.raises(InputError, match="not those of the result"):
        IonBasis.of(tissue_result, take_ions(basis.images, [0, 1]))


def test_corrections_of_an_opened_result_are_added_to_the_record(history: History, basis: IonBasis) -> None:
    saved = history.applied(Rename(1, "stroma")).current.result
    again = History.begin(saved, basis).applied(Pin((3,)))
    listed = again.current.result.provenance["corrections"]["edits"]
    assert [entry["edit"] for entry in listed] == ["Rename", "Pin"]
