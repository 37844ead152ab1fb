"""The simulator: its randomness, its physiology against published signs, and its truth."""

import time

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite.beats.medians import median_beats, split_median_beats
from vaescan_lite.leads import LEADS_8, LEADS_12, TWELVE_FROM_EIGHT
from vaescan_lite.simulator import Population, draw_factors, simulate, simulate_with_truth, true_effects
from vaescan_lite.simulator.ecgs import _draw
from vaescan_lite.simulator.heart import make_beats
from vaescan_lite.simulator.noise import LEADS_FROM_ELECTRODES
from vaescan_lite.simulator.people import check_factors, draw_parameters, fill_in, split_individual
from vaescan_lite.simulator.rhythm import make_rhythm

N = 120
IDS = np.arange(N)


def table(**columns):
    return pd.DataFrame({name: np.full(N, float(value)) for name, value in columns.items()}, index=IDS)


@pytest.fixture(scope="module")
def truth_of():
    """Truth of the same people with one factor or without any, each simulated once."""
    known = {}

    def give(factor=None):
        if factor not in known:
            factors = table(**{factor: 1}) if factor else pd.DataFrame(index=IDS)
            known[factor] = simulate_with_truth(factors, noise=False, seed=3, duration_s=4)[1]
        return known[factor]

    return give


