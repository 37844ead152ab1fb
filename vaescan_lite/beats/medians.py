"""Median beats: from ten seconds to one beat per ECG. R peaks are found in `detection`, faults in `faults`."""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import delayed
from tqdm import tqdm

from ..cpus import in_parallel
from ..ecg import LEADS_8, BeatSet, EcgSet, to_eight_leads
from . import alignment, faults
from .detection import check_rate_and_length, find_qrs
from .filters import BAND_HZ, BLOCK, band_pass_gain, from_spectrum, padded_length, to_spectrum
from .spikes import cut_spikes

SHORTEST_S = 5  # seconds that an ECG of a database must last


def median_beats(
    ecgs_or_db, ids=None, *, fs=None, before_s=0.40, after_s=0.56, band_hz=BAND_HZ, batch_size=512, n_jobs=1, progress=False
):
    """Make one median beat of every ECG.

    Pacing spikes are cut out. ECGs are band-passed with zero phase, QRS complexes found on all leads together (`r_peaks`),
    ectopic beats set aside by their shape and, in a regular rhythm, their time; the others are aligned between samples by
    least squares, and the level of the PR segment is subtracted from their median in each lead. The R peak is the middle of
    the QRS, all leads together; the tip of R in one lead lies within 20 ms of it in most ECGs, further away in bundle
    branch block. The filter and 100 Hz lower the R wave by 2-4 %, and voltage criteria with it.

    Parameters
    ----------
    ecgs_or_db : EcgSet or Database
        ECGs with at least the leads I, II and V1 ... V6; or a database, which is read in batches: of each ECG the first 10 s,
        or what is there from 5 s on.
    ids : sequence, optional
        Which ECGs, in which order; an id may come more than once. Default: all.
    fs : float, optional
        Sampling frequency of the beats in Hz. Default: that of the ECGs; of a database, its lowest.
    before_s, after_s : float
        Window before and after the R peak in seconds. With AV block the P wave lies 260 ms and more before R.
    band_hz : tuple of float, corner frequencies of the zero-phase band-pass in Hz (gain 1/2 at each)
    batch_size, n_jobs, progress : int, int, bool
        ECGs in memory at a time, which does not change the result; processes (-1: as many as this process has CPUs); a bar.

    Returns
    -------
    BeatSet
        One row per id, in the order given, with the 8 independent leads. Where an ECG cannot be read or has no usable beat the
        row is NaN, ``quality.usable`` is False and ``quality.reason`` says why; `quality` describes the other columns. `rr_s`
        is the median RR interval, the ectopic beats' included.

    Examples
    --------
    >>> import vaescan_lite as vl
    >>> vl.median_beats(vl.EcgSet(np.zeros((1, 12, 1000)), fs=100, ids=["a"])).quality.loc["a", "reason"]
    'no QRS complex found'
    """
    settings = Settings(fs, before_s, after_s, band_hz, batch_size, n_jobs, progress)
    return _beat_sets(lambda beats, settings: beats.median[np.newaxis], ecgs_or_db, ids, settings)[0]


def split_median_beats(ecgs_or_db, ids=None, *, seed, **settings):
    """Make two median beats of every ECG, each of a random half of its beats (drawn by `seed`), as a pair of BeatSets.

    The two differ by noise and variation from beat to beat only; half the difference is the noise of the median of all beats.
    Both are aligned on all beats of the ECG. With an odd number of beats the first has one more; an ECG with a single beat is
    NaN and not usable in the second. All else as in `median_beats`.
    """
    return _beat_sets(partial(_halves, seed=seed), ecgs_or_db, ids, _with_defaults(settings))


def beat_noise(ecgs_or_db, ids=None, **settings):
    """Estimate the standard error of every sample of `median_beats`: a BeatSet of the same rows, whose `signals` hold it in mV.

    A row is NaN and not usable where there were fewer than two beats. 1.2533 times the mean absolute deviation of the n beats
    from their median is their standard deviation if it is normal; times sqrt(n / (n - 1)) for the median fitted, divided by
    sqrt(n), times up to 1.25 because it is a median.
    """
    return _beat_sets(lambda beats, settings: beats.noise[np.newaxis], ecgs_or_db, ids, _with_defaults(settings))[0]


