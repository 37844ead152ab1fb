"""Hospitals that differ by a known cause."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

import vaescan_lite as vl
from vaescan_lite.ecg import DOWER
from vaescan_lite.hospitals import (
    chance_shift,
    change_band,
    change_gain,
    group_differences,
    group_estimates,
    group_table,
    latent_shift,
    person_groups,
    turn_heart,
)  # fmt: skip
from vaescan_lite.statistics import Estimate


@pytest.fixture(scope="module")
def ecgs():
    return vl.simulate(pd.DataFrame({"LBBB": [0, 1, 0]}, index=[5, 6, 7]), seed=3)


def of_dipole(vector):
    """One ECG that a still dipole would give, twelve leads."""
    signals = np.tile((DOWER @ np.asarray(vector, dtype=float))[None, :, None], (1, 1, 200)).astype(np.float32)
    return vl.to_twelve_leads(vl.EcgSet(signals, fs=100))


def test_gain_multiplies_and_leaves_the_original_alone(ecgs):
    before = ecgs.signals.copy()
    louder = change_gain(ecgs, 1.25)
    np.testing.assert_allclose(louder.signals, 1.25 * before, rtol=1e-6)
    np.testing.assert_array_equal(ecgs.signals, before)
    assert louder.leads == ecgs.leads and louder.ids.tolist() == [5, 6, 7]
    with pytest.raises(ValueError, match="above 0; got 0"):
        change_gain(ecgs, 0)


def test_a_turn_in_the_frontal_plane_moves_the_electrical_axis_by_as_much():
    left, feet = of_dipole([1, 0, 0]), of_dipole([0, 1, 0])
    np.testing.assert_allclose(turn_heart(left, 90).signals, feet.signals, atol=1e-6)


def test_a_turn_in_the_horizontal_plane_goes_from_left_to_back():
    np.testing.assert_allclose(turn_heart(of_dipole([1, 0, 0]), 0, 90).signals, of_dipole([0, 0, 1]).signals, atol=1e-6)


def test_a_turn_and_back_changes_nothing_and_keeps_einthoven(ecgs):
    np.testing.assert_allclose(turn_heart(turn_heart(ecgs, 25), -25).signals, ecgs.signals, atol=1e-5)
    turned = turn_heart(ecgs, 25).signals
    np.testing.assert_allclose(turned[:, 0] + turned[:, 2], turned[:, 1], atol=1e-5)
    assert len(turn_heart(vl.to_eight_leads(ecgs), 5).leads) == 8


def test_filters_hold_back_what_lies_outside_and_only_the_causal_one_delays():
    time = np.arange(2000) / 100
    slow, fast = np.sin(2 * np.pi * 2 * time), np.sin(2 * np.pi * 35 * time)
    both = vl.EcgSet(np.tile(slow + fast, (1, 8, 1)).astype(np.float32), fs=100)
    middle = slice(500, 1500)
    smooth = change_band(both, high_hz=10).signals[0, 0]
    np.testing.assert_allclose(smooth[middle], slow[middle], atol=0.03)
    late = change_band(both, high_hz=10, causal=True).signals[0, 0]
    assert np.abs(late - slow)[middle].max() > 0.1
    level = vl.EcgSet(np.full((1, 8, 2000), 3.0, np.float32), fs=100)
    assert np.abs(change_band(level, low_hz=0.5, causal=True).signals).max() < 1e-5
    np.testing.assert_allclose(change_band(level, high_hz=10, causal=True).signals, 3.0, atol=1e-5)
    with pytest.raises(ValueError, match="between 0 and 50 Hz"):
        change_band(both, high_hz=60)


def test_the_alarm_rings_once_in_twenty_without_a_change_and_surely_with_one():
    rng = np.random.default_rng(0)
    mixing = 1 + 0.5 * rng.normal(size=(6, 6))  # latents that go together make chance wider
    training = rng.normal(size=(1000, 6)) @ mixing
    limit = np.quantile(chance_shift(training, 100), 0.95)
    mean, sd = training.mean(axis=0), training.std(axis=0)

    def rings(move):
        new = rng.normal(size=(400, 100, 6)) @ mixing + move * sd
        return np.mean([np.sqrt((latent_shift(some, mean, sd) ** 2).mean()) > limit for some in new])

    assert 0.02 < rings(0) < 0.10 and rings(0.5) > 0.95
    with pytest.raises(ValueError, match="finite"):
        latent_shift(np.full((2, 6), np.nan), mean, sd)


# for whom it works


def people(n=4000, seed=0):
    """People whose probabilities are right but for women, of whom the model expects twice as many."""
    rng = np.random.default_rng(seed)
    factors = pd.DataFrame({"sex_female": rng.integers(0, 2, n).astype(float), "age_years": rng.uniform(30, 95, n)})
    true = expit(-2.5 + 1.5 * rng.standard_normal(n))
    read = np.where(factors["sex_female"] == 1, expit(logit(true) + 1.0), true)
    return factors, (rng.random(n) < true).astype(float), read


def test_chance_is_that_of_two_means_those_of_the_new_people_and_those_of_training():
    for n_training, n in ((25, 25), (25, 400), (400, 25)):
        training = np.random.default_rng(n).normal(size=(n_training, 4))
        assert (chance_shift(training, n) ** 2).mean() == pytest.approx(1 / n + 1 / n_training, rel=0.1)


def test_groups_are_told_by_sex_and_age_and_the_unknown_are_in_none():
    table = pd.DataFrame({"sex_female": [1, 0, np.nan], "age_years": [49.9, 50, np.nan]})
    groups = person_groups(table)
    assert list(groups) == ["everybody", "women", "men", "under 50", "50 to 64 years", "65 to 79 years", "80 or older"]
    assert groups.loc[0, groups.loc[0]].index.tolist() == ["everybody", "women", "under 50"]
    assert groups.loc[1, groups.loc[1]].index.tolist() == ["everybody", "men", "50 to 64 years"]
    assert groups.loc[2, groups.loc[2]].index.tolist() == ["everybody"]


def test_a_model_that_is_wrong_for_women_alone_is_found_out_and_its_order_of_people_is_not_blamed():
    factors, y, read = people()
    counts, estimates = group_estimates(y, read, person_groups(factors), n_resamples=300)
    table = group_table(counts, estimates)
    assert table.loc["women", "n"] == (factors["sex_female"] == 1).sum()
    women = (factors["sex_female"] == 1).to_numpy()
    assert table.loc["women", "auroc"] == pytest.approx(roc_auc_score(y[women], read[women]))
    assert table.loc["women", "ratio"] == pytest.approx(read[women].sum() / y[women].sum())
    assert table.loc["men", "ratio_low"] < 1 < table.loc["men", "ratio_high"] and table.loc["women", "ratio_low"] > 1.2
    assert table.loc["men", "slope_low"] < 1 < table.loc["men", "slope_high"]
    differences = group_differences({"AF": estimates}).set_index(["group", "measure"])
    assert differences.loc[("women", "ratio"), "verdict"] == "differ"
    rest = differences.drop(index=("women", "ratio"))
    assert (rest["verdict"] == "no evidence").all() and rest["other"].nunique() == 4


def test_a_slope_that_many_resamples_lack_is_not_compared():
    """Percentiles of those that have one would make an interval of luck: nearly separable groups seemed to differ."""
    drawn = np.random.default_rng(0).normal(1, 0.01, 400)
    for n_without, is_compared in ((20, True), (21, False)):
        few = drawn + 10
        few[:n_without] = np.nan
        estimates = {"women": {"slope": Estimate(np.ones(1), drawn)}, "men": {"slope": Estimate(np.full(1, 11.0), few)}}
        assert len(group_differences({"LAFB": estimates})) == is_compared


def test_groups_with_few_are_counted_and_not_scored_and_unknown_labels_take_no_part():
    factors, y, read = people(600)
    y[factors["age_years"] >= 80] = 0
    y[:50] = np.nan
    counts, estimates = group_estimates(y, read, person_groups(factors), n_resamples=50)
    assert "80 or older" not in estimates and counts.loc["everybody", "n"] == 550
    table = group_table(counts, estimates)
    assert table.loc["80 or older", "n_positive"] == 0 and np.isnan(table.loc["80 or older", "auroc"])


def test_trainings_widen_the_interval_and_rotations_are_scored_each_by_itself():
    factors, y, read = people(800)
    groups = person_groups(factors)[["everybody"]]
    one = group_estimates(y, read, groups, n_resamples=100)[1]["everybody"]["auroc"]
    noisy = [expit(logit(read) + np.random.default_rng(i).standard_normal(800) * i) for i in range(3)]
    several = group_estimates(y, noisy, groups, n_resamples=100)[1]["everybody"]["auroc"]
    assert np.ptp(several.interval()) > np.ptp(one.interval()) and len(several.by_seed) == 3
    half = np.arange(800) % 2
    shifted = expit(logit(read) + 5 * half)  # another training with another offset: within a rotation nothing changes
    within = group_estimates(y, shifted, groups, rotation=half, n_resamples=100)[1]["everybody"]["auroc"]
    assert within.value == pytest.approx(one.value, abs=0.02)
