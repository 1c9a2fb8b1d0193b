from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_msiclust.config import ClusterConfig, TriageConfig
from napari_msiclust.errors import InputError, Stopped
from napari_msiclust.msi.cohort import Cohort, Section, cohort_of, joining_steps
from napari_msiclust.msi.ion_images import IonImages
from napari_msiclust.msi.ion_list import Tolerance
from napari_msiclust.progress import drain
from tests.cohorts import block, without

TENTH = Tolerance(0.1, "Da")
PLAIN = ClusterConfig(
    tissue="acquired",
    triage=TriageConfig(sparse=False, structureless=False, off_tissue=False, duplicate=False),
)


def joined(*sections: IonImages, config: ClusterConfig = PLAIN) -> Cohort:
    named = [Section(f"section {number}", images) for number, images in enumerate(sections)]
    return cohort_of(named, config, TENTH)


def refused(*sections: IonImages) -> str:
    with pytest.raises(InputError) as caught:
        joined(*sections)
    return str(caught.value)


def test_sections_of_another_intensity_scale_come_to_one(tissue_images: IonImages) -> None:
    brighter = replace(tissue_images, values=np.asarray(tissue_images.values) * np.float32(7))
    cohort = joined(tissue_images, brighter)
    assert cohort.scale[1] / cohort.scale[0] == pytest.approx(7, rel=1e-5)
    one, other = (cohort.images.values[:, cohort.mosaic.pixels(number)] for number in (0, 1))
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_scale_does_not_follow_ions_that_really_differ() -> None:
    gains = np.array([1, 1, 1, 1, 4, 50, 80.0])
    mz = 100.0 + np.arange(7)
    values = np.ones((7, 12))
    cohort = joined(block(mz, values), block(mz, 3 * gains[:, None] * values))
    assert cohort.scale[1] / cohort.scale[0] == pytest.approx(3, rel=1e-6)
    ratio = cohort.gain[1] / cohort.gain[0]
    np.testing.assert_allclose(ratio, [1, 1, 1, 1, 4, 9, 9], rtol=1e-6)  # threefold either way at most
    level = np.sqrt(cohort.images.values[4])
    assert level[cohort.mosaic.pixels(0)].mean() == pytest.approx(level[cohort.mosaic.pixels(1)].mean())


def test_what_ions_that_lie_alike_share_is_no_gain_of_theirs() -> None:
    rng = np.random.default_rng(7)
    mz = 100.0 + np.arange(30)
    left = np.arange(12) % 6 < 3
    values = np.where(np.arange(30)[:, None] < 12, left, ~left) * 9.0 + rng.uniform(1, 1.2, (30, 12))
    gains = np.where(np.arange(30) < 12, 2.0, 1.0)
    gains[[0, 20]] *= 2.5
    cohort = joined(block(mz, values), block(mz, 3 * gains[:, None] * values))
    ratio = cohort.gain[1] / cohort.gain[0]
    np.testing.assert_allclose(ratio, np.where(np.isin(np.arange(30), [0, 20]), 2.5, 1), rtol=1e-6)


def test_ions_without_signal_do_not_disturb_the_scale() -> None:
    mz = 100.0 + np.arange(4)
    values = np.ones((4, 12))
    values[1] = 0
    cohort = joined(block(mz, values), block(mz, 3 * np.ones((4, 12))))
    assert cohort.scale[1] / cohort.scale[0] == pytest.approx(3, rel=1e-6)
    assert cohort.gain[:, 1].tolist() == [1, 1]
    nothing = joined(block(mz, np.zeros((4, 12))), block(mz))
    assert nothing.scale.tolist() == [1, 1]
    assert np.isfinite(nothing.images.values).all()


def test_the_scale_needs_no_ion_that_all_sections_share() -> None:
    one, two, three = block([100, 200]), block([200, 300]), block([300, 400])
    brighter = replace(two, values=np.full((2, 12), 8, np.float32))
    cohort = joined(replace(one, values=np.full((2, 12), 2, np.float32)), brighter, three)
    assert cohort.scale[1] / cohort.scale[0] == pytest.approx(4, rel=1e-6)
    assert cohort.scale[1] / cohort.scale[2] == pytest.approx(8, rel=1e-6)


