"""The tools that are compared, behind the same three calls: QRS complexes, median beats, intervals."""

import warnings

import neurokit2 as nk
import numpy as np
import pandas as pd
import wfdb.processing

import vaescan_lite as vl
from vaescan_lite.ecg import LEADS_12

LEAD_II = LEADS_12.index("II")
BEFORE_S, AFTER_S = 0.40, 0.56
FEWEST_LEADS_WITH_P = 4  # as for the cardiologists


def quiet(function, *args, **kwargs):
    """Call a function without its warnings; None where it raises, as some do on ECGs in which they find no beat."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*args, **kwargs)
        except Exception:  # whatever another package raises on an ECG is a failure of that ECG, and counted as such
            return None


def peaks_vaescan(ecgs):
    """Find the times in s of the QRS complexes of each ECG, on all leads together."""
    return [found / ecgs.fs for found in vl.r_peaks(ecgs)]


def peaks_neurokit(ecgs, method="neurokit"):
    """Find the times of the QRS complexes in lead II, cleaned and found by one method of NeuroKit2."""
    fs = round(ecgs.fs)
    found = []
    for signal in ecgs.signals[:, LEAD_II]:
        clean = quiet(nk.ecg_clean, signal, sampling_rate=fs, method=method)
        if clean is None:  # a detector without a cleaning method of its own
            clean = nk.ecg_clean(signal, sampling_rate=fs)
        peaks = quiet(nk.ecg_peaks, clean, sampling_rate=fs, method=method)
        found.append(np.array([]) if peaks is None else np.asarray(peaks[1]["ECG_R_Peaks"], dtype=float) / fs)
    return found


def peaks_xqrs(ecgs):
    """Find the times of the QRS complexes in lead II by wfdb's xqrs."""
    found = (quiet(wfdb.processing.xqrs_detect, x.astype(float), ecgs.fs, verbose=False) for x in ecgs.signals[:, LEAD_II])
    return [np.array([]) if one is None else np.asarray(one, dtype=float) / ecgs.fs for one in found]


def beats_vaescan(ecgs):
    """Median beats of this package, quality report included."""
    return vl.median_beats(ecgs)


def measured_vaescan(ecgs):
    """Median beats and all measurements."""
    return vl.measure(vl.median_beats(ecgs))


def beats_neurokit(ecgs):
    """Median beats of 12 leads: NeuroKit2 cleans each lead and finds the beats in lead II; windows are cut at them."""
    fs = round(ecgs.fs)
    beats = []
    for signals in ecgs.signals:
        clean = np.array([nk.ecg_clean(lead, sampling_rate=fs) for lead in signals])
        peaks = quiet(nk.ecg_peaks, clean[LEAD_II], sampling_rate=fs)
        beats.append(None if peaks is None else median_of_windows(clean, peaks[1]["ECG_R_Peaks"], fs))
    return beats


def beats_xqrs(ecgs):
    """Median beats of 12 leads as recorded, at the beats that xqrs finds in lead II."""
    peaks = (np.rint(times_s * ecgs.fs).astype(int) for times_s in peaks_xqrs(ecgs))
    return [median_of_windows(signals, found, ecgs.fs) for signals, found in zip(ecgs.signals, peaks)]


def median_of_windows(signals, peaks, fs):
    """Median of the windows around whole samples, (n_leads, n_times); None where none fits."""
    before, after = round(BEFORE_S * fs), round(AFTER_S * fs)
    inside = [peak for peak in peaks if before <= peak < signals.shape[1] - after]
    return np.median([signals[:, peak - before : peak + after] for peak in inside], axis=0) if inside else None


def intervals_vaescan(ecgs):
    """QRS, PR and QT of each ECG in ms."""
    return measured_vaescan(ecgs)[["qrs_ms", "pr_ms", "qt_ms"]]


def intervals_neurokit(ecgs, method):
    """QRS, PR and QT by one delineation method of NeuroKit2: median over leads of each boundary, then median over beats."""
    table = pd.DataFrame(np.nan, index=pd.Index(ecgs.ids), columns=["qrs_ms", "pr_ms", "qt_ms"])
    for i, signals in enumerate(ecgs.signals):
        table.iloc[i] = quiet(_intervals_of_one, signals, round(ecgs.fs), method)
    return table.astype(float)


def _intervals_of_one(signals, fs, method):
    clean = np.array([nk.ecg_clean(lead, sampling_rate=fs) for lead in signals])
    peaks = nk.ecg_peaks(clean[LEAD_II], sampling_rate=fs)[1]["ECG_R_Peaks"]
    names = ("ECG_R_Onsets", "ECG_R_Offsets", "ECG_P_Onsets", "ECG_T_Offsets")
    marks = np.full((len(clean), len(names), len(peaks)), np.nan)
    for k, lead in enumerate(clean):
        waves = nk.ecg_delineate(lead, peaks, sampling_rate=fs, method=method)[1]
        marks[k] = [np.asarray(waves[name], dtype=float) for name in names]
    with_p = np.isfinite(marks[:, 2]).sum(axis=0) >= FEWEST_LEADS_WITH_P
    qrs_onset, qrs_end, p_onset, t_end = np.nanmedian(marks, axis=0) * 1000 / fs
    pr_ms = np.where(with_p, qrs_onset - p_onset, np.nan)
    return [np.nanmedian(values) for values in (qrs_end - qrs_onset, pr_ms, t_end - qrs_onset)]
