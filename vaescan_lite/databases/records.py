"""One ECG from a file, WFDB (`.dat`, or `.mat` of the PhysioNet Challenges) or text, checked. Folders of ECGs: `database`."""

import os
import warnings
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from scipy.signal import firwin, resample_poly

from ..ecg import EcgSet
from ..leads import LEADS_8, LEADS_12, computable, lead_rows, twelve_rows
from .clinic_files import clinic_reader
from .kinds import refuse_other_kinds
from .tables import read_leads
from .wfdb_files import WFDB_ENDINGS, read_signals, record_name

USUAL_RATES_HZ = (100, 125, 128, 200, 240, 250, 256, 257, 300, 360, 400, 500, 512, 1000, 2000)
SHORTEST_S = 5
SLOWEST_HZ = 5.0, 7.0  # no slope of 2,468 real ECGs is below 5.5 Hz; the second where another rate makes ten seconds


def read_record(path, fs=None):
    """Read one ECG: a WFDB record, a text table, MUSE XML or a DICOM waveform. The page "Your own data" lists what is read.

    Parameters
    ----------
    path : str or Path
        A WFDB record, with or without ``.hea``, ``.dat`` or ``.mat``; or a text table (``.csv``, ``.tsv``, ``.txt``) whose
        columns bear names of leads, one row per sample, in mV where no unit stands behind or below the names; or the XML that
        MUSE exports (the rhythm strip); or a DICOM file with a waveform, for which ``vaescan-lite[formats]`` brings pydicom.
    fs : float, optional
        Sampling frequency in Hz of a text table. Not needed where it has a column ``time_s`` (seconds, equal steps); refused
        for WFDB, whose header states it.

    Returns
    -------
    EcgSet
        One ECG in mV with the 12 leads in standard order, or the 8 independent ones where only these are there. Limb leads that
        are missing otherwise are computed from those that are there, and named in a warning. Other signals of the file (Frank
        leads, respiration) are left out. The id is the name of the file. A lead that is missing, and samples that are NaN or
        marked as invalid, are an error. Wrong gains in a header (in LUDB every lead has one of its own, so that the leads do
        not obey Einthoven's law) are not repaired.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"path must name a file; got {type(path).__name__}. EcgSet(signals, fs) makes a set from an array.")
    is_number = isinstance(fs, (int, float, np.number)) and not isinstance(fs, bool)
    if fs is not None and not (is_number and 0 < fs < np.inf):
        raise ValueError(f"fs must be a sampling frequency in Hz above 0; got {fs!r}.")
    path = Path(path)
    is_wfdb = path.suffix.lower() in WFDB_ENDINGS or Path(f"{path}.hea").exists()
    if path.is_dir() and not is_wfdb:
        raise ValueError(f"{path} is a folder; read_record reads one file. Use open_database for a folder of ECGs.")
    if is_wfdb or (not path.suffix and not path.exists()):
        if fs is not None:
            raise ValueError(f"{path}: fs is for CSV files; a WFDB header states its own sampling frequency. Leave fs out.")
        signals, fs, leads = read_signals(path)
        name = Path(record_name(path)).name
    else:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file, and no {path.name}.hea of a WFDB record.")
        if reader := clinic_reader(path):
            signals, fs_stated, leads = reader(path)
            if fs not in (None, fs_stated):
                raise ValueError(f"{path}: fs = {fs:g} Hz was given, and the file states {fs_stated:g} Hz; leave fs out.")
            fs = fs_stated
        else:
            refuse_other_kinds(path)
            is_given = fs is not None
            signals, fs, leads = read_leads(path, fs)
            if is_given and (doubt := doubt_of_rate(signals, fs)):
                warnings.warn(f"{path}: {doubt}", stacklevel=2)
        name = path.stem
    if set(leads) & set(LEADS_12) == set(LEADS_8):
        return EcgSet(_finite(signals[lead_rows(leads, LEADS_8, path)], LEADS_8, path)[np.newaxis], fs, LEADS_8, [name])
    signals = sound_leads(signals, leads, path)
    if computable(leads):
        warnings.warn(f"{path}: {', '.join(computable(leads))} computed from the other limb leads.", stacklevel=2)
    return EcgSet(signals[np.newaxis], fs, LEADS_12, [name])


def sound_leads(signals, leads, source):
    """Return the twelve leads of one ECG, limb leads computed if need be, or refuse `source`."""
    return _finite(signals if leads == LEADS_12 else twelve_rows(signals, leads, source), LEADS_12, source)


def doubt_of_rate(signals, fs):
    """Say why `fs` is hardly the rate of an ECG (n_leads, n_samples), "" where nothing speaks against it.

    Up to 20 Hz, the slope of a lead has half of its power below 6 to 15 Hz in all but slow rhythms of wide beats, and most ECGs
    last ten seconds. A rate that is wrong by less than a factor of four is rarely noticed.
    """
    n_samples, slope = signals.shape[-1], np.diff(np.nan_to_num(signals.astype(float)))
    duration_s, usual_hz = n_samples / fs, n_samples / 10
    hint = f"; at {usual_hz:g} Hz it would last ten" if usual_hz in USUAL_RATES_HZ and usual_hz != fs else ""
    if duration_s < SHORTEST_S:
        return hint and f"at {fs:g} Hz it lasts {duration_s:.3g} s, where 5 s or more are wanted{hint}. Is fs right?"
    frequency_hz = np.fft.rfftfreq(n_samples - 1, 1 / fs)
    is_low = frequency_hz <= 20
    power = np.cumsum(np.abs(np.fft.rfft(slope * np.hanning(n_samples - 1))[:, is_low]) ** 2, axis=1)
    power = power[power[:, -1] > 0]  # leads that are not flat
    middle_hz = np.median(frequency_hz[is_low][np.argmax(power >= 0.5 * power[:, -1:], axis=1)]) if len(power) else np.inf
    if middle_hz < SLOWEST_HZ[bool(hint)]:
        said = f"at {fs:g} Hz it lasts {duration_s:.3g} s, and its waves are too slow for a heart: half of their slope is below"
        return f"{said} {middle_hz:.1f} Hz, where 6 to 15 Hz are usual{hint}. Is fs right?"
    return ""


def _finite(signals, leads, source):
    n_bad = (~np.isfinite(signals)).sum(axis=1)
    if n_bad.any():
        where = ", ".join(f"{lead} ({count})" for lead, count in zip(leads, n_bad) if count)
        raise ValueError(f"{source}: samples that are NaN or marked as invalid, of {signals.shape[1]} in each lead: {where}.")
    return signals


def resample(signals, fs_from, fs_to):
    """Change the sampling rate of (..., n_samples) by `resample_poly`, without aliasing and without ringing at the ends.

    Its Kaiser window has beta 5 and 10 periods of the lower rate on either side. The first sample stays at the same time;
    outside the record the first and last value are taken to continue.
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


def samples_made(n_samples, fs_from, fs_to):
    """Count the samples that `resample` makes of `n_samples`."""
    up, down = _ratio(fs_from, fs_to)
    return ceil(n_samples * up / down)


def _ratio(fs_from, fs_to):
    ratio = Fraction(fs_to).limit_denominator(1000) / Fraction(fs_from).limit_denominator(1000)
    return ratio.numerator, ratio.denominator
