"""Where P, QRS and T begin and end in a median beat. What is measured between these boundaries lives in `values`."""

import math
from typing import NamedTuple

import numpy as np
from scipy import fft
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, uniform_filter1d

from ..beats.filters import low_pass_gain
from ..ecg import to_twelve_leads

FINE_HZ = 500.0  # beats are interpolated to this rate
PAD_S = 0.16  # by which beats are prolonged at both ends, mirrored in their first and last sample
SLOPE_BAND_HZ = 40.0  # where the slopes that show the edges of waves are halved
GRID_HZ = 250.0  # enough for smoothed speeds; crossings of thresholds are interpolated between its samples

# The end of T. Smoothing and shares were chosen on LUDB as `delineate` says; the other times are this project's choice.
T_AFTER_QRS_MS = 80.0  # T is looked for from here on after the end of QRS ...
T_BEFORE_NEXT_R_MS = 180.0  # ... until the next P wave may begin
T_SMOOTHING_MS = 20.0
T_FALLS_BEFORE_END_MS = 40.0  # T falls most steeply about this long before its end
T_PLACE_MS = 100.0  # a steep part this far from the usual place of the fall counts half
T_STEEP_SHARE = 0.4  # the fall of T is the last place with this share of the greatest speed so weighted, or more ...
T_NEAR_MS = 40.0  # ... and as fast as the fastest place within this distance of it
T_END_SHARES = (0.3, 0.4, 0.5, 0.6)  # T ends where less than these shares of that speed are left, in the mean
# An ordinary QT is 400 ms RR^(1/3) (Fridericia 1920); an RR interval that is not known counts as 0.9 s.
USUAL_QT_MS, USUAL_RR_S = 400.0, 0.9


class Boundaries(NamedTuple):
    """Wave boundaries of n beats, float, shape (n,), in ms from the R sample; NaN where there is no such wave."""

    p_onset_ms: np.ndarray
    p_offset_ms: np.ndarray
    qrs_onset_ms: np.ndarray
    qrs_offset_ms: np.ndarray
    t_offset_ms: np.ndarray


def interpolate(signals, fs, r_index):
    """Interpolate beats by the curve through their samples that holds no frequency above half their rate.

    A wave of 35 Hz at 100 samples a second is given back to within 3 %, where cubic splines lose a seventh of it. `signals`
    (n_beats, n_leads, n_times) are in mV at `fs` Hz, the R peak at the sample `r_index`. Returned are ``time_ms`` (n_fine,),
    milliseconds from the R sample, 2 ms apart, and ``fine`` and ``slope`` (n_beats, n_leads, n_fine), in mV and mV/ms; the
    slope is gently low-passed (`SLOPE_BAND_HZ`), so that the edges of waves, which are sought on it, depend little on the
    filter of the beats.
    """
    n_times = signals.shape[-1]
    pad, factor = round(PAD_S * fs), max(1, math.ceil(FINE_HZ / fs))
    reach = np.minimum(np.arange(pad, 0, -1), n_times - 1)
    first, last = signals[..., :1], signals[..., -1:]
    before, after = 2 * first - signals[..., reach], 2 * last - signals[..., n_times - 1 - reach[::-1]]
    long = np.concatenate([before, signals, after], axis=-1)
    # The transform joins both ends: without the line from one to the other nothing jumps there.
    n_long = long.shape[-1]
    line_step = (long[..., -1:] - long[..., :1]) / (n_long - 1)
    spectrum = fft.rfft(long - long[..., :1] - line_step * np.arange(n_long), axis=-1)
    frequency_hz = np.fft.rfftfreq(n_long, 1 / fs)
    if n_long % 2 == 0:
        spectrum[..., -1] *= 0.5 if factor > 1 else 1  # half of it belongs to the negative frequency
    inside = slice(pad * factor, (pad + n_times - 1) * factor + 1)
    fine = factor * fft.irfft(spectrum, n=n_long * factor, axis=-1)[..., inside]
    fine += long[..., :1] + line_step * (np.arange(n_long * factor)[inside] / factor)
    gain = 2j * np.pi * frequency_hz / 1000 * low_pass_gain(frequency_hz, SLOPE_BAND_HZ, 2)
    slope = factor * fft.irfft(spectrum * gain, n=n_long * factor, axis=-1)[..., inside] + line_step * fs / 1000

    step_ms = 1000 / FINE_HZ
    sample_ms = (np.arange((n_times - 1) * factor + 1) - r_index * factor) * 1000 / (fs * factor)
    time_ms = np.arange(np.ceil(sample_ms[0] / step_ms), np.floor(sample_ms[-1] / step_ms) + 1) * step_ms
    if fs * factor == FINE_HZ:
        return time_ms, fine, slope
    return time_ms, *(CubicSpline(sample_ms, values, axis=-1)(time_ms) for values in (fine, slope))


