"""One ECG from a text table, as devices, spreadsheets and scripts write it: a column for each lead, a row for each sample."""

import codecs
import csv
import io
import re

import numpy as np
import pandas as pd

from ..leads import LEADS_12, lead_and_unit, lead_name, lead_rows, mv_per_unit

_SEPARATORS = (",", ";", "\t", "|", None)  # None: any number of blanks
_COMMENT = ("#", "%", "//")
_HEADER_WITHIN = 100  # lines in which the names of leads are looked for; devices write notes above them
_SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3}
_TIME = re.compile(r"(?:t|time|zeit|tiempo|temps|tempo)[ _/,([]+(\w+?)[)\] ]*$")


def read_leads(path, fs):
    """Read the leads (n_leads, n_samples) of a text table in mV, their rate in Hz and their names."""
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path} cannot be read as CSV with a line of lead names at the top: the file is empty.")
    names, separator, lines = _names(lines)
    if sum(lead_name(_cells(line, separator)[0]) in LEADS_12 for line in lines[:12]) > 2:
        raise ValueError(f"{path}: the leads seem to stand in rows; each wants a column, with its name at the top.")
    cells = [cell.strip("()[] ") for cell in _cells(lines[0], separator)] if lines else [""]
    is_of_units = any(map(_is_unit, cells)) and not any(re.match(r"[-+]?[.,]?\d", cell) for cell in cells)
    units = cells if is_of_units else [None] * len(names)
    lines = [line for line in lines[is_of_units:] if not line.lstrip().startswith(_COMMENT)]
    table = _matching(_numbers(lines, separator, path), names, path)
    columns = [lead_and_unit(name) for name in names]
    leads = tuple(lead for lead, _ in columns if lead in LEADS_12)
    if not leads or len(table) < 2:
        got = f"{len(table)} sample(s) and the columns {[lead for lead, _ in columns][:15]}"
        raise ValueError(f"{path}: columns with names of leads (I, II, ... V6) and at least 2 rows are wanted; found {got}.")
    lead_rows(leads, leads, path)  # a name in two spellings is refused
    time = next((i for i, name in enumerate(names) if _seconds(name, units[i])), None)
    wrong = [i for i, (lead, _) in enumerate(columns) if (lead in leads or i == time) and table[i].dtype.kind not in "iuf"]
    if wrong:
        cells, text = table[wrong[0]], ", ".join(names[i] if i == time else columns[i][0] for i in wrong)
        row = int(np.argmax(pd.to_numeric(cells, errors="coerce").isna() & cells.notna()))
        where = f"the first is {str(cells[row])[:30]!r} in row {row + 1} below the names"
        raise ValueError(f"{path}: column(s) {text} hold what is not a number ({where}); mV, or s, are wanted.")
    if time is not None:
        fs_of_times = _fs_of_times(table[time].to_numpy(float) * _seconds(names[time], units[time]), path)
        if fs and abs(fs / fs_of_times - 1) > 1e-3:
            raise ValueError(f"{path}: fs = {fs:g} Hz was given, and the column time_s has {fs_of_times:g} Hz; leave one out.")
        fs = fs or fs_of_times
    if fs is None:
        raise ValueError(f"{path}: the sampling rate is not known; give fs in Hz (the command: --fs), or a column time_s in s.")
    rows = [i for i, (lead, _) in enumerate(columns) if lead in leads]
    scale = [[mv_per_unit(columns[i][1] or units[i], columns[i][0], path)] for i in rows]
    return (table[rows].to_numpy(dtype=float).T * scale).astype(np.float32), float(fs), leads


def read_text(path):
    """Text of a file in UTF-8, -16 or -32, or in Windows' western code page where it is none; minus signs are hyphens."""
    data = path.read_bytes()
    is_utf_32 = data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE))
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-32" if is_utf_32 else "utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return text.replace("\u2212", "-").replace("\u00a0", " ")


