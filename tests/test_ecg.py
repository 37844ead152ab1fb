"""Sets of ECGs and beats, and the algebra of leads."""

import numpy as np
import pandas as pd
import pytest

from vaescan_lite.ecg import BeatSet, EcgSet, to_eight_leads, to_twelve_leads
from vaescan_lite.leads import LEADS_8, LEADS_12, TWELVE_FROM_EIGHT


@pytest.fixture
def electrodes():
    """Potentials of right arm, left arm, left leg and six chest electrodes, (9, 50) in mV."""
    return np.random.default_rng(0).normal(size=(9, 50))


def leads_of(electrodes):
    """The twelve leads by their definition from the electrodes (Einthoven, Goldberger, Wilson)."""
    right, left, foot = electrodes[:3]
    wilson = (right + left + foot) / 3
    limb = [left - right, foot - right, foot - left]
    augmented = [right - (left + foot) / 2, left - (right + foot) / 2, foot - (right + left) / 2]
    return np.stack([*limb, *augmented, *(electrodes[3:] - wilson)])


def test_derived_leads_are_those_that_the_electrodes_define(electrodes):
    twelve = leads_of(electrodes)
    np.testing.assert_allclose(to_twelve_leads(to_eight_leads(twelve)), twelve, atol=1e-12)


def test_derived_leads_obey_einthoven_and_goldberger():
    twelve = to_twelve_leads(np.random.default_rng(1).normal(size=(5, 8, 30)))
    i, ii, iii, avr, avl, avf = np.moveaxis(twelve[:, :6], 1, 0)
    np.testing.assert_allclose(i + iii, ii, atol=1e-12)
    np.testing.assert_allclose(avr + avl + avf, 0, atol=1e-12)


def test_the_matrix_of_the_leads_is_the_same_algebra():
    eight = np.random.default_rng(2).normal(size=(3, 8, 20))
    np.testing.assert_allclose(to_twelve_leads(eight), TWELVE_FROM_EIGHT @ eight, atol=1e-12)


def test_a_lead_of_nan_spoils_only_itself():
    eight = np.ones((1, 8, 4))
    eight[0, LEADS_8.index("V3")] = np.nan
    bad = np.isnan(to_twelve_leads(eight)).any(axis=-1)[0]
    assert [lead for lead, is_bad in zip(LEADS_12, bad) if is_bad] == ["V3"]


def test_twelve_leads_are_reordered_and_not_recomputed():
    signals = np.random.default_rng(3).normal(size=(2, 12, 10)).astype(np.float32)  # not Einthoven's: must come through as is
    shuffled = list(reversed(LEADS_12))
    ecgs = to_twelve_leads(EcgSet(signals, 100, shuffled))
    assert ecgs.leads == LEADS_12
    np.testing.assert_array_equal(ecgs.signals, signals[:, ::-1])


def test_eight_leads_are_picked_by_name():
    signals = np.arange(12, dtype=np.float32)[np.newaxis, :, np.newaxis] * np.ones((1, 12, 5), dtype=np.float32)
    eight = to_eight_leads(EcgSet(signals, 100))
    assert eight.leads == LEADS_8
    assert eight.signals[0, :, 0].tolist() == [0, 1, 6, 7, 8, 9, 10, 11]


def test_a_set_without_a_lead_names_it():
    with pytest.raises(ValueError, match="V2 are missing"):
        to_twelve_leads(EcgSet(np.zeros((1, 7, 5)), 100, [lead for lead in LEADS_8 if lead != "V2"]))


def test_an_array_of_neither_8_nor_12_leads_is_refused():
    with pytest.raises(ValueError, match=r"8 or 12 leads.*\(11, 5\)"):
        to_twelve_leads(np.zeros((11, 5)))


def test_integers_become_floats_before_they_are_halved():
    assert to_twelve_leads(np.ones((8, 2), dtype=int))[LEADS_12.index("aVL"), 0] == 0.5


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([True, False, True, False], ["a", "c"]),
        (np.array([3, 0]), ["d", "a"]),
        (slice(1, 3), ["b", "c"]),
        (-1, ["d"]),
        ([], []),
        ([False] * 4, []),
        (pd.Series([False, True, False, False], index=list("wxyz")), ["b"]),
    ],
    ids=["mask", "indices", "slice", "single", "nothing", "empty mask", "Series"],
)
def test_a_selection_keeps_every_field_aligned(rows, kept):
    signals = np.arange(4, dtype=np.float32)[:, np.newaxis, np.newaxis] * np.ones((4, 8, 60), dtype=np.float32)
    beats = BeatSet(signals, 100, ids=list("abcd"), rr_s=np.arange(4.0))[rows]
    numbers = ["abcd".index(id_) for id_ in kept]
    assert len(beats) == len(kept)
    assert beats.ids.tolist() == kept == beats.quality.index.tolist()
    assert beats.signals[:, 0, 0].tolist() == numbers == beats.rr_s.tolist()
    assert EcgSet(signals, 100, ids=list("abcd"))[rows].ids.tolist() == kept


def test_a_mask_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="each of the 3 rows"):
        EcgSet(np.zeros((3, 12, 5)), 100)[[True, False]]


def test_signals_are_float32_and_ids_count_from_zero():
    ecgs = EcgSet(np.zeros((2, 12, 5)), 100)
    assert ecgs.signals.dtype == np.float32
    assert ecgs.ids.tolist() == [0, 1]
    assert list(ecgs.rejected.columns) == ["id", "reason"]


def test_beats_with_nan_are_not_usable_unless_quality_says_so():
    signals = np.zeros((2, 8, 96))
    signals[1] = np.nan
    assert BeatSet(signals, 100).usable.tolist() == [True, False]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EcgSet(np.zeros((12, 1000)), 100), r"\(ecg, lead, time\).*\(12, 1000\)"),
        (lambda: EcgSet(np.zeros((1, 12, 10)), 0), "above 0; got 0"),
        (lambda: EcgSet(np.zeros((1, 12, 10)), None), "above 0; got None"),
        (lambda: EcgSet(np.zeros((1, 12, 10)), float("nan")), "above 0; got nan"),
        (lambda: EcgSet(np.zeros((1, 11, 10)), 100), "signals have 11"),
        (lambda: EcgSet(np.zeros((1, 2, 10)), 100, ["I", "I"]), "signals have 2"),
        (lambda: EcgSet(np.zeros((2, 12, 10)), 100, ids=[1]), "each of the 2 rows"),
        (lambda: BeatSet(np.zeros((1, 8, 30)), 100), "r_index 40 lies outside the window of 30"),
        (lambda: BeatSet(np.zeros((2, 8, 96)), 100, rr_s=[1.0]), "each of the 2 beats"),
        (lambda: BeatSet(np.zeros((1, 8, 96)), 100, quality=pd.DataFrame({"good": [True]})), "column 'usable'"),
        (lambda: BeatSet(np.zeros((1, 8, 96)), 100, ids=[7], quality=pd.DataFrame({"usable": [True]})), "indexed by ids"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_cause(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_rate_read_back_from_a_file_of_arrays_is_accepted():
    assert EcgSet(np.zeros((1, 12, 10)), np.array(250)).fs == 250.0
