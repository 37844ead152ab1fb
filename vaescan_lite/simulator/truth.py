"""The truth about simulated beats: what a perfect caliper would read off them."""

import numpy as np
import pandas as pd

from ..leads import LEADS_12, TWELVE_FROM_EIGHT
from .heart import evaluate, frontal_axis_deg
from .people import SIMULATED_FACTORS, add_superclasses
from .rhythm import median_rr_s

MIN_WAVE_mV = 0.03  # the smallest deflection that counts as a wave: IEC 60601-2-51:2003, annex GG
QRS_TIMES_MS = np.arange(-130.0, 230.0, 1.0, dtype=np.float32)
T_STEP_MS = 2
T_TIMES_MS = np.arange(0.0, 722.0, T_STEP_MS, dtype=np.float32)
ST_AFTER_QRS_MS = 60


def true_measurements(beats, parameters, rhythm, labels, duration_s):
    """Measure the noise-free dominant beats; `simulate_with_truth` holds the definitions. Returns a DataFrame."""
    # Amplitudes of QRS, ST and T do not include a P wave that lies in them.
    around_qrs = _in_twelve_leads(evaluate(QRS_TIMES_MS, *beats.st_t[:3]) + evaluate(QRS_TIMES_MS, *beats.qrs[:3]))
    around_t = _in_twelve_leads(evaluate(T_TIMES_MS, *beats.st_t[:3]))
    st_ms = parameters["qrs_off"] + ST_AFTER_QRS_MS
    qrs, is_r = _qrs_and_its_r(around_qrs, parameters)
    t_wave = np.where(_between(T_TIMES_MS, st_ms, parameters["t_end"]), around_t, 0)
    p_area = (beats.p.leads * beats.p.width[:, :, None]).sum(axis=1)
    areas = {"p": p_area, "qrs": qrs.sum(axis=1), "t": t_wave.sum(axis=1)}  # I and II come first in eight and in twelve leads
    highest, lowest = t_wave.max(axis=1), t_wave.min(axis=1)
    amplitudes = _q_r_s(qrs, is_r) | {
        "st": around_t[np.arange(len(around_t)), np.round(st_ms / T_STEP_MS).astype(int)],
        "t": np.where(highest >= -lowest, highest, lowest),
    }
    rr_s = median_rr_s(rhythm, duration_s)
    truth = {"heart_rate_bpm": 60 / rr_s} | {name: parameters[name] for name in ("p_ms", "pr_ms", "qrs_ms", "qt_ms")}
    truth |= {"qtcf_ms": truth["qt_ms"] / np.cbrt(rr_s), "qtcb_ms": truth["qt_ms"] / np.sqrt(rr_s)}
    truth |= {f"{wave}_axis_deg": frontal_axis_deg(area[:, 0], area[:, 1]) for wave, area in areas.items()}
    truth |= {name: np.where(labels["AF"] > 0, np.nan, truth[name]) for name in ("p_ms", "pr_ms", "p_axis_deg")}
    for lead in ("V1", "V5"):
        r = np.where(is_r, qrs, 0)[:, :, LEADS_12.index(lead)]
        peak_ms = QRS_TIMES_MS[r.argmax(axis=1)] - parameters["qrs_on"]
        truth[f"r_peak_time_{lead}_ms"] = np.where(r.max(axis=1) > 0, peak_ms, np.nan)
    for wave, values in amplitudes.items():
        truth |= {f"{wave}_{lead}_mV": values[:, i] for i, lead in enumerate(LEADS_12)}
    truth["sokolow_lyon_mV"] = np.maximum(truth["r_V5_mV"], truth["r_V6_mV"]) - truth["s_V1_mV"]
    truth["cornell_mV"] = truth["r_aVL_mV"] - truth["s_V3_mV"]
    labels = add_superclasses(labels)
    truth |= {name: labels[name] for name in SIMULATED_FACTORS}
    made = parameters.keys() - truth.keys() - {"qrs_on", "qrs_off", "p_on", "t_end"}
    return pd.DataFrame(truth | {f"made_{name}": values for name, values in parameters.items() if name in made})


def _qrs_and_its_r(leads, parameters):
    """Leads within QRS (0 elsewhere), and where they are in R: above an earlier and a later point; a raised J point is not."""
    inside = _between(QRS_TIMES_MS, parameters["qrs_on"], parameters["qrs_off"])
    low = np.where(inside, leads, np.inf)
    before = np.minimum.accumulate(low, axis=1)
    after = np.minimum.accumulate(low[:, ::-1], axis=1)[:, ::-1]
    qrs = np.where(inside, leads, 0)
    return qrs, inside & (leads - np.maximum(before, after) >= MIN_WAVE_mV) & (qrs >= MIN_WAVE_mV)


def _q_r_s(qrs, is_r):
    """Amplitudes of Q, R and S, each (n, 12): the lowest point before R, the highest, and the lowest after R has begun."""
    has_begun = np.logical_or.accumulate(is_r, axis=1)
    q = _wave_or_0(np.where(has_begun, 0, qrs).min(axis=1))
    r = np.where(is_r, qrs, 0).max(axis=1)
    s = np.where(r > 0, _wave_or_0(np.where(has_begun, qrs, 0).min(axis=1)), q)  # without R, a QS complex is both
    return {"q": q, "r": r, "s": s}


def _wave_or_0(amplitude_mV):
    return np.where(np.abs(amplitude_mV) >= MIN_WAVE_mV, amplitude_mV, 0)


def _in_twelve_leads(eight):
    return np.matmul(eight, TWELVE_FROM_EIGHT.T)  # (n, n_times, 8) -> (n, n_times, 12)


def _between(time_ms, start_ms, end_ms):
    """Mask (n, n_times, 1) of the times within each person's bounds."""
    return ((time_ms >= start_ms[:, None]) & (time_ms <= end_ms[:, None]))[..., None]
