"""From R peaks to median beats, as arrays: ectopic beats set aside, alignment between samples, median, PR level."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .detection import QRS_SPREAD_S, TINY, vertex

PATCH_S = 0.10  # half the stretch of time in which beats are compared and aligned: the QRS
SAME_SHAPE = 0.75  # likeness (1: identical, 0: nothing in common) from which two beats have the same shape
PREMATURE = 0.80  # a beat after less than this share of the usual RR interval comes too early ...
REGULAR_SHARE = 0.60  # ... if at least this share of the RR intervals lies within 10 % of the usual one (in AF fewer do)
MAX_SHIFT_S = 0.04  # alignment moves no beat further than this from where it was found
MAX_STEP_S = 0.01  # ... and in one round no further than this, as far as the linear approximation holds
N_ALIGNMENTS = 2
N_TAPS = 8
LEVEL_SPREAD_S = 0.01


def rhythm(row, time_s, n_ecgs):
    """Median RR interval, its variability and the number of complexes of each ECG."""
    n_beats = np.bincount(row, minlength=n_ecgs)
    rr_s = np.full((n_ecgs, max(n_beats.max(initial=0) - 1, 1)), np.nan)
    same = np.flatnonzero(np.diff(row) == 0)
    place = np.arange(len(row)) - (np.cumsum(n_beats) - n_beats)[row]
    rr_s[row[same], place[same]] = np.diff(time_s)[same]
    enough = n_beats >= 2
    median_rr_s, sd_s = np.full(n_ecgs, np.nan), np.full(n_ecgs, np.nan)
    median_rr_s[enough] = np.nanmedian(rr_s[enough], axis=1)
    enough = n_beats >= 3
    sd_s[enough] = np.nanstd(rr_s[enough], axis=1, ddof=1)
    return {"rr_s": median_rr_s, "rr_sd_s": sd_s, "n_beats": n_beats}


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
    """Mask of the beats that are neither of another shape nor premature, and their share in each ECG."""
    n_ecgs = len(filtered)
    count = np.bincount(row, minlength=n_ecgs)
    place = np.arange(len(row)) - (np.cumsum(count) - count)[row]
    n_most = count.max(initial=0)
    if n_most == 0:
        return np.zeros(0, dtype=bool), np.full(n_ecgs, np.nan)
    # Beats of an ECG that are compared with each other: (n_ecgs, n_most, 8 leads x 2 patch)
    beats = np.zeros((n_ecgs, n_most, filtered.shape[1] * 2 * patch), dtype=np.float32)
    beats[row, place] = cut(filtered, row, position, patch, patch).reshape(len(row), -1)
    product = beats @ beats.transpose(0, 2, 1)
    energy = np.diagonal(product, axis1=1, axis2=2)
    likeness = 2 * product / np.maximum(energy[:, :, np.newaxis] + energy[:, np.newaxis], TINY)
    alike = likeness >= SAME_SHAPE
    interval_s = np.full((n_ecgs, n_most), np.nan)
    interval_s[row[1:], place[1:]] = np.where(np.diff(row) == 0, np.diff(time_s), np.nan)
    relative = interval_s / rr_s[:, np.newaxis]
    n_usual = (np.abs(relative - 1) <= 0.1).sum(axis=1)
    is_regular = n_usual >= REGULAR_SHARE * np.maximum(count - 1, 1)
    is_early = (relative < PREMATURE) & is_regular[:, np.newaxis]
    # The most lookalikes win; of equals the beat that keeps the rhythm (in bigeminy the ectopic ones come early), then the
    # narrowest (conducted beats are narrower than ectopic and paced ones).
    votes = alike.sum(axis=2) + 0.5 * ~(relative < PREMATURE) + 0.4 * _narrowness(beats, energy, patch)
    votes[np.arange(n_most) >= count[:, np.newaxis]] = -1
    typical = votes.argmax(axis=1)
    is_dominant = alike[np.arange(n_ecgs), typical] & ~is_early
    share = is_dominant.sum(axis=1) / np.where(count > 0, count, np.nan)
    return is_dominant[row, place], share


def _narrowness(beats, energy, patch):
    """Share of the energy of each beat that lies in the middle half of its window, (n_ecgs, n_most); 0 where none is."""
    middle = beats.reshape(*beats.shape[:2], -1, 2 * patch)[..., patch // 2 : patch + (patch + 1) // 2]
    return np.einsum("eblt,eblt->eb", middle, middle) / np.maximum(energy, TINY)


def align(filtered, row, position, patch, fs):
    """Positions at which the beats of each ECG lie on each other, and the R peak of their mean at the position."""
    if len(row) == 0:
        return position
    is_first = np.r_[True, np.diff(row) > 0]
    start, group = np.flatnonzero(is_first), np.cumsum(is_first) - 1
    n_beats = np.bincount(group)[:, np.newaxis, np.newaxis]
    unaligned, most = position, MAX_SHIFT_S * fs
    for _ in range(N_ALIGNMENTS):
        beats = cut(filtered, row, position, patch, patch)
        template = np.add.reduceat(beats, start, axis=0) / n_beats
        slope = np.gradient(template, axis=-1)
        scale = np.maximum((slope**2).sum(axis=(1, 2)), TINY)
        shift = ((template[group] - beats) * slope[group]).sum(axis=(1, 2)) / scale[group]
        position = unaligned + np.clip(position + np.clip(shift, -MAX_STEP_S * fs, MAX_STEP_S * fs) - unaligned, -most, most)
    energy = gaussian_filter1d((slope**2).sum(axis=1), QRS_SPREAD_S * fs, axis=-1, mode="constant")
    middle = slice(patch - int(most), patch + int(most) + 1)
    peak = energy[:, middle].argmax(axis=1) + middle.start
    return position + (peak + vertex(energy, np.arange(len(peak)), peak) - patch)[group]


def medians(windows, row, count):
    """Median over the beats of each ECG, (n_ecgs, 8, n_times); NaN where there is none. `row` is ascending."""
    median = np.full((len(count), *windows.shape[1:]), np.nan, dtype=np.float32)
    first = np.cumsum(count) - count
    for n in np.unique(count[count > 0]):
        which = np.flatnonzero(count == n)
        ordered = np.sort(windows[first[which, np.newaxis] + np.arange(n)], axis=1)
        median[which] = (ordered[:, (n - 1) // 2] + ordered[:, n // 2]) / 2
    return median


def standard_error(windows, median, row, count):
    """Estimate the standard error of the median, (n_ecgs, 8, n_times) in mV; NaN with fewer than two beats."""
    error = np.full_like(median, np.nan)
    which = np.flatnonzero(count >= 2)
    if len(which) == 0:
        return error
    deviation = np.abs(windows - median[row])
    first = (np.cumsum(count) - count)[count > 0]
    total = np.add.reduceat(deviation, first, axis=0)[count[count > 0] >= 2]
    factor = (error_per_variation(count) * 1.2533)[which] * np.sqrt(count[which] / (count[which] - 1)) / count[which]
    error[which] = total * factor.astype(np.float32)[:, np.newaxis, np.newaxis]
    return error


def error_per_variation(count):
    """Give the ratio of the standard error of the median of normal values to their standard deviation."""
    return np.where(count > 2, 1.2533, 1) / np.sqrt(np.maximum(count, 1))


def middle_of_cycle(values, rr_s, r_index, fs):
    """Median over the time of one heart cycle, (n_ecgs, n_leads): from 35 % of RR before the R peak to 65 % after it.

    At fast rates the window of a beat holds its neighbours too, which come sooner or later: that is rhythm, not noise.
    """
    time_s = (np.arange(values.shape[-1]) - r_index) / fs
    cycle_s = np.where(np.isfinite(rr_s), rr_s, np.inf)[:, np.newaxis]
    is_outside = (time_s < -0.35 * cycle_s) | (time_s > 0.65 * cycle_s)
    ordered = np.sort(np.where(is_outside[:, np.newaxis], np.inf, values), axis=-1)
    n_inside = values.shape[-1] - is_outside.sum(axis=-1)
    low, high = (
        np.take_along_axis(ordered, i[:, np.newaxis, np.newaxis], axis=-1) for i in ((n_inside - 1) // 2, n_inside // 2)
    )
    return ((low + high) / 2)[..., 0]


def random_half(count, rows, seed):
    """Mask of a random half of the beats of each ECG, the same whatever the batches."""
    first = np.cumsum(count) - count
    half = np.zeros(count.sum(), dtype=bool)
    for start, n, place in zip(first, count, rows):
        half[start + np.random.default_rng((seed, int(place))).permutation(n)[: (n + 1) // 2]] = True
    return half


def subtract_pr_level(beats, r_index, fs):
    """Subtract from each lead the level of its PR segment: the median of the 30 ms that end at the onset of the QRS.

    The onset is where the speed of all leads together, smoothed by 10 ms so that it does not halt at the tip of R, first falls
    below an eighth of its greatest value, going back from there; 120 ms before R at the earliest.
    """
    speed = np.sqrt((np.diff(beats, axis=-1) ** 2).sum(axis=1))  # entry i lies between samples i and i + 1
    speed = gaussian_filter1d(speed, LEVEL_SPREAD_S * fs, axis=-1)[:, r_index - round(0.12 * fs) : r_index + 1]
    steepest = round(0.05 * fs) + speed[:, round(0.05 * fs) :].argmax(axis=1)
    is_quiet = speed < 0.125 * speed.max(axis=1, keepdims=True)
    is_quiet &= np.arange(speed.shape[1]) < steepest[:, np.newaxis]
    is_quiet[:, 0] = True
    onset = r_index - round(0.12 * fs) + speed.shape[1] - 1 - is_quiet[:, ::-1].argmax(axis=1)
    segment = onset[:, np.newaxis] - np.arange(round(0.03 * fs))
    return beats - np.median(np.take_along_axis(beats, segment[:, np.newaxis], axis=-1), axis=-1, keepdims=True)