def _names(lines):
    """Names of the columns, separator, and the lines below: the first line in which a separator gives two names of leads."""
    for i, line in enumerate(lines[:_HEADER_WITHIN]):
        tried = [(_cells(line.lstrip("#% "), separator), separator) for separator in _SEPARATORS]
        n_leads = [sum(lead_name(name) in LEADS_12 for name in names) for names, _ in tried]
        if max(n_leads) >= 2:
            return *tried[n_leads.index(max(n_leads))], lines[i + 1 :]
    separator = max(_SEPARATORS[:-1], key=lines[0].count)
    return _cells(lines[0], separator), separator, lines[1:]


def _cells(line, separator):
    if separator is None:
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line.strip(" \r\n")], delimiter=separator, skipinitialspace=True))]


def _is_unit(cell):
    try:
        return bool(cell) and mv_per_unit(cell, "", "") > 0
    except ValueError:
        return False


def _numbers(lines, separator, path):
    """Parse the rows; a comma is a decimal one where it cannot separate, and no point is there."""
    if not lines:
        return pd.DataFrame()
    body, quoted = "\n".join(lines), separator == "," and re.search(r'"[-+]?\d+,\d+"', lines[0])
    decimal = "," if quoted or (separator != "," and "," in body and "." not in body) else "."
    try:
        table = pd.read_csv(io.StringIO(body), sep=separator or r"\s+", decimal=decimal, skipinitialspace=True, header=None)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} cannot be read as CSV with a line of lead names at the top: {error}") from error
    n_last = len(_cells(lines[-1], separator))
    if n_last < table.shape[1]:
        raise ValueError(f"{path}: the last row has {n_last} values and others {table.shape[1]}; the file seems to be cut off.")
    return table


def _matching(table, names, path):
    """Return the table with a column for each name, less row numbers at the left and empty cells at the right, or refuse it."""
    while names and not names[-1] and len(names) > table.shape[1]:
        names.pop()
    n_more = table.shape[1] - len(names)
    if n_more > 0 and len(table):
        first = pd.to_numeric(table[0], errors="coerce").to_numpy(float)
        is_numbered = len(first) > 1 and bool((np.diff(first) == 1).all()) and first[0] % 1 == 0
        n_empty = int(np.argmin([*table.isna().all()[::-1], False]))  # columns at the right without any value
        if n_empty + is_numbered == n_more:
            table = table.iloc[:, int(is_numbered) : table.shape[1] - n_empty]
    if len(table) and table.shape[1] != len(names):
        counts = f"{len(names)} names of columns and {table.shape[1]} values in a row"
        raise ValueError(f"{path}: {counts}, so that it is not known which belong together; give each column a name.")
    return table.set_axis(range(table.shape[1]), axis=1)


def _seconds(name, unit):
    """Return the seconds in the unit of a column of times, such as ``time_s`` or ``Zeit (ms)``; None for other columns."""
    behind = _TIME.match(name.casefold().strip()) or _TIME.match(f"{name.casefold().strip()}_{unit or ''}")
    return _SECONDS.get(behind[1]) if behind else None


def _fs_of_times(times_s, path):
    """Infer the sampling rate from equally spaced times; times rounded to a few digits are equal enough."""
    if not np.isfinite(times_s).all() or times_s[-1] <= times_s[0]:
        raise ValueError(f"{path}: time_s must rise from row to row and have no gaps.")
    fs = (len(times_s) - 1) / (times_s[-1] - times_s[0])
    off = np.abs(np.diff(times_s) * fs - 1)  # of the usual step: 0 but for rounding, 1 where a sample is left out
    if off.max() > 0.5:
        row = int(off.argmax())
        step = f"from {times_s[row]:.6g} s in row {row + 1} to {times_s[row + 1]:.6g} s"
        raise ValueError(f"{path}: time_s does not rise in equal steps; it goes {step}, and the usual step is {1 / fs:.4g} s.")
    return float(round(fs)) if abs(fs - round(fs)) <= 2e-4 * fs else fs
