"""Faults of ECGs: found from the signals and the median beats, and said in words. The public call is `beats.quality`."""

import numpy as np
import pandas as pd

from ..ecg import LEADS_8, LEADS_12, lead_rows, pick_leads

FLAT_MV = 0.04  # a lead whose median beat spans less is flat; on real ECGs the smallest lead spans 0.13 mV or more
NOISY_UV = 150.0  # in 97 of 100 real ECGs no lead reaches this ...
NOISY_SHARE = 0.05  # ... and a lead is clean where it is less than this share of its beat: 150 uV of 4 mV
NOISY_S = 2  # seconds of strong noise from sample to sample that make a lead noisy even if the rest is clean
CONTRADICTION_UV = 30.0  # rounding to 5 uV explains up to 12.5 uV
FEW_BEATS = 3
DOMINANT_SHARE = 0.60
N_EQUAL = 4  # samples at the extreme value; three are chance in 1 of 200 ECGs at 100 Hz
N_MEETINGS, N_SURE_MEETINGS = 3, 5  # beats that reach the same extreme value: suspicious, and certain
PLATEAU_S = 0.2  # PTB-XL's files hold their last value for 0.11 s
OPPOSITE = -0.3  # correlation below which two leads show opposite waves
LOOK_LEFT = [LEADS_8.index(lead) for lead in ("I", "II", "V5", "V6")]  # P, QRS and T point up in them in most people
UPSIDE_DOWN = 10  # of 12 such waves point down, V1 counted as a 13th: 1 of 2,015 ECGs of PTB-XL, 9 of 10 turned on purpose
SHORTEST_RR_S = 0.4  # in a faster rhythm the beats run into each other, and their waves do not lie where they are looked for
# Children with the largest hearts may reach 10 mV in a few leads, nobody in half of them; in effusions the largest lead keeps
# 0.2 mV. Converters give 20 counts a millivolt or more, mostly 200 or 1000.
LARGEST_LEAD_MV, LARGEST_USUAL_MV, SMALLEST_MV = 25.0, 10.0, 0.1
MICROVOLTS_MV = 300.0  # from here on a usual beat of 1 mV may be given in microvolts
LEAD_COLUMNS = ("flat_leads", "missing_leads", "saturated_leads", "noisy_leads", "swapped")
COLUMNS = (
    "usable", "reason", "n_beats", "n_used", "n_ectopic", "dominant_share", "noise_uV", "rr_s", "rr_sd_s",
    "rr_rmssd_s", "p_consistency", "n_spikes", *LEAD_COLUMNS,
    "limb_error_uV", "faults",
)  # fmt: skip


def look_at(ecgs, beats, noise_uv, r_index, fs):
    """Look for faults in a few ECGs, given their median beats (n_ecgs, 8, n_times) at `fs` and noise of beats (n_ecgs, 8).

    Columns by name come back, of the 12 (or 8) leads (``noise`` in uV, ``noisy_s`` where one is not noisy on the whole) or of
    the ECG (``swapped``, and four ``limb_errors`` in uV).
    """
    names = standard_leads(ecgs.leads)
    signals = pick_leads(ecgs, names).signals
    n_nan = signals.shape[-1] - np.isfinite(signals).sum(axis=-1)
    flat_s = flat_seconds(signals, ecgs.fs)
    eight = lead_rows(names, LEADS_8, "an ECG")
    span = np.ptp(beats, axis=-1)
    flat_s[:, eight] = np.where(span < FLAT_MV, np.inf, flat_s[:, eight])
    quick = quick_noise_uv(signals, ecgs.fs)
    noise = np.median(quick, axis=-1)
    noise[:, eight] = np.fmax(noise_uv, noise[:, eight])
    is_noisy = noise > NOISY_UV
    is_noisy[:, eight] &= ~(noise[:, eight] <= NOISY_SHARE * 1000 * span)  # without a median beat, absolute noise decides
    noisy_s = np.where(is_noisy, 0, (quick > NOISY_UV).sum(axis=-1))  # a part of the recording
    is_noisy |= noisy_s >= NOISY_S
    return {
        "n_nan": n_nan, "flat_s": flat_s, "noise": noise, "is_noisy": is_noisy, "noisy_s": noisy_s, "spans": span,
        "saturated": is_saturated(signals, ecgs.fs) & np.isfinite(signals[..., 0]) & (flat_s == 0),
        "swapped": swapped_electrodes(beats, r_index, fs), "is_upside_down": is_upside_down(beats, r_index, fs),
        "limb_errors": limb_errors_uv(signals) if len(names) == 12 else np.full((len(signals), 4), np.nan),
    }  # fmt: skip


