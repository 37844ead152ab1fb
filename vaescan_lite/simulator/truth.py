"""The truth about simulated beats: what a perfect caliper would read off them."""

import numpy as np
import pandas as pd

from ..ecg import LEADS_12, TWELVE_FROM_EIGHT
from ..factors import DIAGNOSES, FACTOR_NAMES
from .heart import frontal_axis_deg, gaussians
from .people import DETAIL_FACTORS, RHYTHM_FACTORS
from .rhythm import median_rr_s

MIN_WAVE_mV = 0.03  # the smallest deflection that counts as a wave: IEC 60601-2-51:2003, annex GG
EXPLAINED_BY = {"MI": ("IMI", "AMI"), "CD": ("LBBB", "RBBB", "AVB1", "LAFB"), "HYP": ("LVH",)}


def true_measurements(beats, p, rhythm, labels, duration_s):
    """Measure the noise-free dominant beats; `simulator.simulate_with_truth` holds the definitions. Returns a DataFrame."""
    rr = median_rr_s(rhythm, duration_s)
    no_p = beats.slow.copy()
    no_p[:, :2] = 0  # amplitudes of QRS, ST and T do not include a P wave that lies in them
    time_ms = np.arange(-130.0, 230.0, 1.0, dtype=np.float32)
    early = _evaluate(time_ms, beats.slow_centre, beats.slow_width, no_p)
    early += _evaluate(time_ms, beats.qrs_centre, beats.qrs_width, beats.qrs)
    late_ms = np.arange(0.0, 722.0, 2.0, dtype=np.float32)
    late = np.matmul(_evaluate(late_ms, beats.slow_centre, beats.slow_width, no_p), TWELVE_FROM_EIGHT.T)
    after_j = p["qrs_off"] + 60
    in_qrs = _between(time_ms, p["qrs_on"], p["qrs_off"])
    in_t = _between(late_ms, after_j, p["t_end"])
    leads = np.matmul(early, TWELVE_FROM_EIGHT.T)  # (n, n_times, 12)
    qrs = np.where(in_qrs[..., None], leads, 0)
    t_part = np.where(in_t[..., None], late, 0)
    p_area = (beats.slow[:, :2] * beats.slow_width[:, :2, None]).sum(axis=1)
    axes = {"p": p_area, "qrs": qrs.sum(axis=1), "t": t_part.sum(axis=1)}  # I and II come first in eight and in twelve leads
    no_p_wave = labels["AF"] > 0
    is_r = _rises_and_falls(leads, in_qrs[..., None]) & (qrs >= MIN_WAVE_mV)
    r = np.where(is_r, qrs, 0).max(axis=1)
    started = np.logical_or.accumulate(is_r, axis=1)
    q = _at_least(np.where(started, 0, qrs).min(axis=1))
    s = np.where(r > 0, _at_least(np.where(started, qrs, 0).min(axis=1)), q)
    st = late[np.arange(len(late)), np.round(after_j / 2).astype(int)]
    highest, lowest = t_part.max(axis=1), t_part.min(axis=1)
    t = np.where(highest >= -lowest, highest, lowest)
    truth = {
        "heart_rate_bpm": 60 / rr,
        "p_ms": np.where(no_p_wave, np.nan, p["p_ms"]),
        "pr_ms": np.where(no_p_wave, np.nan, p["pr_ms"]),
        "qrs_ms": p["qrs_ms"],
        "qt_ms": p["qt_ms"],
        "qtcf_ms": p["qt_ms"] / np.cbrt(rr),
        "qtcb_ms": p["qt_ms"] / np.sqrt(rr),
    }
    truth |= {f"{name}_axis_deg": frontal_axis_deg(area[:, 0], area[:, 1]) for name, area in axes.items()}
    truth["p_axis_deg"] = np.where(no_p_wave, np.nan, truth["p_axis_deg"])
    for lead in ("V1", "V5"):
        i = LEADS_12.index(lead)
        peak_ms = time_ms[np.where(is_r, qrs, 0)[:, :, i].argmax(axis=1)] - p["qrs_on"]
        truth[f"r_peak_time_{lead}_ms"] = np.where(r[:, i] > 0, peak_ms, np.nan)
    for name, values in (("q", q), ("r", r), ("s", s), ("st", st), ("t", t)):
        truth |= {f"{name}_{lead}_mV": values[:, i] for i, lead in enumerate(LEADS_12)}
    truth["sokolow_lyon_mV"] = np.maximum(truth["r_V5_mV"], truth["r_V6_mV"]) - truth["s_V1_mV"]
    truth["cornell_mV"] = truth["r_aVL_mV"] - truth["s_V3_mV"]
    labels = labels | superclasses(labels)
    truth |= {name: labels[name] for name in (*FACTOR_NAMES, *RHYTHM_FACTORS, *DETAIL_FACTORS, "interaction")}
    made = {f"made_{name}": values for name, values in p.items() if name not in {*truth, "qrs_on", "qrs_off", "p_on", "t_end"}}
    return pd.DataFrame(truth | made)


def _evaluate(time_ms, centre, width, amplitude):
    centre, width, amplitude = (array.astype(np.float32) for array in (centre, width, amplitude))
    return np.matmul(gaussians(time_ms, centre, width), amplitude)


def _between(time_ms, start_ms, end_ms):
    return (time_ms >= start_ms[:, None]) & (time_ms <= end_ms[:, None])


def _rises_and_falls(leads, inside):
    """Where a lead stands above both an earlier and a later point of QRS by a wave; a raised J point does not."""
    low = np.where(inside, leads, np.inf)
    before = np.minimum.accumulate(low, axis=1)
    after = np.minimum.accumulate(low[:, ::-1], axis=1)[:, ::-1]
    return inside & (leads - np.maximum(before, after) >= MIN_WAVE_mV)


def _at_least(wave_mV):
    return np.where(np.abs(wave_mV) >= MIN_WAVE_mV, wave_mV, 0)


def superclasses(labels):
    """Superclasses that follow from the diagnoses, or that were asked for; NORM where there is nothing at all."""
    classes = {name: np.maximum.reduce([labels[name], *(labels[d] for d in given)]) for name, given in EXPLAINED_BY.items()}
    anything = [labels[name] for name in (*DIAGNOSES, "STTC", *RHYTHM_FACTORS, *DETAIL_FACTORS)] + list(classes.values())
    return classes | {"NORM": (np.maximum.reduce(anything) == 0).astype(float)}
