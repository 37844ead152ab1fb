"""What the electrodes add to the heart's signal: muscle noise, baseline wander, mains hum."""

import numpy as np
from scipy.interpolate import BSpline
from scipy.signal import butter, sosfilt
from scipy.special import ndtr

from .rhythm import breath_rate_hz

# From potentials at nine electrodes (RA, LA, LL, V1 ... V6) to the eight leads; chest leads against Wilson's terminal.
LEADS_FROM_ELECTRODES = np.zeros((8, 9), dtype=np.float32)
LEADS_FROM_ELECTRODES[0, :2] = (-1, 1)
LEADS_FROM_ELECTRODES[1, [0, 2]] = (-1, 1)
LEADS_FROM_ELECTRODES[2:, :3] = -1 / 3
LEADS_FROM_ELECTRODES[2:, 3:] = np.eye(6)


def make_noise(draws, traits, n_samples, duration_s, fs):
    """Draw muscle noise, baseline wander and mains hum at nine electrodes, as eight leads see them.

    Parameters
    ----------
    draws : dict of str to ndarray
        Standard normal numbers: ``level`` (n, 4), ``wander`` (n, 9, n_knots), ``white`` (n, 9, n_samples).
    traits : dict of str to ndarray, shape (n,)
        Breathing of each person.
    n_samples : int
    duration_s, fs : float
        Length in seconds and rate in Hz.

    Returns
    -------
    ndarray of float32, shape (n, 8, n_samples)
        In mV. Levels per electrode: muscle noise that falls from 20 Hz on, median 11 uV RMS, wander median 40 uV with a
        breathing part; mains of 50 Hz only above 130 Hz, median 2 uV. They vary between ECGs by a factor of about two.
        The median beats of two halves of a record differ about as much as PTB-XL's do (``make bench-realism``).
    """
    level = draws["level"]
    # Muscle noise falls from 20 Hz on; the root of fs keeps its density below the same at every rate.
    muscle = sosfilt(butter(1, 20, fs=fs, output="sos").astype(np.float32), draws["white"], axis=-1)
    electrodes = (0.0175 * np.sqrt(fs / 100) * np.exp(0.5 * level[:, 0])).astype(np.float32)[:, None, None] * muscle
    slow = np.matmul(draws["wander"], spline_basis(n_samples, duration_s, fs))
    time_s = np.arange(n_samples) / fs
    breath = np.sin(2 * np.pi * (breath_rate_hz(traits)[:, None] * time_s + ndtr(traits["breath_phase"])[:, None]))
    slow += draws["wander"][:, :, :1] * breath.astype(np.float32)[:, None]
    electrodes += (0.040 * np.exp(0.6 * level[:, 1])).astype(np.float32)[:, None, None] * slow
    if fs > 130:
        hum = np.sin(2 * np.pi * (50 * time_s + ndtr(level[:, 3])[:, None])).astype(np.float32)
        size = (0.002 * np.exp(0.8 * level[:, 2])).astype(np.float32)
        electrodes += draws["wander"][:, :, 1:2] * (size[:, None] * hum)[:, None]
    return np.matmul(LEADS_FROM_ELECTRODES, electrodes)


def n_knots(duration_s):
    """Count the weights that `spline_basis` takes."""
    return int(np.ceil(duration_s)) + 4


def spline_basis(n_samples, duration_s, fs):
    """Cubic B-splines a second apart, (n_knots, n_samples), scaled so that unit normal weights give about unit size."""
    knots = np.arange(-3.0, n_knots(duration_s) + 1)
    time_s = np.arange(n_samples) / fs
    return (1.45 * BSpline.design_matrix(time_s, knots, 3).toarray().T).astype(np.float32)
