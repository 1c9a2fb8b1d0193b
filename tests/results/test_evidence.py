from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.learning.ion_clustering import Votes
from napari_msiclust.results.evidence import (
    Evidence,
    collect_evidence,
    colocalization,
    pearson,
    stability,
    with_isotopes,
)
from napari_msiclust.results.ion_pairs import CARBON_13_STEP, ion_pairs, mass_differences, pairs_apart


def test_isotope_pairs_are_one_carbon_13_apart() -> None:
    mz = np.array([500.0, 501.0, 501.003, 502.007, 600.0])
    pairs = {tuple(pair) for pair in np.transpose(pairs_apart(mz, CARBON_13_STEP)).tolist()}
    assert pairs == {(0, 1), (0, 2), (1, 3), (2, 3)}
    order = np.array([4, 2, 0, 3, 1])
    shuffled = {
        tuple(order[list(pair)]) for pair in np.transpose(pairs_apart(mz[order], CARBON_13_STEP)).tolist()
    }
    assert shuffled == pairs


def test_kappa_corrects_for_chance() -> None:
    mz = np.array([100.0, 101.00335, 200.0, 201.00335])
    images = np.random.default_rng(0).random((4, 50), dtype=np.float32)
    together = collect_evidence(mz, np.array([1, 1, 2, 2]), images)
    assert (together.isotope_pairs, together.isotope_agreement, together.isotope_kappa) == (2, 1.0, 1.0)
    half = collect_evidence(mz, np.array([1, 1, 1, 2]), images)
    chance = 0.75**2 + 0.25**2
    assert half.isotope_agreement == 0.5
    assert half.isotope_kappa == pytest.approx((0.5 - chance) / (1 - chance), abs=1e-6)


def test_isotopes_are_told_at_every_number_of_clusters() -> None:
    counts = pd.DataFrame({"clusters": [2, 3]})
    cuts = np.array([[1, 1, 2, 2], [1, 1, 2, 3]])
    votes = Votes(cuts, cuts[0], np.eye(2, dtype=np.float32), counts, cuts)
    told = with_isotopes(votes, np.array([100.0, 101.00335, 200.0, 201.00335])).counts
    chance = 0.5**2 + 2 * 0.25**2
    assert told["isotope_kappa"].tolist() == pytest.approx([1.0, (0.5 - chance) / (1 - chance)], abs=1e-6)
    assert "isotope_kappa" not in with_isotopes(votes, np.array([100.0, 150.0, 200.0, 250.0])).counts
    assert "isotope_kappa" not in counts


def test_colocalization_within_and_between() -> None:
    rng = np.random.default_rng(0)
    base = rng.random((2, 500))
    images = (base[[0, 0, 1, 1]] + rng.normal(0, 0.01, (4, 500))).astype(np.float32)
    evidence = collect_evidence(np.array([1.0, 10.0, 20.0, 30.0]), np.array([1, 1, 2, 2]), images)
    assert evidence.colocalization_within == pytest.approx(1, abs=0.01)
    assert evidence.colocalization_between == pytest.approx(np.corrcoef(base)[0, 1], abs=0.01)
    assert evidence.isotope_agreement is None
    assert any("No two ions differ by one 13C" in sentence for sentence in evidence.sentences())


def test_one_cluster_has_nothing_between() -> None:
    evidence = collect_evidence(np.array([1.0, 2.00335]), np.array([1, 1]), np.ones((2, 9), dtype=np.float32))
    assert evidence.isotope_kappa is None
    assert evidence.colocalization_between is None
    assert evidence.sentences()


def test_pearson_is_numpys_and_zero_for_constants() -> None:
    rows = np.random.default_rng(0).random((3, 40), dtype=np.float32)
    np.testing.assert_allclose(pearson(rows, rows), np.corrcoef(rows), atol=1e-5)
    assert pearson(np.ones((1, 40), dtype=np.float32), rows).tolist() == [[0, 0, 0]]


def _made(kind: str, molecules: int = 60) -> np.ndarray:
    """m/z of molecules without any relation, and of a second form of each."""
    mz = np.sort(np.random.default_rng(0).uniform(300, 900, molecules))
    step = {name.name: name.step for name in (*mass_differences("positive"), *mass_differences("negative"))}
    return np.concatenate([mz, mz + step[kind]])


