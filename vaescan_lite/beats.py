"""Median beats: from ten seconds to one beat per ECG. R peaks are found in `detection`, faults in `quality`."""

from dataclasses import replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.ndimage import gaussian_filter1d
from tqdm.auto import tqdm

from . import quality as faults
from .detection import (
    BLOCK,
    TINY,
    band_pass_gain,
    check_rate_and_length,
    find_qrs,
    from_spectrum,
    padded_length,
    pick_eight,
    r_peaks,
    to_spectrum,
    vertex,
)
from .ecg import LEADS_8, LEADS_12, BeatSet, EcgSet

__all__ = ["beat_noise", "median_beats", "quality", "r_peaks", "split_median_beats"]

PATCH_S = 0.10  # half the stretch of time in which beats are compared and aligned: the QRS
SAME_SHAPE = 0.75  # likeness (1: identical, 0: nothing in common) from which two beats have the same shape
PREMATURE = 0.80  # a beat after less than this share of the usual RR interval comes too early ...
REGULAR_SHARE = 0.60  # ... if at least this share of the RR intervals lies within 10 % of the usual one (AF: fewer)
MAX_SHIFT_S = 0.04
N_ALIGNMENTS = 3
N_TAPS = 8
FIDUCIAL_SPREAD_S = 0.03


def median_beats(
    ecgs_or_db, ids=None, *, fs=None, before_s=0.40, after_s=0.56, band_hz=(0.5, 40), batch_size=512, n_jobs=1, progress=False
):
    """Make one median beat of every ECG.

    Parameters
    ----------
    ecgs_or_db : EcgSet or Database
        ECGs with at least the leads I, II and V1 ... V6; or a database, which is read in batches.
    ids : sequence, optional
        Which ECGs, in which order; an id may come more than once. Default: all.
    fs : float, optional
        Sampling frequency of the beats in Hz. Default: that of the ECGs; of a database, its lowest.
    before_s, after_s : float
        Window before and after the R peak in seconds. With AV block the P wave lies 260 ms and more before R.
    band_hz : tuple of float
        Corner frequencies of the zero-phase band-pass in Hz (gain 1/2 at each).
    batch_size : int
        ECGs in memory at a time. It does not change the result.
    n_jobs : int
        Processes.
    progress : bool
        Show a progress bar.

    Returns
    -------
    BeatSet
        One row per id, in the order given, with the 8 independent leads. The R peak lies at ``r_index = round(before_s * fs)``
        in all of them. Where an ECG cannot be read or has no usable beat the row is NaN, ``quality.usable`` is False and
        ``quality.reason`` says why. `rr_s` is the median RR interval, the ectopic beats' included. For the columns of
        `quality` see `quality`.

    Raises
    ------
    ValueError
        If a lead is missing, an id is unknown, or a setting does not make sense.

    Notes
    -----
    Steps, each vectorised over ECGs and beats:

    1. Band-pass with the gain of a second-order Butterworth filter that ran forwards and backwards, applied to the Fourier
       transform; a lower `fs` is reached by leaving out the frequencies above its half.
    2. QRS complexes on all leads together (`r_peaks`).
    3. Ectopic beats are set aside. By shape: the likeness 2<a, b> / (<a, a> + <b, b>) of every two beats is taken over +-100 ms
       and all leads; the beat with most lookalikes (0.75 or more) and these lookalikes are the dominant beats. By time: where
       the rhythm is regular, beats that come after less than 0.80 of the usual RR interval.
    4. Alignment between samples: each beat is shifted by least squares onto the mean of its ECG's dominant beats (three rounds),
       which is the shift of greatest cross-correlation, and cut out by a windowed sinc.
    5. The R peak is the greatest energy of the mean beat's slopes, all leads together, smoothed by a Gaussian of 30 ms: the middle
       of the QRS, which does not jump from one deflection to another when their heights are nearly equal.
    6. Median over the beats; then the level of the PR segment (up to 30 ms before QRS onset) is subtracted in each lead.

    What it does not do: filters and 100 Hz lower the R wave by 1-3 %, and voltage criteria with it; any beat that is not dominant
    is not seen in the result.

    Examples
    --------
    >>> import vaescan_lite as vl
    >>> flat = vl.EcgSet(np.zeros((1, 12, 1000)), fs=100, ids=["a"])
    >>> vl.median_beats(flat).quality.loc["a", "reason"]
    'no QRS complex found'
    """
    (signals,), table, ids, fs = _collect("median", ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress)
    return _beat_set(signals, table, ids, fs, before_s)


