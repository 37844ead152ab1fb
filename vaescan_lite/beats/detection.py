"""QRS complexes found on all leads together."""

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from ..ecg import to_eight_leads
from .filters import BLOCK, band_pass_gain, detection_rate, from_spectrum, padded_length, to_spectrum
from .spikes import cut_spikes

QRS_BAND_HZ = (5.0, 25.0)  # where QRS complexes stand out most from P and T waves, drift and mains
QRS_SPREAD_S = 0.04  # SD of the Gaussian that merges the slopes of one QRS into one hump, also of a wide one
STRETCH_S = 1.5  # holds a beat or more down to 40 beats a minute
REFRACTORY_S = 0.20  # two complexes are never closer than this
SMALLEST_BEAT = 0.12  # energy of the smallest beat that counts, relative to the usual one
FAINTEST_BEAT = 0.03  # ... and of one that counts in a pause, where a wide ectopic beat may be
REACH_OF_T_S = 0.32  # the steepest part of a T wave is nearer than this to its QRS
SMALLEST_SLOPE_MV_PER_S = 1.2  # of a QRS of about 50 uV
TINY = np.finfo(np.float32).tiny


def r_peaks(ecgs):
    """Find the QRS complexes of ECGs, on all leads together: for each ECG their sample indices, ascending; none in a flat ECG.

    Each lead is band-passed (5-25 Hz) and differentiated. The size of its slope is divided by that of a usual beat of the lead
    (the median over stretches of 1.5 s of the maximum) and limited to 1.4 times that; the lead with the largest slope is left
    out, the mean of the others squared and smoothed by a Gaussian of 40 ms. So one bad lead can neither hide a beat nor make
    one. A beat is a maximum over +-200 ms with more than 0.12 of the energy of a usual beat; on real ECGs T waves and noise
    stay below 0.06 and nearly all ectopic beats above 0.13. In a pause of 1.5 usual RR intervals 0.03 is enough. The index is
    the middle of the QRS in this sense, the same for all leads, not the tip of R in one of them. Pacing spikes are cut out
    before.

    Parameters
    ----------
    ecgs : EcgSet
        ECGs with at least the leads I, II and V1 ... V6, at 100 Hz or more, 3 s or longer. Leads that hold NaN are not used.
    """
    signals = np.nan_to_num(to_eight_leads(ecgs).signals, nan=0.0, posinf=0.0, neginf=0.0)
    check_rate_and_length(ecgs.fs, signals.shape[-1])
    peaks = []
    for start in range(0, len(signals), BLOCK):
        block = cut_spikes(signals[start : start + BLOCK], ecgs.fs)[0]
        n_padded = padded_length(block.shape[-1], ecgs.fs)
        row, time_s = find_qrs(to_spectrum(block, n_padded), n_padded, ecgs.fs, block.shape[-1])
        index = np.clip(np.rint(time_s * ecgs.fs).astype(int), 0, block.shape[-1] - 1)
        peaks.extend(np.split(index, np.searchsorted(row, np.arange(1, len(block)))))
    return peaks


def check_rate_and_length(fs, n_samples):
    """Refuse ECGs in which beats cannot be found."""
    if fs < 100:
        raise ValueError(f"R peaks need ECGs at 100 Hz or more; got {fs:g} Hz. A QRS complex lasts only 80-120 ms.")
    if n_samples < 3 * fs:
        raise ValueError(f"R peaks need ECGs of 3 s or longer; got {n_samples / fs:g} s ({n_samples} samples at {fs:g} Hz).")


def find_qrs(spectrum, n_padded, fs, n_samples):
    """Rows and times in s (between samples) of the QRS complexes; rows ascending, times ascending within a row."""
    n_out = round(n_padded * detection_rate(fs) / fs)
    rate = fs * n_out / n_padded
    frequency_hz = np.fft.rfftfreq(n_padded, 1 / fs)
    gain = 2j * np.pi * frequency_hz * band_pass_gain(frequency_hz, *QRS_BAND_HZ, order=4)  # order 4: mains are near
    slope = from_spectrum(spectrum, gain, n_padded, n_out)  # mV/s
    energy = joint_energy(slope[..., : int(n_samples * rate / fs)] ** 2, rate)
    usual = energy_of_a_beat(energy, rate)[:, np.newaxis]
    is_peak = maximum_filter1d(energy, 2 * int(REFRACTORY_S * rate) + 1, axis=-1) == energy
    is_peak &= energy > FAINTEST_BEAT * np.maximum(usual, TINY)
    is_peak[:, 1:] &= ~is_peak[:, :-1]  # the first of two equal samples
    is_peak[:, [0, -1]] = False
    row, index = np.nonzero(is_peak)
    is_beat = energy[row, index] > SMALLEST_BEAT * usual[row, 0]
    is_beat |= fills_a_gap(row, index / rate, is_beat)
    row, index = row[is_beat], index[is_beat]
    return row, (index + vertex(energy, row, index)) / rate


def fills_a_gap(row, time_s, is_beat):
    """Mask of faint peaks in the middle of a pause between beats that is half as long again as usual."""
    fills = np.zeros(len(row), dtype=bool)
    for i in np.flatnonzero(~is_beat):  # few, since noise, P and T waves are fainter still
        beats_s = time_s[is_beat & (row == row[i])]
        after = np.searchsorted(beats_s, time_s[i])
        if 0 < after < len(beats_s):
            gap_s, usual_s = beats_s[after] - beats_s[after - 1], np.median(np.diff(beats_s))
            distance_s = min(time_s[i] - beats_s[after - 1], beats_s[after] - time_s[i])
            fills[i] = gap_s > 1.5 * usual_s and distance_s > REACH_OF_T_S
    return fills


def vertex(y, row, index):
    """Offset of the vertex of the parabola through three samples, within -0.5 ... 0.5, (n_peaks,)."""
    before, peak, after = y[row, index - 1], y[row, index], y[row, index + 1]
    return np.clip(0.5 * (before - after) / np.minimum(before - 2 * peak + after, -TINY), -0.5, 0.5)


def energy_of_a_beat(energy, rate):
    """Median over stretches of time of the maximal energy in each, over the last axis."""
    length = min(round(STRETCH_S * rate), energy.shape[-1])
    n_stretches = energy.shape[-1] // length
    stretches = energy[..., : n_stretches * length].reshape(*energy.shape[:-1], n_stretches, length)
    return np.median(stretches.max(axis=-1), axis=-1)


def joint_energy(energy, rate):
    """One energy per ECG, (n_ecgs, n_samples), from that of its leads; a usual beat has about 1."""
    usual = energy_of_a_beat(energy, rate)
    # A lead with less than a sixth of the second largest slope, or that of a QRS of 50 uV, does not get a full vote.
    second = np.partition(usual, -2, axis=-1)[:, -2:-1]
    usual = np.maximum(usual, np.maximum(0.03 * second, SMALLEST_SLOPE_MV_PER_S**2))[..., np.newaxis]
    relative = np.sqrt(np.minimum(energy / usual, 2))
    joint = ((relative.sum(axis=1) - relative.max(axis=1)) / (relative.shape[1] - 1)) ** 2
    return gaussian_filter1d(joint, QRS_SPREAD_S * rate, axis=-1)
