from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_msiclust.errors import InputError
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.progress import drain
from napari_msiclust.results.cluster_result import UNASSIGNED, ClusterResult
from napari_msiclust.results.corrections import History, Relearning
from napari_msiclust.results.edits import Move, Pin, SetAside, edit_from_dict, edit_to_dict
from napari_msiclust.results.exports import embedding_of_all
from napari_msiclust.results.ion_basis import IonBasis
from napari_msiclust.results.relearning import relearning_steps

LOST, UNSEEN, ASIDE = 4, 22, 23


@pytest.fixture(scope="module")
def result(tissue_result: ClusterResult) -> ClusterResult:
    """One ion is in no cluster, and two the network never saw."""
    assert (tissue_result.ions["cluster"] > 0).all()
    ions = tissue_result.ions.copy()
    ions.loc[[LOST, UNSEEN, ASIDE], "cluster"] = 0
    ions.loc[LOST, "bin"] = UNASSIGNED
    ions.loc[[UNSEEN, ASIDE], "bin"] = "sparse"
    embedding = replace(tissue_result.embedding, features=tissue_result.embedding.features[:UNSEEN])
    return replace(tissue_result, ions=ions, embedded=tissue_result.embedded[:UNSEEN], embedding=embedding)


@pytest.fixture(scope="module")
def start(result: ClusterResult, tissue_images: IonImages) -> History:
    other = 1 + int(result.ions["cluster"][0]) % 4
    moved = History.begin(result, IonBasis.of(result, tissue_images)).applied(Move((0,), other))
    return moved.applied(Move((UNSEEN,), other)).applied(SetAside((1,)))


@pytest.fixture(scope="module")
def relearning(start: History) -> Relearning:
    return drain(relearning_steps(start))


def test_an_unassigned_ion_is_labelled_again(start: History, relearning: Relearning) -> None:
    after = relearning.apply(start).current
    assert after.labels.cluster[LOST] > 0
    assert (after.labels.bin[LOST], after.labels.origin[LOST]) == ("", "refined")
    assert after.labels.cluster[[0, 1, UNSEEN, ASIDE]].tolist() == (
        start.current.labels.cluster[[0, 1, UNSEEN, ASIDE]].tolist()
    )


def test_an_ion_that_was_moved_out_of_a_bin_is_learned_from(start: History, relearning: Relearning) -> None:
    history = relearning.apply(start)
    seen = np.isfinite(embedding_of_all(history.current.result)).all(axis=1)
    assert np.flatnonzero(~seen).tolist() == [ASIDE]
    assert history.basis.features[UNSEEN].any()
    assert not history.undone().basis.features[UNSEEN].any()
    assert len(history.undone().current.result.embedded) == UNSEEN


def test_the_confidence_is_that_of_the_new_label(start: History, relearning: Relearning) -> None:
    history = relearning.apply(start)
    edit, before = history.edits[-1], start.current.result.ions["confidence"].to_numpy()
    confidence = history.current.result.ions["confidence"].to_numpy()
    assert confidence[list(edit.ions)].tolist() == list(edit.confidence)
    assert not np.array_equal(confidence, before)
    others = np.setdiff1d(np.arange(len(before)), edit.ions)
    np.testing.assert_array_equal(confidence[others], before[others])
    np.testing.assert_array_equal(history.undone().current.result.ions["confidence"], before)
    read = edit_from_dict(json.loads(json.dumps(edit_to_dict(edit))))
    assert start.applied(read).current.result.ions["confidence"].tolist() == confidence.tolist()
    back = history.applied(history.way_back((edit.ions[0],))).current.result.ions["confidence"]
    assert back[edit.ions[0]] == start.states[0].result.ions["confidence"][edit.ions[0]]


def test_a_result_that_is_opened_again_keeps_origins_pins_and_confidence(
    start: History, relearning: Relearning
) -> None:
    history = relearning.apply(start)
    again = History.begin(history.current.result, history.basis)
    for column in ("cluster", "confidence", "label_origin", "pinned", "learned_cluster"):
        assert again.current.result.ions[column].tolist() == history.current.result.ions[column].tolist()
    assert again.current.labels.by_hand.tolist() == history.current.labels.by_hand.tolist()
    returned = again.applied(again.way_back((0, 1))).current.labels
    assert returned.cluster[:2].tolist() == start.states[0].labels.cluster[:2].tolist()


def test_corrections_in_the_meantime_win(start: History, relearning: Relearning) -> None:
    pinned = start.applied(Pin(relearning.edit.ions))
    with pytest.raises(InputError, match="no label changed"):
        relearning.apply(pinned)


def test_a_confidence_that_is_none_is_refused(start: History, relearning: Relearning) -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        start.applied(replace(relearning.edit, confidence=(float("nan"),) * len(relearning.edit.ions)))