def delineate(time_ms, fine, slope, rr_s, noise_uV, p_consistency=None):
    """Boundaries of P, QRS and T, by the rule "median over leads".

    Each boundary is where the speed of the ECG, the length of the vector of all lead slopes, falls to a share of its peak in
    that wave; the leads are brought towards equal size first, so that none decides alone. Shares and smoothing times were
    chosen on 100 records of LUDB 1.0.1 (Kalyakulina et al. 2020, ODC-BY 1.0), as the middle of a range in which they matter
    little. Mean absolute error there against the cardiologists' median over leads, with the gains of the headers (with equal
    gains): QRS 6.9 (7.2) ms, PR 5.2 (5.2) ms, QT 8.7 (9.3) ms at 500 Hz, and within 0.5 ms of that at 100 Hz. Where no end of
    QRS is found within an RR interval, as in a ventricular tachycardia, nothing else of the beat is known either. `time_ms`,
    `fine` and `slope` are `interpolate`'s, of the eight independent leads; `rr_s`, `noise_uV` and `p_consistency` (n_beats,)
    those of `beats.quality`, NaN where not known: RR interval in seconds, noise of a single beat in uV, and how alike beats are
    where P lies.
    """
    p_consistency = np.full(len(fine), np.nan) if p_consistency is None else p_consistency
    step = round(FINE_HZ / GRID_HZ)
    time_ms, fine, slope = time_ms[::step], fine[..., ::step], slope[..., ::step]
    activity, qrs_onset, qrs_offset = _qrs(time_ms, slope)
    t_offset = _t_end(time_ms, slope, qrs_onset, qrs_offset, rr_s)
    p_onset, p_offset = _p_wave(time_ms, fine, activity, t_offset, rr_s, noise_uV, p_consistency)
    rr_ms = np.where(np.isfinite(rr_s), 1000 * rr_s, np.inf)
    has_qrs = qrs_offset - qrs_onset < rr_ms  # False where either is NaN
    has_p = has_qrs & (qrs_onset - p_onset < rr_ms - (qrs_offset - qrs_onset) - T_AFTER_QRS_MS)  # after the QRS before
    edges = Boundaries(p_onset, p_offset, qrs_onset, qrs_offset, t_offset)
    return Boundaries(*(np.where(known, edge, np.nan) for known, edge in zip((has_p, has_p, *[has_qrs] * 3), edges)))


def _speed(slope, sigma_ms, window, balance, leads=8):
    """Length of the vector of smoothed slopes of 8 or 12 leads, (n_beats, n_fine).

    Each lead is divided by a power `balance` of its steepest slope in the window: 0 leaves the leads as they are, 1 gives all
    the same weight. A lead below a tenth of the steepest one counts as a tenth, so that noise is not made large.
    """
    smooth = gaussian_filter1d(slope, sigma_ms * GRID_HZ / 1000, axis=-1)
    if leads == 12:
        smooth = to_twelve_leads(smooth)
    if balance:
        steepest = _peak(np.abs(smooth), window[:, None])
        steepest = np.maximum(steepest, 0.1 * steepest.max(axis=-1, keepdims=True))
        smooth = smooth / np.where(steepest > 0, steepest, 1)[..., None] ** balance
    return np.sqrt(np.einsum("blt,blt->bt", smooth, smooth))