def split_median_beats(
    ecgs_or_db,
    ids=None,
    *,
    seed,
    fs=None,
    before_s=0.40,
    after_s=0.56,
    band_hz=(0.5, 40),
    batch_size=512,
    n_jobs=1,
    progress=False,
):
    """Make two median beats of every ECG, each of a random half of its beats.

    The two differ by noise and by the variation from beat to beat only: an augmentation for training, and a measure of noise
    that no model can get below (half the difference is the noise of the median of all beats).

    Parameters
    ----------
    ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress
        As in `median_beats`.
    seed : int
        Seed of the random halves.

    Returns
    -------
    tuple of BeatSet
        The two halves, both aligned on all beats of the ECG. With an odd number of beats the first has one more. An ECG with a
        single beat is NaN and not usable in the second.
    """
    (first, second), table, ids, fs = _collect(
        "halves", ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress, seed
    )
    return _beat_set(first, table, ids, fs, before_s), _beat_set(second, table, ids, fs, before_s)


def beat_noise(
    ecgs_or_db, ids=None, *, fs=None, before_s=0.40, after_s=0.56, band_hz=(0.5, 40), batch_size=512, n_jobs=1, progress=False
):
    """Estimate the standard error of every sample of the median beats.

    Parameters
    ----------
    ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress
        As in `median_beats`.

    Returns
    -------
    BeatSet
        Rows and samples as in `median_beats`; `signals` hold the standard error in mV, NaN where fewer than two beats were there.

    Notes
    -----
    1.2533 times the mean absolute deviation of the n beats from their median is their standard deviation if it is normal, more
    robust than the root mean square; times sqrt(n / (n - 1)) for the median fitted, divided by sqrt(n). The median of normal
    noise has a standard error up to 1.25 times that of the mean; this factor is included.
    """
    (noise,), table, ids, fs = _collect("noise", ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress)
    return _beat_set(noise, table, ids, fs, before_s)


def quality(ecgs_or_db, ids=None, *, batch_size=512, n_jobs=1, progress=False):
    """Say what is wrong with ECGs."""
    return median_beats(ecgs_or_db, ids, batch_size=batch_size, n_jobs=n_jobs, progress=progress).quality


def _beat_set(signals, table, ids, fs, before_s):
    rr_s = table["rr_s"].to_numpy()
    quality = table.drop(columns="rr_s").set_axis(pd.Index(ids), axis=0)
    lost = quality["usable"].to_numpy(bool) & ~np.isfinite(signals).all(axis=(1, 2))
    if lost.any():
        quality.loc[lost, "usable"] = False
        quality.loc[lost, "reason"] = "only one dominant beat"
    return BeatSet(signals, fs, LEADS_8, ids, round(before_s * fs), rr_s, quality)


def _collect(kind, ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress, seed=0):
    """Signals (a tuple of arrays), table, ids and rate, over all batches."""
    is_set = isinstance(ecgs_or_db, EcgSet)
    if is_set and ids is not None:
        ecgs_or_db = ecgs_or_db[_positions(ecgs_or_db.ids, ids)]
    ids = np.asarray(ecgs_or_db.ids if ids is None else ids)
    fs = float(fs or (ecgs_or_db.fs if is_set else min(ecgs_or_db.fs_available)))
    _check_settings(fs, before_s, after_s, band_hz, batch_size)
    settings = dict(kind=kind, fs=fs, before_s=before_s, after_s=after_s, band_hz=band_hz, seed=seed)
    starts = range(0, max(len(ids), 1), batch_size)
    if is_set:
        jobs = (delayed(_beats_of_set)(ecgs_or_db[slice(i, i + batch_size)], i, settings) for i in starts)
    else:
        jobs = (delayed(_beats_of_database)(ecgs_or_db, ids[i : i + batch_size], i, settings) for i in starts)
    done = Parallel(n_jobs=n_jobs, return_as="generator")(jobs)
    parts = list(tqdm(done, total=len(starts), desc="median beats", unit="batch", disable=not progress))
    signals = tuple(np.concatenate(arrays) for arrays in zip(*(part[0] for part in parts)))
    return signals, pd.concat([part[1] for part in parts], ignore_index=True), ids, fs


