"""Faults of ECGs: found from the signals and the median beats, and said in words. The public call is `beats.quality`."""

import numpy as np
import pandas as pd

from .ecg import LEADS_8, LEADS_12

FLAT_MV = 0.04  # a lead whose median beat spans less is flat; on real ECGs the smallest lead spans 0.13 mV or more
NOISY_UV = 150.0  # in 98 of 100 real ECGs no lead reaches this
CONTRADICTION_UV = 30.0  # rounding to 5 uV explains up to 12.5 uV
FEW_BEATS = 3
DOMINANT_SHARE = 0.60
N_PLATEAUS = 4
PLATEAU_S = 0.1
OPPOSITE = -0.3  # correlation below which two leads show opposite waves
COLUMNS = (
    "usable", "reason", "n_beats", "n_used", "n_ectopic", "dominant_share", "noise_uV", "rr_s", "rr_sd_s",
    "flat_leads", "missing_leads", "saturated_leads", "noisy_leads", "swapped", "limb_error_uV", "faults",
)  # fmt: skip
LEAD_COLUMNS = ("flat_leads", "missing_leads", "saturated_leads", "noisy_leads", "swapped")


def look_at(ecgs, beats, noise_uv, r_index, fs):
    """Look for faults in a few ECGs.

    Parameters
    ----------
    ecgs : EcgSet
        The ECGs as they were read, 8 or 12 leads among others, in mV.
    beats : ndarray of float32, shape (n_ecgs, 8, n_times)
        Their median beats in mV, at `fs`, the R peak at `r_index`; NaN where there is none.
    noise_uv : ndarray of float, shape (n_ecgs, 8)
        Variation from beat to beat in each lead, in uV.
    r_index : int
        Sample of the R peak in `beats`.
    fs : float
        Sampling frequency of `beats` in Hz.

    Returns
    -------
    dict of ndarray, shape (n_ecgs,) or (n_ecgs, n_leads)
        ``n_nan`` (samples that are not finite), ``flat_s`` and ``saturated`` per lead of LEADS_12 or LEADS_8; ``noise`` in uV
        per lead likewise; ``swapped``; and ``limb_errors`` (n_ecgs, 4) in uV, NaN without 12 leads.
    """
    names = standard_leads(ecgs.leads)
    signals = ecgs.signals[:, [ecgs.leads.index(lead) for lead in names]]
    n_nan = signals.shape[-1] - np.isfinite(signals).sum(axis=-1)
    flat_s = flat_seconds(signals, ecgs.fs)
    eight = [names.index(lead) for lead in LEADS_8]
    span = np.ptp(beats, axis=-1)
    flat_s[:, eight] = np.where(span < FLAT_MV, np.inf, flat_s[:, eight])
    noise = quick_noise_uv(signals)
    noise[:, eight] = np.fmax(noise_uv, noise[:, eight])
    return {
        "n_nan": n_nan,
        "flat_s": flat_s,
        "saturated": is_saturated(signals, ecgs.fs) & np.isfinite(signals[..., 0]) & (flat_s == 0),
        "noise": noise,
        "swapped": swapped_electrodes(beats, r_index, fs),
        "limb_errors": limb_errors_uv(signals) if len(names) == 12 else np.full((len(signals), 4), np.nan),
    }


def standard_leads(leads):
    """Give the 12 standard leads where all are there, else the 8."""
    return LEADS_12 if set(LEADS_12) <= set(leads) else LEADS_8


def flat_seconds(signals, fs):
    """Whole seconds in which a lead does not change at all, (n_ecgs, n_leads)."""
    length = round(fs)
    n_seconds = signals.shape[-1] // length
    seconds = signals[..., : n_seconds * length].reshape(*signals.shape[:-1], n_seconds, length)
    return (seconds.max(axis=-1) == seconds.min(axis=-1)).sum(axis=-1).astype(float)


def is_saturated(signals, fs):
    """Say whether a lead is cut off: it comes back to its exact extreme value in four plateaus, or stays there for 0.1 s."""
    saturated = np.zeros(signals.shape[:-1], dtype=bool)
    for extreme in (signals.max(axis=-1, keepdims=True), signals.min(axis=-1, keepdims=True)):
        is_there = signals == extreme
        pair = is_there[..., 1:] & is_there[..., :-1]
        candidates = np.argwhere(pair.sum(axis=-1) >= min(N_PLATEAUS, PLATEAU_S * fs))
        for ecg, lead in candidates:  # few: most leads touch their extreme once
            edges = np.flatnonzero(np.diff(np.r_[0, pair[ecg, lead].astype(np.int8), 0]))
            lengths = edges[1::2] - edges[::2]
            saturated[ecg, lead] |= len(lengths) >= N_PLATEAUS or lengths.max() >= PLATEAU_S * fs
    return saturated


