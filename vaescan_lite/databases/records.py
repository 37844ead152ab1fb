"""One ECG from a file, WFDB (`.dat`, or `.mat` of the PhysioNet Challenges) or CSV, checked. Folders of ECGs: `database`."""

from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import firwin, resample_poly

from ..ecg import LEADS_8, LEADS_12, EcgSet, lead_rows
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
        signals of the file (Frank leads, respiration) are left out. The id is the name of the file. A lead that is missing,
        and samples that are NaN or marked as invalid, are an error. Wrong gains in a header (in LUDB every lead has one of its
        own, so that the leads do not obey Einthoven's law) are not repaired.
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
    return EcgSet(sound_leads(signals, leads, path, wanted)[np.newaxis], fs, wanted, [name])


def sound_leads(signals, leads, source, wanted=LEADS_12):
    """Return the wanted leads of one ECG (n_signals, n_samples), or refuse `source` where one is missing or not finite."""
    if leads != wanted:
        signals = signals[lead_rows(leads, wanted, source)]
    n_bad = (~np.isfinite(signals)).sum(axis=1)
    if n_bad.any():
        where = ", ".join(f"{lead} ({count})" for lead, count in zip(wanted, n_bad) if count)
        raise ValueError(f"{source}: samples that are NaN or marked as invalid, of {signals.shape[1]} in each lead: {where}.")
    return signals


def resample(signals, fs_from, fs_to):
    """Change the sampling rate of (..., n_samples), without aliasing and without ringing at the ends.

    ``scipy.signal.resample_poly`` with its Kaiser window (beta 5, 10 periods of the lower rate on either side). The first
    sample stays at the same time; outside the record the first and last value are taken to continue.
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
    """Read the leads (n_leads, n_samples) of a CSV file, their rate and their names."""
    try:
        table = pd.read_csv(path, skipinitialspace=True, encoding="utf-8-sig")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file.") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as CSV with a line of lead names at the top: {error}") from error
    table.columns = [lead_name(str(column)) for column in table.columns]
    leads = tuple(column for column in table.columns if column in LEADS_12)
    if not leads or len(table) < 2:
        raise ValueError(
            f"{path}: columns with names of leads (I, II, ... V6) and at least 2 rows are wanted; found {len(table)} sample(s) "
            f"and the columns {list(table.columns)[:15]}."
        )
    lead_rows(leads, leads, path)  # a name in two spellings is refused
    text = [column for column in table.columns if column in (*leads, "time_s") and table[column].dtype.kind not in "iuf"]
    if text:
        raise ValueError(f"{path}: column(s) {', '.join(text)} hold something that is not a number; mV, or s, are wanted.")
    fs_of_times = _fs_of_times(table["time_s"].to_numpy(dtype=float), path) if "time_s" in table else fs
    if fs_of_times is None:
        raise ValueError(f"{path}: the sampling rate is not known; give fs in Hz, or a column time_s in seconds.")
    if fs and abs(fs / fs_of_times - 1) > 1e-3:
        raise ValueError(f"{path}: fs = {fs:g} Hz was given, and the column time_s has {fs_of_times:g} Hz; leave one out.")
    return table[list(leads)].to_numpy(dtype=np.float32).T.copy(), float(fs or fs_of_times), leads


def _fs_of_times(times_s, path):
    """Infer the sampling rate from equally spaced times; times rounded to a few digits are equal enough."""
    if not np.isfinite(times_s).all() or times_s[-1] <= times_s[0]:
        raise ValueError(f"{path}: time_s must rise from row to row and have no gaps.")
    fs = (len(times_s) - 1) / (times_s[-1] - times_s[0])
    off = np.abs(np.diff(times_s) * fs - 1)  # of the usual step: 0 but for rounding, 1 where a sample is left out
    if off.max() > 0.5:
        row = int(off.argmax())
        raise ValueError(
            f"{path}: time_s does not rise in equal steps; it goes from {times_s[row]:.6g} s in row {row + 1} to "
            f"{times_s[row + 1]:.6g} s, and the usual step is {1 / fs:.4g} s."
        )
    return float(round(fs)) if abs(fs - round(fs)) <= 2e-4 * fs else fs