def quality(ecgs_or_db, ids=None, **settings):
    """Return what is wrong with ECGs, given as to `median_beats`, a DataFrame indexed by id.

    ``usable``: whether there is a median beat; ``reason``: why not. ``n_beats``: QRS complexes found; ``n_ectopic``: set aside
    for their shape or time; ``n_used``: in the median; ``dominant_share``: share that was not set aside. ``noise_uV``: standard
    deviation of single beats over one heart cycle, or of noise within milliseconds where this is larger, median over the 8
    leads. ``rr_s``, ``rr_sd_s``, ``rr_rmssd_s``: median, standard deviation, and root mean square of successive differences of
    the RR intervals. ``p_consistency``: how alike the beats are where P lies, up to 1; NaN below two beats. ``n_spikes``:
    pacing spikes that were cut out. ``flat_leads``, ``missing_leads`` (NaN), ``saturated_leads``, ``noisy_leads``: names,
    joined by commas. ``swapped``: limb electrodes that seem exchanged (RA/LA or RA/LL). ``limb_error_uV``: how far the limb
    leads are from Einthoven's and Goldberger's laws at worst; NaN without 12 leads. ``faults``: all this in words, also if all
    leads look upside down or the amplitudes cannot be millivolts; empty for a clean ECG. A fault does not make an ECG unusable
    by itself.
    """
    return median_beats(ecgs_or_db, ids, **settings).quality


@dataclass(frozen=True)
class Settings:
    """The settings of `median_beats`, checked."""

    fs: float
    before_s: float
    after_s: float
    band_hz: tuple
    batch_size: int
    n_jobs: int
    progress: bool

    def __post_init__(self):
        if not min(self.before_s, self.after_s) >= 0.15:
            got = f"{self.before_s} and {self.after_s}"
            raise ValueError(f"before_s and after_s must be 0.15 s or more, to hold a QRS; got {got}.")
        low_hz, high_hz = self.band_hz
        if not 0 <= low_hz < high_hz:
            raise ValueError(f"band_hz must be two rising frequencies in Hz such as (0.5, 40); got {self.band_hz}.")
        if self.fs and self.fs < 100:
            raise ValueError(f"fs must be 100 Hz or more, the QRS lasts only 80-120 ms; got {self.fs:g}.")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more; got {self.batch_size}.")

    @property
    def before(self):
        """Samples before the R peak, which is also its index."""
        return round(self.before_s * self.fs)

    @property
    def after(self):
        """Samples from the R peak on."""
        return round(self.after_s * self.fs)


def _with_defaults(settings):
    """Return Settings of those given and, for the rest, the defaults in the signature of `median_beats`."""
    return Settings(**{**median_beats.__kwdefaults__, **settings})


class AlignedBeats(NamedTuple):
    """The dominant beats of a few ECGs, cut out so that they lie on each other."""

    windows: np.ndarray  # (n_beats, 8, n_times) in mV, those of one ECG after those of another
    row: np.ndarray  # the ECG of each window
    number: np.ndarray  # (n_ecgs,) the place of each ECG among all that were asked for
    median: np.ndarray  # (n_ecgs, 8, n_times), the PR segment at 0 mV
    noise: np.ndarray  # its standard error


def _halves(beats, settings, *, seed):
    n_ecgs = len(beats.number)
    first = alignment.random_half(np.bincount(beats.row, minlength=n_ecgs), beats.number, seed)
    halves = [alignment.medians(beats.windows[half], beats.row[half], n_ecgs) for half in (first, ~first)]
    return np.stack([alignment.subtract_pr_level(half, settings.before, settings.fs) for half in halves])


