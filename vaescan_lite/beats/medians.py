"""Median beats: from ten seconds to one beat per ECG. R peaks are found in `detection`, faults in `quality`."""

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from ..cpus import available_cpus
from ..ecg import LEADS_8, BeatSet, EcgSet
from . import faults
from .alignment import (
    PATCH_S,
    align,
    cut,
    dominant,
    error_per_variation,
    fits,
    medians,
    middle_of_cycle,
    random_half,
    rhythm,
    standard_error,
    subtract_pr_level,
)
from .detection import check_rate_and_length, find_qrs, pick_eight, r_peaks
from .filters import BAND_HZ, BLOCK, band_pass_gain, from_spectrum, padded_length, to_spectrum

__all__ = ["beat_noise", "median_beats", "quality", "r_peaks", "split_median_beats"]


def median_beats(
    ecgs_or_db, ids=None, *, fs=None, before_s=0.40, after_s=0.56, band_hz=BAND_HZ, batch_size=512, n_jobs=1, progress=False
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
        Processes; -1 means as many as this process has CPUs.
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

    1. Band-pass with the gain of Butterworth filters that ran forwards and backwards (zero phase), applied to the Fourier
       transform: second order at the low corner, where a steeper one would bend the ST segment, eighth order at the high one,
       so that all of the QRS below it is kept. A lower `fs` is reached by leaving out the frequencies above its half.
    2. QRS complexes on all leads together (`r_peaks`).
    3. Ectopic beats are set aside. By shape: the likeness 2<a, b> / (<a, a> + <b, b>) of every two beats is taken over +-100 ms
       and all leads; the beat with most lookalikes (0.75 or more) and these lookalikes are the dominant beats. By time: where
       the rhythm is regular, beats that come after less than 0.80 of the usual RR interval.
    4. Alignment between samples: each beat is shifted by least squares onto the mean of its ECG's dominant beats (two rounds),
       which is the shift of greatest cross-correlation, and cut out by a windowed sinc.
    5. The R peak is where the energy of the mean beat's slopes, all leads together and smoothed by a Gaussian of 40 ms, is
       greatest: the middle of the QRS, which does not jump from one deflection to another when both are nearly equal. The tip
       of R in one lead lies within 20 ms of it in most ECGs, further away in bundle branch block.
    6. Median over the beats; then the level of the PR segment (the 30 ms before QRS onset) is subtracted in each lead.

    The filter and 100 Hz lower the R wave by 2-4 %, and voltage criteria with it. Beats that are not dominant leave no trace in
    the result but their number.

    Examples
    --------
    >>> import vaescan_lite as vl
    >>> flat = vl.EcgSet(np.zeros((1, 12, 1000)), fs=100, ids=["a"])
    >>> vl.median_beats(flat).quality.loc["a", "reason"]
    'no QRS complex found'
    """
    (signals,), table, ids, fs = _collect(
        "median", ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress
    )
    return _beat_set(signals, table, ids, fs, before_s)


def split_median_beats(
    ecgs_or_db,
    ids=None,
    *,
    seed,
    fs=None,
    before_s=0.40,
    after_s=0.56,
    band_hz=BAND_HZ,
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
    ecgs_or_db, ids=None, *, fs=None, before_s=0.40, after_s=0.56, band_hz=BAND_HZ, batch_size=512, n_jobs=1, progress=False
):
    """Estimate the standard error of every sample of the median beats.

    Parameters
    ----------
    ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress
        As in `median_beats`.

    Returns
    -------
    BeatSet
        Rows and samples as in `median_beats`; `signals` hold the standard error in mV. A row is NaN and not usable where there
        were fewer than two beats.

    Notes
    -----
    1.2533 times the mean absolute deviation of the n beats from their median is their standard deviation if it is normal, more
    robust than the root mean square; times sqrt(n / (n - 1)) for the median fitted, divided by sqrt(n). The median of normal
    noise has a standard error up to 1.25 times that of the mean; this factor is included.
    """
    (noise,), table, ids, fs = _collect("noise", ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress)
    return _beat_set(noise, table, ids, fs, before_s)


def quality(ecgs_or_db, ids=None, *, batch_size=512, n_jobs=1, progress=False):
    """Say what is wrong with ECGs.

    Parameters
    ----------
    ecgs_or_db, ids, batch_size, n_jobs, progress
        As in `median_beats`.

    Returns
    -------
    DataFrame, indexed by id
        ``usable``: whether there is a median beat; ``reason``: why not. ``n_beats``: QRS complexes found; ``n_ectopic``: set
        aside for their shape or time; ``n_used``: in the median; ``dominant_share``: share that was not set aside.
        ``noise_uV``: standard deviation of single beats over one heart cycle, or of noise within milliseconds where this is
        larger, median over the 8 leads. ``rr_s`` and ``rr_sd_s``: median and standard deviation of the RR intervals.
        ``flat_leads``, ``missing_leads`` (NaN), ``saturated_leads``, ``noisy_leads``: names, joined by commas. ``swapped``:
        limb electrodes that seem exchanged (RA/LA or RA/LL). ``limb_error_uV``: how far the limb leads are from Einthoven's and
        Goldberger's laws at worst; NaN without 12 leads. ``faults``: all this in words; empty for a clean ECG.

    Notes
    -----
    A fault does not make an ECG unusable by itself: with a flat lead the other leads may still be looked at.
    """
    return median_beats(ecgs_or_db, ids, batch_size=batch_size, n_jobs=n_jobs, progress=progress).quality


def _beat_set(signals, table, ids, fs, before_s):
    rr_s = table["rr_s"].to_numpy()
    quality = table.set_axis(pd.Index(ids), axis=0)
    lost = quality["usable"].to_numpy(bool) & ~np.isfinite(signals).all(axis=(1, 2))
    if lost.any():
        quality.loc[lost, "usable"] = False
        quality.loc[lost, "reason"] = "only one dominant beat"
    return BeatSet(signals, fs, LEADS_8, ids, round(before_s * fs), rr_s, quality)


def _collect(kind, ecgs_or_db, ids, fs, before_s, after_s, band_hz, batch_size, n_jobs, progress, seed=0):
    """Signals (a tuple of arrays), table, ids and rate, over all batches."""
    is_set = isinstance(ecgs_or_db, EcgSet)
    if not is_set and not (hasattr(ecgs_or_db, "read") and hasattr(ecgs_or_db, "ids")):
        raise ValueError(f"expected an EcgSet or a Database; got {type(ecgs_or_db).__name__}. EcgSet(signals, fs) makes a set.")
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
    done = Parallel(n_jobs=available_cpus() if n_jobs == -1 else n_jobs, return_as="generator")(jobs)
    parts = list(tqdm(done, total=len(starts), desc="median beats", unit="batch", disable=not progress))
    signals = tuple(np.concatenate(arrays) for arrays in zip(*(part[0] for part in parts)))
    return signals, _stacked([part[1] for part in parts]), ids, fs


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
        order = np.argsort(np.r_[np.flatnonzero(at >= 0), np.flatnonzero(at < 0)])
        table = _stacked([found_table, table[at < 0]]).iloc[order]
    return signals, table


def _stacked(tables):
    """One table of several with the same columns; unlike pandas.concat it does not look at what they hold."""
    columns = tables[0].columns
    return pd.DataFrame({name: np.concatenate([table[name].to_numpy() for table in tables]) for name in columns})


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
    fs, n_ecgs = settings["fs"], len(ecgs)
    before, after = round(settings["before_s"] * fs), round(settings["after_s"] * fs)
    eight = pick_eight(ecgs)
    is_finite = np.isfinite(eight).all(axis=-1, keepdims=True)  # (n_ecgs, 8, 1)
    if not is_finite.all():
        eight = np.where(is_finite, eight, 0)
    filtered, rate, row, time_s = _filter_and_find(eight, ecgs.fs, fs, settings["band_hz"])
    columns = rhythm(row, time_s, n_ecgs)
    windows, row = _dominant_windows(filtered, rate, row, time_s, before, after, columns)

    columns["n_used"] = count = np.bincount(row, minlength=n_ecgs)
    median = medians(windows, row, count)
    noise = standard_error(windows, median, row, count)
    median = subtract_pr_level(median, before, fs)
    variation_uv = 1000 * middle_of_cycle(noise, columns["rr_s"], before, fs) / error_per_variation(count)[:, np.newaxis]
    columns |= faults.look_at(ecgs, median, variation_uv, before, fs)
    if settings["kind"] == "noise":
        parts = (noise,)
    elif settings["kind"] == "halves":
        first = random_half(count, rows, settings["seed"])
        halves = [medians(windows[half], row[half], np.bincount(row[half], minlength=n_ecgs)) for half in (first, ~first)]
        parts = tuple(subtract_pr_level(half, before, fs) for half in halves)
    else:
        parts = (median,)
    is_lost = ~is_finite.all(axis=(1, 2))
    for part in parts:
        part[is_lost] = np.nan
    return parts, columns


def _filter_and_find(eight, fs_in, fs, band_hz):
    """Give filtered ECGs at about `fs`, their exact rate, rows and times (s) of the QRS; one Fourier transform serves both."""
    n_samples = eight.shape[-1]
    n_padded = padded_length(n_samples, fs_in, fs)
    n_out = round(n_padded * fs / fs_in)
    spectrum = to_spectrum(eight, n_padded)
    gain = band_pass_gain(np.fft.rfftfreq(n_padded, 1 / fs_in), *band_hz)
    filtered = from_spectrum(spectrum, gain, n_padded, n_out)[..., : int(n_samples * fs / fs_in)]
    return filtered, n_out * fs_in / n_padded, *find_qrs(spectrum, n_padded, fs_in, n_samples)


def _dominant_windows(filtered, fs, row, time_s, before, after, columns):
    """Aligned windows (n_beats, 8, n_times) of the dominant beats and their rows; adds to `columns` what was set aside."""
    n_samples, patch = filtered.shape[-1], round(PATCH_S * fs)
    is_whole = fits(time_s * fs, patch, patch, n_samples, fs)
    row, time_s = row[is_whole], time_s[is_whole]
    is_dominant, columns["dominant_share"] = dominant(filtered, row, time_s * fs, patch, columns["rr_s"], time_s)
    columns["n_ectopic"] = np.bincount(row[~is_dominant], minlength=len(filtered))
    row = row[is_dominant]
    position = align(filtered, row, time_s[is_dominant] * fs, patch, fs)
    is_whole = fits(position, before, after, n_samples, fs, slack_s=0)
    return cut(filtered, row[is_whole], position[is_whole], before, after), row[is_whole]
