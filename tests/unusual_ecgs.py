"""Rhythms, recordings and accidents beyond the simulator's: what the signal layer must not misread."""

import numpy as np
from trains_of_beats import ECTOPIC, WAVES, beat

from vaescan_lite.ecg import to_twelve_leads

NO_P = WAVES[1:]
RETROGRADE_P = (0.10, 0.020, (0.02, -0.12, 0.04, 0.03, 0.0, -0.02, -0.03, -0.03))
FLUTTER_LEADS = np.array([0.2, -1.0, 0.5, 0.2, 0.1, -0.2, -0.3, -0.3])
SPIKE_LEADS = np.array([0.6, 1.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0])


def of_beats(r_times_s, fs, waves=WAVES, duration_s=10.0, noise_mv=0.01, seed=0):
    """Eight leads, (8, n_samples), with a beat of these waves at each time, and noise."""
    time_s = np.arange(round(duration_s * fs)) / fs
    signal = sum(beat(time_s - r, waves) for r in r_times_s)
    return signal + noise_mv * np.random.default_rng(seed).standard_normal(signal.shape)


def junctional(fs=500, rr_s=1.1, seed=0, waves=NO_P):
    """Regular narrow beats without a P wave before them."""
    return to_twelve_leads(of_beats(np.arange(0.5, 9.9, rr_s), fs, waves, seed=seed))


def flutter(fs=500, ratio=4, per_minute=300, size_mv=0.2, seed=0):
    """Atrial flutter: saw teeth in the inferior leads, a beat for each `ratio` of them (several: in turn)."""
    cycle_s, ratios = 60 / per_minute, np.resize(np.atleast_1d(ratio), 60)
    time_s = np.arange(10 * fs) / fs
    phase = (time_s / cycle_s) % 1
    saw = np.where(phase < 0.7, phase / 0.7, (1 - phase) / 0.3) - 0.5
    r_times_s = 0.45 + cycle_s * np.cumsum(ratios)
    r_times_s = r_times_s[r_times_s < 9.9]
    return to_twelve_leads(of_beats(r_times_s, fs, NO_P, seed=seed) + size_mv * FLUTTER_LEADS[:, None] * saw)


def fibrillation(fs=500, rr_s=0.7, size_mv=0.08, seed=0):
    """Atrial fibrillation: irregular beats on waves of 5 to 8 Hz that wander."""
    rng = np.random.default_rng(seed)
    r_times_s = 0.5 + np.cumsum(rr_s * rng.lognormal(0, 0.22, 40))
    frequency_hz = 6.5 + np.cumsum(rng.normal(0, 0.05, 10 * fs)) * np.sqrt(50 / fs) / 3
    wave = np.sin(2 * np.pi * np.cumsum(np.clip(frequency_hz, 5, 8)) / fs)
    leads = rng.uniform(0.3, 1, 8)
    leads[2] = 1.2
    return to_twelve_leads(of_beats(r_times_s[r_times_s < 9.9], fs, NO_P, seed=seed) + size_mv * leads[:, None] * wave)


def wide_tachycardia(shape, per_minute, fs=500, size_mv=1.0, seed=0):
    """Regular wide complexes without P: "sine", "saw", "hump" (with a notch) or "train" (of ectopic beats)."""
    time_s = np.arange(10 * fs) / fs
    turn = time_s * per_minute / 60
    if shape == "train":
        leads = of_beats(np.arange(0.2, 9.9, 60 / per_minute), fs, ECTOPIC, noise_mv=0)
    else:
        wave = {
            "sine": np.sin(2 * np.pi * turn) + 0.3 * np.sin(4 * np.pi * turn + 0.5),
            "saw": 2 * np.abs(2 * (turn % 1) - 1) - 1,
            "hump": np.sin(2 * np.pi * turn) + 0.4 * np.sin(6 * np.pi * turn + 1) - 0.2 * np.cos(4 * np.pi * turn),
        }[shape]
        leads = np.outer((0.4, 1.0, -0.9, -1.2, -0.5, 0.8, 1.1, 1.0), wave)
    return to_twelve_leads(size_mv * leads + 0.01 * np.random.default_rng(seed).standard_normal(leads.shape))


def torsades(per_minute=220, fs=500, seed=0):
    """Wide complexes whose axis turns about the baseline every few beats."""
    time_s = np.arange(10 * fs) / fs
    turn, twist = time_s * per_minute / 60, 2 * np.pi * time_s / 2.3
    leads = np.array([0.4, 1.0, -0.9, -1.2, -0.5, 0.8, 1.1, 1.0])[:, None] * np.cos(twist + np.linspace(0, 1.5, 8)[:, None])
    return to_twelve_leads(leads * np.sin(2 * np.pi * turn) + 0.01 * np.random.default_rng(seed).standard_normal(leads.shape))


def with_spikes(signal, times_s, fs=500, size_mv=3.0, width_ms=2.0, tail=0.0):
    """Add pacing spikes to twelve leads: rectangles, and after-potentials of the other sign that fade in 8 ms."""
    time_s = np.arange(signal.shape[1]) / fs
    pulse = np.zeros(signal.shape[1])
    for start_s in times_s:
        first = round(start_s * fs)
        pulse[first : first + max(1, round(width_ms * fs / 1000))] += 1
        after_s = time_s - start_s - width_ms / 1000
        pulse -= (after_s >= 0) * tail * np.exp(-np.abs(after_s) / 0.008)
    return signal + to_twelve_leads(size_mv * SPIKE_LEADS[:, None] * pulse)
