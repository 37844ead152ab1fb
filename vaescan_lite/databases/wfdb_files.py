"""The signals and the header of one WFDB record, as they stand in its files. Checks and CSV: `records`."""

import os
import re
from typing import NamedTuple

import numpy as np

from ..ecg import LEADS_12

MV_PER_UNIT = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6, "v": 1e3}

_LEAD_NAMES = {lead.casefold(): lead for lead in LEADS_12}
_INVALID_16 = -32768  # format 16 marks a sample that was not measured by its lowest value
_DEFAULT_GAIN = 200.0  # counts per mV where a header gives none or 0, as the WFDB header format defines
_DEFAULT_FS = 250.0
# The WFDB header format: https://physionet.org/physiotools/wag/header-5.htm
_RECORD_LINE = re.compile(
    r"(?P<name>[^\s/]+)(?P<segments>/\d+)?\s+(?P<n_signals>\d+)"
    r"(?:\s+(?P<fs>[\d.eE+-]+)(?:/\S*)?(?:\s+(?P<n_samples>\d+))?(?:\s.*)?)?$"
)
_FORMAT_16 = re.compile(r"16(?:x1)?(?::0)?(?:\+(\d+))?$")
_GAIN = re.compile(r"([-+\d.eE]+)(?:\(([-+]?\d+)\))?(?:/(\S+))?$")


class Header(NamedTuple):
    """What a WFDB header says.

    Attributes
    ----------
    path : str
        The ``.hea`` file.
    fs : float
        Sampling frequency in Hz.
    n_samples : int or None
        Samples per lead; None where the header leaves it out.
    leads : tuple of str
        Lead names, the twelve standard ones in their usual spelling.
    signal_lines : list of list of str
        The fields of each signal's line.
    is_segmented : bool
        Whether the record is made of several records.
    comments : list of str
        The lines after ``#``, stripped.
    """

    path: str
    fs: float
    n_samples: int | None
    leads: tuple
    signal_lines: list
    is_segmented: bool
    comments: list


def read_header(path):
    """Read the header of a WFDB record.

    Parameters
    ----------
    path : str or Path
        The record, with or without ``.hea``, ``.dat`` or ``.mat``.

    Returns
    -------
    Header
        Rate, number of samples, leads and comments.

    Raises
    ------
    FileNotFoundError
        If there is no header.
    ValueError
        If the file is not a WFDB header, or lists fewer signals than it announces.
    """
    path = record_name(path) + ".hea"
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such header; a WFDB record has a .hea file beside its signals.") from None
    lines, comments = [], []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("#"):
            comments.append(line[1:].strip())
        elif line:
            lines.append(line)
    first = _RECORD_LINE.match(lines[0]) if lines else None
    if first is None:
        found = repr(lines[0][:60]) if lines else "nothing"
        raise ValueError(
            f"{path} is not a WFDB header: it should start with the record's name, number of signals, sampling frequency "
            f"and number of samples; found {found}."
        )
    try:
        fs = float(first["fs"]) if first["fs"] else _DEFAULT_FS
    except ValueError:
        fs = 0.0
    if not 0 < fs < float("inf"):
        raise ValueError(f"{path}: the sampling frequency must be a number above 0; the header has {first['fs']!r}.")
    n_signals, is_segmented = int(first["n_signals"]), first["segments"] is not None
    signal_lines = [] if is_segmented else [line.split(None, 8) for line in lines[1 : 1 + n_signals]]
    leads = tuple(lead_name(fields[8]) if len(fields) > 8 else f"signal {i + 1}" for i, fields in enumerate(signal_lines))
    if not is_segmented and (len(signal_lines) < n_signals or any(len(fields) < 2 for fields in signal_lines)):
        raise ValueError(
            f"{path}: the header announces {n_signals} signals and describes {len(signal_lines)}: {', '.join(leads) or 'none'}."
        )
    return Header(path, fs, int(first["n_samples"] or 0) or None, leads, signal_lines, is_segmented, comments)


def read_signals(path, max_samples=None):
    """Read the signals of one WFDB record as they are.

    Parameters
    ----------
    path : str, Path or Header
        The record, with or without ``.hea``, ``.dat`` or ``.mat``; or its header, already read.
    max_samples : int, optional
        Read no more than so many samples from the start.

    Returns
    -------
    signals : ndarray of float32, shape (n_signals, n_samples)
        In mV; NaN where the file marks a sample as invalid.
    fs : float
        Sampling frequency in Hz.
    leads : tuple of str
        Names of the signals, the twelve leads in their usual spelling.

    Raises
    ------
    FileNotFoundError
        If the header or a signal file is missing.
    ValueError
        If a file is not WFDB, or shorter than the header says.

    Notes
    -----
    A record in one file of format 16, as PTB-XL, LUDB and the Challenge databases have it, is read directly: about ten times
    as fast as ``wfdb.rdrecord``, with the same values. Every other record goes through ``wfdb``.
    """
    header = path if isinstance(path, Header) else read_header(path)
    counts = None if header.is_segmented else _read_counts_16(header, max_samples)
    if counts is None:
        return _read_with_wfdb(header, max_samples)
    gains, baselines, units = _gains(header)
    signals = counts.T.astype(np.float64, order="C")
    invalid = signals == _INVALID_16 if counts.size and counts.min() == _INVALID_16 else None
    signals -= baselines
    signals /= gains
    if invalid is not None:
        signals[invalid] = np.nan
    return _in_mv(signals, units, header), header.fs, header.leads