def _qrs(time_ms, slope):
    """First activity (QRS, or a pacing spike that runs into it), onset and end of QRS."""
    everywhere = np.ones((len(slope), len(time_ms)), dtype=bool)
    sharp = _speed(slope, 4.0, everywhere, 0.0)
    energy = uniform_filter1d(sharp**2, round(80 * GRID_HZ / 1000), axis=-1)
    core = np.where(np.abs(time_ms) < 100, energy, -1).argmax(axis=-1)
    near = np.abs(time_ms - time_ms[core][:, None]) < 50

    speed = _speed(slope, 8.0, near, 1.0)
    activity = _walk(time_ms, speed, near, 0.13, crossing_before)
    # A slow start may last 15 ms; what lies before it (a pacing spike, the end of P) is not QRS.
    steep = _walk(time_ms, sharp, near, 0.16, crossing_before)
    onset = np.fmax(_walk(time_ms, _bridge(speed, 8), near, 0.06, crossing_before) + 8, steep - 15)
    # A pause of up to 48 ms does not end the QRS: the late, small forces of a right bundle branch block follow one.
    # A slow end may last 10 ms, lest a steep ST segment of a left bundle branch block be taken in.
    # All twelve leads with the same weight, as cardiologists mark them all: the gain of a lead moves the end little.
    bridged = _bridge(_speed(slope, 6.0, near, 1.0, leads=12), 24)
    slow, steep = (_walk(time_ms, bridged, near, share, crossing_after) - 24 for share in (0.14, 0.22))
    return np.fmin(activity, onset), onset, np.fmin(slow, steep + 10)


def _bridge(speed, reach_ms):
    """Largest speed within so many milliseconds on either side: it passes over pauses of twice that length."""
    return maximum_filter1d(speed, 2 * round(reach_ms * GRID_HZ / 1000) + 1, axis=-1)


def _walk(time_ms, speed, near, share, crossing):
    """Where the speed falls to a share of its peak, going outwards from the first or the last steep part near the core."""
    peak = _peak(speed, near)
    # In a beat whose leads all peak together the speed is zero there: the walk must not begin on the far side of it.
    steep = near & (speed >= 0.5 * peak[:, None])
    start = steep.argmax(axis=-1) if crossing is crossing_before else _last(steep)
    return crossing(time_ms, speed, share * peak, start)


def _peak(values, window):
    """Largest value in a window, (n_beats,); 0 where it is empty."""
    return np.where(window, values, 0).max(axis=-1)


def _last(mask):
    """Last sample that a mask marks, (n_beats,); the very last where it marks none."""
    return mask.shape[-1] - 1 - mask[:, ::-1].argmax(axis=-1)


