"""The signals and the header of one WFDB record, as they stand in its files. Checks and CSV: `records`."""

import os
import re
import shutil
import struct
import tempfile
from typing import NamedTuple

import numpy as np

from ..leads import LEADS_12, lead_name, mv_per_unit

WFDB_ENDINGS = (".hea", ".dat", ".mat")

_INVALID_16 = -32768  # format 16 marks a sample that was not measured by its lowest value
_DEFAULT_GAIN = 200.0  # counts per mV where a header gives none or 0, as the WFDB header format defines
_DEFAULT_FS = 250.0
# The WFDB header format: https://physionet.org/physiotools/wag/header-5.htm
_RECORD_LINE = re.compile(
    r"(?P<name>\S+?)(?P<segments>/\d+)?\s+(?P<n_signals>\d+)"
    r"(?:\s+(?P<fs>[\d.eE+-]+)(?:/\S*)?(?:\s+(?P<n_samples>\d+))?(?:\s.*)?)?$"
)
_FORMAT_16 = re.compile(r"16(?:x1)?(?::0)?(?:\+(\d+))?$")
_GAIN = re.compile(r"([-+\d.eE]+)(?:\(([-+]?\d+)\))?(?:/(\S+))?$")


class Header(NamedTuple):
    """What a WFDB header says."""

    path: str  # the .hea file
    fs: float  # Hz; an int where it is whole
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
    except (FileNotFoundError, IsADirectoryError):
        raise FileNotFoundError(f"{path}: no such header; a WFDB record has a .hea file beside its signals.") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    comments = [line[1:].strip() for line in lines if line.startswith("#")]
    lines = [line for line in lines if not line.startswith("#")]
    first = _RECORD_LINE.match(lines[0]) if lines else None
    if first is None:
        got = repr(lines[0][:60]) if lines else "nothing"
        wanted = "start with the record's name, number of signals, sampling frequency and number of samples"
        raise ValueError(f"{path} is not a WFDB header: it should {wanted}; found {got}.")
    try:
        fs = float(first["fs"] or _DEFAULT_FS)
    except ValueError:
        fs = 0.0
    if not 0 < fs < float("inf"):
        raise ValueError(f"{path}: the sampling frequency must be a number above 0; the header has {first['fs']!r}.")
    n_signals = int(first["n_signals"])
    if not n_signals:
        raise ValueError(f"{path}: the header announces no signals (0), so that there is no ECG in this record.")
    # A line for a segment has its name and length; "folder/5" in front of lines for signals is a name with a folder before it.
    is_segmented = first["segments"] is not None and all(re.fullmatch(r"\S+\s+\d+", line) for line in lines[1:])
    signal_lines = [] if is_segmented else [line.split(None, 8) for line in lines[1 : 1 + n_signals]]
    leads = tuple(lead_name(fields[8]) if len(fields) > 8 else f"signal {i + 1}" for i, fields in enumerate(signal_lines))
    if not is_segmented and (len(signal_lines) < n_signals or any(len(fields) < 2 for fields in signal_lines)):
        described = f"{len(signal_lines)}: {', '.join(leads) or 'none'}"
        raise ValueError(f"{path}: the header announces {n_signals} signals and describes {described}.")
    fs = int(fs) if fs == int(fs) else fs
    return Header(path, fs, int(first["n_samples"] or 0) or None, leads, signal_lines, is_segmented, comments)


def read_signals(path, max_samples=None):
    """Read the signals of one WFDB record as they are: float32 (n_signals, n_samples) in mV, their rate in Hz and their names.

    `path` may be a header that is already read; at most `max_samples` are read from the start. What the file marks as invalid
    is NaN. One file of format 16 (PTB-XL, LUDB, Challenges) is read directly: many times as fast as ``wfdb.rdrecord``, with the
    same values; a ``.mat`` that was saved again by ``scipy``, every other record by ``wfdb``.
    """
    header = path if isinstance(path, Header) else read_header(path)
    counts = None if header.is_segmented else _read_counts(header, max_samples)
    if counts is None:
        return _read_with_wfdb(header, max_samples)
    gains, baselines, units = _gains(header)
    signals = counts.T.astype(np.float64, order="C")
    if baselines.any():
        signals -= baselines
    signals /= gains
    if (counts == _INVALID_16).any():  # fast where there is none, as nearly always
        signals[counts.T == _INVALID_16] = np.nan
    return _in_mv(signals, units, header), header.fs, header.leads


def record_name(path):
    """Path of a WFDB record without its ``.hea``, ``.dat`` or ``.mat``, as str."""
    path = os.fspath(path)
    return path[:-4] if path[-4:].lower() in WFDB_ENDINGS else path


def _read_counts(header, max_samples):
    """Read the stored numbers (time, signal) of a record in one file of format 16, or in a ``.mat``; else None."""
    first, n_signals = header.signal_lines[0], len(header.signal_lines)
    match, is_mat = _FORMAT_16.match(first[1]), first[0].lower().endswith(".mat")
    if not (match or is_mat) or any(fields[:2] != first[:2] for fields in header.signal_lines):
        return None
    path, offset = _signal_file(header, first), int(match[1] or 0) if match else None
    with open(path, "rb") as file:
        if is_mat and _is_saved_again(file.read(20), n_signals, offset):
            return _read_mat(path, header)[:max_samples]
        if match is None:
            return None
        n_bytes = os.fstat(file.fileno()).st_size
        n_stored = max(0, n_bytes - offset) // (2 * n_signals)
        n_samples = header.n_samples or n_stored
        if n_stored < max(1, n_samples):
            says = f"{os.path.basename(header.path)} says {n_signals} signals of {header.n_samples or 'some'} samples"
            wants = f"{2 * n_signals * n_samples + offset} bytes; the file has {n_bytes} bytes, {n_stored} samples"
            raise ValueError(f"{path} is truncated: {says}, {wants}.")
        n_samples = min(n_samples, max_samples or n_samples)
        file.seek(offset)
        return np.frombuffer(file.read(2 * n_samples * n_signals), dtype="<i2").reshape(n_samples, n_signals)


