"""From R peaks to median beats, as arrays: ectopic beats set aside, alignment between samples, median, PR level."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..ecg import beat_time_s
from .detection import QRS_SPREAD_S, TINY, vertex

PATCH_S = 0.10  # half the stretch of time in which beats are compared and aligned: the QRS
SAME_SHAPE = 0.75  # likeness (1: identical, 0: nothing in common) from which two beats have the same shape
PREMATURE = 0.80  # a beat after less than this share of the usual RR interval comes too early ...
REGULAR_SHARE = 0.60  # ... if at least this share of the RR intervals lies within 10 % of the usual one (in AF fewer do)
# Of beats with equally many lookalikes, one that keeps the rhythm is typical (in bigeminy the ectopic beats come early), then
# the narrowest (conducted beats are narrower than ectopic and paced ones). A lookalike counts 1 and narrowness is at most 1:
# so no criterion is ever outvoted by those after it.
RHYTHM_VOTE, NARROW_VOTE = 0.5, 0.4
MAX_SHIFT_S = 0.04  # alignment moves no beat further than this from where it was found
MAX_STEP_S = 0.01  # ... and in one round no further than this, as far as the linear approximation holds
N_ALIGNMENTS = 2
N_TAPS = 8
LEVEL_SPREAD_S = 0.01
P_SPAN_S = (-0.35, -0.10)  # most P waves lie here, from the R peak
BUMP_S = 0.04  # a P wave stands out against what lies this far on either side


def starts(count):
    """Index of the first beat of each ECG, the beats of all of them in one row."""
    return np.cumsum(count) - count


def rhythm(row, time_s, n_ecgs):
    """Median RR interval, its variability (SD, root mean square of successive differences), number of complexes of each ECG."""
    n_beats = np.bincount(row, minlength=n_ecgs)
    rr_s = _side_by_side(_intervals_s(row, time_s), row, n_beats)[:, 1:]  # no interval ends at the first beat
    median_rr_s, sd_s, rmssd_s = np.full((3, n_ecgs), np.nan)
    median_rr_s[n_beats >= 2] = np.nanmedian(rr_s[n_beats >= 2], axis=1)
    sd_s[n_beats >= 3] = np.nanstd(rr_s[n_beats >= 3], axis=1, ddof=1)
    rmssd_s[n_beats >= 3] = np.sqrt(np.nanmean(np.diff(rr_s[n_beats >= 3], axis=1) ** 2, axis=1))
    return {"rr_s": median_rr_s, "rr_sd_s": sd_s, "rr_rmssd_s": rmssd_s, "n_beats": n_beats}


def _intervals_s(row, time_s):
    """Time since the beat before, (n_beats,); NaN for the first of an ECG."""
    return np.where(np.diff(row, prepend=-1) == 0, np.diff(time_s, prepend=0), np.nan)


def _side_by_side(values, row, count):
    """Values of beats (n_beats,) as a table (n_ecgs, most beats of an ECG); NaN where an ECG has fewer."""
    table = np.full((len(count), count.max(initial=0)), np.nan)
    table[row, np.arange(len(row)) - starts(count)[row]] = values
    return table


def fits(position, before, after, n_samples, fs, slack_s=MAX_SHIFT_S):
    """Whether a window around each position, and the reach of the interpolation, lies inside the ECG."""
    slack = slack_s * fs + N_TAPS // 2
    return (position - before >= slack) & (position + after <= n_samples - 1 - slack)


def cut(filtered, row, position, before, after):
    """Windows (n_beats, 8, before + after) at positions between samples, interpolated by a windowed sinc."""
    whole = np.floor(position).astype(int)
    tap = np.arange(N_TAPS) - (N_TAPS // 2 - 1)
    distance = tap - (position - whole)[:, np.newaxis]
    weight = np.sinc(distance) * np.cos(np.pi / (N_TAPS + 1) * distance) ** 2
    weight = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)[:, :, np.newaxis, np.newaxis]
    wide = np.lib.stride_tricks.sliding_window_view(filtered, before + after + N_TAPS - 1, axis=-1)
    wide = wide[row, :, whole - before + tap[0]]
    windows = wide[..., : before + after] * weight[:, 0]
    product = np.empty_like(windows)
    for i in range(1, N_TAPS):
        windows += np.multiply(wide[..., i : i + before + after], weight[:, i], out=product)
    return windows


def dominant(filtered, row, position, patch, rr_s, time_s):
    """Mask of the lookalikes of the most typical beat that do not come early in a regular rhythm, and their share per ECG."""
    count = np.bincount(row, minlength=len(filtered))
    if len(row) == 0:
        return np.zeros(0, dtype=bool), np.full(len(count), np.nan)
    # From here on the beats of each ECG stand side by side, (n_ecgs, n_most); the last places are empty where it has fewer.
    place = np.arange(len(row)) - starts(count)[row]
    windows = np.zeros((len(count), count.max(), filtered.shape[1] * 2 * patch), dtype=np.float32)
    windows[row, place] = cut(filtered, row, position, patch, patch).reshape(len(row), -1)
    is_alike, narrowness = _compare_shapes(windows, patch)
    share_of_rr = _side_by_side(_intervals_s(row, time_s), row, count) / rr_s[:, np.newaxis]
    comes_soon = share_of_rr < PREMATURE
    n_usual = (np.abs(share_of_rr - 1) <= 0.1).sum(axis=1)
    is_regular = n_usual >= REGULAR_SHARE * np.maximum(count - 1, 1)

    votes = is_alike.sum(axis=2) + RHYTHM_VOTE * ~comes_soon + NARROW_VOTE * narrowness
    votes[np.arange(count.max()) >= count[:, np.newaxis]] = -1
    typical = votes.argmax(axis=1)
    is_dominant = is_alike[np.arange(len(count)), typical] & ~(comes_soon & is_regular[:, np.newaxis])
    return is_dominant[row, place], is_dominant.sum(axis=1) / np.where(count > 0, count, np.nan)


def _compare_shapes(windows, patch):
    """Which beats of an ECG look alike, (n_ecgs, n_most, n_most), and how narrow each of them is, (n_ecgs, n_most).

    Likeness is 2<a, b> / (<a, a> + <b, b>): unlike a correlation it sees a difference of size. Narrowness is the share of the
    energy in the middle half of the window, 0 where there is none.
    """
    product = windows @ windows.transpose(0, 2, 1)
    energy = np.diagonal(product, axis1=1, axis2=2)
    likeness = 2 * product / np.maximum(energy[:, :, np.newaxis] + energy[:, np.newaxis], TINY)
    by_lead = windows.reshape(*windows.shape[:2], -1, 2 * patch)
    middle = by_lead[..., patch // 2 : patch + (patch + 1) // 2]
    return likeness >= SAME_SHAPE, np.einsum("eblt,eblt->eb", middle, middle) / np.maximum(energy, TINY)


def align(filtered, row, position, patch, fs):
    """Positions at which the beats of each ECG lie on each other, and the R peak of their mean at the position.

    A shift d changes a beat by about d times its slope; least squares find the d that brings it nearest to the mean
    beat. The R peak is where the energy of the mean beat's slopes, all leads together, is greatest: the middle of the QRS,
    which does not jump from one deflection to another when both are nearly equal.
    """
    if len(row) == 0:
        return position
    is_first = np.r_[True, np.diff(row) > 0]
    group = np.cumsum(is_first) - 1  # as row, but without the ECGs that have no beats
    n_beats = np.bincount(group)[:, np.newaxis, np.newaxis]
    unaligned, most, step = position, MAX_SHIFT_S * fs, MAX_STEP_S * fs
    for _ in range(N_ALIGNMENTS):
        beats = cut(filtered, row, position, patch, patch)
        mean = np.add.reduceat(beats, np.flatnonzero(is_first), axis=0) / n_beats
        slope = np.gradient(mean, axis=-1)
        scale = np.maximum((slope**2).sum(axis=(1, 2)), TINY)
        shift = ((mean[group] - beats) * slope[group]).sum(axis=(1, 2)) / scale[group]
        position = unaligned + np.clip(position + np.clip(shift, -step, step) - unaligned, -most, most)
    energy = gaussian_filter1d((slope**2).sum(axis=1), QRS_SPREAD_S * fs, axis=-1, mode="constant")
    middle = slice(patch - int(most), patch + int(most) + 1)
    peak = energy[:, middle].argmax(axis=1) + middle.start
    return position + (peak + vertex(energy, np.arange(len(peak)), peak) - patch)[group]


def medians(windows, row, n_ecgs):
    """Median over the beats of each ECG, (n_ecgs, 8, n_times); NaN where there is none. `row` is ascending."""
    count = np.bincount(row, minlength=n_ecgs)
    median = np.full((n_ecgs, *windows.shape[1:]), np.nan, dtype=np.float32)
    for n in np.unique(count[count > 0]):  # ECGs with equally many beats at once
        which = np.flatnonzero(count == n)
        ordered = np.sort(windows[starts(count)[which, np.newaxis] + np.arange(n)], axis=1)
        median[which] = (ordered[:, (n - 1) // 2] + ordered[:, n // 2]) / 2
    return median


def standard_error(windows, median, row):
    """Estimate the standard error of the median, (n_ecgs, 8, n_times) in mV, as `beat_noise` says; NaN below two beats."""
    error, count = np.full_like(median, np.nan), np.bincount(row, minlength=len(median))
    which = np.flatnonzero(count >= 2)
    if len(which) == 0:
        return error
    total = np.add.reduceat(np.abs(windows - median[row]), starts(count)[count > 0], axis=0)[count[count > 0] >= 2]
    factor = (error_per_variation(count) * 1.2533)[which] * np.sqrt(count[which] / (count[which] - 1)) / count[which]
    error[which] = total * factor.astype(np.float32)[:, np.newaxis, np.newaxis]
    return error


def error_per_variation(count):
    """Ratio of the standard error of the median of normal values to their standard deviation."""
    return np.where(count > 2, 1.2533, 1) / np.sqrt(np.maximum(count, 1))


def p_consistency(windows, row, n_ecgs, r_index, fs):
    """How much the stretch where P lies is alike from beat to beat, (n_ecgs,); NaN below two beats.

    In the middle of the beats: the correlation, over all leads, of one with the sum of the others, where bumps of the length of
    a P wave are large. A P wave that leads each beat comes near 1; fibrillation waves, which fall anywhere, stay near 0.
    """
    reach, count = round(BUMP_S * fs), np.bincount(row, minlength=n_ecgs)
    start, stop = (r_index + round(s * fs) for s in P_SPAN_S)
    start = max(start, reach)
    out = np.full(n_ecgs, np.nan)
    if stop - start < 2 or not (count > 1).any():
        return out
    beside = windows[..., start - reach : stop - reach] + windows[..., start + reach : stop + reach]
    bump = (windows[..., start:stop] - 0.5 * beside).reshape(len(windows), -1)
    total = np.add.reduceat(bump, starts(count)[count > 0], axis=0)[(np.cumsum(count > 0) - 1)[row]]
    power, product, power_total = (np.einsum("bt,bt->b", a, b) for a, b in ((bump, bump), (bump, total), (total, total)))
    others = np.maximum(power_total - 2 * product + power, TINY)
    likeness = (product - power) / np.maximum(np.sqrt(power * others), TINY)
    out[count > 1] = np.nanmedian(_side_by_side(likeness, row, count)[count > 1], axis=1)
    return out


def middle_of_cycle(values, rr_s, r_index, fs):
    """Median from 35 % of RR before R to 65 % after it, (n_ecgs, n_leads): beyond lie neighbours, whose place is rhythm."""
    time_s = beat_time_s(values.shape[-1], r_index, fs)
    cycle_s = np.where(np.isfinite(rr_s), rr_s, np.inf)[:, np.newaxis]
    is_outside = (time_s < -0.35 * cycle_s) | (time_s > 0.65 * cycle_s)
    ordered = np.sort(np.where(is_outside[:, np.newaxis], np.inf, values), axis=-1)
    n_inside = values.shape[-1] - is_outside.sum(axis=-1)
    middle = np.stack([(n_inside - 1) // 2, n_inside // 2], axis=-1)[:, np.newaxis]  # (n_ecgs, 1, 2)
    return np.take_along_axis(ordered, middle, axis=-1).sum(axis=-1) / 2


def random_half(count, number, seed):
    """Mask of a random half of the beats of each ECG; `number` is its place among all, so that batches change nothing."""
    half = np.zeros(count.sum(), dtype=bool)
    for start, n, place in zip(starts(count), count, number):
        half[start + np.random.default_rng((seed, int(place))).permutation(n)[: (n + 1) // 2]] = True
    return half


def subtract_pr_level(beats, r_index, fs):
    """Subtract from each lead the level of its PR segment: the median of the 30 ms that end at the onset of the QRS.

    The onset is where the speed of all leads together, smoothed by 10 ms so that it does not halt at the tip of R, first falls
    below an eighth of its greatest value, going back from there; 120 ms before R at the earliest.
    """
    speed = np.sqrt((np.diff(beats, axis=-1) ** 2).sum(axis=1))  # entry i lies between samples i and i + 1
    earliest, late = r_index - round(0.12 * fs), round(0.05 * fs)
    speed = gaussian_filter1d(speed, LEVEL_SPREAD_S * fs, axis=-1)[:, earliest : r_index + 1]
    steepest = late + speed[:, late:].argmax(axis=1)
    is_quiet = speed < 0.125 * speed.max(axis=1, keepdims=True)
    is_quiet &= np.arange(speed.shape[1]) < steepest[:, np.newaxis]
    is_quiet[:, 0] = True
    onset = earliest + speed.shape[1] - 1 - is_quiet[:, ::-1].argmax(axis=1)  # after the last quiet place
    segment = onset[:, np.newaxis] - np.arange(round(0.03 * fs))
    return beats - np.median(np.take_along_axis(beats, segment[:, np.newaxis], axis=-1), axis=-1, keepdims=True)
