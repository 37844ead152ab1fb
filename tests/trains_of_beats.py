"""ECGs made of beats whose times and shapes are known."""

import numpy as np

from vaescan_lite import EcgSet
from vaescan_lite.ecg import to_twelve_leads

# Waves of the eight leads: centre (s from R), width (s), height in mV in each lead
WAVES = (
    (-0.17, 0.022, (0.10, 0.14, 0.05, 0.06, 0.06, 0.06, 0.05, 0.05)),
    (-0.022, 0.008, (-0.05, -0.10, 0.05, 0.05, 0.0, -0.05, -0.10, -0.10)),
    (0.0, 0.011, (0.7, 1.2, 0.3, 0.5, 0.9, 1.5, 1.6, 1.2)),
    (0.026, 0.010, (-0.1, -0.2, -1.0, -1.4, -0.9, -0.5, -0.3, -0.1)),
    (0.27, 0.045, (0.2, 0.3, 0.05, 0.4, 0.5, 0.45, 0.4, 0.3)),
)


ECTOPIC = (
    (0.0, 0.030, (-0.9, 0.8, 1.6, 2.0, 1.2, -0.7, -1.1, -1.2)),
    (0.25, 0.06, (0.3, -0.2, -0.5, -0.6, -0.4, 0.3, 0.4, 0.4)),
)


def beat(time_s, waves=WAVES):
    """One beat of the eight leads, (8, n_samples), its R peak at time 0."""
    bells = np.array([np.exp(-0.5 * ((time_s - centre) / width) ** 2) for centre, width, _ in waves])
    return np.array([height for _, _, height in waves]).T @ bells


def train(r_times_s, fs=100, duration_s=10.0, ectopic=(), noise_mv=0.0, seed=0):
    """Twelve-lead ECG, (12, n_samples), with beats at given times; those numbered in `ectopic` are ventricular."""
    time_s = np.arange(round(duration_s * fs)) / fs
    signal = sum(beat(time_s - r, ECTOPIC if i in ectopic else WAVES) for i, r in enumerate(r_times_s))
    signal = signal + noise_mv * np.random.default_rng(seed).standard_normal(signal.shape)
    return to_twelve_leads(signal)


def ecg(*signals, fs=100, **kwargs):
    return EcgSet(np.array(signals), fs, **kwargs)


def regular(rr_s=0.8, first_s=0.55):
    return np.arange(first_s, 9.9, rr_s)