@pytest.mark.parametrize(
    ("kind", "polarity"),
    [
        ("13C isotopes", None),
        ("loss of water", None),
        ("[M+Na]+ and [M+H]+", "positive"),
        ("[M+K]+ and [M+H]+", "positive"),
        ("[M+NH4]+ and [M+H]+", "positive"),
        ("[M+Cl]- and [M-H]-", "negative"),
        ("[M+HCOO]- and [M-H]-", "negative"),
        ("[M+CH3COO]- and [M-H]-", "negative"),
    ],
)
def test_the_pairs_that_are_there_are_found(kind: str, polarity: str | None) -> None:
    found = {pairs.difference.name: pairs for pairs in ion_pairs(_made(kind), polarity)}
    assert len(found[kind].lighter) >= 60
    assert found[kind].evident
    others = [pairs for name, pairs in found.items() if name not in (kind, "13C isotopes")]
    assert not any(pairs.evident for pairs in others)


def test_mass_differences_follow_from_the_masses() -> None:
    proton, electron = 1.00727646, 0.00054858
    hydrogen, carbon, oxygen = 1.00782503, 12.0, 15.99491462
    formate, acetate = carbon + hydrogen + 2 * oxygen, 2 * carbon + 3 * hydrogen + 2 * oxygen
    ion_mass = {  # added to the neutral molecule
        "[M+H]+": proton,
        "[M+Na]+": 22.98976928 - electron,
        "[M+K]+": 38.96370649 - electron,
        "[M+NH4]+": 14.00307400 + 4 * hydrogen - electron,
        "[M-H]-": -proton,
        "[M+Cl]-": 34.96885271 + electron,
        "[M+HCOO]-": formate + electron,
        "[M+CH3COO]-": acetate + electron,
    }
    for difference in (*mass_differences("positive")[2:], *mass_differences("negative")[2:]):
        heavy, light = difference.name.split(" and ")
        assert difference.step == pytest.approx(ion_mass[heavy] - ion_mass[light], abs=2e-6), difference.name
    assert mass_differences(None)[1].step == pytest.approx(2 * hydrogen + oxygen, abs=2e-6)


def test_pairs_by_accident_do_not_count_as_adducts() -> None:
    # nominal masses with the mass defect of an average molecule: every difference meets some pairs
    rng = np.random.default_rng(1)
    mz = rng.choice(np.arange(300, 900), 300) * 1.00048 + rng.normal(0, 0.02, 300)
    evidence = collect_evidence(
        mz, rng.integers(1, 5, 300), np.ones((300, 2), np.float32), polarity="positive"
    )
    assert sum(pair.pairs for pair in evidence.pairs if pair.name.startswith("[")) > 50
    assert not any(pair.evident for pair in evidence.pairs if pair.name.startswith("["))
    assert (evidence.adduct_pairs, evidence.adduct_kappa) == (0, None)


def test_accident_is_told_for_the_judged_pairs_alone() -> None:
    rng = np.random.default_rng(0)
    mz = np.sort(rng.uniform(400, 460, 300))
    everything, half = (
        collect_evidence(mz, labels, np.zeros((300, 2), np.float32)).pairs[0]
        for labels in (np.arange(300) % 3 + 1, np.where(np.arange(300) % 2, 0, np.arange(300) % 3 + 1))
    )
    assert everything.judged_by_chance == everything.by_chance == half.by_chance
    assert half.judged_by_chance == pytest.approx(half.by_chance * half.pairs / half.found)
    assert half.judged_by_chance < everything.by_chance / 2


def test_ions_in_no_cluster_are_not_judged() -> None:
    mz = np.array([100.0, 101.00335, 200.0, 201.00335])
    images = np.random.default_rng(0).random((4, 50), dtype=np.float32)
    evidence = collect_evidence(mz, np.array([1, 0, 2, 2]), images, ions=10)
    assert (evidence.isotope_pairs, evidence.pairs[0].found) == (1, 2)
    assert (evidence.ions, evidence.ions_in_clusters) == (10, 3)
    assert evidence.isotope_agreement == 1
    assert "3 of 10 ions (30.0%)" in evidence.sentences()[0]


