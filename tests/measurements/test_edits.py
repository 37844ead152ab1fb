"""Edits of a beat against what `measure` reads off them, and against beats whose waves are known."""

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite.measurements import EDITS, PERTURBATIONS, angle_difference_deg, audit, perturb

KINDS = ["LBBB", "AVB1", "LVH", "AF", "LAFB", "RBBB"]


@pytest.fixture(scope="module")
def beats():
    rows = np.arange(90)
    factors = pd.DataFrame({name: (rows % 9 == i).astype(float) for i, name in enumerate(KINDS)})
    return vl.median_beats(vl.simulate(factors, seed=3))


@pytest.fixture(scope="module")
def found(beats):
    return audit(beats).set_index(["edit", "amount"])


def test_the_measured_quantity_moves_by_the_intended_amount(found):
    assert set(found.index.get_level_values("edit")) == set(EDITS)
    for edit, share in {"PR": 0.05, "R V5": 0.05, "ST V2": 0.02, "T V5": 0.18, "axis": 0.05, "QRS": 0.25}.items():
        one = found.loc[edit]
        assert (np.abs(one["measured"] - one["intended"]) <= share * np.abs(one["intended"])).all(), one
        assert (one["error"] <= share * np.abs(one["intended"]) + 1e-6).all(), one


def test_nothing_else_moves_much(found):
    assert (found["other_sd"] < 0.35).all(), found[["other", "other_sd"]]
    assert (found["n"] >= 40).all()


def test_an_edit_that_moves_more_than_it_says_is_seen(beats):
    from dataclasses import replace

    def clumsy(some, edges, amount):  # lifts V3 as well as V2
        signals = EDITS["ST V2"].change(some, edges, amount)
        signals[:, some.leads.index("V3")] += amount * 3
        return signals

    worst = audit(beats, {"clumsy": replace(EDITS["ST V2"], change=clumsy)})
    assert (worst["other_sd"] > 0.35).any() and worst["other"].str.contains("V3").any()


@pytest.mark.parametrize("name", EDITS)
def test_the_neutral_step_changes_nothing_and_the_steps_rise(beats, name):
    edit = EDITS[name]
    assert list(edit.steps) == sorted(set(edit.steps)) and edit.neutral in edit.steps
    same = edit(beats, edit.neutral)
    kept = same.usable
    assert kept.sum() > 60
    np.testing.assert_allclose(same.signals[kept], beats.signals[kept], atol=1e-6)
    np.testing.assert_array_equal(same.ids, beats.ids)


@pytest.mark.parametrize("name, lead", [("R V5", "V5"), ("T V5", "V5"), ("ST V2", "V2")])
def test_an_edit_of_one_lead_leaves_the_others_alone(beats, name, lead):
    edited = EDITS[name](beats, EDITS[name].steps[-1])
    changed = np.abs(edited.signals - beats.signals)[edited.usable].max(axis=(0, 2)) > 1e-6
    assert [one for one, moved in zip(beats.leads, changed, strict=True) if moved] == [lead]


def test_a_series_is_the_same_as_its_steps(beats):
    for amount, one in zip(EDITS["QRS"].steps, EDITS["QRS"].series(beats), strict=True):
        np.testing.assert_array_equal(one.signals, EDITS["QRS"](beats, amount).signals)


def test_without_a_p_wave_there_is_nothing_to_move(beats):
    no_p = vl.measure(beats)["p_ms"].isna().to_numpy()
    moved = EDITS["PR"](beats, 20)
    assert no_p.any() and not moved.usable[no_p].any() and np.isnan(moved.signals[no_p]).all()
    assert moved.usable[~no_p].mean() > 0.9


def test_a_p_wave_without_room_in_the_window_is_not_moved(beats):
    narrow = vl.BeatSet(beats.signals[..., 12:], fs=100, r_index=28, rr_s=beats.rr_s)  # 280 ms before R
    pr = vl.measure(narrow)["pr_ms"]
    moved = EDITS["PR"](narrow, 80)
    assert not moved.usable[(pr > 220).to_numpy()].any()


def test_an_unusable_beat_stays_unusable(beats):
    signals = beats.signals.copy()
    signals[0] = np.nan
    for edit in EDITS.values():
        edited = edit(vl.BeatSet(signals, fs=100, rr_s=beats.rr_s), edit.steps[-1])
        assert np.isnan(edited.signals[0]).all() and not edited.usable[0] and edited.usable[1:].any()
    nothing = vl.BeatSet(np.full((2, 8, 96), np.nan), fs=100)
    assert not EDITS["axis"](nothing, 15).usable.any() and audit(nothing).empty


def test_wrong_requests_are_named(beats):
    with pytest.raises(ValueError, match="between 0 and 80 ms; got 200"):
        EDITS["PR"](beats, 200)
    with pytest.raises(ValueError, match="must be a BeatSet; got ndarray"):
        EDITS["PR"](beats.signals, 10)
    with pytest.raises(ValueError, match="perturbation 'hum'; known are noise, gain, turn, baseline, jitter"):
        perturb(beats, "hum")
    with pytest.raises(ValueError, match="must be a BeatSet; got list"):
        perturb([], "noise")


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_perturbations_are_small_differ_by_seed_and_repeat(beats, name):
    one = perturb(beats, name, seed=1)
    change = np.abs(one.signals - beats.signals)[beats.usable]
    assert change.max() > 1e-3 and np.median(change) < 0.06
    np.testing.assert_array_equal(one.signals, perturb(beats, name, seed=1).signals)
    assert (one.signals != perturb(beats, name, seed=2).signals).any()


def test_perturbations_have_the_size_they_state(beats):
    base = beats.signals
    assert np.std(perturb(beats, "noise").signals - base) == pytest.approx(0.02, rel=0.02)
    ratio = perturb(beats, "gain").signals[:, 2, 40] / base[:, 2, 40]
    np.testing.assert_allclose(np.abs(ratio - 1), 0.05, atol=1e-4)
    assert np.abs(perturb(beats, "baseline").signals - base).max() <= 0.1 + 1e-6
    before, after = (vl.measure(some)["qrs_axis_deg"] for some in (beats, perturb(beats, "turn")))
    turned = angle_difference_deg(after, before).abs()
    assert turned.median() == pytest.approx(5, abs=0.1)