def quick_noise_uv(signals):
    """Noise from one sample to the next, mains included, (n_ecgs, n_leads) in uV.

    Half of all steps are smaller than 0.954 standard deviations if they are white normal noise; P, QRS and T are steep in less
    than half of the time. About 250 steps of each lead are looked at.
    """
    every = max(1, signals.shape[-1] // 250)
    step = np.abs(signals[..., 1::every] - signals[..., :-1:every])
    return 1000 * np.sort(step, axis=-1)[..., step.shape[-1] // 2] / 0.954


def limb_errors_uv(signals):
    """Largest deviations from Einthoven's and Goldberger's laws, (n_ecgs, 4) in uV, an offset of the lead left out."""
    lead_i, lead_ii, lead_iii, avr, avl, avf = (signals[:, i] for i in range(6))
    errors = (
        lead_ii - lead_i - lead_iii,
        avr + 0.5 * (lead_i + lead_ii),
        avl - lead_i + 0.5 * lead_ii,
        avf - lead_ii + 0.5 * lead_i,
    )
    return 1000 * np.stack([np.abs(error - error.mean(axis=-1, keepdims=True)).max(axis=-1) for error in errors], axis=1)


def swapped_electrodes(beats, r_index, fs):
    """Limb electrodes that seem to be exchanged, (n_ecgs,) of str: "RA/LA", "RA/LL" or "".

    Lead I looks the same way as V6 in most people. With RA and LA exchanged it is upside down: four of five signs are asked for
    (P, QRS and T of lead I downwards; QRS and T opposite to V6). With RA and LL exchanged the same holds for lead II. On
    PTB-XL this finds 95 % of arm electrodes exchanged on purpose and speaks up in 1 of 1,000 ECGs as they are. Other exchanges
    change the ECG too little, or too much like disease, to be told from one recording. Dextrocardia turns V6 as well as I, and
    is not reported.
    """
    before, after = (lambda s: r_index - round(s * fs)), (lambda s: r_index + round(s * fs))
    p_wave = beats[..., max(before(0.24), 0) : before(0.07)]
    qrs = beats[..., before(0.07) : after(0.09)]
    t_wave = beats[..., after(0.12) : after(0.40)]
    v6 = LEADS_8.index("V6")
    votes, likeness = [], []
    for lead in (0, 1):  # I, II
        likeness.append(_cosine(qrs[:, lead], qrs[:, v6]))
        signs = [
            p_wave[:, lead].max(axis=-1) + p_wave[:, lead].min(axis=-1) < 0,
            qrs[:, lead].max(axis=-1) + qrs[:, lead].min(axis=-1) < 0,
            t_wave[:, lead].mean(axis=-1) < 0,
            likeness[-1] < OPPOSITE,
            _cosine(t_wave[:, lead], t_wave[:, v6]) < OPPOSITE,
        ]
        votes.append(np.sum(signs, axis=0) >= 4)
    arms = votes[0] & (~votes[1] | (likeness[0] <= likeness[1]))
    return np.where(arms, "RA/LA", np.where(votes[1], "RA/LL", ""))


def _cosine(a, b):
    return (a * b).sum(axis=-1) / np.maximum(np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1)), np.finfo(np.float32).tiny)