def _positions(known, wanted):
    """Where the wanted ids stand among the known ones; the first, where an id is there more than once."""
    index = pd.Index(known)
    first = ~index.duplicated()
    at = index[first].get_indexer(pd.Index(np.asarray(wanted)))
    if (at < 0).any():
        unknown = np.asarray(wanted)[at < 0]
        raise ValueError(f"{len(unknown)} id(s) are not among the {len(index)} ECGs: {', '.join(map(str, unknown[:5]))}.")
    return np.flatnonzero(first)[at]


def _check_settings(fs, before_s, after_s, band_hz, batch_size):
    if not (before_s >= 0.15 and after_s >= 0.15):
        raise ValueError(f"before_s and after_s must be 0.15 s or more, to hold a QRS; got {before_s} and {after_s}.")
    low_hz, high_hz = band_hz
    if not 0 <= low_hz < high_hz:
        raise ValueError(f"band_hz must be two rising frequencies in Hz such as (0.5, 40); got {band_hz}.")
    if fs < 100:
        raise ValueError(f"fs must be 100 Hz or more, the QRS lasts only 80-120 ms; got {fs:g}.")
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more; got {batch_size}.")


def _beats_of_database(database, ids, first_row, settings):
    """Read a batch and make its beats; what cannot be read becomes a NaN row with the reader's reason."""
    wanted = pd.unique(pd.Series(ids)).tolist()
    ecgs = database.read(wanted, fs=settings["fs"], errors="skip")
    at = pd.Index(ecgs.ids).get_indexer(pd.Index(ids))
    n_times = round(settings["before_s"] * settings["fs"]) + round(settings["after_s"] * settings["fs"])
    n_parts = 2 if settings["kind"] == "halves" else 1
    signals = tuple(np.full((len(ids), len(LEADS_8), n_times), np.nan, np.float32) for _ in range(n_parts))
    reasons = dict(zip(ecgs.rejected["id"], ecgs.rejected["reason"]))
    table = faults.unread([reasons.get(i, "not read") if row < 0 else "" for i, row in zip(ids, at)])
    if len(ecgs):
        found, found_table = _beats_of_set(ecgs[at[at >= 0]], first_row + np.flatnonzero(at >= 0), settings)
        for part, values in zip(signals, found):
            part[at >= 0] = values
        found_table.index = np.flatnonzero(at >= 0)
        table = pd.concat([found_table, table[at < 0]]).sort_index()
    return signals, table


def _beats_of_set(ecgs, rows, settings):
    """Beats of a batch, block by block. `rows` are the places of its ECGs among all, or the first place."""
    pick_eight(ecgs[:0])
    check_rate_and_length(ecgs.fs, ecgs.signals.shape[-1])
    rows = rows + np.arange(len(ecgs)) if np.ndim(rows) == 0 else rows
    starts = range(0, max(len(ecgs), 1), BLOCK)
    blocks = [_beats_of_block(ecgs[slice(i, i + BLOCK)], rows[i : i + BLOCK], settings) for i in starts]
    signals = tuple(np.concatenate(arrays) for arrays in zip(*(block[0] for block in blocks)))
    columns = {name: np.concatenate([block[1][name] for block in blocks]) for name in blocks[0][1]}
    return signals, faults.table_in_words(columns, ecgs.leads)


