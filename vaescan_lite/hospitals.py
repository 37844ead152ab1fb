"""Other hospitals: recordings changed by a known cause, and an alarm that needs no labels (chapter 11)."""

from dataclasses import replace

import numpy as np
from scipy.signal import butter, sosfilt, sosfiltfilt
from scipy.spatial.transform import Rotation

from .ecg import DOWER, LEADS_12, to_eight_leads, to_twelve_leads


def change_gain(ecgs, factor):
    """Record with an amplifier whose gain is wrong: a copy of the EcgSet with every potential times `factor`, above 0."""
    if not factor > 0:
        raise ValueError(f"the factor of the gain must be above 0; got {factor}.")
    return replace(ecgs, signals=(ecgs.signals * factor).astype(np.float32))


def change_band(ecgs, low_hz=None, high_hz=None, *, causal=False):
    """Record through another filter, a Butterworth of first order at the low end and of second order at the high end.

    Parameters
    ----------
    ecgs : EcgSet
    low_hz, high_hz : float, optional
        Corner frequencies in Hz, below half the sampling frequency; None leaves that end open.
    causal : bool
        A filter that only knows the past, as in a monitor that draws while it records: it delays slow parts, and so bends the
        ST segment. Otherwise forwards and backwards, which keeps every wave in its place (and doubles the order).

    Returns
    -------
    EcgSet
    """
    filters = []
    for corner_hz, kind, order in ((low_hz, "highpass", 1), (high_hz, "lowpass", 2)):
        if corner_hz is None:
            continue
        if not 0 < corner_hz < ecgs.fs / 2:
            raise ValueError(f"a corner must lie between 0 and {ecgs.fs / 2:g} Hz, half the rate; got {corner_hz}.")
        filters.append((kind, butter(order, corner_hz, kind, fs=ecgs.fs, output="sos")))

    def change(signals):
        for kind, sos in filters:
            start = signals[..., :1]  # a causal filter that starts at rest would jump at the first sample
            signals = (sosfilt if causal else sosfiltfilt)(sos, signals - start, axis=-1)
            signals = signals + (start if kind == "lowpass" else 0.0)
        return signals

    return _in_blocks(ecgs, change)


def turn_heart(ecgs, frontal_deg=0.0, horizontal_deg=0.0):
    """Record with all electrodes shifted around the chest, which is the same as a heart turned the other way.

    Parameters
    ----------
    ecgs : EcgSet
    frontal_deg : float
        Turn about the axis to the back, in degrees: positive from the left towards the feet, as the electrical axis counts.
    horizontal_deg : float
        Turn about the axis to the feet, in degrees: positive turns from the left towards the back.

    Returns
    -------
    EcgSet
        The leads of the input.

    Notes
    -----
    ``x + D (R - 1) D^+ x`` with Dower's matrix D and a rotation R, as in the augmentation of `BeatVAE`: what a dipole cannot
    explain stays as it is. Single electrodes that lie wrongly are not meant; they would need the potentials between electrodes.
    """
    turn = Rotation.from_euler("z", frontal_deg, degrees=True) * Rotation.from_euler("y", -horizontal_deg, degrees=True)
    matrix = np.eye(8) + DOWER @ (turn.as_matrix() - np.eye(3)) @ np.linalg.pinv(DOWER)
    turned = _in_blocks(to_eight_leads(ecgs), lambda signals: matrix @ signals)
    return to_twelve_leads(turned) if set(LEADS_12) <= set(ecgs.leads) else turned


def _in_blocks(ecgs, change, n_rows=128):
    """Apply `change` (float64 array to float64 array) to a few ECGs at a time, which saves memory."""
    signals = np.empty_like(ecgs.signals)
    for first in range(0, len(ecgs), n_rows):
        signals[first : first + n_rows] = change(ecgs.signals[first : first + n_rows].astype(float))
    return replace(ecgs, signals=signals)


def latent_shift(mu, reference_mean, reference_sd):
    """How far the mean of each latent lies from where it was in training; needs no labels.

    Parameters
    ----------
    mu : ndarray of float, shape (n, n_latents)
        Latents of the new ECGs.
    reference_mean, reference_sd : ndarray of float, shape (n_latents,)
        Of the training ECGs; differences come in these SDs.
    """
    mu = np.asarray(mu)
    if mu.ndim != 2 or not len(mu) or not np.isfinite(mu).all():
        raise ValueError(f"latents must be finite and one row per ECG; got shape {mu.shape}. Leave unusable beats out.")
    return (mu.mean(axis=0) - reference_mean) / reference_sd


def chance_shift(training_mu, n, n_draws=2000, seed=0):
    """Draw what `latent_shift` gives by chance if nothing changed, as a root mean square over latents.

    Parameters
    ----------
    training_mu : ndarray of float, shape (n_training, n_latents)
    n : int
        Number of new ECGs.
    n_draws, seed : int

    Returns
    -------
    ndarray of float, shape (n_draws,)
        Its 95th percentile is an alarm that rings falsely once in twenty.

    Notes
    -----
    Means of n people are drawn from a normal distribution with the correlations of the training latents; the training mean is
    uncertain, too, so the variances 1 / n and 1 / n_training add up. The ECGs of one person twice would need a wider one.
    """
    correlations = np.corrcoef(training_mu, rowvar=False)
    scale = np.sqrt(1 / n + 1 / len(training_mu))
    draws = np.random.default_rng(seed).multivariate_normal(np.zeros(len(correlations)), correlations, n_draws) * scale
    return np.sqrt((draws**2).mean(axis=1))
