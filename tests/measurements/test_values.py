"""Measurements of hand-built beats, of simulated ECGs and of real ones against cardiologists."""

import functools

import numpy as np
import pandas as pd
import pytest
import wfdb
from scipy.signal import resample_poly

import vaescan_lite as vl
from vaescan_lite.beats.filters import band_pass_gain
from vaescan_lite.ecg import LEADS_8, LEADS_12, BeatSet
from vaescan_lite.measurements import boundaries
from vaescan_lite.measurements import values as measurements
from vaescan_lite.simulator import ecgs as simulator

# Gaussians: centre and width in ms, then amplitude in mV in I, II, V1 ... V6.
P = (-150.0, 20.0, (0.06, 0.11, 0.04, 0.05, 0.05, 0.05, 0.05, 0.05))
Q = (-28.0, 7.0, (-0.08, -0.06, 0.12, 0.2, 0.1, -0.05, -0.1, -0.1))
R = (0.0, 11.0, (0.7, 0.9, 0.2, 0.4, 0.8, 1.5, 1.4, 1.1))
S = (28.0, 9.0, (-0.1, -0.15, -0.9, -1.2, -0.8, -0.4, -0.2, -0.1))
T = (270.0, 40.0, (0.2, 0.25, 0.1, 0.4, 0.5, 0.45, 0.35, 0.25))