def _beats_of_block(ecgs, rows, settings):
    """Beats of a few ECGs: (n_ecgs, 8, n_times) for each part asked for, and columns of what was seen on the way."""
    fs_in, fs, n_ecgs = ecgs.fs, settings["fs"], len(ecgs)
    n_samples = ecgs.signals.shape[-1]
    before, after = round(settings["before_s"] * fs), round(settings["after_s"] * fs)
    eight = pick_eight(ecgs)
    is_finite = np.isfinite(eight).all(axis=-1)  # (n_ecgs, 8)
    if not is_finite.all():
        eight = np.where(is_finite[..., np.newaxis], eight, 0)
    n_padded = padded_length(n_samples, fs_in, fs)
    n_out = round(n_padded * fs / fs_in)
    spectrum = to_spectrum(eight, n_padded)
    gain = band_pass_gain(np.fft.rfftfreq(n_padded, 1 / fs_in), *settings["band_hz"])
    filtered = from_spectrum(spectrum, gain, n_padded, n_out)[..., : int(n_samples * fs / fs_in)]
    row, time_s = find_qrs(spectrum, n_padded, fs_in, n_samples)

    columns = _rhythm(row, time_s, n_ecgs)
    position = time_s * (n_out * fs_in / n_padded)
    patch = round(PATCH_S * fs)
    fits = _fits(position, patch, patch, filtered.shape[-1], fs)
    is_dominant, columns["dominant_share"] = _dominant(filtered, row[fits], position[fits], patch, columns["rr_s"], time_s[fits])
    columns["n_ectopic"] = np.bincount(row[fits][~is_dominant], minlength=n_ecgs)
    row, position = row[fits][is_dominant], position[fits][is_dominant]
    position = _align(filtered, row, position, patch, fs)
    inside = _fits(position, before, after, filtered.shape[-1], fs, slack_s=0)
    row, position = row[inside], position[inside]
    windows = _cut(filtered, row, position, before, after)

    count = np.bincount(row, minlength=n_ecgs)
    median = _medians(windows, row, count)
    noise = _standard_error(windows, median, row, count)
    columns["n_used"] = count
    columns["noise"] = np.sqrt(np.nanmean(noise**2, axis=-1)) if n_ecgs else noise[..., 0]
    if settings["kind"] == "noise":
        parts = (noise,)
    elif settings["kind"] == "halves":
        first = _random_half(row, count, rows, settings["seed"])
        parts = tuple(_medians(windows[half], row[half], np.bincount(row[half], minlength=n_ecgs)) for half in (first, ~first))
        parts = tuple(_level(part, before, fs) for part in parts)
    else:
        parts = (_level(median, before, fs),)
    for part in parts:
        part[~is_finite.all(axis=1)] = np.nan
    columns |= faults.look_at(ecgs, is_finite, _level(median, before, fs), before, fs)
    return parts, columns


def _rhythm(row, time_s, n_ecgs):
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


def _fits(position, before, after, n_samples, fs, slack_s=MAX_SHIFT_S):
    """Whether a window around each position, and the reach of the interpolation, lies inside the ECG."""
    slack = slack_s * fs + N_TAPS // 2
    return (position - before >= slack) & (position + after <= n_samples - 1 - slack)


def _cut(filtered, row, position, before, after):
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


def _dominant(filtered, row, position, patch, rr_s, time_s):
    """Mask of the beats that are neither of another shape nor premature, and their share in each ECG."""
    n_ecgs = len(filtered)
    count = np.bincount(row, minlength=n_ecgs)
    place = np.arange(len(row)) - (np.cumsum(count) - count)[row]
    n_most = count.max(initial=0)
    if n_most == 0:
        return np.zeros(0, dtype=bool), np.full(n_ecgs, np.nan)
    # Beats of an ECG that are compared with each other: (n_ecgs, n_most, 8 leads x 2 patch)
    beats = np.zeros((n_ecgs, n_most, filtered.shape[1] * 2 * patch), dtype=np.float32)
    beats[row, place] = _cut(filtered, row, position, patch, patch).reshape(len(row), -1)
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
    # The most lookalikes win; of equals the beat that keeps the rhythm (in bigeminy the ectopic ones come early).
    votes = alike.sum(axis=2) + 0.5 * ~(relative < PREMATURE)
    votes[np.arange(n_most) >= count[:, np.newaxis]] = -1
    typical = votes.argmax(axis=1)
    is_dominant = alike[np.arange(n_ecgs), typical] & ~is_early
    share = is_dominant.sum(axis=1) / np.where(count > 0, count, np.nan)
    return is_dominant[row, place], share