def table_in_words(columns, leads):
    """Make the quality table of the columns that `beats` and `look_at` filled; without index.

    Parameters
    ----------
    columns : dict of ndarray
        Of `look_at`, and ``n_beats``, ``n_used``, ``n_ectopic``, ``dominant_share``, ``rr_s``, ``rr_sd_s``.
    leads : sequence of str
        Leads of the ECGs.

    Returns
    -------
    DataFrame
        The columns that `beats.quality` describes.
    """
    names = standard_leads(leads)
    is_missing = columns["n_nan"] > 0
    lacks_one_of_eight = is_missing[:, [names.index(lead) for lead in LEADS_8]].any(axis=1)
    table = pd.DataFrame({name: columns[name] for name in ("n_beats", "n_used", "n_ectopic", "dominant_share")})
    table["rr_s"], table["rr_sd_s"] = columns["rr_s"], columns["rr_sd_s"]
    table["noise_uV"] = np.median(columns["noise"][:, [names.index(lead) for lead in LEADS_8]], axis=1)
    table["flat_leads"] = _names((columns["flat_s"] > 0) & ~is_missing, names)
    table["missing_leads"] = _names(is_missing, names)
    table["saturated_leads"] = _names(columns["saturated"], names)
    table["noisy_leads"] = _names(columns["noise"] > NOISY_UV, names)
    table["swapped"] = columns["swapped"].astype(object)
    table["limb_error_uV"] = columns["limb_errors"].max(axis=1)
    table["usable"] = (table["n_used"] > 0) & ~lacks_one_of_eight
    table["reason"] = np.select(
        [table["usable"], lacks_one_of_eight, table["n_beats"] == 0],
        ["", "NaN in lead(s) " + table["missing_leads"], "no QRS complex found"],
        "no QRS complex lies inside the recording with its whole window",
    ).astype(object)
    has_bad_lead = (table[list(LEAD_COLUMNS)] != "").any(axis=1)
    contradicts = table["limb_error_uV"] > CONTRADICTION_UV
    is_thin = (table["n_used"] < FEW_BEATS) | (table["dominant_share"] < DOMINANT_SHARE)
    words = np.full(len(table), "", dtype=object)
    for i in np.flatnonzero(~table["usable"] | has_bad_lead | contradicts | is_thin):
        words[i] = "; ".join(_words(table.iloc[i], {name: values[i] for name, values in columns.items()}, names))
    table["faults"] = words
    return table[list(COLUMNS)]


def unread(reasons):
    """Table of ECGs that could not be read, one row per reason."""
    table = pd.DataFrame({"usable": False, "reason": reasons}, columns=list(COLUMNS))
    counts, texts = (
        ["n_beats", "n_used", "n_ectopic"],
        ["flat_leads", "missing_leads", "saturated_leads", "noisy_leads", "swapped"],
    )
    table[counts], table[texts] = 0, ""
    table[["dominant_share", "noise_uV", "rr_s", "rr_sd_s", "limb_error_uV"]] = np.nan
    table["faults"] = table["reason"]
    return table


def _names(mask, names):
    """Names of the leads that a row of the mask marks, joined by commas."""
    joined = np.full(len(mask), "", dtype=object)
    for i in np.flatnonzero(mask.any(axis=1)):
        joined[i] = ", ".join(np.array(names)[mask[i]])
    return joined


def _words(row, columns, names):
    """Sentences about the faults of one ECG."""
    words = []
    for lead, n, seconds, cut in zip(names, columns["n_nan"], columns["flat_s"], columns["saturated"]):
        if n:
            words.append(f"lead {lead} is missing: {n} of its samples are not numbers")
        elif seconds:
            words.append(f"lead {lead} is flat" + (f" for {seconds:.0f} s" if np.isfinite(seconds) else ""))
        elif cut:
            words.append(f"lead {lead} is saturated: its peaks are cut off at one value")
    for lead, noise in zip(names, columns["noise"]):
        if noise > NOISY_UV:
            words.append(f"lead {lead} is noisy: {noise:.0f} uV")
    if row["swapped"]:
        lead = {"RA/LA": "I", "RA/LL": "II"}[row["swapped"]]
        words.append(
            f"limb electrodes {row['swapped'].replace('/', ' and ')} look swapped: lead {lead} is upside down against V6"
        )
    laws = ("II - I - III", "aVR + (I + II)/2", "aVL - I + II/2", "aVF - II + I/2")
    broken = [
        f"{law} reaches {error / 1000:.2f} mV" for law, error in zip(laws, columns["limb_errors"]) if error > CONTRADICTION_UV
    ]
    if broken:
        words.append(
            f"the limb leads contradict each other: {', '.join(broken)} where Einthoven's and Goldberger's laws give 0, "
            "so the gain of at least one limb lead is wrong, or it is another signal"
        )
    if row["n_beats"] == 0:
        words.append("no QRS complex found")
    elif row["n_used"] < FEW_BEATS:
        words.append(f"too few beats: {row['n_used']} in the median")
    if row["dominant_share"] < DOMINANT_SHARE:
        words.append(
            f"only {100 * row['dominant_share']:.0f} % of the beats look alike: the median beat stands for these alone"
        )
    return words
