"""What distinguishes one person's heart from another's, and what factors do to its intervals, position and size."""

import numpy as np
from scipy.special import ndtr

from .heart import N_QRS, N_SLOW

# What distinguishes one person from another: one standard normal number each, the same whatever the factors are.
TRAITS = (
    "age", "rate", "pr", "p_length", "qrs", "qtc", "frontal", "horizontal", "sagittal",
    "qrs_gain", "p_gain", "t_gain", "t_frontal", "t_horizontal", "t_width", "st", "st_y", "not_dipolar",
    "left_block", "right_block", "fascicle", "av_block", "hypertrophy", "strain", "inferior", "inferior_t",
    "anterior", "anterior_t", "repolarisation", "repolarisation_kind", "subtype", "slow_conduction",
    "ectopic_x", "ectopic_y", "ectopic_z", "ectopic_width", "interaction",
    "breath_rate", "breath_phase", "breath_axis", "variability", "fibrillation_rate", "fibrillation_size",
)  # fmt: skip
N_INDIVIDUAL = len(TRAITS) + N_QRS * 3 + N_QRS + 8 + 5 + (N_QRS + N_SLOW) * 8 + 2


def split_individual(numbers):
    """Name the standard normal numbers of each person, shape (n, N_INDIVIDUAL): traits, then jitters."""
    traits = dict(zip(TRAITS, numbers[:, : len(TRAITS)].T))
    at = len(TRAITS)
    for name, shape in (
        ("vector_jitter", (N_QRS, 3)),
        ("time_jitter", (N_QRS,)),
        ("electrode", (8,)),
        ("shift", (5,)),
        ("residual", (N_QRS + N_SLOW, 8)),
        ("p_direction", (2,)),
    ):
        size = int(np.prod(shape))
        traits[name] = numbers[:, at : at + size].reshape(-1, *shape)
        at += size
    return traits


def draw_parameters(factors, traits):
    """Turn factors and individual traits into intervals, angles, gains and severities.

    Parameters
    ----------
    factors : dict of str to ndarray, shape (n,)
        Every factor of the simulator, multiplied by its effect size; ``age_years`` in years.
    traits : dict of str to ndarray
        As `split_individual` gives them.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Intervals in ms, angles in degrees, gains and severities without unit. Sources: population quantiles of Mason 2007
        (46,129 adults: HR 48-98, PR 113-212, QRS 69-109, axis -40..91, QTcF 359-445 as 2nd to 98th percentile), sex
        differences of Rao 2021 (QRS +8 ms in men), WHI and ARIC (QTc 10 ms longer and J point lower in women), age by
        Simonson and Nemati (axis turns left, r about -.3; QRS and T shrink until fifty; no effect on QRS duration). Means
        of QRS duration, axis and their spread were moved within these limits towards PTB-XL's folds 1-8.
    """
    f, z = factors, traits
    woman, age = f["sex_female"] - 0.5, f["age_years"]
    young = np.clip((50 - age) / 30, 0, 1)  # 1 at twenty, 0 from fifty on
    left, right = f["LBBB"], f["RBBB"]
    p = {}
    sinus_rate = np.clip(70 * np.exp(0.175 * z["rate"] + 0.05 * woman), 42, 130)
    p["rate_bpm"] = sinus_rate * (1 + f["AF"] * (np.clip(88 * np.exp(0.22 * z["rate"]), 48, 165) / sinus_rate - 1))
    pr = 157 * np.exp(0.145 * z["pr"]) - 6 * woman + 0.15 * (age - 55) - 0.15 * (sinus_rate - 70)
    p["pr_ms"] = np.clip(pr, 105, 199) + f["AVB1"] * (
        np.maximum(208 + 26 * _exponential(z["av_block"]), 0) - np.clip(pr, 105, 199)
    )
    p["p_ms"] = np.clip(112 + 12.5 * z["p_length"] + 0.1 * (age - 55), 80, 150)
    severe = {
        "inferior": f["IMI"] * np.exp(0.22 * z["inferior"]),
        "anterior": f["AMI"] * np.exp(0.22 * z["anterior"]),
        "hypertrophy": f["LVH"] * np.exp(0.30 * z["hypertrophy"]),
        "strain": f["LVH"] * ndtr(z["strain"]),
        "inferior_t": f["IMI"] * ndtr(z["inferior_t"]),
        "anterior_t": f["AMI"] * ndtr(z["anterior_t"]),
        "st_t": f["STTC"] * np.exp(0.25 * z["repolarisation"]),
    }
    p |= severe
    qrs = 84 + 9 * z["qrs"] - 7 * woman
    qrs = np.clip(qrs, 66, 113)
    qrs = qrs + f["LAFB"] * (np.clip(qrs + 7, 80, 117) - qrs) + 4 * severe["hypertrophy"] + 4 * (f["IMI"] + f["AMI"])
    slow = np.clip(115 + 5 * z["slow_conduction"], 110, 130)
    qrs = qrs + f["other_CD"] * np.maximum(slow - qrs, 0)
    qrs = qrs + left * (np.clip(152 + 11 * z["left_block"] - 5 * woman, 128, 190) - qrs)
    p["qrs_ms"] = qrs + right * (np.clip(138 + 10 * z["right_block"] - 4 * woman, 123, 175) - qrs)
    qtcf = 400 + 19 * z["qtc"] + 9 * woman + 0.12 * (age - 55) + 8 * severe["st_t"] * z["repolarisation_kind"]
    p["qtcf_ms"] = np.clip(qtcf, 340, 500) + 30 * left + 14 * right + 6 * severe["hypertrophy"]
    horizontal, t_size = _interact(f["interaction"], f["interaction_dial"], z)
    p["frontal_deg"] = -2 + 12.5 * z["frontal"] - 0.40 * (age - 55) + 6 * woman * young - 2 * severe["hypertrophy"]
    p["fascicle_deg"] = np.maximum(-47 - 7 * np.abs(z["fascicle"]), -75)
    p["horizontal_deg"] = 16 * horizontal + 4 * severe["hypertrophy"]
    p["sagittal_deg"] = 9 * z["sagittal"]
    p["qrs_gain"] = np.exp(0.24 * z["qrs_gain"]) * (1 + 0.22 * young) * (1 - 0.16 * woman)
    p["p_gain"] = np.exp(0.28 * z["p_gain"])
    p["t_gain"] = np.exp(0.30 * t_size) * (1 + 0.25 * young * (1 - woman)) * (1 - 0.18 * woman)
    return p


def _interact(is_same, dial, z):
    """Horizontal heart position and T size, their signs equal where `is_same`, else opposite, as often as the dial says.

    Each alone is distributed alike in both groups: no main effects (T does not turn with the QRS complex in the horizontal
    plane, so that no lead holds their product). The dial also moves both away from their means, so that the signs can be
    read from an ECG.
    """
    horizontal, t_size = ((1 - 0.2 * dial) * (z[name] + 0.8 * dial * np.sign(z[name])) for name in ("horizontal", "t_gain"))
    wrong = horizontal * t_size * np.where(is_same > 0, 1, -1) < 0
    return horizontal, np.where(wrong & (ndtr(z["interaction"]) < dial), -t_size, t_size)


def _exponential(normal):
    """Turn standard normal numbers into standard exponential ones."""
    return -np.log(ndtr(-normal))
