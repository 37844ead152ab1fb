"""What the cardiologists of LUDB marked: QRS complexes of lead II, and intervals by the rule "median over leads".

And how far the package's detector and calipers are from it.
"""

import numpy as np
import pandas as pd
import wfdb
from scipy.signal import resample_poly

from vaescan_lite.beats import median_beats, r_peaks
from vaescan_lite.ecg import EcgSet
from vaescan_lite.measurements import measure
from vaescan_lite.statistics import mean_over_records

MARKED_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")
INTERVALS = ("qrs_ms", "pr_ms", "qt_ms")
SAME_BEAT_MS = 150.0  # QRS marks of two leads that are nearer than this belong to one beat
FEWEST_LEADS = {"qrs": 6, "p": 4}
FS_COMPARED = 100  # Hz, beside the frequency of the files


def read_ludb(folder):
    """Read all records of LUDB (the folder with ``ludb.csv`` and ``data``) with their marks.

    ``signals`` (n, 12, n_samples) are in mV as the headers say; ``equal_gains`` are the stored numbers as uV, which obey
    Einthoven's law while the headers' gains break it; ``qrs_s`` are the QRS marks in lead II.
    """
    headers = sorted((folder / "data").glob("*.hea"), key=lambda path: int(path.stem))
    diagnoses = pd.read_csv(folder / "ludb.csv", index_col="ID").fillna("")
    out = {"ids": [], "signals": [], "equal_gains": [], "qrs_s": [], "rhythm": [], "intervals": []}
    for header in headers:
        name = str(header.with_suffix(""))
        record = wfdb.rdrecord(name)
        out["fs"] = record.fs
        out["ids"].append(int(header.stem))
        out["signals"].append(record.p_signal.T.astype(np.float32))
        out["equal_gains"].append(wfdb.rdrecord(name, physical=False).d_signal.T.astype(np.float32) / 1000)
        in_lead_ii = wfdb.rdann(name, "ii")
        out["qrs_s"].append(in_lead_ii.sample[np.array(in_lead_ii.symbol) == "N"] / record.fs)
        out["rhythm"].append(rhythm_group(diagnoses.loc[int(header.stem)]))
        out["intervals"].append(marked_intervals(marks(name, 1000 / record.fs)))
    out["intervals"] = pd.DataFrame(out["intervals"], index=out["ids"], columns=INTERVALS)
    return out | {"signals": np.array(out["signals"]), "equal_gains": np.array(out["equal_gains"])}


def rhythm_group(row):
    """Name the rhythm group of a row of ``ludb.csv``."""
    if row["Cardiac pacing"]:
        return "paced"
    if "fibrillation" in row["Rhythms"] or "flutter" in row["Rhythms"]:
        return "AF"
    return "ectopy" if row["Extrasystolies"] else "sinus"


def marks(name, sample_ms):
    """All complete marks of a record: lead, wave (p, N, t), and onset, peak and end in ms."""
    rows = []
    for lead in MARKED_LEADS:
        annotation = wfdb.rdann(name, lead)
        when, symbol = annotation.sample * sample_ms, annotation.symbol
        for k in range(1, len(symbol) - 1):
            if symbol[k] in "pNt" and symbol[k - 1] == "(" and symbol[k + 1] == ")":
                rows.append((lead, symbol[k], when[k - 1], when[k], when[k + 1]))
    return pd.DataFrame(rows, columns=["lead", "wave", "onset", "peak", "end"])


def marked_intervals(marked):
    """Intervals of one record: the median over leads of each boundary, then the median over beats; NaN without P."""
    qrs = marked[marked.wave == "N"].sort_values("peak")
    rows = []
    for _, beat in qrs.groupby((qrs.peak.diff() > SAME_BEAT_MS).cumsum()):
        if beat.lead.nunique() < FEWEST_LEADS["qrs"]:
            continue
        onset = beat.onset.median()
        near = marked.merge(beat[["lead", "onset", "end"]], on="lead", suffixes=("", "_qrs"))
        p = near[(near.wave == "p") & (near.onset_qrs - near.peak).between(1, 400)].sort_values("peak").groupby("lead").last()
        t = near[(near.wave == "t") & (near.peak - near.end_qrs).between(1, 600)].sort_values("peak").groupby("lead").first()
        pr = onset - p.onset.median() if len(p) >= FEWEST_LEADS["p"] else np.nan
        rows.append((beat.end.median() - onset, pr, t.end.median() - onset))
    return pd.DataFrame(rows).median().to_numpy()


def count_errors(found_s, marked_s, tolerance_s=0.1):
    """Missed and false beats between the first and the last mark, one found beat for each marked one at most."""
    found_s = found_s[(found_s >= marked_s[0] - tolerance_s) & (found_s <= marked_s[-1] + tolerance_s)]
    free = np.ones(len(found_s), dtype=bool)
    for mark_s in marked_s:
        distance_s = np.where(free, np.abs(found_s - mark_s), np.inf)
        if len(found_s) and distance_s.min() <= tolerance_s:
            free[distance_s.argmin()] = False
    n_false = int(free.sum())
    return len(marked_s) - (len(found_s) - n_false), n_false


def errors_of_the_package(folder, n_resamples=2000):
    """How far detector and calipers are from the marks of LUDB: tables of intervals and of R peaks, by sampling frequency.

    Beside each interval's mean absolute error in ms stands that of somebody who always says the cardiologists' median.
    """
    marked = read_ludb(folder)
    intervals, peaks = [], []
    for fs in (marked["fs"], FS_COMPARED):
        ecgs = EcgSet(resample_poly(marked["equal_gains"], fs, marked["fs"], axis=-1), fs, ids=marked["ids"])
        found = measure(median_beats(ecgs))
        rows = [interval_error(found[name], marked["intervals"][name], n_resamples) for name in INTERVALS]
        intervals += [{"fs_hz": fs, "interval": name} | row for name, row in zip(INTERVALS, rows, strict=True)]
        errors = [count_errors(at / fs, marks_s) for at, marks_s in zip(r_peaks(ecgs), marked["qrs_s"], strict=True)]
        peaks.append({"fs_hz": fs, "beats": sum(map(len, marked["qrs_s"]))} | dict(zip(("missed", "false"), np.sum(errors, 0))))
    return pd.DataFrame(intervals), pd.DataFrame(peaks)


def interval_error(found, marked, n_resamples=2000):
    """Mean absolute error of an interval in ms with its ends of 95 % over records, bias, correlation, error of a constant."""
    both = found.notna() & marked.notna()
    error = (found - marked)[both]
    measured = mean_over_records(error.abs(), n_resamples=n_resamples)
    constant = mean_over_records((marked - marked.median())[both].abs(), n_resamples=n_resamples)
    row = measured.named("error_ms", "low", "high") | constant.named("constant_ms", "constant_low", "constant_high")
    counts = {"n": int(both.sum()), "marked_not_found": int((marked.notna() & ~both).sum())}
    counts["found_not_marked"] = int((found.notna() & ~both).sum())
    return row | {"bias_ms": error.mean(), "correlation": found[both].corr(marked[both])} | counts