def _t_end(time_ms, slope, qrs_onset_ms, qrs_offset_ms, rr_s):
    """End of T: where the last steep part of the ST-T segment levels off."""
    latest_ms = np.fmin(time_ms[-1] - 5, rr_s * 1000 - T_BEFORE_NEXT_R_MS)
    window = (time_ms > qrs_offset_ms[:, None] + T_AFTER_QRS_MS) & (time_ms < latest_ms[:, None])
    speed = _speed(slope, T_SMOOTHING_MS, window, 0.5, leads=12)
    # A steep part counts less, the further it is from where T usually falls: so U waves, the ST segment and the next P do not
    # pass for T.
    rr_s = np.where(np.isfinite(rr_s), rr_s, USUAL_RR_S)
    usual_ms = qrs_onset_ms + USUAL_QT_MS * np.cbrt(rr_s) - T_FALLS_BEFORE_END_MS
    likely = np.where(window, speed, 0) / (1 + ((time_ms - usual_ms[:, None]) / T_PLACE_MS) ** 2)
    most = likely.max(axis=-1)
    fall = _last(likely >= T_STEEP_SHARE * most[:, None])
    steepest = _peak(speed, window & (np.abs(time_ms - time_ms[fall][:, None]) <= T_NEAR_MS))
    # Where the next wave comes before it is level: the flattest place between.
    after = window & (np.arange(len(time_ms)) >= fall[:, None])
    flattest_ms = time_ms[np.where(after, speed, np.inf).argmin(axis=-1)]
    # The mean over several levels: a shoulder near any one of them moves the end little.
    ends_ms = [crossing_after(time_ms, speed, share * steepest, fall) for share in T_END_SHARES]
    end_ms = np.mean([np.where(end_ms <= latest_ms, end_ms, flattest_ms) for end_ms in ends_ms], axis=0)
    return np.where(most > 0, end_ms, np.nan)


def _p_wave(time_ms, fine, activity_ms, t_offset_ms, rr_s, noise_uV, p_consistency):
    """Onset and end of P, NaN where there is none."""
    after_last_t_ms = np.fmax(time_ms[0], t_offset_ms - rr_s * 1000)
    earliest_ms = np.minimum(after_last_t_ms, activity_ms - 160)
    diastole = _hold(time_ms, fine, earliest_ms, activity_ms - 12)
    bump = _bumps(diastole)
    window = (time_ms >= earliest_ms[:, None] + 20) & (time_ms <= activity_ms[:, None] - 40)
    height = _peak(np.abs(bump), window[:, None])
    height = np.maximum(height, 0.2 * height.max(axis=-1, keepdims=True))
    joint = np.sqrt(np.square(bump / np.where(height > 0, height, 1)[..., None]).sum(axis=1))
    centre_ms = time_ms[np.where(window, joint, -1).argmax(axis=-1)][:, None]

    near = np.abs(time_ms - centre_ms) < 80
    speed = _speed(np.gradient(diastole, time_ms, axis=-1), 10.0, near, 1.0)
    peak = _peak(speed, near)
    rise = np.where(near & (time_ms <= centre_ms), speed, 0)
    fall = np.where(near & (time_ms >= centre_ms), speed, 0)
    first = (rise >= 0.5 * rise.max(axis=-1, keepdims=True)).argmax(axis=-1)
    last = _last(fall >= 0.7 * fall.max(axis=-1, keepdims=True))
    onset = np.fmax(crossing_before(time_ms, speed, 0.35 * peak, first), time_ms[0])
    offset = np.fmin(crossing_after(time_ms, speed, 0.7 * peak, last), activity_ms)

    wave = window & (time_ms >= onset[:, None] - 10) & (time_ms <= offset[:, None] + 10)
    before = (time_ms >= earliest_ms[:, None] + 25) & (time_ms <= onset[:, None] - 40)
    next_p_ms = np.fmin(rr_s * 1000 - 360, time_ms[-1] - 30)
    after = (time_ms > t_offset_ms[:, None] + 50) & (time_ms < next_p_ms[:, None])
    has_p = _p_is_there(bump, _bumps(fine), wave, before | after, offset - onset, noise_uV, p_consistency)
    return np.where(has_p, onset, np.nan), np.where(has_p, offset, np.nan)


def _bumps(leads):
    """How much each lead is bent like a P wave at each time, in mV: minus the second derivative of a Gaussian of 25 ms."""
    sigma = 25 * GRID_HZ / 1000
    return -gaussian_filter1d(leads, sigma, axis=-1, order=2) * sigma**2