def standard_leads(leads):
    """Return the names of the 12 standard leads where all are there, else of the 8."""
    return LEADS_12 if set(LEADS_12) <= set(leads) else LEADS_8


def flat_seconds(signals, fs):
    """Whole seconds in which a lead does not change at all, (n_ecgs, n_leads)."""
    length = round(fs)
    n_seconds = signals.shape[-1] // length
    seconds = signals[..., : n_seconds * length].reshape(*signals.shape[:-1], n_seconds, length)
    return (seconds.max(axis=-1) == seconds.min(axis=-1)).sum(axis=-1).astype(float)


def is_saturated(signals, fs):
    """Return whether a lead is cut off, (n_ecgs, n_leads): samples pile up at its exact highest or lowest value."""
    saturated = np.zeros(signals.shape[:-1], dtype=bool)
    for extreme in (signals.max(axis=-1, keepdims=True), signals.min(axis=-1, keepdims=True)):
        candidates = np.argwhere((signals == extreme).sum(axis=-1) >= N_EQUAL)
        for ecg, lead in candidates:  # few: most leads touch their extreme once
            saturated[ecg, lead] |= _piles_up(np.abs(signals[ecg, lead] - extreme[ecg, lead]), fs)
    return saturated


def _piles_up(below_mV, fs):
    """Whether the samples of one lead pile up at its extreme, given how far from it each of them is.

    A lead that is cut off comes back to one value beat after beat; natural peaks differ from beat to beat and are round. So
    three beats or more have to meet the extreme value, and there must be 1.5 samples at it for one in the next 25 uV (or ten of
    the steps in which the lead was stored). Where five beats or more meet it, as many samples as in the next 12 uV (five steps)
    are enough; 0.2 s without a break at the extreme are enough by themselves.
    """
    if not below_mV.any():
        return False  # flat, which is another fault
    at = np.flatnonzero(below_mV == 0)
    n_meetings = 1 + (np.diff(at) > 0.2 * fs).sum()
    unit_mV = np.median(np.diff(np.unique(below_mV)[:200]))  # in which the lead was stored
    reaches_mV = (max(mV, n * unit_mV, 0.01 * below_mV.max()) for mV, n in ((0.025, 10.5), (0.012, 5.5)))
    n_wide, n_narrow = ((below_mV < reach_mV).sum() - len(at) for reach_mV in reaches_mV)
    is_pile = len(at) >= 1.5 * n_wide or (n_meetings >= N_SURE_MEETINGS and len(at) >= n_narrow)
    lasts = len(at) >= n_meetings * max(1, 0.003 * fs)
    longest = np.diff(np.flatnonzero(np.r_[True, below_mV > 0, True])).max() - 1
    return (n_meetings >= N_MEETINGS and is_pile and lasts) or longest >= PLATEAU_S * fs


