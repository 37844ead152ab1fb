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
    """What a WFDB header says."""

    path: str  # the .hea file
    fs: float  # Hz
    n_samples: int | None  # per lead; None where the header leaves it out
    leads: tuple  # names of the signals, the twelve leads in their usual spelling
    signal_lines: list  # the fields of each signal's line, as text
    is_segmented: bool  # made of several records
    comments: list  # the lines after "#", stripped


def read_header(path):
    """Read the header of a WFDB record, given with or without ``.hea``, ``.dat`` or ``.mat``."""
    path = record_name(path) + ".hea"
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such header; a WFDB record has a .hea file beside its signals.") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    comments = [line[1:].strip() for line in lines if line.startswith("#")]
    lines = [line for line in lines if not line.startswith("#")]
    first = _RECORD_LINE.match(lines[0]) if lines else None
    if first is None:
        raise ValueError(
            f"{path} is not a WFDB header: it should start with the record's name, number of signals, sampling frequency "
            f"and number of samples; found {repr(lines[0][:60]) if lines else 'nothing'}."
        )
    try:
        fs = float(first["fs"] or _DEFAULT_FS)
    except ValueError:
        fs = 0.0
    if not 0 < fs < float("inf"):
        raise ValueError(f"{path}: the sampling frequency must be a number above 0; the header has {first['fs']!r}.")
    n_signals, is_segmented = int(first["n_signals"]), first["segments"] is not None
    signal_lines = [] if is_segmented else [line.split(None, 8) for line in lines[1 : 1 + n_signals]]
    leads = tuple(lead_name(fields[8]) if len(fields) > 8 else f"signal {i + 1}" for i, fields in enumerate(signal_lines))
    if not is_segmented and (len(signal_lines) < n_signals or any(len(fields) < 2 for fields in signal_lines)):
        described = f"{len(signal_lines)}: {', '.join(leads) or 'none'}"
        raise ValueError(f"{path}: the header announces {n_signals} signals and describes {described}.")
    return Header(path, fs, int(first["n_samples"] or 0) or None, leads, signal_lines, is_segmented, comments)


def read_signals(path, max_samples=None):
    """Read the signals of one WFDB record as they are: float32 (n_signals, n_samples) in mV, their rate in Hz and their names.

    `path` may be a header that is already read; at most `max_samples` are read from the start. What the file marks as invalid
    is NaN. A record in one file of format 16, as PTB-XL, LUDB and the Challenge databases have it, is read directly: many times
    as fast as ``wfdb.rdrecord``, with the same values. Every other record goes through ``wfdb``.
    """
    header = path if isinstance(path, Header) else read_header(path)
    counts = None if header.is_segmented else _read_counts_16(header, max_samples)
    if counts is None:
        return _read_with_wfdb(header, max_samples)
    gains, baselines, units = _gains(header)
    signals = counts.T.astype(np.float64, order="C")
    signals -= baselines
    signals /= gains
    signals[counts.T == _INVALID_16] = np.nan
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
    path, offset, n_signals = _signal_file(header, first), int(match[1] or 0), len(header.signal_lines)
    n_bytes = os.stat(path).st_size
    n_stored = max(0, n_bytes - offset) // (2 * n_signals)
    n_samples = header.n_samples or n_stored
    if n_stored < max(1, n_samples):
        raise ValueError(
            f"{path} is truncated: {os.path.basename(header.path)} says {n_signals} signals of {header.n_samples or 'some'} "
            f"samples, {2 * n_signals * n_samples + offset} bytes; the file has {n_bytes} bytes, {n_stored} samples."
        )
    n_samples = min(n_samples, max_samples or n_samples)
    return np.fromfile(path, dtype="<i2", count=n_samples * n_signals, offset=offset).reshape(n_samples, n_signals)


def _signal_file(header, fields):
    """Path of the file that a signal's line names, or an error where it is not there."""
    path = os.path.join(os.path.dirname(header.path), fields[0])
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: no such signal file; the header {header.path} names it.")
    return path


def _gains(header):
    """Return counts per unit and counts at zero, both as columns (signal, 1), and the units."""
    gains, baselines, units = [], [], []
    for lead, fields in zip(header.leads, header.signal_lines):
        try:
            gain, baseline, unit = _GAIN.match(fields[2]).groups() if len(fields) > 2 else (0, None, None)
            adc_zero = int(fields[4]) if len(fields) > 4 else 0
            gains.append(float(gain) or _DEFAULT_GAIN)
        except (AttributeError, ValueError):  # no match, or no number
            raise ValueError(f"{header.path}: the gain of {lead} cannot be read from {' '.join(fields[:5])!r}.") from None
        baselines.append(float(baseline or adc_zero))
        units.append(unit or "mV")
    return np.array(gains)[:, np.newaxis], np.array(baselines)[:, np.newaxis], units


def _in_mv(signals, units, header):
    """Float32 in mV. Signals other than the twelve leads keep the unit they have."""
    for row, (lead, unit) in enumerate(zip(header.leads, units)):
        if lead in LEADS_12 and unit != "mV":
            if unit.casefold() not in MV_PER_UNIT:
                raise ValueError(f"{header.path}: lead {lead} is in {unit!r}; a voltage is wanted: mV, uV or V.")
            signals[row] *= MV_PER_UNIT[unit.casefold()]
    return signals.astype(np.float32)


def _read_with_wfdb(header, max_samples):
    """Whatever `_read_counts_16` does not read: other formats, several files, several segments, several rates."""
    import wfdb  # a slow import that the usual formats do without

    for fields in header.signal_lines:
        _signal_file(header, fields)
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
