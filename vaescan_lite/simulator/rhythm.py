"""When the heart beats: RR intervals, extra beats, pauses, dropped beats, and the fibrillation of the atria."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

LEAD_IN_S = 1.5  # beats start before the record and end after it, so that its edges hold whole waves
SHORTEST_RR_S = 0.33
N_EARLY = 3  # early beats in a run of bigeminy
WENCKEBACH_MS = ((1, 100.0), (2, 65.0))  # 4:3 block: so much longer is PR that many beats before the dropped one

NO_BEAT, DOMINANT, ECTOPIC, P_ONLY = 0, 1, 2, 3

# What each of an ECG's uniform random numbers decides, in the order in which they are drawn.
EVENTS = (
    "first_beat", "pause_at", "pause_length", "dropped_at", "bigeminy_at", "prematurity",
    "n_ectopic", "ectopic_in_0", "ectopic_in_1", "ectopic_in_2", "ectopic_order", "coupling",
)  # fmt: skip


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
    """Draw the times of all beats from standard normal numbers (n, n_slots) and uniform ones, a column for each of `EVENTS`."""
    event = dict(zip(EVENTS, uniform.T))
    usual_rr = 60 / parameters["rate_bpm"][:, None]
    intervals = _draw_intervals(factors, traits, usual_rr, normal)
    time = np.cumsum(intervals, axis=1) - LEAD_IN_S - usual_rr * (1 + event["first_beat"][:, None])
    kind = np.full(time.shape, DOMINANT)
    # Few of a record's beats are paused, dropped, early or ectopic: their median stays.
    time = _pause(time, factors["sinus_pause"], usual_rr, event, duration_s)
    time, pr_extra_ms = _drop_beat(time, kind, factors["wenckebach"], event, duration_s)
    intervals = _intervals_before(time, usual_rr)
    time = _couple_beats(time, intervals, factors["bigeminy"], usual_rr, event, duration_s)
    time = _add_ectopic_beats(time, kind, intervals, factors["PVC"], event, duration_s)
    kind[(time < -LEAD_IN_S) | (time > duration_s + LEAD_IN_S)] = NO_BEAT
    return Rhythm(time, kind, pr_extra_ms, _intervals_before(time, usual_rr))


def _draw_intervals(factors, traits, usual_rr, normal):
    """RR intervals in s, (n, n_slots), of sinus rhythm or of fibrillation."""
    variability = traits["variability"]
    # Sinus rhythm varies with breathing, by 1-5 % of RR in most people and 10-20 % in sinus arrhythmia, and at random.
    swing = 0.022 * np.exp(0.65 * variability) + 0.14 * np.exp(0.25 * variability) * factors["sinus_arrhythmia"]
    breath = breathing(traits, np.arange(normal.shape[1]) * usual_rr - LEAD_IN_S)
    smooth = (normal + np.roll(normal, 1, axis=1)) / np.sqrt(2)
    sinus = np.clip(1 + np.minimum(swing, 0.25)[:, None] * breath + 0.012 * smooth, 0.5, 2)
    # In atrial fibrillation intervals are independent, their coefficient of variation 0.17-0.25.
    spread = (0.21 * np.exp(0.15 * variability) * factors["AF"])[:, None]
    irregular = np.exp(spread * normal - spread**2 / 2)
    return np.maximum(usual_rr * np.where(factors["AF"][:, None] > 0, irregular, sinus), SHORTEST_RR_S)


def _pause(time, sinus_pause, usual_rr, event, duration_s):
    """Let the sinus node rest once, in the middle half of the record, for 1.0 to 1.6 intervals."""
    after_pause = _slot_after(time, duration_s * (0.25 + 0.5 * event["pause_at"]))
    length_s = sinus_pause[:, None] * (1.0 + 0.6 * event["pause_length"][:, None]) * usual_rr
    return time + np.where(np.arange(time.shape[1]) >= after_pause[:, None], length_s, 0)


def _drop_beat(time, kind, wenckebach, event, duration_s):
    """Wenckebach's block: PR lengthens over two beats before one is dropped, which is marked in `kind`."""
    pr_extra_ms = np.zeros(time.shape)
    dropped = _slot_after(time, duration_s * (0.35 + 0.5 * event["dropped_at"]))
    blocked = np.flatnonzero(wenckebach > 0)
    for n_before, extra_ms in WENCKEBACH_MS:
        pr_extra_ms[blocked, np.maximum(dropped[blocked] - n_before, 0)] = extra_ms * wenckebach[blocked]
    kind[blocked, dropped[blocked]] = P_ONLY
    return time + pr_extra_ms / 1000, pr_extra_ms