def _beat_sets(wanted, ecgs_or_db, ids, settings):
    """Return a BeatSet for each part of what is wanted of the aligned beats of all batches, (n_parts, n_ecgs, 8, n_times)."""
    is_set = isinstance(ecgs_or_db, EcgSet)
    if not is_set and not (hasattr(ecgs_or_db, "read") and hasattr(ecgs_or_db, "ids")):
        raise ValueError(f"expected an EcgSet or a Database; got {type(ecgs_or_db).__name__}. EcgSet(signals, fs) makes a set.")
    if is_set and ids is not None:
        ecgs_or_db = ecgs_or_db[_positions(ecgs_or_db.ids, ids)]
    ids = np.asarray(ecgs_or_db.ids if ids is None else ids)
    settings = replace(settings, fs=float(settings.fs or (ecgs_or_db.fs if is_set else _lowest_fs(ecgs_or_db))))
    starts = range(0, max(len(ids), 1), settings.batch_size)
    batches = [np.arange(len(ids))[start : start + settings.batch_size] for start in starts]
    if is_set:
        jobs = (delayed(_beats_of_set)(wanted, ecgs_or_db[number], number, settings) for number in batches)
    else:
        part_of = getattr(ecgs_or_db, "of_ids", lambda ids: ecgs_or_db)
        jobs = (delayed(_beats_of_database)(wanted, part_of(ids[n]), ids[n], n, settings) for n in batches)
    bar = {"total": len(batches), "desc": "median beats", "unit": "batch", "disable": not settings.progress}
    parts, tables = zip(*tqdm(in_parallel(jobs, settings.n_jobs), **bar))
    table = _stacked(tables)
    return tuple(_beat_set(signals, table, ids, settings) for signals in np.concatenate(parts, axis=1))


def _lowest_fs(database):
    """Lowest rate of a database at which beats can be found, in Hz; numerics of a monitor may lie beside its ECGs."""
    return min((fs for fs in database.fs_available if fs >= 100), default=max(database.fs_available, default=100))


def _positions(known, wanted):
    """Where the wanted ids stand among the known ones; the first, where an id is there more than once."""
    index = pd.Index(known)
    first = ~index.duplicated()
    at = index[first].get_indexer(pd.Index(np.asarray(wanted)))
    if (at < 0).any():
        unknown = np.asarray(wanted)[at < 0]
        raise ValueError(f"{len(unknown)} id(s) are not among the {len(index)} ECGs: {', '.join(map(str, unknown[:5]))}.")
    return np.flatnonzero(first)[at]


def _stacked(tables):
    """One table of several with the same columns; unlike pandas.concat it does not look at what they hold."""
    return pd.DataFrame({name: np.concatenate([table[name].to_numpy() for table in tables]) for name in tables[0]})


def _beat_set(signals, table, ids, settings):
    """BeatSet of one part; an ECG too poor in beats for this part alone is marked."""
    table = table.set_axis(pd.Index(ids), axis=0)
    is_lost = table["usable"].to_numpy(bool) & ~np.isfinite(signals).all(axis=(1, 2))
    if is_lost.any():
        table.loc[is_lost, "usable"] = False
        table.loc[is_lost, "reason"] = "only one dominant beat"
    return BeatSet(signals, settings.fs, LEADS_8, ids, settings.before, table["rr_s"].to_numpy(), table)


def _beats_of_database(wanted, database, ids, number, settings):
    """Read a batch and make its beats; what cannot be read becomes a NaN row with the reader's reason."""
    unique = pd.unique(pd.Series(ids)).tolist()
    if hasattr(database, "read_by_length"):
        sets, reasons = database.read_by_length(unique, settings.fs, SHORTEST_S)
    else:  # what else can be read like a database
        sets = [database.read(unique, fs=settings.fs, errors="skip")]
        reasons = dict(zip(sets[0].rejected["id"], sets[0].rejected["reason"]))
    parts, tables, order = [], [], []
    for ecgs in sets:
        at = pd.Index(ecgs.ids).get_indexer(pd.Index(ids))
        signals, table = _beats_of_set(wanted, ecgs[at[at >= 0]], number[at >= 0], settings)
        parts, tables, order = [*parts, signals], [*tables, table], [*order, np.flatnonzero(at >= 0)]
    is_lost = np.isin(np.arange(len(ids)), np.concatenate(order), invert=True)
    unread = faults.unread([reasons.get(id_, "not read") for id_ in ids[is_lost]])
    lost = np.full((len(parts[0]), len(unread), *parts[0].shape[2:]), np.nan, dtype=np.float32)
    order = np.argsort(np.concatenate([*order, np.flatnonzero(is_lost)]))
    return np.concatenate([*parts, lost], axis=1)[:, order], _stacked([*tables, unread]).iloc[order]


