"""Pacing spikes of many kinds are cut out and named; the steepest hearts are left as they are."""

import numpy as np
import pandas as pd
import pytest
from trains_of_beats import WAVES, beat, ecg, regular, train
from unusual_ecgs import with_spikes

import vaescan_lite as vl
from vaescan_lite.beats.spikes import cut_spikes
from vaescan_lite.ecg import to_twelve_leads

R_TIMES_S = regular()
PLACES_S = {
    "not captured": [np.arange(0.23, 9.9, 0.86)],
    "atrial": [R_TIMES_S - 0.22],
    "where P is": [R_TIMES_S - 0.17],
    "before QRS": [R_TIMES_S - 0.10],
    "at QRS": [R_TIMES_S - 0.05],
    "atrium and ventricle": [R_TIMES_S - 0.24, R_TIMES_S - 0.06],
    "both ventricles": [R_TIMES_S - 0.07, R_TIMES_S - 0.05],
    "every other beat": [R_TIMES_S[::2] - 0.09],
}
SPIKES = [(500, 3, 2), (500, 0.7, 2), (500, -2, 6), (250, 8, 1), (1000, -0.8, 1)]


def paced(fs, place, size_mv=3.0, width_ms=2.0, tail=0.0):
    signal = train(R_TIMES_S, fs, noise_mv=0.01)
    for times_s in PLACES_S[place]:
        signal = with_spikes(signal, times_s, fs, size_mv, width_ms, tail)
    return signal


@pytest.mark.parametrize("place", PLACES_S)
@pytest.mark.parametrize(
    ("fs", "size_mv", "width_ms"), [(500, 3, 2), (500, 0.7, 2), (500, -2, 6), (250, 8, 1), (1000, -0.8, 1)]
)
def test_spikes_change_neither_rate_nor_p_nor_qrs_and_are_named(place, fs, size_mv, width_ms):
    beats = vl.median_beats(ecg(train(R_TIMES_S, fs, noise_mv=0.01), paced(fs, place, size_mv, width_ms), fs=fs))
    assert beats.quality.n_spikes.iloc[0] == 0
    n_places = sum(map(len, PLACES_S[place]))
    assert 0.5 * n_places <= beats.quality.n_spikes.iloc[1] <= n_places
    assert "pacing spikes" in beats.quality.faults.iloc[1]
    without, with_ = (row for _, row in vl.measure(beats).iterrows())
    assert with_.heart_rate_bpm == pytest.approx(without.heart_rate_bpm, abs=0.5)
    if place != "both ventricles":  # 20 ms apart, what is between two wide spikes goes with them
        for name in ("p_ms", "pr_ms", "qrs_ms"):
            assert with_[name] == pytest.approx(without[name], abs=10), name


@pytest.mark.parametrize("place", ["not captured", "atrial", "before QRS", "atrium and ventricle"])
@pytest.mark.parametrize("size_mv", [2, 8, -5])
def test_at_100_hz_spikes_of_one_sample_make_no_beat_and_are_named(place, size_mv):
    signal = paced(100, place, size_mv, 10)
    row = vl.median_beats(ecg(signal)).quality.iloc[0]
    assert "pacing spikes" in row.faults
    assert 60 / row.rr_s == pytest.approx(75, abs=1)
    assert len(vl.r_peaks(ecg(signal))[0]) == len(R_TIMES_S)


def test_a_tail_of_the_other_sign_does_not_hide_a_spike():
    row = vl.median_beats(ecg(paced(500, "before QRS", 5, 1, tail=0.2), fs=500)).quality.iloc[0]
    assert row.n_spikes == len(R_TIMES_S)
    assert row.n_beats == len(R_TIMES_S)


@pytest.mark.parametrize("fs", [100, 128, 250, 360, 500, 1000])
def test_narrow_and_tall_hearts_have_no_spikes_and_keep_every_bit(fs):
    child = [(centre * 0.7, width * 0.75, tuple(3 * np.array(heights))) for centre, width, heights in WAVES]
    time_s = np.arange(10 * fs) / fs
    narrow = sum(beat(time_s - r, child) for r in np.arange(0.3, 9.8, 0.42))
    low = train(R_TIMES_S, fs, noise_mv=0.005)[[0, 1, 6, 7, 8, 9, 10, 11]] / 6
    mains = narrow + 0.2 * np.sin(2 * np.pi * 0.39 * fs * time_s)
    eight = np.float32([narrow, low, mains])
    same, n_spikes = cut_spikes(eight, fs)
    assert same is eight
    assert n_spikes.tolist() == [0, 0, 0]


@pytest.mark.parametrize("fs", [100, 500])
def test_simulated_people_have_no_spikes(fs):
    table = pd.DataFrame({"age_years": [18.0, 30, 60, 85] * 10, "LVH": [0.0, 1] * 20, "RBBB": [0.0, 0, 0, 1] * 10})
    assert (vl.beats.quality(vl.simulate(table, fs=fs, seed=1)).n_spikes == 0).all()


def test_a_single_pulse_and_pulses_of_one_lead_are_left():
    signal = train(R_TIMES_S, 500, noise_mv=0.01)
    one_lead = signal.copy()
    one_lead[8, 100::430] += 4
    table = vl.beats.quality(ecg(with_spikes(signal, [3.1]), one_lead, fs=500))
    assert table.n_spikes.tolist() == [0, 0]


def test_neighbours_of_a_paced_ecg_and_input_are_left_alone():
    signals = np.array([train(R_TIMES_S, 500, noise_mv=0.01, seed=i) for i in range(3)])
    signals[1] = paced(500, "atrial")
    eight = np.float32(signals[:, [0, 1, 6, 7, 8, 9, 10, 11]])
    before = eight.copy()
    cut, n_spikes = cut_spikes(eight, 500)
    np.testing.assert_array_equal(eight, before)
    np.testing.assert_array_equal(cut[[0, 2]], before[[0, 2]])
    assert n_spikes.tolist() == [0, len(R_TIMES_S), 0]
    assert np.abs(cut[1] - np.float32(train(R_TIMES_S, 500, noise_mv=0.01))[[0, 1, 6, 7, 8, 9, 10, 11]]).max() < 0.1


def test_an_ecg_shorter_than_a_spike_needs_is_left():
    assert cut_spikes(to_twelve_leads(np.zeros((1, 8, 12)))[:, :8], 500)[1].tolist() == [0]