def _couple_beats(time, intervals, bigeminy, usual_rr, event, duration_s):
    """Bigeminy: in one run every other beat, three times, is an atrial one that comes after about 80 % of an interval."""
    start = np.maximum(duration_s - 2 * N_EARLY * usual_rr, 0) * event["bigeminy_at"][:, None]
    early = (np.arange(time.shape[1]) % 2 == 0) & (time > start) & (bigeminy[:, None] > 0)
    early &= np.cumsum(early, axis=1) <= N_EARLY
    return time - np.where(early, (0.16 + 0.06 * event["prematurity"][:, None]) * intervals, 0)


def _add_ectopic_beats(time, kind, intervals, pvc, event, duration_s):
    """One to three ventricular extrasystoles, in a third each, after 50-70 % of an interval; full compensatory pause."""
    time, rows = time.copy(), np.arange(len(time))
    n_ectopic = np.where(pvc > 0, 1 + (event["n_ectopic"] > 0.45) + (event["n_ectopic"] > 0.8), 0)
    early_share = 1 - (0.50 + 0.20 * event["coupling"])
    for third in range(3):
        slot = _slot_after(time, duration_s / 3 * (third + 0.2 + 0.5 * event[f"ectopic_in_{third}"]))
        turn = (third + np.floor(3 * event["ectopic_order"])) % 3  # which third is the first to have one
        chosen = (n_ectopic > turn) & (kind[rows, slot] == DOMINANT)
        interval = intervals[rows, slot]
        early_s = np.minimum(np.maximum(early_share * interval, 0), interval - SHORTEST_RR_S)
        kind[rows[chosen], slot[chosen]] = ECTOPIC
        time[rows[chosen], slot[chosen]] -= early_s[chosen]
    return time


def _slot_after(time, moment_s):
    return (time >= moment_s[:, None]).argmax(axis=1)


def _intervals_before(time, usual_rr):
    return np.diff(time, axis=1, prepend=time[:, :1] - usual_rr)


def median_rr_s(rhythm, duration_s):
    """Median of the RR intervals inside the record, shape (n,); NaN with fewer than two beats."""
    beat = ((rhythm.kind == DOMINANT) | (rhythm.kind == ECTOPIC)) & (rhythm.time_s >= 0) & (rhythm.time_s < duration_s)
    gaps = np.diff(np.sort(np.where(beat, rhythm.time_s, np.nan), axis=1), axis=1)  # NaN last
    return np.array([np.nanmedian(row) if np.isfinite(row).any() else np.nan for row in gaps])


def breath_rate_hz(traits):
    """Breaths a second, 0.17 to 0.33."""
    return 0.17 + 0.16 * ndtr(traits["breath_rate"])


def breathing(traits, time_s):
    """Breathing, between -1 and 1, at times of shape (n, k) from the start of the record."""
    phase = 2 * np.pi * ndtr(traits["breath_phase"])
    return np.sin(2 * np.pi * breath_rate_hz(traits)[:, None] * time_s + phase[:, None])


def fibrillation(traits, curves, fs):
    """Fibrillatory waves in mV, (n, n_samples), of 4-9 Hz, mean about 6 Hz; two slow random curves modulate rate and size."""
    rate = 4.6 + 3.6 * ndtr(traits["fibrillation_rate"])
    hz = np.clip(rate[:, None] * (1 + 0.08 * curves[:, 0]), 4, 9)
    phase = 2 * np.pi * np.cumsum(hz, axis=1) / fs
    wave = np.sin(phase) + 0.35 * np.sin(2 * phase + 0.6)
    size = 0.03 * np.exp(0.4 * traits["fibrillation_size"])[:, None]  # median in mV, along the atrial vector
    return size * np.clip(1 + 0.35 * curves[:, 1], 0.2, 2) * wave