def _beats_of_set(wanted, ecgs, number, settings):
    """Make the beats of a batch block by block: (n_parts, n_ecgs, 8, n_times) and their table of quality."""
    check_rate_and_length(ecgs.fs, ecgs.signals.shape[-1])
    starts = range(0, max(len(ecgs), 1), BLOCK)
    blocks = [_beats_of_block(wanted, ecgs[slice(i, i + BLOCK)], number[i : i + BLOCK], settings) for i in starts]
    parts, columns = zip(*blocks)
    joined = {name: np.concatenate([block[name] for block in columns]) for name in columns[0]}
    return np.concatenate(parts, axis=1), faults.table_in_words(joined, ecgs.leads)


def _beats_of_block(wanted, ecgs, number, settings):
    """Make the beats of a few ECGs, (n_parts, n_ecgs, 8, n_times), and columns of what was seen on the way."""
    fs, before, n_ecgs = settings.fs, settings.before, len(ecgs)
    eight = to_eight_leads(ecgs).signals
    is_finite = np.isfinite(eight).all(axis=-1, keepdims=True)  # (n_ecgs, 8, 1)
    if not is_finite.all():
        eight = np.where(is_finite, eight, 0)
    eight, n_spikes = cut_spikes(eight, ecgs.fs)
    filtered, rate, row, time_s = _filter_and_find(eight, ecgs.fs, fs, settings.band_hz)
    columns = alignment.rhythm(row, time_s, n_ecgs)
    windows, row, set_aside = _dominant_windows(filtered, rate, row, time_s, columns["rr_s"], settings)

    count = np.bincount(row, minlength=n_ecgs)
    median = alignment.medians(windows, row, n_ecgs)
    noise = alignment.standard_error(windows, median, row)
    median = alignment.subtract_pr_level(median, before, fs)
    noise_uv = 1000 * alignment.middle_of_cycle(noise, columns["rr_s"], before, fs)
    variation_uv = noise_uv / alignment.error_per_variation(count)[:, np.newaxis]
    columns["p_consistency"] = alignment.p_consistency(windows, row, n_ecgs, before, fs)
    columns |= set_aside | {"n_used": count, "n_spikes": n_spikes} | faults.look_at(ecgs, median, variation_uv, before, fs)
    parts = wanted(AlignedBeats(windows, row, number, median, noise), settings)
    parts[:, ~is_finite.all(axis=(1, 2))] = np.nan
    return parts, columns


def _filter_and_find(eight, fs_in, fs, band_hz):
    """Return filtered ECGs at about `fs`, their exact rate, rows and times (s) of QRS; one Fourier transform serves both."""
    n_samples = eight.shape[-1]
    n_padded = padded_length(n_samples, fs_in, fs)
    n_out = round(n_padded * fs / fs_in)
    spectrum = to_spectrum(eight, n_padded)
    gain = band_pass_gain(np.fft.rfftfreq(n_padded, 1 / fs_in), *band_hz)
    filtered = from_spectrum(spectrum, gain, n_padded, n_out)[..., : int(n_samples * fs / fs_in)]
    return filtered, n_out * fs_in / n_padded, *find_qrs(spectrum, n_padded, fs_in, n_samples)


def _dominant_windows(filtered, fs, row, time_s, rr_s, settings):
    """Return windows (n_beats, 8, n_times) of the dominant beats, aligned, their rows, and columns of what was set aside."""
    n_samples, patch = filtered.shape[-1], round(alignment.PATCH_S * fs)
    is_whole = alignment.fits(time_s * fs, patch, patch, n_samples, fs)
    row, time_s = row[is_whole], time_s[is_whole]
    is_dominant, share = alignment.dominant(filtered, row, time_s * fs, patch, rr_s, time_s)
    set_aside = {"dominant_share": share, "n_ectopic": np.bincount(row[~is_dominant], minlength=len(filtered))}
    row = row[is_dominant]
    position = alignment.align(filtered, row, time_s[is_dominant] * fs, patch, fs)
    is_whole = alignment.fits(position, settings.before, settings.after, n_samples, fs, slack_s=0)
    row, position = row[is_whole], position[is_whole]
    return alignment.cut(filtered, row, position, settings.before, settings.after), row, set_aside