def quick_noise_uv(signals, fs):
    """Noise within a few milliseconds in every whole second, mains included, (n_ecgs, n_leads, n_seconds) in uV.

    Half of all steps of 4 ms are smaller than 0.954 standard deviations if they are white normal noise, and half of the bends
    over 10 ms on either side smaller than 1.652. The smaller of the two estimates counts: steps are large in a fast and wide
    rhythm too, bends are not. About 25 places of each second are looked at; the second may be shorter by a few samples.
    """
    reach, stride = max(1, round(0.01 * fs)), max(1, round(0.004 * fs))
    spacing = max(1, round(fs) // 25 - 1)  # not 40 ms, at whose multiples mains always have the same phase
    n_places = int(fs / spacing)
    n_seconds = (signals.shape[-1] - 2 * reach) // (n_places * spacing)
    starts, length = (0, reach, reach + stride, 2 * reach), n_seconds * n_places * spacing
    before, first, second, after = (signals[..., start : start + length : spacing] for start in starts)
    middle, by_second = n_places // 2, (*signals.shape[:-1], n_seconds, n_places)
    step = np.sort(np.abs(second - first).reshape(by_second), axis=-1)[..., middle]
    bend = np.sort(np.abs(before - 2 * first + after).reshape(by_second), axis=-1)[..., middle]
    return 1000 * np.minimum(step / 0.954, bend / 1.652)


def limb_errors_uv(signals):
    """Largest deviations from Einthoven's and Goldberger's laws, (n_ecgs, 4) in uV, an offset of the lead left out."""
    i, ii, iii, avr, avl, avf = signals.swapaxes(0, 1)[:6]
    errors = (ii - i - iii, avr + 0.5 * (i + ii), avl - i + 0.5 * ii, avf - ii + 0.5 * i)
    return 1000 * np.stack([np.abs(error - error.mean(axis=-1, keepdims=True)).max(axis=-1) for error in errors], axis=1)


def swapped_electrodes(beats, r_index, fs):
    """Limb electrodes that seem to be exchanged, (n_ecgs,) of str: "RA/LA", "RA/LL" or "".

    Lead I looks the same way as V6 in most people. With RA and LA exchanged it is upside down: four of five signs are asked for
    (P, QRS and T of lead I downwards; QRS and T opposite to V6). With RA and LL exchanged the same holds for lead II. Of
    electrodes exchanged on purpose this finds, on PTB-XL and LUDB, 90-97 % for RA and LA and 87-92 % for RA and LL; 1 in 200 or
    fewer are named without an exchange on PTB-XL. LA and LL exchanged turn lead III over and swap I with II, as happens in
    healthy people: not looked for, as is the ground electrode RL. Dextrocardia turns V6 as well as I: not reported.
    """
    p_wave, qrs, t_wave = _waves(beats, r_index, fs)
    v6 = LEADS_8.index("V6")
    votes, likeness = [], []
    for lead in (0, 1):  # I, II
        likeness.append(_cosine(qrs[:, lead], qrs[:, v6]))
        down = [_net(p_wave[:, lead]) < 0, _net(qrs[:, lead]) < 0, t_wave[:, lead].mean(axis=-1) < 0]
        opposite = [likeness[-1] < OPPOSITE, _cosine(t_wave[:, lead], t_wave[:, v6]) < OPPOSITE]
        votes.append(np.sum([*down, *opposite], axis=0) >= 4)
    arms = votes[0] & (~votes[1] | (likeness[0] <= likeness[1]))
    return np.where(arms, "RA/LA", np.where(votes[1], "RA/LL", ""))


def is_upside_down(beats, r_index, fs):
    """Whether all leads seem to be turned over, (n_ecgs,): P, QRS and T point down in I, II, V5, V6, and QRS up in V1.

    Atrial fibrillation leaves eight waves to judge by and two that are chance; such ECGs are named more rarely.
    """
    p_wave, qrs, t_wave = _waves(beats, r_index, fs)
    down = [_net(p_wave)[:, LOOK_LEFT] < 0, _net(qrs)[:, LOOK_LEFT] < 0, t_wave.mean(axis=-1)[:, LOOK_LEFT] < 0]
    return np.sum(down, axis=(0, 2)) + (_net(qrs[:, LEADS_8.index("V1")]) > 0) >= UPSIDE_DOWN


def _waves(beats, r_index, fs):
    """Where P, QRS and T of a beat lie in most people."""
    spans_s = (-0.24, -0.07), (-0.07, 0.09), (0.12, 0.40)
    return (beats[..., max(r_index + round(start_s * fs), 0) : r_index + round(end_s * fs)] for start_s, end_s in spans_s)


def _net(wave):
    """Highest and lowest value together: above 0, a wave points up."""
    return wave.max(axis=-1) + wave.min(axis=-1)


def scale_in_words(spans):
    """Say of each ECG whether its amplitudes cannot be millivolts ("" if they can), given spans of beats (n_ecgs, 8) in mV."""
    largest, usual = spans.max(axis=-1, initial=0), np.median(spans, axis=-1)
    is_wrong = [usual > MICROVOLTS_MV, usual > LARGEST_USUAL_MV, largest > LARGEST_LEAD_MV, largest < SMALLEST_MV]
    usual_causes = "microvolts, or counts of a converter", "counts of a converter"
    causes = *usual_causes, "another unit in one lead", "volts, or only noise"
    said = "the amplitudes cannot be millivolts: a beat spans {:.3g} in the largest lead, which looks like {}"
    causes = np.select(is_wrong, causes, "")
    return np.array([cause and said.format(high, cause) for high, cause in zip(largest, causes)], dtype=object)


def _cosine(a, b):
    return (a * b).sum(axis=-1) / np.maximum(np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1)), np.finfo(np.float32).tiny)


