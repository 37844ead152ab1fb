"""One ECG from a file, WFDB (`.dat`, or `.mat` of the PhysioNet Challenges) or CSV, checked. Folders of ECGs: `databases`."""

from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import firwin, resample_poly

from ..ecg import LEADS_8, LEADS_12, EcgSet
from .wfdb_files import lead_name, read_signals, record_name


def read_record(path, fs=None):
    """Read one ECG from a WFDB record or a CSV file.

    Parameters
    ----------
    path : str or Path
        A WFDB record, with or without ``.hea``, ``.dat`` or ``.mat``; or a ``.csv`` file whose columns are lead names
        (in any case of letters), one row per sample, in mV.
    fs : float, optional
        Sampling frequency in Hz of a CSV file. Not needed where it has a column ``time_s`` (seconds, equal steps); refused for
        WFDB, whose header states it.

    Returns
    -------
    EcgSet
        One ECG in mV with the 12 leads in standard order, or the 8 independent ones where only these are there. Other
        signals of the file (Frank leads, respiration) are left out. The id is the name of the file.

    Raises
    ------
    FileNotFoundError
        If the record, its header or its signal file is missing.
    ValueError
        If the file is not what its name says, is shorter than its header says, lacks a lead, or holds samples that are NaN
        or marked as invalid.

    Notes
    -----
    Values are what the header's gains make of them, as in ``wfdb.rdrecord``. Where the gains are wrong (in LUDB every lead
    is scaled by a gain of its own), the leads do not obey Einthoven's law; nothing is repaired here.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; read_record reads one file. Use open_database for a folder of ECGs.")
    if path.suffix.lower() == ".csv":
        signals, fs, leads = _read_csv(path, fs)
        name = path.stem
    else:
        if fs is not None:
            raise ValueError(f"{path}: fs is for CSV files; a WFDB header states its own sampling frequency. Leave fs out.")
        signals, fs, leads = read_signals(path)
        name = Path(record_name(path)).name
    wanted = LEADS_8 if set(leads) & set(LEADS_12) == set(LEADS_8) else LEADS_12
    signals = pick_leads(signals, leads, path, wanted)
    check_finite(signals, wanted, path)
    return EcgSet(signals[np.newaxis], fs, wanted, [name])


def pick_leads(signals, leads, source, wanted=LEADS_12):
    """Put the leads of one ECG into the wanted order.

    Parameters
    ----------
    signals : ndarray of float32, shape (n_signals, n_samples)
        Potentials in mV.
    leads : sequence of str
        Names of the rows.
    source : str or Path
        The file, for the message.
    wanted : sequence of str
        The leads to give, in this order.

    Returns
    -------
    ndarray of float32, shape (len(wanted), n_samples)
        The wanted leads.

    Raises
    ------
    ValueError
        If a lead is missing or occurs twice.
    """
    if tuple(leads) == tuple(wanted):
        return signals
    missing = [lead for lead in wanted if lead not in leads]
    if missing:
        raise ValueError(
            f"{source}: lead(s) {', '.join(missing)} are missing; {len(wanted)} leads are wanted, "
            f"and the file has {len(leads)}: {', '.join(leads)}."
        )
    twice = sorted({lead for lead in wanted if list(leads).count(lead) > 1})
    if twice:
        raise ValueError(f"{source}: lead(s) {', '.join(twice)} occur more than once: {', '.join(leads)}.")
    return signals[[list(leads).index(lead) for lead in wanted]]


def check_finite(signals, leads, source):
    """Refuse an ECG with samples that are NaN, infinite or marked as invalid.

    Parameters
    ----------
    signals : ndarray of float32, shape (n_leads, n_samples)
        Potentials in mV.
    leads : sequence of str
        Names of the rows.
    source : str or Path
        The file, for the message.

    Raises
    ------
    ValueError
        If there are any; the message says in which leads and how many.
    """
    if np.isfinite(signals.sum()):  # a sum is finite only if every sample is: the quick answer for a sound ECG
        return
    n_bad = (~np.isfinite(signals)).sum(axis=1)
    if not n_bad.any():
        return
    where = ", ".join(f"{lead} ({count})" for lead, count in zip(leads, n_bad) if count)
    raise ValueError(f"{source}: samples that are NaN or marked as invalid, of {signals.shape[1]} in each lead: {where}.")


def resample(signals, fs_from, fs_to):
    """Change the sampling rate by a linear-phase filter, without aliasing and without ringing at the ends.

    Parameters
    ----------
    signals : ndarray of float32, shape (..., n_samples)
        Potentials in mV.
    fs_from, fs_to : float
        Sampling frequencies in Hz before and after.

    Returns
    -------
    ndarray of float32, shape (..., ceil(n_samples * fs_to / fs_from))
        The first sample stays at the same time. Outside the record the first and last value are taken to continue.

    Notes
    -----
    ``scipy.signal.resample_poly`` with its Kaiser window (beta 5, 10 periods of the lower rate on either side).
    """
    up, down = _ratio(fs_from, fs_to)
    if up == down:
        return signals
    # Each of the `up` phases of the filter must let a constant pass unchanged; windowed sinc phases do so only to about 1e-3.
    half_length = 10 * max(up, down)
    taps = firwin(2 * half_length + 1, 1 / max(up, down), window=("kaiser", 5.0))
    for phase in range(up):
        taps[phase::up] /= taps[phase::up].sum() * up
    return resample_poly(signals, up, down, axis=-1, window=taps, padtype="edge").astype(np.float32, copy=False)


def samples_needed(n_samples, fs_from, fs_to):
    """Count the samples at `fs_from` that the first `n_samples` at `fs_to` depend on."""
    up, down = _ratio(fs_from, fs_to)
    return n_samples if up == down else ceil((n_samples * down + 10 * max(up, down)) / up) + 1


def _ratio(fs_from, fs_to):
    ratio = Fraction(fs_to).limit_denominator(1000) / Fraction(fs_from).limit_denominator(1000)
    return ratio.numerator, ratio.denominator


def _read_csv(path, fs):
    try:
        table = pd.read_csv(path, skipinitialspace=True, encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as CSV with a line of lead names at the top: {error}") from error
    table.columns = [lead_name(str(column)) for column in table.columns]
    leads = [column for column in table.columns if column in LEADS_12]
    if not leads:
        raise ValueError(
            f"{path}: no column bears the name of a lead (I, II, ... V6); the columns are {list(table.columns)[:15]}."
        )
    if len(table) < 2:
        raise ValueError(f"{path}: {len(table)} sample(s); at least 2 are wanted.")
    text = [column for column in table.columns if column in (*leads, "time_s") and table[column].dtype.kind not in "iuf"]
    if text:
        raise ValueError(
            f"{path}: column(s) {', '.join(text)} hold something that is not a number; mV (and s for time_s) are wanted."
        )
    fs_of_times = _fs_of_times(table["time_s"].to_numpy(dtype=float), path) if "time_s" in table else None
    if fs is None and fs_of_times is None:
        raise ValueError(f"{path}: the sampling rate is not known; give fs in Hz, or a column time_s in seconds.")
    if fs is not None and fs_of_times is not None and abs(fs / fs_of_times - 1) > 1e-3:
        raise ValueError(
            f"{path}: fs = {fs:g} Hz was given, and the column time_s has {fs_of_times:g} Hz; leave one of them out."
        )
    return table[leads].to_numpy(dtype=np.float32).T.copy(), float(fs or fs_of_times), leads


def _fs_of_times(times_s, path):
    """Infer the sampling rate from equally spaced times; times rounded to a few digits are equal enough."""
    if not np.isfinite(times_s).all() or times_s[-1] <= times_s[0]:
        raise ValueError(f"{path}: time_s must rise from row to row and have no gaps.")
    fs = (len(times_s) - 1) / (times_s[-1] - times_s[0])
    steps = np.diff(times_s) * fs  # 1 but for rounding; 2 where a sample is left out
    if np.abs(steps - 1).max() > 0.5:
        row = int(np.abs(steps - 1).argmax()) + 1
        raise ValueError(
            f"{path}: time_s does not rise in equal steps; it goes from {times_s[row - 1]:.6g} s in row {row} to "
            f"{times_s[row]:.6g} s, and the usual step is {1 / fs:.4g} s."
        )
    return float(round(fs)) if abs(fs - round(fs)) <= 2e-4 * fs else fs