def test_an_ion_that_a_section_lacks_is_even_there() -> None:
    values = np.zeros((3, 12))
    values[:, :6] = [[4], [9], [1]]
    values[:, 6:] = [[1], [4], [1]]
    cohort = joined(block([100, 200, 300], values), without(block([100, 200, 300], values), [1]))
    assert cohort.held.tolist() == [[True, True, True], [True, False, True]]
    lacking = cohort.images.values[1, cohort.mosaic.pixels(1)]
    np.testing.assert_allclose(lacking, 2.5**2, rtol=1e-6)  # mean of the square roots 3 and 2
    roots = np.sqrt(cohort.images.values[1])
    assert roots[cohort.mosaic.pixels(0)].mean() == pytest.approx(roots.mean(), rel=1e-6)


def test_names_and_columns_come_from_the_first_section_that_has_them() -> None:
    one = block([100, 200], names=("", "known"), columns=pd.DataFrame({"formula": ["A", "B"]}))
    other = block([100.02, 300], names=("found", "new"), columns=pd.DataFrame({"formula": ["X", "Y"]}))
    images = joined(one, other).images
    np.testing.assert_allclose(images.mz, [100.01, 200, 300])
    assert images.names == ("found", "known", "new")
    assert images.columns["formula"].tolist() == ["A", "B", "Y"]


def test_an_ion_is_set_aside_only_if_no_section_has_a_use_for_it(tissue_images: IonImages) -> None:
    rng = np.random.default_rng(0)
    values = np.asarray(tissue_images.values).copy()
    values[:2] = rng.permuted(values[:2], axis=1)
    elsewhere = values.copy()
    elsewhere[1] = tissue_images.values[1]
    config = ClusterConfig(tissue="acquired")
    cohort = joined(
        replace(tissue_images, values=values), replace(tissue_images, values=elsewhere), config=config
    )
    bins = cohort.training_set(config).bins
    assert bins["bin"].tolist()[:2] == ["structureless", ""]
    assert bins["structure_z"][1] == cohort.bins[1]["structure_z"][1] > cohort.bins[0]["structure_z"][1]


def test_hotspots_are_clipped_section_by_section(tissue_images: IonImages) -> None:
    values = np.asarray(tissue_images.values).copy()
    values[0, 5] = 1e6
    config = PLAIN.model_copy(update={"hotspot_quantile": 0.99})
    cohort = joined(tissue_images, replace(tissue_images, values=values), config=config)
    assert cohort.images.values[0].max() < 10 * tissue_images.values[0].max()


def test_one_section_is_no_cohort() -> None:
    assert "two or more" in refused(block([100]))


def test_polarities_do_not_mix() -> None:
    said = refused(block([100], polarity="positive"), block([100]), block([100], polarity="negative"))
    assert "section 0 is of positive polarity, section 2 of negative" in said


def test_pixel_sizes_do_not_mix() -> None:
    said = refused(block([100]), block([100], pixel_size_um=None), block([100], pixel_size_um=(50, 25)))
    assert "the pixels of section 0 are 50 um, of section 2 25 x 50 um" in said


def test_a_section_that_shares_no_ion_is_named() -> None:
    said = refused(block([100, 200]), block([200, 300]), block([400]))
    assert "section 2 shares no ion with section 0 within 0.1 Da" in said


def test_values_that_are_no_number_count_as_nothing() -> None:
    values = np.full((1, 12), 2.0)
    values[0, :3] = [np.nan, np.inf, -1]
    cohort = joined(block([100], values), block([100], np.full((1, 12), 2.0)))
    assert cohort.images.values[0, :3].tolist() == [0, 0, 0]
    assert cohort.images.values[0, 3] > 0


def test_joining_tells_how_far_it_is_and_stops() -> None:
    sections = [Section("one", block([100])), Section("two", block([100]))]
    told: list[int] = []
    drain(joining_steps(sections, PLAIN, TENTH), lambda progress: told.append(progress.step))
    assert told == [0, 1, 2]
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        drain(joining_steps(sections, PLAIN, TENTH, stop=stop))