def _is_saved_again(start, n_signals, offset):
    """Whether 20 bytes begin a MATLAB file of another form than the Challenges': version 4, 16 bits, a row for each signal."""
    if start.startswith((b"MATLAB", b"\x89HDF")):
        return True
    for order in "<>" if len(start) == 20 else "":
        kind, n_rows, n_columns, imaginary, n_name = struct.unpack(f"{order}5i", start)
        if 0 <= kind % 1000 <= 52 and kind <= 4052 and min(n_rows, n_columns) > 0 and imaginary in (0, 1) and 0 < n_name <= 64:
            return (order, kind, n_rows, imaginary, 20 + n_name) != ("<", 30, n_signals, 0, offset)
    return False


def _read_mat(path, header):
    """Read counts (time, signal) from a ``.mat`` that was saved again: another version or type, transposed, another name."""
    from scipy.io import loadmat  # slow, and hardly ever needed

    about, n_signals = f"{path} is no .mat as {os.path.basename(header.path)} promises, and", len(header.signal_lines)
    try:
        arrays = {name: np.asarray(value) for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError:
        raise ValueError(f"{about} was saved by MATLAB 7.3, which is HDF5; save it with -v4 or -v7.") from None
    except Exception as error:  # scipy raises many kinds for what is no MATLAB file or is cut off
        raise ValueError(f"{about} cannot be read as a MATLAB file of version 4 or 5 ({error}).") from error
    fitting = [name for name, a in arrays.items() if a.ndim == 2 and a.dtype.kind in "iuf" and n_signals in a.shape]
    name = "val" if "val" in fitting else "".join(fitting[:1])
    if len(fitting) != 1 and name != "val":
        shapes = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in arrays.items()) or "nothing"
        raise ValueError(f"{about} should hold one array of {n_signals} signals; it holds {shapes}.")
    counts = arrays[name].T if len(arrays[name]) == n_signals else arrays[name]
    if header.n_samples and len(counts) != header.n_samples:
        raise ValueError(f"{about} holds {len(counts)} samples; the header says {header.n_samples}.")
    if counts.dtype.kind == "f" and (counts[np.isfinite(counts)] % 1 != 0).any():
        raise ValueError(f"{about} holds fractions, which are not the counts that the header's gains are for.")
    return counts


def _signal_file(header, fields):
    """Path of the file that a signal's line names, in the folder that the line names or beside the header."""
    folder = os.path.dirname(header.path)
    path = os.path.join(folder, fields[0])
    if not os.path.exists(path):
        beside = os.path.join(folder, fields[0].replace("\\", "/").rsplit("/", 1)[-1])
        if not os.path.exists(beside):
            raise FileNotFoundError(f"{path}: no such signal file; the header {header.path} names it.")
        return beside
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
            signals[row] *= mv_per_unit(unit, lead, header.path)
    return signals.astype(np.float32)


def _read_with_wfdb(header, max_samples):
    """Whatever `_read_counts` does not read: other formats, several files, several segments, several rates."""
    import wfdb  # a slow import that the usual formats do without

    sampto = max_samples if max_samples and (header.n_samples is None or max_samples < header.n_samples) else None
    with tempfile.TemporaryDirectory(prefix="vaescan-") as folder:
        path = record_name(header.path) if header.is_segmented else _plain_copy(header, folder)
        try:
            record = wfdb.rdrecord(path, sampto=sampto)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{header.path}: {error}") from error
        except Exception as error:  # wfdb raises many kinds for a broken file; all of them mean that it cannot be read
            formats = "segments" if header.is_segmented else ", ".join(sorted({fields[1] for fields in header.signal_lines}))
            cause = f"a signal file is truncated or not as the header says (format {formats}: {error})"
            raise ValueError(f"{header.path}: the signals cannot be read; {cause}.") from error
    if header.is_segmented:
        header = header._replace(leads=tuple(lead_name(name or "no name") for name in record.sig_name or ()))
    if record.p_signal is None or not header.leads:
        raise ValueError(f"{header.path}: the record has no signals.")
    signals = record.p_signal.T.astype(np.float64, order="C")  # (time, signal) -> (signal, time)
    return _in_mv(signals, record.units if header.is_segmented else _gains(header)[2], header), header.fs, header.leads


def _plain_copy(header, folder):
    """Write the header again for ``wfdb``, which takes dates, folders and dots in names amiss, beside links to the files."""
    places = {fields[0]: _signal_file(header, fields) for fields in header.signal_lines}
    names = {name: f"s{i}{os.path.splitext(name)[1]}" for i, name in enumerate(places)}
    for name, place in places.items():
        try:
            os.symlink(os.path.abspath(place), os.path.join(folder, names[name]))
        except OSError:  # Windows wants a right for that
            shutil.copyfile(place, os.path.join(folder, names[name]))
    lines = [f"record {len(header.signal_lines)} {header.fs:.17g} {header.n_samples or ''}"]
    for fields, gain, baseline in zip(header.signal_lines, *(column[:, 0] for column in _gains(header)[:2])):
        lines.append(" ".join([names[fields[0]], fields[1], f"{gain:.17g}({baseline:.0f})/mV", *fields[3:8]]))
    path = os.path.join(folder, "record")
    with open(f"{path}.hea", "w", encoding="ascii") as file:
        file.write("\n".join([*lines, ""]))
    return path