def table_in_words(columns, leads):
    """Make the table that `beats.quality` describes, without index, of the columns of `look_at`, `rhythm` and what was used."""
    names = standard_leads(leads)
    is_missing = columns["n_nan"] > 0
    columns = columns | {"is_upside_down": columns["is_upside_down"] & ~(columns["rr_s"] < SHORTEST_RR_S)}
    eight = lead_rows(names, LEADS_8, "an ECG")
    lacks_one_of_eight = is_missing[:, eight].any(axis=1)
    table = pd.DataFrame({name: columns[name] for name in COLUMNS if name in columns and name != "swapped"})
    table["noise_uV"] = np.median(columns["noise"][:, eight], axis=1)
    table["flat_leads"] = _names((columns["flat_s"] > 0) & ~is_missing, names)
    table["missing_leads"] = _names(is_missing, names)
    table["saturated_leads"] = _names(columns["saturated"], names)
    table["noisy_leads"] = _names(columns["is_noisy"], names)
    table["swapped"] = columns["swapped"].astype(object)
    table["limb_error_uV"] = columns["limb_errors"].max(axis=1)
    table["usable"] = (table["n_used"] > 0) & ~lacks_one_of_eight
    table["reason"] = np.select(
        [table["usable"], lacks_one_of_eight, table["n_beats"] == 0],
        ["", "NaN in lead(s) " + table["missing_leads"], "no QRS complex found"],
        "no QRS complex lies inside the recording with its whole window",
    ).astype(object)
    is_faulty = ~table["usable"] | (table[list(LEAD_COLUMNS)] != "").any(axis=1)
    is_faulty |= (table["limb_error_uV"] > CONTRADICTION_UV) | (table["n_used"] < FEW_BEATS)
    is_faulty |= (table["dominant_share"] < DOMINANT_SHARE) | (table["n_spikes"] > 0)
    scale = scale_in_words(columns["spans"])
    is_faulty |= columns["is_upside_down"] | (scale != "")
    words = np.full(len(table), "", dtype=object)
    for i in np.flatnonzero(is_faulty):
        of_ecg = {name: values[i] for name, values in columns.items()}
        words[i] = "; ".join(filter(None, (scale[i], *_of_leads(of_ecg, names), *_of_limb_leads_and_beats(of_ecg))))
    return table.assign(faults=words)[list(COLUMNS)]


def unread(reasons):
    """Table of ECGs that could not be read, one row per reason."""
    table = pd.DataFrame(np.nan, index=range(len(reasons)), columns=list(COLUMNS))
    table["usable"] = False
    table["reason"] = table["faults"] = np.array(reasons, dtype=object)
    table[["n_beats", "n_used", "n_ectopic"]] = 0
    table[list(LEAD_COLUMNS)] = ""
    return table


def _names(mask, names):
    """Names of the leads that a row of the mask marks, joined by commas."""
    joined = np.full(len(mask), "", dtype=object)
    for i in np.flatnonzero(mask.any(axis=1)):
        joined[i] = ", ".join(np.array(names)[mask[i]])
    return joined


def _of_leads(ecg, names):
    """Sentences about single leads of one ECG."""
    for lead, n, seconds, is_cut in zip(names, ecg["n_nan"], ecg["flat_s"], ecg["saturated"]):
        if n:
            yield f"lead {lead} is missing: {n} of its samples are not numbers"
        elif seconds:
            yield f"lead {lead} is flat" + (f" for {seconds:.0f} s" if np.isfinite(seconds) else "")
        elif is_cut:
            yield f"lead {lead} is saturated: its peaks are cut off at one value"
    for lead, noise, is_noisy, seconds in zip(names, ecg["noise"], ecg["is_noisy"], ecg["noisy_s"]):
        if is_noisy:
            yield f"lead {lead} is noisy" + (f" for {seconds} s" if seconds else f": {noise:.0f} uV")


def _of_limb_leads_and_beats(ecg):
    """Sentences about the limb leads of one ECG, against each other and against V6, and about the number of its beats."""
    if ecg["is_upside_down"]:
        yield "all leads look upside down: P, QRS and T point down in I, II, V5 and V6, where they point up in most people"
    if ecg["swapped"]:
        lead = {"RA/LA": "I", "RA/LL": "II"}[ecg["swapped"]]
        yield f"limb electrodes {ecg['swapped'].replace('/', ' and ')} look swapped: lead {lead} is upside down against V6"
    errors = zip(("II - I - III", "aVR + (I + II)/2", "aVL - I + II/2", "aVF - II + I/2"), ecg["limb_errors"])
    broken = [f"{law} reaches {error / 1000:.2f} mV" for law, error in errors if error > CONTRADICTION_UV]
    if broken:
        yield (
            f"the limb leads contradict each other: {', '.join(broken)} where Einthoven's and Goldberger's laws give 0, "
            "so the gain of at least one limb lead is wrong (its millivolts are not to scale), or it is another signal"
        )
    if ecg["n_spikes"]:
        yield f"{ecg['n_spikes']} pacing spikes, or pulses as narrow, were cut out: a pacemaker may lead the rhythm"
    if ecg["n_beats"] == 0:
        yield "no QRS complex found"
    elif ecg["n_used"] < FEW_BEATS:
        yield f"too few beats: {ecg['n_used']} in the median"
    if ecg["dominant_share"] < DOMINANT_SHARE:
        yield f"only {100 * ecg['dominant_share']:.0f} % of the beats look alike: the median beat stands for these alone"
