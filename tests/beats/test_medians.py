"""R peaks and median beats, against trains of beats whose times and shapes are known, and against cardiologists."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly
from trains_of_beats import WAVES, beat, ecg, regular, train

from vaescan_lite import BeatSet, EcgSet, median_beats, r_peaks
from vaescan_lite.beats import alignment, beat_noise, quality, split_median_beats
from vaescan_lite.beats.medians import _filter_and_find
from vaescan_lite.ecg import LEADS_8, LEADS_12, to_twelve_leads

# R peaks


@pytest.mark.parametrize("fs", [100, 125, 250, 257, 360, 500, 1000])
def test_qrs_complexes_are_found_where_they_are_at_every_rate(fs):
    times_s = np.array([0.5, 1.313, 2.1, 2.66, 3.8, 4.421, 5.3, 6.777, 7.4, 8.2, 9.113])
    (found,) = r_peaks(ecg(train(times_s, fs, noise_mv=0.02), fs=fs))
    assert len(found) == len(times_s)
    assert np.issubdtype(found.dtype, np.integer)
    offset_s = found / fs - times_s
    assert np.abs(offset_s).max() < 0.025  # the middle of the QRS, not the tip of R
    assert np.ptp(offset_s) <= 0.012


@pytest.mark.parametrize("fs", [100, 500])
def test_a_symmetric_qrs_complex_is_found_at_its_middle_to_the_sample(fs):
    middle = ((0.0, 0.020, (0.7, 1.2, 0.3, 0.5, 0.9, 1.5, 1.6, 1.2)),)
    index = np.round(np.arange(0.6, 9.6, 0.9) * fs).astype(int)
    signal = sum(beat(np.arange(10 * fs) / fs - i / fs, middle) for i in index)
    np.testing.assert_array_equal(r_peaks(ecg(to_twelve_leads(signal), fs=fs))[0], index)


@pytest.mark.parametrize("fs", [100, 500])
def test_one_bad_lead_drift_mains_and_low_voltage_do_not_hide_or_make_beats(fs):
    rng = np.random.default_rng(1)
    times_s = regular()
    clean = train(times_s, fs, noise_mv=0.01)
    time_s = np.arange(clean.shape[1]) / fs
    bad_lead, steps = clean.copy(), clean.copy()
    bad_lead[8] = rng.standard_normal(len(time_s))
    steps[7] += np.cumsum(rng.standard_normal(len(time_s)) * 3 * (rng.random(len(time_s)) < 0.5 / fs))
    drift = clean + 2 * np.sin(2 * np.pi * 0.3 * time_s + rng.uniform(0, 6, (12, 1)))
    mains = clean + 0.2 * np.sin(2 * np.pi * 50 * time_s + 0.3)
    tall_t = clean + to_twelve_leads(3 * sum(beat(time_s - r, WAVES[-1:]) for r in times_s))
    chest_flat = clean.copy()
    chest_flat[6:] = 0.003 * rng.standard_normal((6, len(time_s)))
    for name, signal in {
        "bad lead": bad_lead, "steps": steps, "drift": drift, "mains": mains, "tall T": tall_t, "low voltage": clean / 8,
        "chest leads flat": chest_flat, "upside down": -clean,
    }.items():  # fmt: skip
        (found,) = r_peaks(ecg(signal, fs=fs))
        assert len(found) == len(times_s), name
        assert np.abs(found / fs - times_s).max() < 0.04, name


def test_wide_and_early_ectopic_beats_are_found_and_pacing_spikes_are_not():
    fs, times_s = 500, np.array([0.6, 1.4, 1.9, 3.0, 3.8, 4.6, 5.05, 6.2, 7.0, 7.8, 8.6, 9.4])
    signal = train(times_s, fs, ectopic=(2, 6))
    for r in times_s:
        signal[:, round((r - 0.18) * fs)] += np.linspace(-2, 2, 12)
    (found,) = r_peaks(ecg(signal, fs=fs))
    assert len(found) == len(times_s)
    assert np.abs(found / fs - times_s).max() < 0.05


def test_a_small_beat_between_two_others_without_a_pause_is_found():
    """Nothing but its own size speaks for it: half as high as the others, a quarter of their energy."""
    times_s, extra_s = np.arange(0.7, 9.5, 1.2), 4.9
    (found,) = r_peaks(ecg(train(times_s) + 0.5 * train(np.array([extra_s]))))
    assert len(found) == len(times_s) + 1
    assert np.abs(found / 100 - np.sort([*times_s, extra_s])).max() < 0.05


def test_an_ecg_without_beats_has_no_r_peaks():
    ecgs = ecg(np.zeros((12, 1000)), np.full((12, 1000), 2.5), np.full((12, 1000), np.nan))
    assert [len(found) for found in r_peaks(ecgs)] == [0, 0, 0]


# Median beats


def test_beats_between_samples_give_back_the_beat_on_the_samples(monkeypatch):
    on_grid = ecg(train(np.arange(0.55, 9.9, 0.8)))
    between = ecg(
        train(np.arange(0.55, 9.9, 0.8) + np.array([0, 0.4, -0.3, 0.5, 0.2, -0.45, 0.3, -0.2, 0.45, 0.1, -0.4, 0.25]) / 100)
    )
    expected = median_beats(on_grid).signals[0]
    assert np.abs(median_beats(between).signals[0] - expected).max() < 0.012

    monkeypatch.setattr("vaescan_lite.beats.alignment.align", lambda filtered, row, position, patch, fs: np.rint(position))
    whole_samples = median_beats(between).signals[0] - median_beats(on_grid).signals[0]
    assert np.abs(whole_samples).max() > 0.05


def test_the_median_beat_is_the_beat_that_was_put_in():
    fs = 500
    beats = median_beats(ecg(train(regular(), fs), fs=fs), band_hz=(0, 150))
    time_s = (np.arange(beats.signals.shape[-1]) - beats.r_index) / fs
    qrs_middle_s = time_s[np.abs(beats.signals[0, 5]).argmax()]  # how far the tip of R in V4 lies from r_index
    assert abs(qrs_middle_s) <= 0.02
    near = np.abs(time_s) < 0.35
    errors = [
        np.abs(beats.signals[0][:, near] - (x := beat(time_s[near] - d)) + (x[:, :1] * 0)).max()
        for d in np.arange(qrs_middle_s - 0.002, qrs_middle_s + 0.002, 0.0002)
    ]
    assert min(errors) < 0.02


@pytest.mark.parametrize("fs", [100, 500])
def test_the_usual_filter_keeps_33_hz_and_halves_40_hz_and_stops_mains(fs):
    frequency_hz = np.array([0.5, 5.0, 33.0, 40.0, 49.0])
    time_s = np.arange(10 * fs) / fs
    waves = np.zeros((len(frequency_hz), 12, len(time_s)))
    waves[:, :8] = np.sin(2 * np.pi * frequency_hz[:, None] * time_s + 0.3)[:, None]
    filtered, *_ = _filter_and_find(waves[:, :8].astype(np.float32), fs, fs, (0.5, 40))
    middle = slice(2 * fs, 8 * fs)
    gain = np.sqrt((filtered[:, 0, middle] ** 2).mean(axis=-1) / (waves[:, 0, middle] ** 2).mean(axis=-1))
    np.testing.assert_allclose(gain, [0.5, 1.0, 0.955, 0.5, 0.037], atol=0.02)


def test_the_r_peak_lies_at_the_same_sample_wherever_the_recording_starts():
    shifts_s = np.array([0, 0.0013, 0.0025, 0.0037, 0.005, 0.0068, 0.0081])
    beats = median_beats(ecg(*[train(regular() + shift) for shift in shifts_s]))
    assert beats.r_index == 40
    assert np.abs(beats.signals - beats.signals[:1]).max() < 0.012


def test_500_hz_and_100_hz_of_the_same_heart_give_the_same_beat():
    fast = ecg(train(regular(), 500, noise_mv=0.01), fs=500)
    slow = ecg(*resample_poly(fast.signals, 1, 5, axis=-1), fs=100)
    from_fast, from_slow = median_beats(fast, fs=100), median_beats(slow)
    assert from_fast.signals.shape == from_slow.signals.shape == (1, 8, 96)
    assert np.abs(from_fast.signals - from_slow.signals).max() < 0.03
    np.testing.assert_allclose(from_fast.rr_s, 0.8, atol=0.002)


def test_ectopic_beats_are_counted_and_leave_no_trace():
    times_s = regular()
    times_s[[3, 8]] -= 0.25
    with_ectopy, without = ecg(train(times_s, ectopic=(3, 8))), ecg(train(np.delete(regular(), [3, 8])))
    beats = median_beats(with_ectopy)
    row = beats.quality.iloc[0]
    assert (row.n_beats, row.n_ectopic) == (12, 2)
    assert row.dominant_share == pytest.approx(10 / 12)
    assert np.abs(beats.signals - median_beats(without).signals)[..., 15:75].max() < 0.06


def test_a_beat_of_the_usual_shape_that_comes_early_is_set_aside_in_a_regular_rhythm_only():
    times_s = regular()
    times_s[5] -= 0.3
    irregular_s = 0.5 + np.cumsum([0, 0.5, 0.9, 0.62, 1.2, 0.7, 0.55, 1.1, 0.8, 0.6, 1.0])
    table = quality(ecg(train(times_s), train(irregular_s)))
    assert table.n_ectopic.tolist() == [1, 0]


def test_in_bigeminy_the_beats_that_keep_the_rhythm_are_dominant():
    sinus_s = np.arange(0.6, 9.5, 1.5)
    times_s = np.sort(np.r_[sinus_s, sinus_s + 0.5])
    beats = median_beats(ecg(train(times_s, ectopic=range(1, len(times_s), 2))))
    assert beats.quality.dominant_share.iloc[0] < 0.6
    assert "look alike" in beats.quality.faults.iloc[0]
    assert beats.signals[0, 7, 34:46].max() > 0.9  # V6: upright in sinus beats, downwards in the ectopic ones


def test_of_two_shapes_that_are_equally_frequent_the_narrower_is_dominant():
    times_s = np.arange(10) + 0.45
    for first in (0, 1):
        beats = median_beats(ecg(train(times_s, ectopic=range(first, 10, 2))))
        assert beats.quality.dominant_share.iloc[0] == pytest.approx(0.5, abs=0.07)
        assert beats.signals[0, 7, 34:46].max() > 0.9, first  # V6: upright in narrow beats, downwards in wide ones


def test_standard_error_agrees_with_the_error_made():
    clean = median_beats(ecg(train(regular()))).signals
    noisy = ecg(*[train(regular(), noise_mv=0.05, seed=seed) for seed in range(40)])
    error = np.sqrt(((median_beats(noisy).signals - clean) ** 2).mean())
    estimate = np.sqrt((beat_noise(noisy).signals ** 2).mean())
    assert 0.75 < estimate / error < 1.3


def test_random_halves_share_no_beat_and_differ_by_noise():
    noisy = ecg(*[train(regular(), noise_mv=0.05, seed=seed) for seed in range(8)])
    first, second = split_median_beats(noisy, seed=3)
    again, _ = split_median_beats(noisy, seed=3, batch_size=3)
    other, _ = split_median_beats(noisy, seed=4)
    np.testing.assert_array_equal(first.signals, again.signals)
    assert not np.array_equal(first.signals, other.signals)
    noise_mv = beat_noise(noisy).signals.mean()
    assert 0.7 < np.abs(first.signals - second.signals).mean() / 2 / (0.8 * noise_mv) < 1.4


def test_halves_of_a_single_beat_are_one_beat_and_one_row_that_is_not_usable():
    first, second = split_median_beats(ecg(train([2.0], duration_s=4)), seed=0)
    assert first.usable.tolist() == [True]
    assert second.usable.tolist() == [False]
    assert np.isnan(second.signals).all()


# Invariants


def hearts():
    signals = [train(regular(rr, 0.5), noise_mv=0.02, seed=i) for i, rr in enumerate((0.5, 0.7, 0.8, 1.0, 1.3, 0.62, 0.91))]
    return ecg(*signals, ids=list("abcdefg"))


def test_results_do_not_depend_on_batches_order_or_processes():
    ecgs = hearts()
    beats = median_beats(ecgs)
    for other in (median_beats(ecgs, batch_size=2), median_beats(ecgs, batch_size=3, n_jobs=2)):
        np.testing.assert_array_equal(other.signals, beats.signals)
        pd.testing.assert_frame_equal(other.quality, beats.quality)
    order = [4, 0, 6, 0]
    shuffled = median_beats(ecgs[order])
    np.testing.assert_allclose(shuffled.signals, beats.signals[order], atol=1e-6)
    assert shuffled.ids.tolist() == list("eaga")
    by_id = median_beats(ecgs, ids=list("eaga"))
    np.testing.assert_array_equal(by_id.signals, shuffled.signals)


def test_gain_and_offset_of_an_ecg_carry_over_as_they_should():
    ecgs = hearts()
    beats = median_beats(ecgs)
    doubled = median_beats(EcgSet(2 * ecgs.signals, 100, ids=ecgs.ids))
    np.testing.assert_allclose(doubled.signals, 2 * beats.signals, atol=1e-5)
    lifted = median_beats(EcgSet(ecgs.signals + np.linspace(-3, 3, 12)[:, np.newaxis], 100, ids=ecgs.ids))
    np.testing.assert_allclose(lifted.signals, beats.signals, atol=1e-4)


def test_the_pr_segment_is_at_zero_in_every_lead():
    beats = median_beats(hearts())
    segment = beats.signals[..., beats.r_index - 8 : beats.r_index - 5]
    assert np.abs(np.median(segment, axis=-1)).max() < 0.03


# Boundaries


def test_a_flat_lead_stays_flat_and_is_named():
    signal = train(regular())
    signal[8] = 0.7
    beats = median_beats(ecg(signal))
    assert np.abs(beats.signals[0, 4]).max() == 0
    assert beats.quality.flat_leads.iloc[0] == "V3"
    assert beats.usable.tolist() == [True]


def test_unusable_ecgs_are_rows_of_nan_with_a_reason_and_leave_the_others_alone():
    good = train(regular(), noise_mv=0.01)
    hole = good.copy()
    hole[9, 500:510] = np.nan
    one_at_the_edge = train([0.2, 9.85])
    beats = median_beats(ecg(np.full((12, 1000), np.nan), good, np.zeros((12, 1000)), hole, one_at_the_edge))
    assert beats.usable.tolist() == [False, True, False, False, False]
    assert np.isnan(beats.signals[~beats.usable]).all()
    assert np.isfinite(beats.signals[1]).all()
    reasons = beats.quality.reason.tolist()
    assert reasons[0].startswith("NaN in lead(s) I, II")
    assert reasons[1:4] == ["", "no QRS complex found", "NaN in lead(s) V4"]
    assert "whole window" in reasons[4]
    np.testing.assert_allclose(beats.signals[1], median_beats(ecg(good)).signals[0], atol=1e-6)


def test_eight_leads_are_enough_and_their_order_does_not_matter():
    twelve = ecg(train(regular(), noise_mv=0.01))
    backwards = EcgSet(twelve.signals[:, ::-1], 100, LEADS_12[::-1])
    eight = EcgSet(twelve.signals[:, [LEADS_12.index(lead) for lead in LEADS_8]], 100)
    for other in (backwards, eight):
        np.testing.assert_array_equal(median_beats(other).signals, median_beats(twelve).signals)
    assert np.isnan(quality(eight).limb_error_uV.iloc[0])


def test_an_empty_set_gives_an_empty_set():
    beats = median_beats(hearts()[[]])
    assert beats.signals.shape == (0, 8, 96)
    assert "faults" in beats.quality


def test_window_and_rate_are_those_asked_for():
    beats = median_beats(ecg(train(regular(), 500), fs=500), fs=250, before_s=0.3, after_s=0.5)
    assert (beats.signals.shape, beats.r_index, beats.fs) == ((1, 8, 200), 75, 250)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: median_beats(EcgSet(e.signals[:, :11], 100, LEADS_12[:11])), "V6 are missing"),
        (lambda e: r_peaks(EcgSet(e.signals[:, :6], 100, LEADS_12[:6])), "V1, V2, V3, V4, V5, V6 are missing"),
        (lambda e: r_peaks(EcgSet(e.signals, 50)), "100 Hz or more; got 50 Hz"),
        (lambda e: median_beats(EcgSet(e.signals[..., :200], 100)), "3 s or longer; got 2 s"),
        (lambda e: median_beats(e, fs=50), "fs must be 100 Hz or more"),
        (lambda e: median_beats(e, band_hz=(40, 0.5)), "two rising frequencies"),
        (lambda e: median_beats(e, before_s=0.01), "0.15 s or more"),
        (lambda e: median_beats(e, ids=["z"]), "not among the 7 ECGs: z"),
        (lambda e: median_beats(e.signals), "EcgSet or a Database; got ndarray"),
    ],
)
def test_wrong_input_is_refused_with_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        call(hearts())


# Databases


def fake_database(n=50, broken=(3, 7)):
    """A database that reads what it is asked for, and remembers how much at a time."""
    asked = []

    def read(ids, fs, errors):
        asked.append(len(ids))
        ids = [i for i in ids if i not in broken]
        signals = np.array([train(regular(0.7 + 0.01 * (i % 30)), fs, noise_mv=0.02, seed=i) for i in ids]).reshape(
            -1, 12, 10 * int(fs)
        )
        rejected = pd.DataFrame({"id": list(broken), "reason": [f"file {i} is truncated" for i in broken]})
        return EcgSet(signals, fs, LEADS_12, np.array(ids, dtype=int), rejected)

    return SimpleNamespace(read=read, ids=np.arange(n), fs_available=(100, 500), asked=asked)


def test_a_database_is_read_in_batches_and_every_id_has_its_row():
    database = fake_database()
    beats = median_beats(database, batch_size=16)
    assert database.asked == [16, 16, 16, 2]
    assert isinstance(beats, BeatSet)
    assert beats.ids.tolist() == list(range(50))
    assert beats.quality.loc[[3, 7], "reason"].tolist() == ["file 3 is truncated", "file 7 is truncated"]
    assert beats.usable.sum() == 48
    direct = median_beats(database.read([20, 21], 100, "skip"))
    np.testing.assert_allclose(beats.signals[20:22], direct.signals, atol=1e-6)


def test_ids_of_a_database_may_repeat_and_come_in_any_order():
    beats = median_beats(fake_database(), ids=[9, 3, 9, 1], fs=100)
    assert beats.ids.tolist() == [9, 3, 9, 1]
    np.testing.assert_array_equal(beats.signals[0], beats.signals[2])
    assert beats.usable.tolist() == [True, False, True, True]
    halves = split_median_beats(fake_database(), [9, 3, 9, 1], seed=0, batch_size=2)
    assert [half.usable.tolist() for half in halves] == [[True, False, True, True]] * 2


def test_a_batch_of_which_nothing_can_be_read_is_rows_of_nan():
    beats = median_beats(fake_database(), ids=[3, 7])
    assert not beats.usable.any()
    assert np.isnan(beats.signals).all()
    assert beats.quality.n_beats.tolist() == [0, 0]


def test_global_random_state_is_left_alone():
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    split_median_beats(hearts(), seed=0)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


# Parts


def test_windows_between_samples_are_those_of_the_continuous_signal():
    fs, index = 100, np.arange(400)
    signal = np.float32(np.sin(2 * np.pi * 7 * index / fs + 0.2) + 0.5 * np.sin(2 * np.pi * 19 * index / fs))[None, None]
    position = np.array([100.0, 150.25, 200.5, 250.9])
    windows = alignment.cut(signal, np.zeros(4, dtype=int), position, 10, 12)
    time_s = (position[:, None] + np.arange(-10, 12)) / fs
    expected = np.sin(2 * np.pi * 7 * time_s + 0.2) + 0.5 * np.sin(2 * np.pi * 19 * time_s)
    np.testing.assert_allclose(windows[:, 0], expected, atol=0.004)


def test_medians_are_those_of_numpy():
    rng = np.random.default_rng(0)
    count = np.array([3, 0, 4, 1, 4])
    row = np.repeat(np.arange(5), count)
    windows = rng.standard_normal((12, 2, 5)).astype(np.float32)
    found = alignment.medians(windows, row, len(count))
    for i in (0, 2, 3, 4):
        np.testing.assert_allclose(found[i], np.median(windows[row == i], axis=0), rtol=1e-6)
    assert np.isnan(found[1]).all()


# Real ECGs


def _ludb(real_data):
    wfdb = pytest.importorskip("wfdb")
    signals, reference, rhythm = [], [], []
    diagnoses = pd.read_csv(real_data / "ludb-dev" / "ludb.csv", index_col="ID").fillna("")
    for header in sorted((real_data / "ludb-dev" / "data").glob("*.hea"), key=lambda path: int(path.stem)):
        record = str(header.with_suffix(""))
        signals.append(wfdb.rdrecord(record).p_signal.T)
        marks = wfdb.rdann(record, "ii")
        reference.append(marks.sample[np.array(marks.symbol) == "N"] / 500)
        row = diagnoses.loc[int(header.stem)]
        rhythm.append(
            "paced" if row["Cardiac pacing"] else "AF" if "fibrillation" in row["Rhythms"] or "flutter" in row["Rhythms"]
            else "ectopy" if row["Extrasystolies"] else "sinus"
        )  # fmt: skip
    return np.array(signals), reference, np.array(rhythm)


@pytest.mark.real
@pytest.mark.parametrize("fs", [500, 100])
def test_r_peaks_agree_with_cardiologists(real_data, fs):
    signals, reference, rhythm = _ludb(real_data)
    signals = signals if fs == 500 else resample_poly(signals, fs, 500, axis=-1)
    errors = dict.fromkeys(np.unique(rhythm), 0)
    for found, marked_s, group in zip(r_peaks(EcgSet(signals, fs)), reference, rhythm):
        found_s = found / fs
        found_s = found_s[(found_s >= marked_s[0] - 0.1) & (found_s <= marked_s[-1] + 0.1)]
        is_match = np.abs(found_s[:, None] - marked_s) <= 0.1
        errors[group] += (~is_match.any(axis=0)).sum() + (~is_match.any(axis=1)).sum() + len(found_s[is_match.any(axis=1)])
        errors[group] -= len(np.unique(is_match.argmax(axis=1)[is_match.any(axis=1)]))
    assert len(np.concatenate(reference)) > 800
    assert sum(errors.values()) <= 3
    assert max(errors.values()) <= 1


def test_rhythm_numbers_of_intervals_done_by_hand():
    """RR of 0.8, 1.0, 0.7 s over and over: successive differences 0.2, -0.3, 0.1 s."""
    rr_s = np.tile([0.8, 1.0, 0.7], 4)[:10]
    times_s = 0.5 + np.r_[0, np.cumsum(rr_s)]
    quality_ = quality(ecg(train(times_s, 500), fs=500)).iloc[0]
    assert quality_["rr_rmssd_s"] == pytest.approx(np.sqrt(np.mean(np.diff(rr_s) ** 2)), abs=0.004)
    assert quality_["rr_sd_s"] == pytest.approx(np.std(rr_s, ddof=1), abs=0.004)
    steady = quality(ecg(train(regular(), 500), fs=500)).iloc[0]
    assert steady["rr_rmssd_s"] < 0.003 and np.isnan(quality(ecg(train([1.0, 2.0], 500, 3.0), fs=500))["rr_rmssd_s"].iloc[0])