def _align(filtered, row, position, patch, fs):
    """Positions at which the beats of each ECG lie on each other, and the R peak of their mean at the position."""
    if len(row) == 0:
        return position
    is_first = np.r_[True, np.diff(row) > 0]
    start, group = np.flatnonzero(is_first), np.cumsum(is_first) - 1
    n_beats = np.bincount(group)[:, np.newaxis, np.newaxis]
    unaligned, most = position, MAX_SHIFT_S / 2 * fs
    for _ in range(N_ALIGNMENTS):
        beats = _cut(filtered, row, position, patch, patch)
        template = np.add.reduceat(beats, start, axis=0) / n_beats
        slope = np.gradient(template, axis=-1)
        scale = np.maximum((slope**2).sum(axis=(1, 2)), TINY)
        shift = ((template[group] - beats) * slope[group]).sum(axis=(1, 2)) / scale[group]
        position = unaligned + np.clip(position + np.clip(shift, -1, 1) - unaligned, -most, most)
    energy = gaussian_filter1d((slope**2).sum(axis=1), FIDUCIAL_SPREAD_S * fs, axis=-1)
    middle = slice(patch - int(most), patch + int(most) + 1)
    peak = energy[:, middle].argmax(axis=1) + middle.start
    return position + (peak + vertex(energy, np.arange(len(peak)), peak) - patch)[group]


def _medians(windows, row, count):
    """Median over the beats of each ECG, (n_ecgs, 8, n_times); NaN where there is none. `row` is ascending."""
    median = np.full((len(count), *windows.shape[1:]), np.nan, dtype=np.float32)
    first = np.cumsum(count) - count
    for n in np.unique(count[count > 0]):
        which = np.flatnonzero(count == n)
        ordered = np.sort(windows[first[which, np.newaxis] + np.arange(n)], axis=1)
        median[which] = (ordered[:, (n - 1) // 2] + ordered[:, n // 2]) / 2
    return median


def _standard_error(windows, median, row, count):
    """Standard error of the median, (n_ecgs, 8, n_times) in mV; NaN with fewer than two beats."""
    error = np.full_like(median, np.nan)
    which = np.flatnonzero(count >= 2)
    if len(which) == 0:
        return error
    deviation = np.abs(windows - median[row])
    first = (np.cumsum(count) - count)[count > 0]
    total = np.add.reduceat(deviation, first, axis=0)[count[count > 0] >= 2]
    n = count[which]
    factor = 1.2533 * np.sqrt(n / (n - 1)) / n / np.sqrt(n) * np.where(n > 2, 1.2533, 1)
    error[which] = total * factor.astype(np.float32)[:, np.newaxis, np.newaxis]
    return error


def _random_half(row, count, rows, seed):
    """Mask of a random half of the beats of each ECG, the same whatever the batches."""
    first = np.cumsum(count) - count
    half = np.zeros(len(row), dtype=bool)
    for start, n, place in zip(first, count, rows):
        half[start + np.random.default_rng((seed, int(place))).permutation(n)[: (n + 1) // 2]] = True
    return half


def _level(beats, r_index, fs):
    """Subtract the level of the PR segment in each lead: up to 30 ms before the onset of the QRS."""
    speed = np.sqrt((np.diff(beats, axis=-1) ** 2).sum(axis=1))  # (n_ecgs, n_times - 1); entry i lies between samples i and i + 1
    reach = round(0.08 * fs)
    top = speed[:, r_index - reach : r_index + reach].max(axis=1)
    quiet = speed[:, r_index - round(0.12 * fs) : r_index] < 0.12 * top[:, np.newaxis]
    n_quiet = max(1, round(0.01 * fs))
    onset = quiet.shape[1] - quiet[:, ::-1].argmax(axis=1)
    onset = np.where(quiet.any(axis=1), onset, quiet.shape[1] // 2) + r_index - round(0.12 * fs)
    n_level = round(0.03 * fs)
    index = np.maximum(onset[:, np.newaxis] - np.arange(n_level), 0)
    level = np.median(np.take_along_axis(beats, index[:, np.newaxis], axis=-1), axis=-1, keepdims=True)
    return beats - level
