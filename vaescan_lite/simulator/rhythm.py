"""When the heart beats: RR intervals, extra beats, pauses, dropped beats, and the fibrillation of the atria."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

LEAD_IN_S = 1.5  # beats start before the record and end after it, so that its edges hold whole waves
SHORTEST_RR_S = 0.33
N_EARLY = 3  # early beats in a run of bigeminy

NO_BEAT, DOMINANT, ECTOPIC, P_ONLY = 0, 1, 2, 3


class Rhythm(NamedTuple):
    """Beats of n ECGs in a fixed number of slots; unused slots have kind NO_BEAT."""

    time_s: np.ndarray  # (n, n_slots) of the reference point of QRS, from the start of the record
    kind: np.ndarray  # (n, n_slots)
    pr_extra_ms: np.ndarray  # (n, n_slots) by how much PR is longer than usual
    rr_before_s: np.ndarray  # (n, n_slots)


def n_slots(duration_s):
    """Most beats that a record of this length can need."""
    return int(np.ceil((duration_s + 2 * LEAD_IN_S) / SHORTEST_RR_S)) + 2


def make_rhythm(factors, traits, parameters, normal, uniform, duration_s):
    """Draw the times of all beats.

    Parameters
    ----------
    factors, traits, parameters : dict of str to ndarray, shape (n,)
        As in `dipole.make_beats`.
    normal : ndarray, shape (n, n_slots)
        Standard normal numbers, one per beat.
    uniform : ndarray, shape (n, 12)
        Numbers between 0 and 1 that place the single events.
    duration_s : float
        Length of the record.

    Returns
    -------
    Rhythm
        Sinus rhythm varies with breathing (1-5 % of RR in most people, 10-20 % in sinus arrhythmia) and at random; in atrial
        fibrillation RR intervals are independent with a coefficient of variation of 0.17-0.25. A ventricular extrasystole
        comes after 50-70 % of an interval with a full compensatory pause; bigeminy is a run in which every other beat, three
        times, is an atrial one after about 80 %; in Wenckebach's block PR lengthens over two beats before one is dropped (4:3);
        a sinus pause adds 1.0 to 1.6 intervals. Most beats of a record are as without these, and so is their median.
    """
    f, n, slots = factors, len(normal), normal.shape[1]
    rr = 60 / parameters["rate_bpm"][:, None]
    index = np.arange(slots)
    breath = 2 * np.pi * breath_rate_hz(traits)[:, None] * (index * rr - LEAD_IN_S) + breath_phase(traits)[:, None]
    sinus = 0.022 * np.exp(0.65 * traits["variability"]) + 0.14 * np.exp(0.25 * traits["variability"]) * f["sinus_arrhythmia"]
    smooth = (normal + np.roll(normal, 1, axis=1)) / np.sqrt(2)
    varied = np.clip(1 + np.minimum(sinus, 0.25)[:, None] * np.sin(breath) + 0.012 * smooth, 0.5, 2)
    spread = (0.21 * np.exp(0.15 * traits["variability"]) * f["AF"])[:, None]
    irregular = np.exp(spread * normal - spread**2 / 2)
    interval = np.maximum(rr * np.where(f["AF"][:, None] > 0, irregular, varied), SHORTEST_RR_S)
    time = np.cumsum(interval, axis=1) - LEAD_IN_S - rr * (1 + uniform[:, :1])
    rows = np.arange(n)

    at = _slot_after(time, duration_s * (0.25 + 0.5 * uniform[:, 1]))
    longer = f["sinus_pause"][:, None] * (1.0 + 0.6 * uniform[:, 2:3]) * rr
    time = time + np.where(index >= at[:, None], longer, 0)

    kind = np.full((n, slots), DOMINANT)
    pr_extra = np.zeros((n, slots))
    dropped = _slot_after(time, duration_s * (0.35 + 0.5 * uniform[:, 3]))
    blocked = f["wenckebach"] > 0
    for back, extra_ms in ((1, 100.0), (2, 65.0)):
        slot = np.maximum(dropped - back, 0)
        pr_extra[rows, slot] = np.where(blocked, extra_ms * f["wenckebach"], 0)
    time = time + pr_extra / 1000
    kind[rows[blocked], dropped[blocked]] = P_ONLY

    interval = np.diff(time, axis=1, prepend=time[:, :1] - rr)
    start = np.maximum(duration_s - 2 * N_EARLY * rr, 0) * uniform[:, 4:5]
    early = (index % 2 == 0) & (time > start) & (f["bigeminy"][:, None] > 0)
    early &= np.cumsum(early, axis=1) <= N_EARLY
    time = time - np.where(early, (0.16 + 0.06 * uniform[:, 5:6]) * interval, 0)

    n_extra = np.where(f["PVC"] > 0, 1 + (uniform[:, 6] > 0.45) + (uniform[:, 6] > 0.8), 0)
    for third in range(3):
        slot = _slot_after(time, duration_s / 3 * (third + 0.2 + 0.5 * uniform[:, 7 + third]))
        chosen = (n_extra > (third + np.floor(3 * uniform[:, 10])) % 3) & (kind[rows, slot] == DOMINANT)
        kind[rows[chosen], slot[chosen]] = ECTOPIC
        coupling = 0.50 + 0.20 * uniform[:, 11]
        moved = np.maximum((1 - coupling) * interval[rows, slot], 0)
        time[rows[chosen], slot[chosen]] -= np.minimum(moved, interval[rows, slot] - SHORTEST_RR_S)[chosen]
    interval = np.diff(time, axis=1, prepend=time[:, :1] - rr)
    kind[(time < -LEAD_IN_S) | (time > duration_s + LEAD_IN_S)] = NO_BEAT
    return Rhythm(time, kind, pr_extra, interval)


def median_rr_s(rhythm, duration_s):
    """Median of the RR intervals inside the record, shape (n,); NaN with fewer than two beats."""
    beat = ((rhythm.kind == DOMINANT) | (rhythm.kind == ECTOPIC)) & (rhythm.time_s >= 0) & (rhythm.time_s < duration_s)
    times = np.sort(np.where(beat, rhythm.time_s, np.nan), axis=1)  # NaN last
    gaps = np.diff(times, axis=1)
    return np.array([np.nanmedian(row) if np.isfinite(row).any() else np.nan for row in gaps])


def breath_rate_hz(traits):
    """Breaths a second, 0.17 to 0.33."""
    return 0.17 + 0.16 * ndtr(traits["breath_rate"])


def breath_phase(traits):
    """Phase of breathing at the start of the record, radians."""
    return 2 * np.pi * ndtr(traits["breath_phase"])


def fibrillation(traits, curve, duration_s, fs):
    """Fibrillatory waves of the atria as a dipole signal.

    Parameters
    ----------
    traits : dict of str to ndarray, shape (n,)
        Rate and size per person.
    curve : ndarray, shape (n, 2, n_samples)
        Two slow random curves of unit size: they modulate rate and size.
    duration_s, fs : float
        Length in seconds and rate in Hz.

    Returns
    -------
    ndarray, shape (n, n_samples)
        Unit-size waves of 4-9 Hz, mean about 6 Hz, times the amplitude in mV: median 0.03 mV along the atrial vector.
    """
    rate = 4.6 + 3.6 * ndtr(traits["fibrillation_rate"])
    hz = np.clip(rate[:, None] * (1 + 0.08 * curve[:, 0]), 4, 9)
    phase = 2 * np.pi * np.cumsum(hz, axis=1) / fs
    wave = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.6)
    size = 0.03 * np.exp(0.4 * traits["fibrillation_size"])[:, None]
    return size * np.clip(1 + 0.35 * curve[:, 1], 0.2, 2) * wave


def _slot_after(time, moment_s):
    return (time >= moment_s[:, None]).argmax(axis=1)
