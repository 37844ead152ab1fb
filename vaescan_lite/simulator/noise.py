"""What the electrodes add to the heart's signal: muscle noise, baseline wander, mains hum."""

import numpy as np
from scipy.interpolate import BSpline
from scipy.signal import butter, sosfilt
from scipy.special import ndtr

from .rhythm import breath_rate_hz

# From potentials at nine electrodes (RA, LA, LL, V1 ... V6) to the eight leads; chest leads against Wilson's terminal.
LEADS_FROM_ELECTRODES = np.zeros((8, 9), dtype=np.float32)
LEADS_FROM_ELECTRODES[:2, :3] = (-1, 1, 0), (-1, 0, 1)
LEADS_FROM_ELECTRODES[2:, :3] = -1 / 3
LEADS_FROM_ELECTRODES[2:, 3:] = np.eye(6)

# Median levels per electrode and the standard deviation of their logarithm among ECGs. With them the median beats of two halves
# of a record differ about as much as PTB-XL's do (``make bench-realism``).
MUSCLE_mV, MUSCLE_LOG_SD = 0.0175, 0.5  # white, before the filter; 11 uV after it
MUSCLE_HZ = 20  # from here on muscle noise falls
WANDER_mV, WANDER_LOG_SD = 0.040, 0.6
MAINS_mV, MAINS_LOG_SD = 0.002, 0.8
MAINS_HZ, MAINS_FROM_FS = 50, 130  # a slower record does not hold the mains


def make_noise(draws, traits, fs):
    """Muscle noise, baseline wander with a breathing part, and mains hum in mV, (n, 8, n_samples) float32."""
    # Standard normal numbers of shape (n, 4), (n, 9 electrodes, n_knots), (n, 9 electrodes, n_samples)
    level, wander, white = draws["level"], draws["wander"], draws["white"]
    n_knots, n_samples = wander.shape[-1], white.shape[-1]
    time_s = np.arange(n_samples) / fs
    muscle = sosfilt(butter(1, MUSCLE_HZ, fs=fs, output="sos").astype(np.float32), white, axis=-1)
    muscle_mV = MUSCLE_mV * np.sqrt(fs / 100) * np.exp(MUSCLE_LOG_SD * level[:, 0])  # the same density at every rate
    electrodes = muscle_mV.astype(np.float32)[:, None, None] * muscle
    slow = np.matmul(wander, spline_basis(n_knots, n_samples, fs))
    breath = np.sin(2 * np.pi * (breath_rate_hz(traits)[:, None] * time_s + ndtr(traits["breath_phase"])[:, None]))
    slow += wander[:, :, :1] * breath.astype(np.float32)[:, None]
    electrodes += (WANDER_mV * np.exp(WANDER_LOG_SD * level[:, 1])).astype(np.float32)[:, None, None] * slow
    if fs > MAINS_FROM_FS:
        hum = np.sin(2 * np.pi * (MAINS_HZ * time_s + ndtr(level[:, 3])[:, None])).astype(np.float32)
        mains_mV = (MAINS_mV * np.exp(MAINS_LOG_SD * level[:, 2])).astype(np.float32)
        electrodes += wander[:, :, 1:2] * (mains_mV[:, None] * hum)[:, None]
    return np.matmul(LEADS_FROM_ELECTRODES, electrodes)


def count_knots(duration_s):
    """Count the weights that `spline_basis` takes for a record of this length."""
    return int(np.ceil(duration_s)) + 4


def spline_basis(n_knots, n_samples, fs):
    """Cubic B-splines a second apart, (n_knots, n_samples), scaled so that unit normal weights give about unit size."""
    basis = BSpline.design_matrix(np.arange(n_samples) / fs, np.arange(-3.0, n_knots + 1), 3)
    return (1.45 * basis.toarray().T).astype(np.float32)