def record_name(path):
    """Path of a WFDB record without its ``.hea``, ``.dat`` or ``.mat``, as str."""
    path = os.fspath(path)
    return path[:-4] if path[-4:].lower() in (".hea", ".dat", ".mat") else path


def lead_name(name):
    """Usual spelling of a standard lead (``avr`` and ``AVR`` become ``aVR``); other names are only stripped."""
    return _LEAD_NAMES.get(name.strip().casefold(), name.strip())


def _read_counts_16(header, max_samples):
    """Read the stored integers (time, signal) of a record in one file of format 16; None where it is stored otherwise."""
    first = header.signal_lines[0] if header.signal_lines else None
    match = _FORMAT_16.match(first[1]) if first else None
    if match is None or any(fields[:2] != first[:2] for fields in header.signal_lines):
        return None
    offset = int(match[1] or 0)
    path = os.path.join(os.path.dirname(header.path), first[0])
    n_signals = len(header.signal_lines)
    try:
        found = max(0, os.stat(path).st_size - offset)
    except FileNotFoundError:
        raise _missing_signal_file(path, header) from None
    n_samples = header.n_samples or found // (2 * n_signals)
    if n_samples == 0:
        raise ValueError(f"{path} holds no samples.")
    expected = 2 * n_signals * n_samples
    if found < expected:
        raise ValueError(
            f"{path} is truncated: {os.path.basename(header.path)} says {n_signals} signals of {n_samples} samples, "
            f"{expected + offset} bytes; the file has {found + offset if found else os.stat(path).st_size} bytes, "
            f"{found // (2 * n_signals)} samples."
        )
    if max_samples is not None:
        n_samples = min(n_samples, max_samples)
    return np.fromfile(path, dtype="<i2", count=n_samples * n_signals, offset=offset).reshape(n_samples, n_signals)


def _missing_signal_file(path, header):
    return FileNotFoundError(f"{path}: no such signal file; the header {header.path} names it.")


def _gains(header):
    """Give counts per unit and counts at zero, both as columns (signal, 1), and the units."""
    gains, baselines, units = [], [], []
    for lead, fields in zip(header.leads, header.signal_lines):
        match = _GAIN.match(fields[2]) if len(fields) > 2 else None
        try:
            if len(fields) > 2 and match is None:
                raise ValueError
            gain = float(match[1]) if match else _DEFAULT_GAIN
            adc_zero = int(fields[4]) if len(fields) > 4 else 0
        except ValueError:
            raise ValueError(f"{header.path}: the gain of {lead} cannot be read from {' '.join(fields[:5])!r}.") from None
        gains.append(gain or _DEFAULT_GAIN)
        baselines.append(int(match[2]) if match and match[2] else adc_zero)
        units.append(match[3] if match and match[3] else "mV")
    return np.array(gains)[:, np.newaxis], np.array(baselines, dtype=float)[:, np.newaxis], units


def _in_mv(signals, units, header):
    """Float32 in mV. Signals other than the twelve leads keep the unit they have."""
    if set(units) != {"mV"}:
        for row, (lead, unit) in enumerate(zip(header.leads, units)):
            if lead in LEADS_12:
                if unit.casefold() not in MV_PER_UNIT:
                    raise ValueError(f"{header.path}: lead {lead} is in {unit!r}; a voltage is wanted: mV, uV or V.")
                signals[row] *= MV_PER_UNIT[unit.casefold()]
    return signals.astype(np.float32)


def _read_with_wfdb(header, max_samples):
    """Whatever `_read_counts_16` does not read: other formats, several files, several segments, several rates."""
    import wfdb  # a slow import that the usual formats do without

    folder = os.path.dirname(header.path)
    for fields in header.signal_lines:
        path = os.path.join(folder, fields[0])
        if not os.path.exists(path):
            raise _missing_signal_file(path, header)
    sampto = max_samples if max_samples and (header.n_samples is None or max_samples < header.n_samples) else None
    try:
        record = wfdb.rdrecord(record_name(header.path), sampto=sampto)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{header.path}: {error}") from error
    except Exception as error:  # wfdb raises many kinds for a broken file; all of them mean that it cannot be read
        raise ValueError(
            f"{header.path}: the signals cannot be read; a signal file is truncated or not as the header says ({error})."
        ) from error
    leads = tuple(lead_name(name) for name in record.sig_name)
    signals = record.p_signal.T.astype(np.float64, order="C")  # (time, signal) -> (signal, time)
    return _in_mv(signals, record.units, header._replace(leads=leads)), float(record.fs), leads