def _p_is_there(diastole, whole, wave, rest, p_ms, noise_uV, p_consistency):
    """Whether the bump found is a P wave, (n_beats,): a logistic regression on five numbers.

    They are: its height against the noise of one beat (10 uV where that is not known; from 4.5 times on more height says no
    more), against the other bumps between T and P, how far its length is from 100 ms, how far it points to the left and down,
    as the sinus P wave does, and how alike the beats are where P lies (0.7 where that is not known). Weights and threshold were
    fitted on 100 records of LUDB (85 with P) at 500 and 100 Hz, with either gains, and rounded; cross-validated there, P is
    found in 96 % of the records with P and in 8 % without. Not used to choose: on PTB-XL (Wagner et al. 2020, CC BY 4.0) P is
    found in 3 of 100 records with atrial fibrillation, in 3 of 12 with flutter, in 98 % of those with sinus rhythm and in 91 %
    of those with a first degree AV block, whose P can lie on the T wave before.
    """
    size = 1000 * np.sqrt(np.square(diastole).sum(axis=1))  # uV
    rows, at_peak = np.arange(len(size)), np.where(wave, size, -1).argmax(axis=-1)
    height = np.maximum(size[rows, at_peak], 2)
    # Lead I points to the left, lead II to the left and down.
    direction = 1000 * diastole[rows, :2, at_peak].sum(axis=1) / height
    n_rest = rest.sum(axis=-1)
    rest_uv = 1000 * np.sqrt(np.where(rest, np.square(whole).sum(axis=1), 0).sum(axis=-1) / np.maximum(n_rest, 1))
    enough = n_rest * 1000 / GRID_HZ >= 40
    contrast = np.where(enough, np.log(np.clip(height / np.maximum(rest_uv, 1), 0.3, 30)), 1.5)
    # At fast rates the waves of the next beat count as noise, so more than 25 uV is not believed.
    noise = np.clip(np.where(np.isfinite(noise_uV), noise_uV, 10.0), 2, 25)
    score = (
        2.3 * np.minimum(np.log(height / noise), 1.5)
        + 0.45 * contrast
        - 1.1 * np.abs(np.log(np.clip(p_ms, 20, 400) / 100))
        + 4.5 * np.clip(direction, -1, 1.5)
        + 7.0 * np.clip(np.where(np.isfinite(p_consistency), p_consistency, 0.7), 0, 1)
        - 8.4
    )
    return wave.any(axis=-1) & (score >= 0)


def _hold(time_ms, fine, start_ms, end_ms):
    """Keep the beats between two times; outside, each lead stays at the value it has there."""
    first = np.clip(np.searchsorted(time_ms, start_ms), 0, len(time_ms) - 2)
    last = np.clip(np.searchsorted(time_ms, end_ms), first + 1, len(time_ms) - 1)
    return np.take_along_axis(fine, np.clip(np.arange(len(time_ms)), first[:, None], last[:, None])[:, None], axis=-1)


def crossing_before(time_ms, values, threshold, start):
    """Time (n_beats,) at which `values` (n_beats, n_fine) last rose above `threshold` before sample `start`; NaN if never."""
    return crossing_after(time_ms[::-1], values[:, ::-1], threshold, len(time_ms) - 1 - start)  # the same, seen backwards


def crossing_after(time_ms, values, threshold, start):
    """Time at which `values` first falls below `threshold` after sample `start`, between samples linearly; NaN if never."""
    n_fine = values.shape[-1]
    sample, rows = np.arange(n_fine), np.arange(len(values))
    below = (values < threshold[:, None]) & (sample >= start[:, None])
    first = np.where(below, sample, n_fine).min(-1)
    outside, inside = np.minimum(first, n_fine - 1), np.maximum(first - 1, 0)
    low, high = values[rows, outside], values[rows, inside]
    share = np.clip(np.where(high > low, (threshold - low) / np.where(high > low, high - low, 1), 0), 0, 1)
    return np.where(first < n_fine, time_ms[outside] + share * (time_ms[inside] - time_ms[outside]), np.nan)