def beat(*waves, fs=500, rr_s=0.9, seed=0, noise_mV=0.002):
    """One beat of Gaussians with a little noise, band-limited as real beats are."""
    fine_hz = 1000
    time_ms = np.arange(round(-0.4 * fine_hz), round(0.56 * fine_hz)) * 1000 / fine_hz
    signal = np.zeros((8, len(time_ms)))
    for centre, width, amplitudes in waves:
        signal += np.outer(amplitudes, np.exp(-0.5 * ((time_ms - centre) / width) ** 2))
    slow = np.random.default_rng(seed).normal(0, noise_mV, (8, len(time_ms) // 10 + 2))
    signal += np.stack([np.interp(time_ms, np.arange(slow.shape[1]) * 10 - 400, row) for row in slow])
    return BeatSet(signal[None, :, :: round(fine_hz / fs)], fs=fs, rr_s=[rr_s])


def shifted(wave, by_ms):
    return (wave[0] + by_ms, *wave[1:])


def scaled(wave, by):
    return (*wave[:2], tuple(by * a for a in wave[2]))


def test_every_column_has_a_unit_and_a_definition_and_no_definition_is_without_a_column():
    table = vl.measure(beat(P, Q, R, S, T))
    assert list(table.columns) == list(measurements.DEFINITIONS)
    assert {unit for unit, _ in measurements.DEFINITIONS.values()} == {"bpm", "s", "ms", "deg", "mV"}
    for name, (unit, meaning) in measurements.DEFINITIONS.items():
        assert name.endswith(f"_{unit}") and len(meaning) > 15, name
    per_lead = {f"{wave}_{lead}_mV" for wave in ("q", "r", "s", "st", "t") for lead in LEADS_12}
    assert per_lead <= set(table.columns)


def test_intervals_of_a_beat_of_gaussians_are_found_near_their_edges():
    found = vl.measure(beat(P, Q, R, S, T)).iloc[0]
    # An expert sees a Gaussian begin and end some 2 to 2.8 widths from its centre.
    p_onset, q_onset, s_end, t_end = (c + k * w for (c, w, _), k in ((P, -2.4), (Q, -2.4), (S, 2.4), (T, 2.2)))
    assert found.pr_ms == pytest.approx(q_onset - p_onset, abs=12)
    assert found.qrs_ms == pytest.approx(s_end - q_onset, abs=12)
    assert found.qt_ms == pytest.approx(t_end - q_onset, abs=15)
    assert found.p_ms == pytest.approx(4.6 * P[1], abs=15)
    assert found.heart_rate_bpm == pytest.approx(60 / 0.9)
    assert found.qtcf_ms == pytest.approx(found.qt_ms / 0.9 ** (1 / 3))
    assert found.qtcb_ms == pytest.approx(found.qt_ms / 0.9**0.5)


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize(("column", "change", "waves"), [
    ("pr_ms", 60, (shifted(P, -60), Q, R, S, T)),
    ("pr_ms", 120, (shifted(P, -120), Q, R, S, T)),
    ("pr_ms", -25, (shifted(P, 25), Q, R, S, T)),
    ("qrs_ms", 40, (P, Q, R, shifted(S, 40), T)),
    ("qt_ms", 80, (P, Q, R, S, shifted(T, 80))),
    ("qt_ms", 140, (P, Q, R, S, shifted(T, 140))),
    ("qt_ms", -60, (P, Q, R, S, shifted(T, -60))),
])  # fmt: skip
def test_a_wave_moved_by_so_many_milliseconds_changes_its_interval_by_as_many(column, change, waves, fs):
    before, after = (vl.measure(beat(*w, fs=fs))[column].iloc[0] for w in ((P, Q, R, S, T), waves))
    assert after - before == pytest.approx(change, abs=6)


def test_100_hz_and_500_hz_agree_within_three_milliseconds():
    coarse, fine = (vl.measure(beat(P, Q, R, S, T, fs=fs)).iloc[0] for fs in (100, 500))
    for column in ("p_ms", "pr_ms", "qrs_ms", "qt_ms"):
        assert coarse[column] == pytest.approx(fine[column], abs=3), column
    for column in ("qrs_axis_deg", "t_axis_deg"):
        assert coarse[column] == pytest.approx(fine[column], abs=2), column


def test_a_beat_of_twice_the_size_has_the_same_intervals_and_axes_and_twice_the_amplitudes():
    one = beat(P, Q, R, S, T)
    two = BeatSet(2 * one.signals, fs=one.fs, rr_s=one.rr_s)
    one, two = vl.measure(one).iloc[0], vl.measure(two).iloc[0]
    for column, (unit, _) in measurements.DEFINITIONS.items():
        if unit in ("ms", "deg", "s", "bpm"):
            assert two[column] == pytest.approx(one[column], abs=0.01, nan_ok=True), column
    for column in ("r_V5_mV", "s_V2_mV", "t_V4_mV", "sokolow_lyon_mV", "p_II_mV"):
        assert two[column] == pytest.approx(2 * one[column], rel=1e-4), column


def test_leads_of_wrong_gain_hardly_move_the_boundaries():
    one = beat(P, Q, R, S, T)
    gains = np.array([0.6, 0.9, 1.6, 0.7, 1.3, 0.8, 1.5, 1.0])[None, :, None]
    one, other = (vl.measure(BeatSet(g * one.signals, fs=one.fs, rr_s=one.rr_s)).iloc[0] for g in (1, gains))
    for column in ("pr_ms", "qrs_ms", "qt_ms"):
        assert other[column] == pytest.approx(one[column], abs=5), column


@pytest.mark.parametrize("noise_mV", [0.0, 0.002, 0.005])
def test_without_a_p_wave_everything_about_p_is_unknown_and_the_rest_is_not(noise_mV):
    found = vl.measure(beat(Q, R, S, T, noise_mV=noise_mV)).iloc[0]
    about_p = ["p_ms", "pr_ms", "p_axis_deg", "p_I_mV", "p_II_mV", "p_V1_mV"]
    assert found[about_p].isna().all()
    assert found[["qrs_ms", "qt_ms", "qrs_axis_deg", "r_V5_mV"]].notna().all()


def test_fibrillatory_waves_do_not_pass_for_a_p_wave():
    time_ms = np.arange(-200, 280) * 2.0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        plain = beat(Q, R, S, T)
        phase, size = rng.uniform(0, 2 * np.pi), rng.uniform(0.01, 0.03)
        waves = size * np.sin(2 * np.pi * rng.uniform(5, 8) * time_ms / 1000 + phase)
        signal = plain.signals + np.array([0.3, 0.6, 1, 0.6, 0.3, 0.3, 0.3, 0.3])[None, :, None] * waves
        quality = pd.DataFrame({"usable": [True], "noise_uV": [20.0]})
        found = vl.measure(BeatSet(signal, fs=500, rr_s=[0.8], quality=quality))
        assert np.isnan(found.pr_ms.iloc[0]), seed


@pytest.mark.parametrize("axis_deg", [-170, -90, -45, 0, 60, 120, 180])
def test_the_axis_of_a_single_vector_is_its_angle(axis_deg):
    # atan2(aVF, I): aVF = II - I/2, so II = sin + cos/2.
    lead_i, lead_ii = np.cos(np.radians(axis_deg)), np.sin(np.radians(axis_deg)) + np.cos(np.radians(axis_deg)) / 2
    vector = (0.0, 14.0, (lead_i, lead_ii, -0.2, 0.1, 0.4, 0.6, 0.6, 0.5))
    found = vl.measure(beat(P, vector, T)).qrs_axis_deg.iloc[0]
    assert (found - axis_deg + 180) % 360 - 180 == pytest.approx(0, abs=2)
    assert -180 < found <= 180


def test_amplitudes_and_their_signs_are_those_of_the_waves():
    wide = [(0.0, 12.0, R[2]), (60.0, 12.0, S[2])]  # far enough apart not to touch
    found = vl.measure(beat(P, *wide, T, noise_mV=0)).iloc[0]
    for i, lead in enumerate(LEADS_8):
        assert found[f"r_{lead}_mV"] == pytest.approx(R[2][i], abs=0.01), lead
        assert found[f"s_{lead}_mV"] == pytest.approx(S[2][i], abs=0.01), lead
        assert found[f"t_{lead}_mV"] == pytest.approx(T[2][i], abs=0.01), lead
        assert found[f"q_{lead}_mV"] == 0, lead
    assert found.sokolow_lyon_mV == pytest.approx(0.9 + 1.4, abs=0.02)
    # aVL = I - II/2 = 0.7 - 0.45 = 0.25; Cornell adds S of V3, 0.8.
    assert found.cornell_mV == pytest.approx(0.25 + 0.8, abs=0.02)
    assert found.p_II_mV == pytest.approx(0.11, abs=0.02)


def test_a_qs_complex_counts_as_q_and_as_s_even_when_the_j_point_is_raised():
    depth = np.zeros(8)
    depth[2] = -1.0  # V1 goes down only
    qs = (0.0, 20.0, tuple(depth + np.where(depth < 0, 0, R[2])))
    raised = (110.0, 40.0, tuple(np.where(depth < 0, 0.25, 0.0)))
    found = vl.measure(beat(P, qs, raised, T, noise_mV=0)).iloc[0]
    assert found.r_V1_mV == 0 and np.isnan(found.r_peak_time_V1_ms)
    assert found.q_V1_mV == found.s_V1_mV == pytest.approx(-1.0, abs=0.05)


def test_a_bundle_branch_block_with_a_pause_before_its_late_forces_is_measured_to_their_end():
    late = (75.0, 12.0, (-0.15, -0.1, 0.5, 0.3, 0.1, -0.1, -0.15, -0.2))
    found = vl.measure(beat(P, Q, R, late, T)).iloc[0]
    assert found.qrs_ms == pytest.approx((75 + 2.4 * 12) - (Q[0] - 2.4 * Q[1]), abs=12)


def test_unusable_beats_and_beats_that_hold_nan_are_rows_of_nan_and_leave_their_neighbours_alone():
    good = beat(P, Q, R, S, T)
    signals = np.repeat(good.signals, 4, axis=0)
    signals[1] = np.nan
    quality = pd.DataFrame({"usable": [True, True, False, True], "rr_sd_s": [0.02, 0.1, 0.1, np.nan]}, index=list("abcd"))
    table = vl.measure(BeatSet(signals, fs=500, ids=list("abcd"), rr_s=[0.9, 0.9, 0.9, np.nan], quality=quality))
    assert list(table.index) == list("abcd")
    assert table.loc[["b", "c"]].isna().all(axis=None)
    assert table.loc["a", "qrs_ms"] == pytest.approx(vl.measure(good).qrs_ms.iloc[0])
    assert table.loc["a", "rr_sd_s"] == 0.02
    assert table.loc["d", ["heart_rate_bpm", "qtcf_ms", "qtcb_ms", "rr_sd_s"]].isna().all()
    assert table.loc["d", "qt_ms"] == pytest.approx(table.loc["a", "qt_ms"], abs=2)


def test_without_the_40_hz_filter_voltages_are_those_that_were_simulated():
    people = pd.DataFrame({"sex_female": [0, 1] * 20, "age_years": np.linspace(30, 80, 40)})
    ecgs, true = simulator.simulate_with_truth(people, fs=500, seed=3)
    wide, usual = (vl.measure(vl.median_beats(ecgs, band_hz=band)) for band in ((0.5, 150), (0.5, 40)))
    for column in ("r_V4_mV", "r_V5_mV", "s_V2_mV", "sokolow_lyon_mV", "cornell_mV"):
        n_waves = 2 if column in ("sokolow_lyon_mV", "cornell_mV") else 1  # each is off by the level of its PR segment, too
        assert wide[column].mean() == pytest.approx(true[column].mean(), abs=0.03 * n_waves), column
        assert abs(usual[column].mean()) < abs(wide[column].mean()) + 0.002, column  # a wide S wave loses nothing


def test_a_flat_lead_has_unknown_amplitudes_and_does_not_disturb_the_intervals():
    good = beat(P, Q, R, S, T)
    signals = good.signals.copy()
    signals[0, LEADS_8.index("V3")] = 0
    before, after = vl.measure(good).iloc[0], vl.measure(BeatSet(signals, fs=500, rr_s=[0.9])).iloc[0]
    assert np.isnan(after.r_V3_mV) and np.isnan(after.cornell_mV)
    for column in ("pr_ms", "qrs_ms", "qt_ms"):
        assert after[column] == pytest.approx(before[column], abs=4)


def test_batches_change_nothing_and_neither_do_twelve_leads_or_no_beats_at_all():
    beats = [beat(shifted(P, -5 * k), Q, R, S, T, seed=k) for k in range(7)]
    beats = BeatSet(np.concatenate([b.signals for b in beats]), fs=500, rr_s=np.full(7, 0.9))
    whole = vl.measure(beats)
    pd.testing.assert_frame_equal(whole, vl.measure(beats, batch_size=2))
    pd.testing.assert_frame_equal(whole, vl.measure(vl.to_twelve_leads(beats)), rtol=1e-3, atol=1e-4)
    assert whole.pr_ms.diff().dropna().between(0, 10).all()
    assert vl.measure(beats[:0]).shape == (0, len(measurements.DEFINITIONS))


def test_a_beat_of_nothing_gives_nan_and_no_crash():
    table = vl.measure(BeatSet(np.zeros((1, 8, 96)), fs=100, rr_s=[0.8]))
    assert table.drop(columns=["heart_rate_bpm", "rr_s"]).isna().all(axis=None)


def test_wrong_input_is_refused_with_what_was_wanted():
    with pytest.raises(ValueError, match="must be a BeatSet; got ndarray"):
        vl.measure(np.zeros((1, 8, 96)))
    with pytest.raises(ValueError, match="at least 250 ms before the R peak and 400 ms after it; got 100 ms"):
        vl.measure(BeatSet(np.zeros((1, 8, 96)), fs=100, r_index=10))


def test_the_input_is_left_as_it_was():
    beats = beat(P, Q, R, S, T)
    before = beats.signals.copy()
    vl.measure(beats)
    assert np.array_equal(before, beats.signals)


def test_crossings_lie_between_the_samples_where_a_line_crosses():
    time_ms = np.arange(6.0)
    values = np.array([[0, 0, 4, 8, 2, 0.0]])
    start, level = np.array([3]), np.array([3.0])
    assert boundaries.crossing_before(time_ms, values, level, start)[0] == pytest.approx(1.75)
    assert boundaries.crossing_after(time_ms, values, level, start)[0] == pytest.approx(3 + 5 / 6)
    assert np.isnan(boundaries.crossing_before(time_ms, values + 10, level, start)[0])


WITHIN = {"ms": 8, "mV": 0.05, "deg": 5}
WORTH_FINDING = {"ms": 15, "mV": 0.1, "deg": 10}


@functools.cache
def true_and_measured(factor, fs, n, seed):
    """What n people have, and what is measured in them: healthy, or with a disease."""
    people = pd.DataFrame({"sex_female": np.arange(n) % 2, "age_years": np.linspace(30, 80, n)})
    ecgs, true = simulator.simulate_with_truth(people if factor is None else people.assign(**{factor: 1}), fs=fs, seed=seed)
    return true, vl.measure(vl.median_beats(ecgs))


def paired_changes(factor, *, fs, n, seed, columns=None):
    """True and measured change of each column in n people when they get a disease, their means by column."""
    truth, found = zip(*(true_and_measured(has, fs, n, seed) for has in (None, factor)))
    columns = [c for c in measurements.DEFINITIONS if c in truth[0]] if columns is None else columns
    means = {}
    for column in columns:
        true_change, change = (pair[1][column] - pair[0][column] for pair in (truth, found))
        error = change - true_change
        if column.endswith("_deg"):
            true_change, error = ((x + 180) % 360 - 180 for x in (true_change, error))
        means[column] = (true_change.mean(), true_change.mean() + error.mean())
    return means


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize(("factor", "columns"), [
    ("LBBB", ("qrs_ms", "qt_ms", "qrs_axis_deg", "t_V5_mV", "r_peak_time_V5_ms")),
    ("RBBB", ("qrs_ms", "qrs_axis_deg", "r_V1_mV", "s_V6_mV")),
    ("AVB1", ("pr_ms",)),
    ("LAFB", ("qrs_axis_deg", "cornell_mV")),
    ("long_qt", ("qt_ms",)),
])  # fmt: skip
def test_every_true_change_of_a_block_is_found_with_its_sign_and_size(factor, columns, fs):
    errors = {}  # as shares of what is allowed
    for column, (expected, change) in paired_changes(factor, fs=fs, n=300, seed=8).items():
        unit = column.split("_")[-1]
        if unit in WITHIN and abs(expected) >= WORTH_FINDING[unit]:
            assert np.sign(change) == np.sign(expected), column
            errors[column] = abs(change - expected) / WITHIN[unit]
    assert set(columns) <= set(errors) and len(errors) >= {"AVB1": 1, "long_qt": 3}.get(factor, 8)
    # Whether an R of 0.03 mV is there decides between Q and S: a handful of people more or less is 0.02 mV in the mean.
    sharp = [error for column, error in errors.items() if not column.startswith(("q_", "s_"))]
    assert max(sharp) <= 1, errors
    assert max(errors.values()) <= 1.4 and np.mean(np.array(list(errors.values())) <= 1) >= 0.95, errors


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize(("factor", "columns"), [
    ("LVH", ("qrs_axis_deg", "s_V1_mV", "sokolow_lyon_mV")),
    ("IMI", ("qrs_axis_deg", "q_III_mV")),
])  # fmt: skip
def test_what_a_disease_without_a_block_changes_in_simulated_ecgs_is_measured_with_its_size(factor, columns, fs):
    for column, (expected, change) in paired_changes(factor, fs=fs, n=120, seed=3, columns=columns).items():
        assert abs(expected) > WITHIN[column.split("_")[-1]], f"{column}: nothing to find"
        assert change == pytest.approx(expected, abs=WITHIN[column.split("_")[-1]]), column


def test_the_usual_filter_takes_less_than_a_twentieth_off_r_waves_at_100_hz():
    people = pd.DataFrame({"sex_female": [0, 1] * 30, "age_years": np.linspace(30, 80, 60)})
    ecgs, true = simulator.simulate_with_truth(people, fs=100, seed=12)
    found = vl.measure(vl.median_beats(ecgs))
    for column in ("r_I_mV", "r_II_mV", "r_V4_mV", "r_V5_mV", "r_V6_mV", "s_V1_mV", "s_V2_mV"):
        large = true[column].abs() > 0.3
        assert 0.95 < (found[column] / true[column])[large].median() < 1.01, column


@pytest.mark.parametrize("fs", [100, 500])
@pytest.mark.parametrize(("r_mV", "is_there"), [(0.0, False), (0.02, False), (0.12, True)])
def test_the_bump_that_a_filter_makes_before_a_deep_wave_is_no_r_and_a_true_r_is_one(r_mV, is_there, fs):
    time_ms = np.arange(-500, 500) * 2.0
    width = np.where(time_ms < 0, 7, 16)  # falls as steeply as they come, rises slowly
    v1 = -1.5 * np.exp(-0.5 * (time_ms / width) ** 2) + r_mV * np.exp(-0.5 * ((time_ms + 23) / 8) ** 2)
    spectrum = np.fft.rfft(v1) * band_pass_gain(np.fft.rfftfreq(len(v1), 1 / 500), 0, 40)
    filtered = np.fft.irfft(spectrum, n=len(v1))[300:780]
    assert filtered.max() > measurements.MIN_WAVE_mV  # there is a bump, whether there was an R or not
    signals = beat(P, Q, R, S, T).signals.copy()
    signals[0, LEADS_8.index("V1")] = filtered
    found = vl.measure(BeatSet(signals[..., :: 500 // fs], fs=fs, rr_s=[0.9])).iloc[0]
    if is_there:
        assert found.r_V1_mV == pytest.approx(r_mV, abs=0.05) and found.q_V1_mV == 0
    else:
        assert found.r_V1_mV == 0 and found.q_V1_mV == found.s_V1_mV < -1.2


@pytest.mark.parametrize("fs", [100, 125, 250, 257, 500, 1000])
def test_beats_between_their_samples_are_those_of_the_continuous_curve(fs):
    time_s = (np.arange(round(0.96 * fs)) - round(0.4 * fs)) / fs

    def curve(time_s):  # a slow wave on a drift, and a QRS of which 1 % lies above 50 Hz
        drift = 0.3 + 0.5 * time_s
        return drift + np.exp(-0.5 * ((time_s - 0.0013) / 0.010) ** 2) + 0.3 * np.exp(-0.5 * ((time_s - 0.25) / 0.05) ** 2)

    time_ms, fine, slope = boundaries.interpolate(curve(time_s)[None, None], fs, round(0.4 * fs))
    assert np.allclose(np.diff(time_ms), 2) and 0 in time_ms
    assert np.abs(fine[0, 0] - curve(time_ms / 1000)).max() < 0.005
    slow = np.abs(time_ms - 250) < 100
    assert np.abs(slope[0, 0] - np.gradient(curve(time_ms / 1000), time_ms))[slow].max() < 1e-4


def test_the_filter_of_the_beats_hardly_moves_the_intervals():
    people = pd.DataFrame({"sex_female": [0, 1] * 20, "age_years": np.linspace(30, 80, 40)})
    ecgs = simulator.simulate(people, fs=500, seed=3)
    wide, usual = (vl.measure(vl.median_beats(ecgs, band_hz=band)) for band in ((0.5, 150), (0.5, 40)))
    for column in ("pr_ms", "qrs_ms", "qt_ms"):
        assert abs((wide[column] - usual[column]).mean()) < 1.5, column


def test_simulated_fibrillation_has_no_p_wave_and_simulated_sinus_rhythm_has_one():
    n = 60
    healthy = pd.DataFrame({"sex_female": np.arange(n) % 2, "age_years": np.linspace(30, 80, n)})
    for factors, share in ((healthy, (0, 0.05)), (healthy.assign(AF=1), (0.9, 1))):
        beats = vl.median_beats(vl.simulate(factors, fs=100, seed=4))
        assert share[0] <= vl.measure(beats).pr_ms.isna().mean() <= share[1]


def _experts(folder, record):
    """Cardiologists' QRS, PR and QT in ms: median over leads of the marks of each beat, then median over beats."""
    header = wfdb.rdheader(str(folder / record))
    marks = []
    for lead in ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6"):
        annotation = wfdb.rdann(str(folder / record), lead)
        samples, symbols = annotation.sample, annotation.symbol
        for k in range(1, len(symbols) - 1):
            if symbols[k] in "pNt" and symbols[k - 1] == "(" and symbols[k + 1] == ")":
                marks.append((lead, symbols[k], samples[k - 1], samples[k], samples[k + 1]))
    marks = pd.DataFrame(marks, columns=["lead", "wave", "on", "peak", "off"])
    qrs = marks[marks.wave == "N"].sort_values("peak")
    rows = []
    for _, cluster in qrs.groupby((qrs.peak.diff() > 75).cumsum()):
        if cluster.lead.nunique() < 6:
            continue
        onset = cluster.on.median()
        near = marks.merge(cluster[["lead", "on", "off"]], on="lead", suffixes=("", "_qrs"))
        p = near[(near.wave == "p") & (near.on_qrs - near.peak).between(1, 0.4 * header.fs)]
        t = near[(near.wave == "t") & (near.peak - near.off_qrs).between(1, 0.6 * header.fs)]
        p, t = p.sort_values("peak").groupby("lead").last(), t.sort_values("peak").groupby("lead").first()
        rows.append((cluster.off.median() - onset, onset - p.on.median() if len(p) >= 4 else np.nan, t.off.median() - onset))
    qrs_ms, pr_ms, qt_ms = pd.DataFrame(rows).median() * 1000 / header.fs
    return {"qrs_ms": qrs_ms, "pr_ms": pr_ms, "qt_ms": qt_ms}


@pytest.mark.real
def test_intervals_agree_with_cardiologists_at_500_and_at_100_hz(real_data):
    database = vl.open_database(real_data / "ludb-dev")
    folder = real_data / "ludb-dev" / "data"
    ids = list(database.ids)
    at_500_hz = database.read(ids, fs=500)  # with the gains of the headers; tests/bench/test_signals.py takes 1 uV a count
    experts = pd.DataFrame([_experts(folder, str(i).split("/")[-1]) for i in ids], index=ids)
    bars = {"qrs_ms": (8.5, 0.80), "pr_ms": (7.0, 0.93), "qt_ms": (11.0, 0.92)}
    errors = {}
    for fs in (500, 100):
        ecgs = vl.EcgSet(resample_poly(at_500_hz.signals, fs, 500, axis=-1), fs, ids=ids)
        found = vl.measure(vl.median_beats(ecgs))
        for column, (largest, correlation) in bars.items():
            both = found[column].notna() & experts[column].notna()
            error = (found[column] - experts[column])[both]
            errors[fs, column] = error.abs().mean()
            assert errors[fs, column] <= largest + (2 if fs == 100 else 0), (fs, column)
            assert abs(error.mean()) < 4, (fs, column)
            assert found[column][both].corr(experts[column][both]) >= correlation, (fs, column)
        no_p = experts.pr_ms.isna()
        assert found.pr_ms[no_p].isna().mean() >= 7 / 9
        assert found.pr_ms[~no_p].notna().mean() >= 0.95
    for column in bars:
        assert errors[100, column] <= errors[500, column] + 2
