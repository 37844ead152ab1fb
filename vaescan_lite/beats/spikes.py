"""Pacing spikes: pulses narrower than any wave of the heart, cut out of the recording before beats are looked for."""

import math

import numpy as np
from scipy.ndimage import maximum_filter1d, median_filter

PULSE_S = 0.010  # a pulse and the filter of the electrocardiograph that widens it; waves of the heart last 20 ms and more
AROUND_S = 0.020  # the wave that a pulse might be the tip of is looked for this far from it
SMALLEST_PULSE_MV = 0.2  # all leads but the largest together: what one lead alone shows is not a spike
TIMES_NOISE = 10
# How many times larger a pulse is than what changes around it. The tips of the steepest QRS complexes reach 0.43 on LUDB and
# PTB-XL at 500 Hz. Where samples are further apart than 5 ms more of a tip lies between two of them, in proportion to the
# square of their distance: 1.2 on PTB-XL at 100 Hz, spikes from 2.4 on.
STANDS_OUT, STEP_S = 0.6, 0.005
FEWEST_PULSES = 2  # a single one is an accident of the recording; PTB-XL holds some
CALM_MV = 0.02  # nothing around a pulse counts as calmer than this


def cut_spikes(eight, fs):
    """ECGs (n_ecgs, 8, n_samples) without pacing spikes, and how many were cut out of each; a copy only if there are any.

    A median filter of 21 ms takes pulses of up to 10 ms away and leaves wider waves. A pulse is a place where it takes away
    much in several leads at once, against the noise and against what is left nearby; there the filtered leads stay.
    """
    reach = max(1, math.floor(PULSE_S * fs + 1e-6))
    least = STANDS_OUT * max(1, 1 / (fs * STEP_S)) ** 2
    row, index = _candidates(eight, reach, least)
    if len(row) == 0:
        return eight, np.zeros(len(eight), dtype=int)
    around = reach + math.ceil(AROUND_S * fs)
    place = np.clip(index[:, np.newaxis] + np.arange(-around - reach, around + reach + 1), 0, eight.shape[-1] - 1)
    near = eight[row[:, np.newaxis], :, place].transpose(0, 2, 1)  # (n_candidates, 8, n_near)
    left = median_filter(near, (1, 1, 2 * reach + 1))[..., reach:-reach]
    middle = slice(around - reach, around + reach + 1)
    power = np.square(near[..., reach:-reach][..., middle] - left[..., middle])
    peak = power.sum(axis=1).argmax(axis=-1)
    power = np.take_along_axis(power, peak[:, np.newaxis, np.newaxis], axis=-1)[..., 0]
    others = np.sqrt(power.sum(axis=1) - power.max(axis=1))
    change = np.sqrt(np.square(np.ptp(left, axis=-1)).sum(axis=1))
    is_pulse = (others > SMALLEST_PULSE_MV) & (np.sqrt(power.sum(axis=1)) > least * np.maximum(change, CALM_MV))
    is_pulse &= np.bincount(row[is_pulse], minlength=len(eight))[row] >= FEWEST_PULSES
    n_pulses = np.bincount(row[is_pulse], minlength=len(eight))
    if not is_pulse.any():
        return eight, n_pulses
    without = eight.copy()
    without[row[is_pulse, np.newaxis], :, place[is_pulse, reach:-reach][:, middle]] = left[is_pulse][..., middle].swapaxes(1, 2)
    return without, n_pulses


def _candidates(eight, reach, least):
    """Rows and indices of points that stand out from the samples `reach` before and after, but for those of wide waves."""
    tip = eight[..., : -2 * reach] + eight[..., 2 * reach :]
    tip *= -0.5
    tip += eight[..., reach:-reach]
    height = np.sqrt(np.einsum("elt,elt->et", tip, tip))
    noise = np.median(height, axis=-1, keepdims=True)
    is_tip = (height > SMALLEST_PULSE_MV) & (height > TIMES_NOISE * noise)
    is_tip &= maximum_filter1d(height, 2 * reach + 1, axis=-1) == height
    row, index = np.nonzero(is_tip)
    sides = reach * np.array([-2, -1, 1, 2]) + reach + index[:, np.newaxis]
    sides = eight[row[:, np.newaxis], :, np.clip(sides, 0, eight.shape[-1] - 1)]  # (n_tips, 4, 8)
    change = np.sqrt(np.square(np.diff(sides, axis=1)).sum(axis=(1, 2)))
    is_narrow = height[row, index] > least * change
    return row[is_narrow], index[is_narrow] + reach