def test_same_seed_gives_the_same_bits_and_another_seed_does_not():
    factors = draw_factors(Population(), 40, 0)
    first, again, other = (simulate(factors, seed=seed).signals for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max(axis=(1, 2)).min() > 0.1


def test_an_ecg_does_not_depend_on_which_others_are_simulated_with_it():
    factors = draw_factors(Population(prevalence={"AF": 0.3, "PVC": 0.3, "LBBB": 0.2}), 150, 0)
    whole = simulate(factors).signals
    some = [3, 149, 64, 65, 17]
    np.testing.assert_array_equal(simulate(factors.iloc[some]).signals, whole[some])
    np.testing.assert_array_equal(simulate(factors.iloc[[70]]).signals, whole[[70]])


def test_truth_is_told_about_the_same_bits():
    factors = draw_factors(Population(), 20, 1)
    ecgs, truth = simulate_with_truth(factors, seed=2)
    np.testing.assert_array_equal(ecgs.signals, simulate(factors, seed=2).signals)
    assert list(truth.index) == list(ecgs.ids) == list(factors.index)


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    simulate(pd.DataFrame(index=range(3)))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("fs", [100, 500])
def test_leads_follow_einthoven_and_goldberger(fs):
    signals = simulate(draw_factors(Population(), 10, 0), fs=fs).signals
    lead = dict(zip(LEADS_12, signals.transpose(1, 0, 2)))
    assert signals.shape == (10, 12, 10 * fs) and np.isfinite(signals).all()
    np.testing.assert_allclose(lead["III"], lead["II"] - lead["I"], atol=1e-6)
    np.testing.assert_allclose(lead["aVR"], -(lead["I"] + lead["II"]) / 2, atol=1e-6)
    np.testing.assert_allclose(lead["aVL"], lead["I"] - lead["II"] / 2, atol=1e-6)
    np.testing.assert_allclose(lead["aVF"], lead["II"] - lead["I"] / 2, atol=1e-6)


def test_the_same_person_is_recorded_at_100_and_at_500_hz():
    factors = pd.DataFrame({"PVC": [0.0, 1.0, 0.0], "AF": [0.0, 0.0, 1.0]})
    slow, fast = (simulate(factors, fs=fs, noise=False).signals for fs in (100, 500))
    np.testing.assert_allclose(slow[:2], fast[:2, :, ::5], atol=2e-3)
    assert np.corrcoef(slow[2, 1], fast[2, 1, ::5])[0, 1] > 0.98  # fibrillation is integrated sample by sample


def test_noise_is_added_to_an_unchanged_ecg_at_a_plausible_level():
    factors = pd.DataFrame(index=range(60))
    added = simulate(factors).signals - simulate(factors, noise=False).signals
    # Second differences of white noise have 6 times its variance.
    fine_uV = 1000 * np.diff(added, 2, axis=-1).std(axis=-1) / np.sqrt(6)
    slow_uV = 1000 * added.std(axis=-1)
    assert 2 < np.median(fine_uV) < 15
    assert 30 < np.median(slow_uV) < 200


def test_atrial_fibrillation_has_no_p_wave_and_irregular_beats(truth_of):
    truth = truth_of("AF")
    assert truth[["p_ms", "pr_ms", "p_axis_deg"]].isna().all().all()
    without, with_af = (pd.DataFrame({"AF": np.full(40, af)}) for af in (0.0, 1.0))
    variation = {}
    for name, factors in (("sinus", without), ("AF", with_af)):
        columns = check_factors(factors)
        draws = _draw(np.arange(40), 0, 1000, 10, noise=False)
        traits = split_individual(draws["individual"])
        effects, _ = fill_in(columns, traits, draws["demographic"])
        beats, parameters = make_beats(effects, traits, draw_parameters(effects, traits))
        rhythm = make_rhythm(effects, traits, parameters, draws["rr"], draws["event"], 10)
        assert (np.abs(beats.p.leads).max() == 0) == (name == "AF")
        rr = np.diff(rhythm.time_s[:, 2:14], axis=1)
        variation[name] = np.median(rr.std(axis=1) / rr.mean(axis=1))
    assert variation["sinus"] < 0.06 and 0.13 < variation["AF"] < 0.30


def test_bundle_branch_blocks_are_wide_with_discordant_t(truth_of):
    left, right, normal = truth_of("LBBB"), truth_of("RBBB"), truth_of()
    assert left["qrs_ms"].min() >= 120 and right["qrs_ms"].min() >= 120 and normal["qrs_ms"].max() < 120
    assert left["q_V6_mV"].median() == 0 and left["q_I_mV"].median() == 0  # no septal q
    assert left["s_V1_mV"].median() < -0.8 and left["r_V1_mV"].median() < 0.25
    assert left["r_peak_time_V5_ms"].median() > 60
    assert (left["t_V6_mV"] < 0).mean() > 0.8 and (left["t_V1_mV"] > 0).mean() > 0.9
    assert right["r_peak_time_V1_ms"].median() > 50 and right["r_V1_mV"].median() > 0.5
    assert right["s_V6_mV"].median() < -0.2 and right["s_I_mV"].median() < -0.1
    assert (right["t_V1_mV"] < 0).mean() > 0.8 and (right["t_V6_mV"] > 0).mean() > 0.9


def test_left_anterior_block_turns_the_axis_and_stays_narrow(truth_of):
    truth = truth_of("LAFB")
    assert truth["qrs_axis_deg"].between(-90, -43).mean() > 0.95
    assert truth["qrs_ms"].max() < 120
    assert truth["q_aVL_mV"].median() < -0.03 < 0.5 < truth["r_aVL_mV"].median()


def test_first_degree_block_lengthens_pr_and_changes_nothing_else(truth_of):
    block, normal = truth_of("AVB1"), truth_of()
    assert block["pr_ms"].min() > 200 >= normal["pr_ms"].max()
    same = [name for name in block if name.endswith("_mV")] + ["qrs_ms", "qt_ms", "p_ms", "heart_rate_bpm"]
    pd.testing.assert_frame_equal(block[same], normal[same], atol=1e-4)


def test_hypertrophy_raises_voltage_and_strains_lateral_leads(truth_of):
    change = truth_of("LVH") - truth_of()
    assert change["sokolow_lyon_mV"].mean() > 0.7 and change["cornell_mV"].mean() > 0.5
    assert change["st_V6_mV"].mean() < -0.02 and change["t_V6_mV"].mean() < -0.1


def test_infarctions_leave_q_waves_where_the_wall_died(truth_of):
    inferior, anterior, normal = truth_of("IMI"), truth_of("AMI"), truth_of()
    two_of_three = (inferior[["q_II_mV", "q_III_mV", "q_aVF_mV"]] <= -0.1).sum(axis=1) >= 2
    assert two_of_three.mean() > 0.8
    assert ((normal[["q_II_mV", "q_III_mV", "q_aVF_mV"]] <= -0.1).sum(axis=1) >= 2).mean() < 0.2
    assert anterior["r_V2_mV"].median() < 0.4 * normal["r_V2_mV"].median()
    assert (anterior["q_V2_mV"] <= -0.1).mean() > 0.8 > 0.1 > (normal["q_V2_mV"] <= -0.1).mean()
    assert (inferior["t_III_mV"] - normal["t_III_mV"]).mean() < -0.05


def test_sex_and_age_have_the_published_signs():
    men, women = (simulate_with_truth(table(sex_female=s, age_years=55), noise=False, duration_s=4)[1] for s in (0, 1))
    young, old = (simulate_with_truth(table(sex_female=0, age_years=a), noise=False, duration_s=4)[1] for a in (25, 80))
    difference = (men - women).mean()
    assert 4 < difference["qrs_ms"] < 10 and difference["pr_ms"] > 2 and difference["qtcf_ms"] < -4
    assert difference["heart_rate_bpm"] < 0
    assert difference["st_V2_mV"] > 0.02 and difference["r_V5_mV"] > 0.05 and difference["t_V2_mV"] > 0.05
    trend = (old - young).mean()
    assert trend["qrs_axis_deg"] < -10 and trend["t_V3_mV"] < 0 and trend["r_V5_mV"] < 0
    assert abs(trend["qrs_ms"]) < 1


def test_intervals_of_unselected_adults_resemble_mason_2007(truth_of):
    truth = truth_of()
    for name, low, high in (("pr_ms", 113, 212), ("qrs_ms", 69, 109), ("qtcf_ms", 359, 445), ("heart_rate_bpm", 48, 98)):
        assert truth[name].between(low, high).mean() > 0.88
        assert truth[name].std() > (high - low) / 8  # the 2nd and 98th percentile lie 4.1 standard deviations apart
    assert truth["qrs_axis_deg"].between(-40, 91).mean() > 0.85


# 35th and 65th percentile of the normal ECGs of PTB-XL's folds 1-8 (813 in the subset used), as `measure` reads them.
PTBXL_NORMAL = {
    "p_axis_deg": (39, 55), "p_I_mV": (0.061, 0.080), "p_II_mV": (0.083, 0.112), "pr_ms": (149, 164), "qrs_ms": (86, 92),
    "qtcf_ms": (394, 407), "qrs_axis_deg": (19, 48), "t_axis_deg": (30, 44), "r_I_mV": (0.61, 0.86), "r_II_mV": (0.70, 0.96),
    "r_V1_mV": (0.13, 0.21), "r_V2_mV": (0.37, 0.58), "r_V5_mV": (1.18, 1.49), "s_V1_mV": (-0.92, -0.68),
    "s_V2_mV": (-1.29, -0.89), "s_V4_mV": (-0.55, -0.32), "t_I_mV": (0.188, 0.260), "t_II_mV": (0.230, 0.307),
    "t_V2_mV": (0.35, 0.53), "t_V4_mV": (0.32, 0.46), "t_V6_mV": (0.21, 0.30),
}  # fmt: skip


@pytest.fixture(scope="module")
def measured_normals():
    factors = draw_factors(Population(prevalence={}, age_mean_years=53), 500, 0)
    ecgs = simulate(factors)
    return vl.measure(vl.median_beats(ecgs)), split_median_beats(ecgs, seed=0)


def test_the_middle_of_normal_ecgs_is_where_ptbxl_has_it(measured_normals):
    medians = measured_normals[0].median()
    for name, (low, high) in PTBXL_NORMAL.items():
        slack = 0.25 * (high - low)
        assert low - slack <= medians[name] <= high + slack, f"{name}: {medians[name]:.3g}"


def test_median_beats_of_two_halves_differ_about_as_much_as_in_ptbxl(measured_normals):
    first, second = measured_normals[1]
    usable = first.usable & second.usable
    noise_uV = 1000 * np.sqrt(np.square((first.signals - second.signals)[usable] / 2).mean(axis=(1, 2)))
    assert 6.5 < np.median(noise_uV) < 11.8  # PTB-XL's quartiles


def test_right_bundle_branch_block_hardly_leaves_an_s_in_v1(truth_of):
    truth = truth_of("RBBB")
    assert truth["s_V1_mV"].median() > -0.4  # PTB-XL: -0.03, measured
    assert truth["r_V1_mV"].median() > 2 * truth_of()["r_V1_mV"].median()


@pytest.mark.parametrize("factor", ["bigeminy", "sinus_pause", "sinus_arrhythmia", "PVC"])
def test_rhythm_factors_leave_the_dominant_beat_as_it_is(truth_of, factor):
    with_it, without = truth_of(factor), truth_of()
    beat = [name for name in without if name.endswith("_mV") or name in ("pr_ms", "qrs_ms", "qt_ms", "qrs_axis_deg")]
    pd.testing.assert_frame_equal(with_it[beat], without[beat])
    one, other = (simulate(table(**{factor: x}).iloc[:5], noise=False).signals for x in (0, 1))
    assert (np.abs(one - other).max(axis=(1, 2)) > 0.2).all()


@pytest.mark.parametrize("factor", ["bigeminy", "wenckebach", "sinus_pause"])
def test_rhythm_factors_leave_only_microvolts_in_the_median_beat(factor):
    one, other = (median_beats(simulate(table(**{factor: x}), noise=False)) for x in (0, 1))
    change_uV = 1000 * (other.signals - one.signals)
    from_s, to_s = (one.r_index + round(time_s * one.fs) for time_s in (-0.3, 0.4))
    by_person = np.sqrt(np.square(change_uV[..., from_s:to_s]).mean(axis=(1, 2)))
    assert np.median(by_person) < 4  # the noise of a median beat is twice that


def test_interaction_has_no_main_effects_but_a_product():
    labels = np.arange(600) % 2.0
    _, truth = simulate_with_truth(pd.DataFrame({"interaction": labels}), noise=False, duration_s=2)
    place = truth["made_horizontal_deg"]
    size = np.log(truth["made_t_gain"])
    size = size - size.mean()
    same = truth["interaction"] > 0
    for values in (place, size):
        difference = values[same].mean() - values[~same].mean()
        assert abs(difference) < 3 * values.std() * np.sqrt(4 / 600)
    assert np.corrcoef(place * size, labels)[0, 1] > 0.7


def test_dials_of_detail_change_what_they_name(truth_of):
    normal = truth_of()
    assert (truth_of("small_q")["q_III_mV"] - normal["q_III_mV"]).mean() < -0.05
    delta = truth_of("delta_wave")
    assert (delta["pr_ms"] - normal["pr_ms"]).mean() < -15 and (delta["qrs_ms"] - normal["qrs_ms"]).mean() > 15
    one, other = (simulate(table(notch=x).iloc[:5], fs=500, noise=False).signals for x in (0, 1))
    assert np.abs(one - other).max(axis=(1, 2)).min() > 0.05


def test_a_long_qt_lengthens_the_corrected_qt_by_60_ms_and_leaves_everything_else():
    _, usual = simulate_with_truth(table(), noise=False)
    ecgs, long = simulate_with_truth(table(long_qt=1), noise=False)
    change = long - usual
    np.testing.assert_allclose(change["qtcf_ms"], 60, atol=1.5)  # the rate of the record is not exactly the usual one
    _, twice = simulate_with_truth(table(long_qt=2), noise=False)
    np.testing.assert_allclose(twice["qt_ms"] - usual["qt_ms"], 2 * change["qt_ms"])
    assert (long["NORM"] == 0).all() and (long["long_qt"] == 1).all()
    moved = ("qt_ms", "qtcf_ms", "qtcb_ms", "NORM", "long_qt")
    other = usual.columns.difference(moved)
    waves = [c for c in other if c.endswith(("mV", "axis_deg", "peak_time_V1_ms", "peak_time_V5_ms"))]
    pd.testing.assert_frame_equal(long[other.difference(waves)], usual[other.difference(waves)])
    for column in waves:  # the foot of T no longer lies under the ST segment
        assert change[column].abs().median() < (0.1 if column.endswith("deg") else 0.03), column
    difference = np.abs(ecgs.signals - simulate(table(), noise=False).signals).max(axis=1)
    assert difference.max() > 0.05 and (difference < 1e-4).mean() > 0.2  # T has moved, P and QRS have not


def test_no_lead_is_explained_by_three_dimensions_alone():
    signals = simulate(pd.DataFrame(index=range(5)), noise=False, fs=500).signals
    for eight in signals[:, [LEADS_12.index(lead) for lead in LEADS_8]]:
        energy = np.linalg.svd(eight, compute_uv=False) ** 2
        assert 0.003 < energy[3:].sum() / energy.sum() < 0.2


def test_superclasses_without_a_diagnosis_get_one_and_norm_changes_nothing():
    plain = simulate(table(NORM=0), noise=False).signals
    np.testing.assert_array_equal(simulate(table(NORM=1), noise=False).signals, plain)
    _, slow = simulate_with_truth(table(CD=1), noise=False)
    assert slow["qrs_ms"].min() >= 109.9 and (slow["CD"] == 1).all() and (slow["NORM"] == 0).all()
    _, infarcted = simulate_with_truth(table(MI=1), noise=False)
    assert 0.3 < (infarcted["made_inferior"] > 0).mean() < 0.7
    assert ((infarcted["made_inferior"] > 0) ^ (infarcted["made_anterior"] > 0)).all()
    named = simulate(table(MI=1, IMI=1), noise=False).signals
    np.testing.assert_array_equal(named, simulate(table(IMI=1), noise=False).signals)


def test_an_empty_table_gives_an_empty_set():
    ecgs, truth = simulate_with_truth(pd.DataFrame(index=[]))
    assert ecgs.signals.shape == (0, 12, 1000) and len(truth) == 0 and "qrs_ms" in truth


def test_simulation_is_quick():
    factors = draw_factors(Population(), 400, 0)
    simulate(factors.iloc[:5])
    start = time.process_time()
    simulate(factors)
    per_second = 400 / (time.process_time() - start)
    assert per_second > 300  # about 1,500 on one idle core


def test_truth_of_intervals_is_what_the_drawn_beats_hold():
    """The truth is read off a dense evaluation of the beat itself: onset and end at the stated shares of the peak."""
    columns = check_factors(pd.DataFrame({"LBBB": [0.0, 1.0], "AVB1": [1.0, 0.0]}))
    traits = split_individual(_draw(np.arange(2), 0, 1000, 10, noise=False)["individual"])
    effects, _ = fill_in(columns, traits, np.full((2, 2), 0.2))
    beats, parameters = make_beats(effects, traits, draw_parameters(effects, traits))
    time_ms = np.arange(-450, 700, 0.25)

    def bounds(wave, person, share, rows=slice(None)):
        centre, width, leads, _ = (values[person, rows] for values in wave)
        size = np.sqrt(((np.exp(-0.5 * ((time_ms[:, None] - centre) / width) ** 2) @ leads) ** 2).mean(axis=1))
        inside = time_ms[size > share * size.max()]
        return inside[0], inside[-1]

    for person in range(2):
        on, off = bounds(beats.qrs, person, 0.01)
        assert abs((off - on) - parameters["qrs_ms"][person]) < 1
        assert abs(bounds(beats.st_t, person, 0.07, slice(1, 3))[1] - on - parameters["qt_ms"][person]) < 1.5
        assert abs(on - bounds(beats.p, person, 0.07)[0] - parameters["pr_ms"][person]) < 1


def test_lead_matrix_agrees_with_wilson_and_einthoven():
    """Potentials at nine electrodes that come from a common offset cancel in every lead."""
    np.testing.assert_allclose(LEADS_FROM_ELECTRODES.sum(axis=1), 0, atol=1e-6)
    assert TWELVE_FROM_EIGHT.shape == (12, 8)


def test_true_effects_are_those_of_one_factor_on_the_same_people():
    table = true_effects(["AVB1", "age_years", "LAFB", "AF"], n=60, seed=4)
    effects = table.set_index(["factor", "measurement"])["true"]
    block = effects["AVB1"]
    assert block["pr_ms"] > 40 and block.drop("pr_ms").abs().max() < 1e-6  # a longer PR, and nothing else at all
    people = pd.DataFrame(index=range(60))
    old, young = (simulate_with_truth(people.assign(age_years=age), seed=4, noise=False)[1]["r_V5_mV"] for age in (65, 55))
    assert effects["age_years", "r_V5_mV"] == pytest.approx((old - young).mean())
    assert -90 < effects["LAFB", "qrs_axis_deg"] < -30  # the short way round, to the left
    assert np.isnan(effects["AF", "pr_ms"])  # nobody in atrial fibrillation has one


def test_the_qt_interval_follows_the_rate_by_fridericia():
    """Between slow and fast hearts QT / RR^(1/3) agrees; QT itself, and QT / RR^(1/2), do not."""
    men = pd.DataFrame({"sex_female": 0.0, "age_years": 50.0}, index=range(600))
    _, truth = simulate_with_truth(men, fs=100, duration_s=3, seed=8, noise=False)
    rr_s = 60 / truth["heart_rate_bpm"]
    slow, fast = rr_s > rr_s.quantile(0.8), rr_s < rr_s.quantile(0.2)

    def ratio(exponent):
        corrected = truth["qt_ms"] / rr_s**exponent
        return corrected[slow].mean() / corrected[fast].mean()

    assert ratio(1 / 3) == pytest.approx(1, abs=0.015)
    assert ratio(1 / 2) < 0.95 and ratio(0) > 1.05


@pytest.mark.parametrize("detail", ["notch", "delta_wave", "small_q"])
def test_who_is_simulated_beside_a_person_does_not_matter(detail):
    """A person without details is the same to the bit whether or not somebody else in the table has one."""
    alone = pd.DataFrame({"LBBB": [0.0, 1.0, 0.0, 0.0]})
    company = alone.assign(**{detail: [0.0, 0.0, 0.0, 1.0]})
    ecgs, others = (vl.simulate(table, fs=100, seed=4) for table in (alone, company))
    np.testing.assert_array_equal(ecgs.signals[:3], others.signals[:3])
    assert not np.array_equal(ecgs.signals[3], others.signals[3])