def test_what_a_person_put_together_is_no_evidence() -> None:
    mz = np.array([100.0, 101.00335, 200.0, 201.00335, 300.0, 301.00335])
    labels, images = np.array([1, 1, 2, 2, 1, 2]), np.random.default_rng(0).random((6, 50), dtype=np.float32)
    linked = np.array([False, True, False, False, False, False])
    everything, held_out = (
        collect_evidence(mz, labels, images),
        collect_evidence(mz, labels, images, by_hand=linked),
    )
    assert (everything.isotope_pairs, everything.isotope_agreement) == (3, pytest.approx(2 / 3, abs=1e-6))
    assert (held_out.isotope_pairs, held_out.isotope_agreement, held_out.pairs_by_hand) == (2, 0.5, 1)
    assert any("1 pairs of isotopes or adducts" in sentence for sentence in held_out.sentences())
    assert not any("by hand" in sentence for sentence in everything.sentences())
    none_left = collect_evidence(mz, labels, images, by_hand=np.ones(6, bool))
    assert none_left.isotope_kappa is None
    assert any("No pair of 13C isotopes is left" in sentence for sentence in none_left.sentences())


def test_colocalization_equals_the_mean_over_all_pairs() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((150, 30), dtype=np.float32)
    images[7] = 0  # constant: correlates with nothing
    labels = rng.integers(0, 4, 150)
    correlation = pearson(images, images)
    clustered = labels > 0
    same = (labels[:, None] == labels[None, :]) & clustered[:, None] & clustered[None, :]
    apart = ~same & clustered[:, None] & clustered[None, :]
    np.fill_diagonal(same, val=False)
    np.fill_diagonal(apart, val=False)
    within, between = colocalization(images, labels)
    assert within == pytest.approx(correlation[same].mean(), abs=1e-6)
    assert between == pytest.approx(correlation[apart].mean(), abs=1e-6)


def test_stability_is_the_agreement_of_two_runs() -> None:
    one = np.array([1, 1, 2, 2])
    assert stability(np.stack([one, 3 - one])) == 1
    assert stability(np.stack([one, one, np.array([1, 2, 1, 2])])) < 0.5
    assert stability(np.stack([one, np.array([1, 1, 2, 0])])) == 1
    assert stability(one[None]) is None
    assert stability(np.ones((2, 4), int)) is None  # all ions in one cluster
    assert stability(np.tile(np.arange(4) + 1, (2, 1))) is None  # each in its own
    runs = np.stack([one, one])
    evidence = collect_evidence(np.arange(4.0), one, np.eye(4, dtype=np.float32), runs=runs)
    assert (evidence.stability, evidence.runs) == (1, 2)
    assert any("2 clusterings" in sentence for sentence in evidence.sentences())


def test_the_table_says_each_kind_of_evidence_in_words() -> None:
    mz = _made("[M+Na]+ and [M+H]+")
    labels = np.tile(np.arange(60) % 3 + 1, 2)
    images = np.random.default_rng(0).random((120, 20), dtype=np.float32)
    evidence = collect_evidence(mz, labels, images, polarity="positive", runs=np.stack([labels, labels]))
    table = evidence.table().set_index("evidence")
    assert table.loc["adducts, kappa", "value"] > 0.8
    assert table.loc["adducts, kappa", "pairs"] >= 60
    assert table.loc["stability, ARI", "value"] == 1
    json.dumps(evidence.to_dict())


@pytest.mark.parametrize("labels", [[1, 1, 1], [1, 2, 3], [0, 0, 0]])
def test_three_ions_have_evidence_too(labels: list[int]) -> None:
    values = np.array([[1, 1, 1], [0, 0, 0], [0, 1, 2]], dtype=np.float32)
    evidence = collect_evidence(np.array([100.0, 101.00335, 300.0]), np.array(labels), values)
    assert isinstance(evidence, Evidence)
    assert evidence.sentences()
    evidence.table()


def test_five_thousand_ions_need_no_square_matrix() -> None:
    rng = np.random.default_rng(0)
    mz, labels = np.sort(rng.uniform(100, 1500, 5000)), rng.integers(1, 30, 5000)
    images = rng.random((5000, 40), dtype=np.float32)
    tracemalloc.start()
    collect_evidence(mz, labels, images, polarity="positive")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5000 * 5000  # a matrix of bool alone would take this
