"""From clinical factors to twelve-lead ECGs of which everything is known, and a whole database of them on disk."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.interpolate import BSpline
from scipy.signal import butter, sosfilt
from scipy.special import ndtr
from tqdm.auto import tqdm

from .cache import written_whole
from .dipole import (
    DOWER,
    N_INDIVIDUAL,
    frontal_axis_deg,
    gaussians,
    make_beats,
    make_ectopic_beats,
    split_individual,
)
from .ecg import LEADS_12, TWELVE_FROM_EIGHT, EcgSet
from .factors import CONTRADICTIONS, DIAGNOSES, FACTOR_NAMES, SUPERCLASSES
from .population import DETAIL_FACTORS, RHYTHM_CONTRADICTIONS, RHYTHM_FACTORS, Population, draw_factors, flip_labels
from .rhythm import DOMINANT, ECTOPIC, LEAD_IN_S, NO_BEAT, P_ONLY, fibrillation, make_rhythm, median_rr_s, n_slots

BINARY_FACTORS = ("sex_female", *DIAGNOSES, *SUPERCLASSES, *RHYTHM_FACTORS, "interaction")
EXPLAINED_BY = {"MI": ("IMI", "AMI"), "CD": ("LBBB", "RBBB", "AVB1", "LAFB"), "HYP": ("LVH",)}
WINDOW_S = (-0.52, 0.70)  # around each beat, and the parts of it that the waves reach
P_WINDOW_S, QRS_WINDOW_S, T_WINDOW_S = (-0.52, 0.02), (-0.14, 0.18), (-0.10, 0.70)
MIN_WAVE_mV = 0.03  # the smallest deflection that counts as a wave: IEC 60601-2-51:2003, annex GG

# From potentials at nine electrodes (RA, LA, LL, V1 ... V6) to the eight leads; chest leads against Wilson's terminal.
LEADS_FROM_ELECTRODES = np.zeros((8, 9), dtype=np.float32)
LEADS_FROM_ELECTRODES[0, :2] = (-1, 1)
LEADS_FROM_ELECTRODES[1, [0, 2]] = (-1, 1)
LEADS_FROM_ELECTRODES[2:, :3] = -1 / 3
LEADS_FROM_ELECTRODES[2:, 3:] = np.eye(6)

# SCP-ECG codes the database is written with: factor -> code, likelihood, and the row of scp_statements.csv
# (description, diagnostic, form, rhythm, diagnostic_class, diagnostic_subclass).
STATEMENTS = {
    "NORM": ("normal ECG", 1, None, None, "NORM", "NORM"),
    "CLBBB": ("complete left bundle branch block", 1, None, None, "CD", "CLBBB"),
    "CRBBB": ("complete right bundle branch block", 1, None, None, "CD", "CRBBB"),
    "LAFB": ("left anterior fascicular block", 1, None, None, "CD", "LAFB/LPFB"),
    "1AVB": ("first degree AV block", 1, None, None, "CD", "_AVB"),
    "2AVB": ("second degree AV block", 1, None, None, "CD", "_AVB"),
    "WPW": ("Wolff-Parkinson-White syndrome", 1, None, None, "CD", "WPW"),
    "LVH": ("left ventricular hypertrophy", 1, None, None, "HYP", "LVH"),
    "IMI": ("inferior myocardial infarction", 1, None, None, "MI", "IMI"),
    "AMI": ("anterior myocardial infarction", 1, None, None, "MI", "AMI"),
    "NDT": ("non-diagnostic T abnormalities", 1, 1, None, "STTC", "STTC"),
    "PVC": ("ventricular premature complex", None, 1, None, None, None),
    "SR": ("sinus rhythm", None, None, 1, None, None),
    "AFIB": ("atrial fibrillation", None, None, 1, None, None),
    "BIGU": ("bigeminal pattern (unknown origin, SV or Ventricular)", None, None, 1, None, None),
    "SARRH": ("sinus arrhythmia", None, None, 1, None, None),
}
CODE_OF = {
    "LBBB": "CLBBB", "RBBB": "CRBBB", "LAFB": "LAFB", "AVB1": "1AVB", "LVH": "LVH", "IMI": "IMI", "AMI": "AMI",
    "STTC": "NDT", "PVC": "PVC", "AF": "AFIB", "bigeminy": "BIGU", "wenckebach": "2AVB",
    "sinus_arrhythmia": "SARRH", "delta_wave": "WPW",
}  # fmt: skip


def simulate(factors, *, fs=100, duration_s=10, seed=0, noise=True, effect_sizes=None):
    """Simulate one ten-second 12-lead ECG per row of a table of clinical factors.

    Parameters
    ----------
    factors : DataFrame
        One row per ECG; its index gives the ids. Columns, all optional:

        - ``age_years`` and ``sex_female`` (0, 1): drawn by the seed where missing or NaN;
        - diagnoses ``LBBB RBBB AF AVB1 LVH IMI AMI LAFB PVC STTC`` (0, 1): 0 where the column is missing;
        - superclasses ``NORM MI CD HYP`` (0, 1, NaN): they change the ECG only where nothing else explains them (MI without IMI or
          AMI becomes an infarction drawn by the seed, CD without a named block a slow QRS of 110-130 ms, HYP without LVH a
          mild one); NORM and NaN change nothing;
        - ``bigeminy wenckebach sinus_pause sinus_arrhythmia`` (0, 1): rhythm alone, the dominant beat stays as it is;
        - ``small_q delta_wave notch``: dials, 0 for none, 1 for a typical one;
        - ``interaction`` (0, 1): shown only by a product, whether frontal heart position and T size deviate in the same
          direction (1) or in opposite ones (0); neither alone differs. Its effect size, 0 to 1, is the share of people in whom
          the sign is made to fit.
    fs : float
        Sampling frequency in Hz, 50 to 2000.
    duration_s : float
        Length in seconds, at least 2.
    seed : int
        Seed and id decide the individual: the same person has the same heart position, intervals and noise in any table,
        so that tables which differ in one factor give paired ECGs.
    noise : bool
        Whether to add muscle and electrode noise, baseline wander and mains hum.
    effect_sizes : mapping of str to float, optional
        Multiplies what a factor does (1 where not named).

    Returns
    -------
    EcgSet
        Twelve leads in mV, float32. Same seed, same bits, however many rows are simulated at once.

    Raises
    ------
    ValueError
        For an unknown column, a value that is not 0 or 1 (NaN in a diagnosis included), or contradictory factors; the row is named.

    Notes
    -----
    A moving dipole of Gaussian waves (Sameni 2007) behind Dower's matrix, with a non-dipolar part of 5-15 % of the QRS
    energy, breathing that tilts the axis by 1-4 degrees, and individual electrode positions; `dipole.parameters`
    and `rhythm.make_rhythm` list the published figures.

    Examples
    --------
    >>> ecgs = simulate(pd.DataFrame({"LBBB": [0, 1]}, index=["healthy", "block"]))
    >>> ecgs.signals.shape, list(ecgs.ids)
    ((2, 12, 1000), ['healthy', 'block'])
    """
    return _simulate(factors, fs, duration_s, seed, noise, effect_sizes, with_truth=False)[0]


def simulate_with_truth(factors, *, fs=100, duration_s=10, seed=0, noise=True, effect_sizes=None):
    """Simulate as `simulate` does, and tell the truth beside it.

    Parameters
    ----------
    factors, fs, duration_s, seed, noise, effect_sizes
        As for `simulate`.

    Returns
    -------
    ecgs : EcgSet
    truth : DataFrame
        Indexed by id. All of it belongs to the noise-free dominant beat at the median RR interval, breathing in the middle:

        - ``qrs_ms``: from the first to the last time at which the root mean square over the eight leads of the QRS part
          exceeds 3 % of its peak; ``p_ms``: the same for P with 10 %; ``pr_ms``: P onset to QRS onset (NaN in
          atrial fibrillation, like ``p_ms``);
        - ``qt_ms``: QRS onset to the end of T, where the tangent at the steepest descent of the T part's root mean square
          reaches zero; ``qtcf_ms`` by Fridericia;
        - ``heart_rate_bpm``: 60 / median RR in the record;
        - ``p_ qrs_ t_axis_deg``: from the net areas of I and aVF, 0 to the left, +90 to the feet;
        - ``q_ r_ s_ st_ t_<lead>_mV`` for the twelve leads: within QRS, r is the highest point, q the lowest one before the first
          rise to 0.03 mV, s the lowest one after it (a QS complex counts as both; 0 below 0.03 mV); st is the level 60 ms after the end of
          QRS, t the point furthest from zero between there and the end of T; ``sokolow_lyon_mV``, ``cornell_mV``,
          and ``r_peak_time_V1_ms``, ``_V5_ms`` from QRS onset;
        - the factors as simulated, and what generated the beat (gains, angles, severities).
    """
    return _simulate(factors, fs, duration_s, seed, noise, effect_sizes, with_truth=True)


def write_simulated_database(folder, n, *, seed=0, fs=100, population=None, progress=True):
    """Write a simulated database in PTB-XL's layout, and the truth beside it.

    Parameters
    ----------
    folder : str or Path
        Where to write; what stood there before is replaced once everything is written. An interrupted run leaves nothing.
    n : int
        Number of ECGs, ids 1 ... n.
    seed : int
        Decides people, ECGs and folds.
    fs : {100, 500}
        Rate of the records: ``records100`` or ``records500``.
    population : Population, optional
        Prevalences, correlations, effect sizes, label flips.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Path
        The folder. It holds ``ptbxl_database.csv`` (official columns; age 300 for people of 90 or older, as in PTB-XL;
        likelihood 100 for diagnostic codes, 0 for rhythm and form), ``scp_statements.csv`` (the codes used), WFDB records
        (16 bit, 1000 units per mV) and ``ground_truth.csv`` (`simulate_with_truth`, indexed by ``ecg_id``), by which a
        reader knows that the ECGs are simulated.

    Raises
    ------
    ValueError
        If `fs` is neither 100 nor 500, or `n` is not positive.
    """
    if fs not in (100, 500):
        raise ValueError(f"PTB-XL's layout has records at 100 and 500 Hz; got fs={fs}.")
    if n < 1:
        raise ValueError(f"n must be a number of ECGs of at least 1; got {n}.")
    population = Population() if population is None else population
    factors = draw_factors(population, n, seed)
    names = [(f"records100/{i // 1000 * 1000:05d}/{i:05d}_lr", f"records500/{i // 1000 * 1000:05d}/{i:05d}_hr") for i in factors.index]
    truths = []
    with written_whole(folder) as whole, tqdm(total=n, desc="Simulating ECGs", unit="ECG", disable=not progress) as bar:
        for start in range(0, n, 500):
            part = slice(start, min(start + 500, n))
            ecgs, truth = simulate_with_truth(factors.iloc[part], fs=fs, seed=seed, effect_sizes=population.effect_sizes)
            for signal, name in zip(ecgs.signals, names[part]):
                _write_record(whole / name[fs == 500], signal, fs)
            truths.append(truth)
            bar.update(len(ecgs))
        pd.concat(truths).round(4).to_csv(whole / "ground_truth.csv")
        labels = flip_labels(factors, population.label_flips, seed)
        _database_table(labels, names, seed).to_csv(whole / "ptbxl_database.csv")
        _statement_table().to_csv(whole / "scp_statements.csv")
    return Path(folder)


def _simulate(factors, fs, duration_s, seed, noise, effect_sizes, *, with_truth):
    if not (np.isfinite(fs) and 50 <= fs <= 2000):
        raise ValueError(f"fs must lie between 50 and 2000 Hz; got {fs!r}.")
    if not (np.isfinite(duration_s) and duration_s >= 2):
        raise ValueError(f"duration_s must be at least 2 seconds; got {duration_s!r}.")
    columns = _check_factors(factors)
    ids = factors.index.to_numpy()
    n, n_samples = len(ids), round(duration_s * fs)
    signals = np.empty((n, 12, n_samples), dtype=np.float32)
    truths = []
    step = max(1, int(64 * 1000 / n_samples))  # ECGs at once: bounded memory, and small enough for a processor's cache
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        chunk = {name: values[part] for name, values in columns.items()}
        draws = _draw(ids[part], seed, n_samples, duration_s, noise)
        signals[part], truth = _simulate_chunk(chunk, draws, fs, duration_s, effect_sizes or {}, with_truth)
        truths.append(truth)
    truth = pd.concat(truths, ignore_index=True).set_axis(factors.index) if with_truth and truths else None
    return EcgSet(signals, fs, LEADS_12, ids), truth


def _check_factors(factors):
    """Columns of the table as float arrays, every factor present; errors name column, row and value."""
    if not isinstance(factors, pd.DataFrame):
        raise ValueError(f"factors must be a DataFrame with one row per ECG; got {type(factors).__name__}.")
    known = {*FACTOR_NAMES, *RHYTHM_FACTORS, *DETAIL_FACTORS, "interaction"}
    unknown = [name for name in factors.columns if name not in known]
    if unknown:
        raise ValueError(f"unknown factor(s) {unknown}; known are {sorted(known)}.")
    columns = {}
    for name in known:
        if name not in factors:
            columns[name] = np.full(len(factors), np.nan if name in ("age_years", "sex_female") else 0.0)
            continue
        values = factors[name].to_numpy(dtype=float, na_value=np.nan)
        bad = np.zeros(len(values), dtype=bool)
        if name == "age_years":
            wanted, bad = "an age from 0 to 120 years or NaN (300 stands for 90 or older in PTB-XL: use 90)", (values < 0) | (values > 120)
        elif name in BINARY_FACTORS:
            may_be_unknown = name in ("sex_female", "NORM", "MI", "CD", "HYP")
            wanted = "0, 1 or NaN" if may_be_unknown else "0 or 1; an ECG cannot be made from an unknown diagnosis, so fill NaN first"
            bad = ~np.isin(values, (0, 1)) & ~(np.isnan(values) & may_be_unknown)
        else:
            wanted, bad = "a dial of 0 or more", ~(values >= 0) | np.isinf(values)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(f"{name} of row {factors.index[row]!r} is {values[row]}; wanted {wanted}.")
        columns[name] = values if name in ("age_years", "sex_female") else np.nan_to_num(values)
    columns["has_interaction"] = np.full(len(factors), float("interaction" in factors))
    for one, other in (*CONTRADICTIONS, *RHYTHM_CONTRADICTIONS):
        both = (columns[one] > 0) & (columns[other] > 0)
        if both.any():
            row = factors.index[int(np.flatnonzero(both)[0])]
            raise ValueError(f"row {row!r} has both {one} and {other}, which contradict each other; set one of them to 0.")
    return columns


def _draw(ids, seed, n_samples, duration_s, noise):
    """Every random number of each ECG from a generator of its own, keyed by seed and id; in an order that keeps people alike."""
    n, slots, knots = len(ids), n_slots(duration_s), _n_knots(duration_s)
    draws = {
        "individual": np.empty((n, N_INDIVIDUAL)),
        "demographic": np.empty((n, 2)),
        "event": np.empty((n, 12)),
        "rr": np.empty((n, slots)),
        "curve": np.empty((n, 2, knots), dtype=np.float32),
    }
    if noise:
        draws |= {
            "level": np.empty((n, 4)),
            "wander": np.empty((n, 9, knots), dtype=np.float32),
            "white": np.empty((n, 9, n_samples), dtype=np.float32),
        }
    for row, ecg_id in enumerate(ids):
        key = hashlib.blake2b(f"{int(seed)}|{ecg_id}".encode(), digest_size=16).digest()
        rng = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
        for name, values in draws.items():
            if name in ("demographic", "event"):
                rng.random(out=values[row])
            else:
                rng.standard_normal(out=values[row], dtype=values.dtype)
    return draws


def _simulate_chunk(columns, draws, fs, duration_s, effect_sizes, with_truth):
    traits = split_individual(draws["individual"])
    factors, labels = _effects(columns, traits, draws["demographic"], effect_sizes)
    beats, parameters = make_beats(factors, traits)
    rhythm = make_rhythm(factors, traits, parameters, draws["rr"], draws["event"], duration_s)
    n_samples = round(duration_s * fs)
    leads = _add_beats(beats, make_ectopic_beats(traits, beats), rhythm, traits, parameters, n_samples, fs)
    leads += _fibrillation_leads(factors, traits, draws["curve"], n_samples, duration_s, fs)
    if "white" in draws:
        leads += _noise(draws, traits, n_samples, duration_s, fs)
    twelve = np.matmul(TWELVE_FROM_EIGHT, leads)
    return twelve, _truth(beats, parameters, rhythm, labels, duration_s) if with_truth else None


def _effects(columns, traits, uniform, effect_sizes):
    """What each factor does: its value times its effect size; and the labels themselves, age and sex filled in."""
    unknown = [name for name in effect_sizes if name not in columns]
    if unknown:
        raise ValueError(f"effect_sizes names {unknown}; known factors are {sorted(set(columns) - {'has_interaction'})}.")
    labels = {name: values.copy() for name, values in columns.items() if name != "has_interaction"}
    age = np.clip(60 + 17 * traits["age"], 18, 95).round()
    labels["age_years"] = np.where(np.isnan(labels["age_years"]), age, labels["age_years"])
    labels["sex_female"] = np.where(np.isnan(labels["sex_female"]), (uniform[:, 0] < 0.5).astype(float), labels["sex_female"])
    effects = {name: values * effect_sizes.get(name, 1.0) for name, values in labels.items()}
    effects["age_years"] = 55 + effect_sizes.get("age_years", 1.0) * (labels["age_years"] - 55)
    effects["sex_female"] = 0.5 + effect_sizes.get("sex_female", 1.0) * (labels["sex_female"] - 0.5)
    effects["interaction"] = labels["interaction"]
    effects["interaction_dial"] = columns["has_interaction"] * effect_sizes.get("interaction", 1.0)
    for name, diagnoses in EXPLAINED_BY.items():
        alone = np.all([labels[diagnosis] == 0 for diagnosis in diagnoses], axis=0)
        effects[f"other_{name}"] = effects[name] * alone
    inferior = ndtr(traits["subtype"]) < 0.5
    effects["IMI"] = effects["IMI"] + effects["other_MI"] * inferior
    effects["AMI"] = effects["AMI"] + effects["other_MI"] * ~inferior
    return effects, labels


def _add_beats(beats, ectopic, rhythm, traits, parameters, n_samples, fs):
    """Lay every beat into its place; only a window around each beat is computed. Returns (n, 8, n_samples) float32."""
    margin = int(np.ceil((LEAD_IN_S + 1.5) * fs))
    padded = np.zeros((len(rhythm.kind), n_samples + 2 * margin, 8), dtype=np.float32)
    person, slot = np.nonzero(rhythm.kind != NO_BEAT)
    time_s, kind = rhythm.time_s[person, slot], rhythm.kind[person, slot]
    breath = np.sin(2 * np.pi * _breath_hz(traits)[person] * time_s + 2 * np.pi * ndtr(traits["breath_phase"])[person])
    tilt = (np.radians(1.2 * np.exp(0.5 * traits["breath_axis"]))[person] * breath)[:, None, None]
    is_ectopic = kind == ECTOPIC

    def pick(name):
        usual, other = getattr(beats, name)[person], getattr(ectopic, name)[person]
        return np.where(is_ectopic.reshape(-1, *[1] * (usual.ndim - 1)), other, usual).astype(np.float32)

    growth = 1 + tilt  # breathing also changes the size of QRS by a few per cent
    qrs = (growth * pick("qrs") + tilt * pick("qrs_tilt")).astype(np.float32)
    qrs[kind == P_ONLY] = 0
    slow = (pick("slow") + tilt * pick("slow_tilt")).astype(np.float32)
    slow[kind == P_ONLY, 2:] = 0
    centre = pick("slow_centre")
    usual_rr = 60 / parameters["rate_bpm"][person]
    rr = 0.85 * usual_rr + 0.15 * np.clip(rhythm.rr_before_s[person, slot], 0.6 * usual_rr, 1.6 * usual_rr)
    qt_change = parameters["qt_ms"][person] * ((rr / usual_rr) ** (1 / 3) - 1)
    centre[:, 2:] += (qt_change[:, None] * np.array([0.4, 1, 1])).astype(np.float32)
    centre[:, :2] -= rhythm.pr_extra_ms[person, slot].astype(np.float32)[:, None]
    at = np.floor(time_s * fs).astype(int)
    late_ms = ((time_s - at / fs) * 1000).astype(np.float32)[:, None]  # the reference point lies between two samples
    first = int(WINDOW_S[0] * fs)
    waves = np.zeros((len(at), int(WINDOW_S[1] * fs) + 1 - first, 8), dtype=np.float32)
    slow_width = pick("slow_width")
    for window_s, c, width, amplitude in (
        (P_WINDOW_S, centre[:, :2], slow_width[:, :2], slow[:, :2]),
        (QRS_WINDOW_S, pick("qrs_centre"), pick("qrs_width"), qrs),
        (T_WINDOW_S, centre[:, 2:], slow_width[:, 2:], slow[:, 2:]),
    ):
        samples = np.arange(int(window_s[0] * fs), int(window_s[1] * fs) + 1)
        time_ms = samples.astype(np.float32) * np.float32(1000 / fs) - late_ms
        waves[:, samples[0] - first : samples[-1] - first + 1] += np.matmul(gaussians(time_ms, c, width), amplitude)
    for beat, (row, start) in enumerate(zip(person, at + first + margin)):  # windows of neighbouring beats overlap
        padded[row, start : start + waves.shape[1]] += waves[beat]
    return padded[:, margin : margin + n_samples].transpose(0, 2, 1).copy()


def _breath_hz(traits):
    return 0.17 + 0.16 * ndtr(traits["breath_rate"])


def _fibrillation_leads(factors, traits, curve, n_samples, duration_s, fs):
    leads = np.zeros((len(curve), 8, n_samples), dtype=np.float32)
    rows = np.flatnonzero(factors["AF"] > 0)
    if len(rows):
        some = {name: values[rows] for name, values in traits.items()}
        smooth = np.matmul(curve[rows], _spline_basis(n_samples, duration_s, fs))
        wave = fibrillation(some, smooth, duration_s, fs) * factors["AF"][rows, None]
        towards = DOWER @ np.array([-0.35, 0.75, -0.95])  # the right atrium's front: largest in V1, then the inferior leads
        leads[rows] = (towards[:, None] * wave[:, None, :]).astype(np.float32)
    return leads


def _noise(draws, traits, n_samples, duration_s, fs):
    """Muscle noise, baseline wander and mains hum at nine electrodes, seen by eight leads.

    Levels per electrode: muscle noise median 7 uV RMS at 100 Hz, wander median 45 uV with a breathing part; mains 50 Hz only above
    100 Hz, median 2 uV. They vary between ECGs by a factor of about two.
    """
    level = draws["level"]
    muscle = draws["white"]
    if fs > 130:  # the same density as at 100 Hz up to 60 Hz, falling above
        muscle = sosfilt(butter(1, 60, fs=fs, output="sos"), muscle, axis=-1).astype(np.float32) * np.float32(np.sqrt(fs / 100))
    electrodes = (0.007 * np.exp(0.5 * level[:, 0])).astype(np.float32)[:, None, None] * muscle
    slow = np.matmul(draws["wander"], _spline_basis(n_samples, duration_s, fs))
    time_s = np.arange(n_samples) / fs
    breath = np.sin(2 * np.pi * (_breath_hz(traits)[:, None] * time_s + ndtr(traits["breath_phase"])[:, None]))
    slow += draws["wander"][:, :, :1] * breath.astype(np.float32)[:, None]
    electrodes += (0.045 * np.exp(0.6 * level[:, 1])).astype(np.float32)[:, None, None] * slow
    if fs > 130:
        hum = np.sin(2 * np.pi * (50 * time_s + ndtr(level[:, 3])[:, None])).astype(np.float32)
        size = (0.002 * np.exp(0.8 * level[:, 2])).astype(np.float32)
        electrodes += draws["wander"][:, :, 1:2] * (size[:, None] * hum)[:, None]
    return np.matmul(LEADS_FROM_ELECTRODES, electrodes)


def _n_knots(duration_s):
    return int(np.ceil(duration_s)) + 4


def _spline_basis(n_samples, duration_s, fs):
    """Cubic B-splines a second apart, shape (n_knots, n_samples), scaled so that unit normal weights give about unit size."""
    knots = np.arange(-3.0, _n_knots(duration_s) + 1)
    time_s = np.arange(n_samples) / fs
    return (1.45 * BSpline.design_matrix(time_s, knots, 3).toarray().T).astype(np.float32)


def _truth(beats, p, rhythm, labels, duration_s):
    """What `simulate_with_truth` tells; its docstring holds the definitions."""
    rr = median_rr_s(rhythm, duration_s)
    time_ms = np.arange(-130.0, 720.0, 1.0, dtype=np.float32)
    narrow = time_ms < 260
    no_p = beats.slow.copy()
    no_p[:, :2] = 0  # amplitudes of QRS, ST and T do not include a P wave that lies in them
    lead8 = _evaluate(time_ms, beats.slow_centre, beats.slow_width, no_p)
    lead8[:, narrow] += _evaluate(time_ms[narrow], beats.qrs_centre, beats.qrs_width, beats.qrs)
    lead12 = np.matmul(lead8, TWELVE_FROM_EIGHT.T)  # (n, n_times, 12)
    after_j = p["qrs_off"] + 60
    in_qrs = _between(time_ms, p["qrs_on"], p["qrs_off"])
    in_t = _between(time_ms, after_j, p["t_end"])
    p_area = (beats.slow[:, :2] * beats.slow_width[:, :2, None]).sum(axis=1)
    axes = {"p": p_area, "qrs": (lead8 * in_qrs[..., None]).sum(axis=1), "t": (lead8 * in_t[..., None]).sum(axis=1)}
    no_p_wave = labels["AF"] > 0
    qrs = np.where(in_qrs[..., None], lead12, 0)
    r = _at_least(qrs.max(axis=1))
    started = np.logical_or.accumulate(qrs >= MIN_WAVE_mV, axis=1)
    q = _at_least(np.where(started, 0, qrs).min(axis=1))
    s = np.where(r > 0, _at_least(np.where(started, qrs, 0).min(axis=1)), q)
    st = lead12[np.arange(len(lead12)), np.round(after_j - time_ms[0]).astype(int)]
    t_part = np.where(in_t[..., None], lead12, 0)
    t = np.take_along_axis(t_part, np.abs(t_part).argmax(axis=1)[:, None], axis=1)[:, 0]
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
        peak_ms = time_ms[qrs[:, :, i].argmax(axis=1)] - p["qrs_on"]
        truth[f"r_peak_time_{lead}_ms"] = np.where(r[:, i] > 0, peak_ms, np.nan)
    for name, values in (("q", q), ("r", r), ("s", s), ("st", st), ("t", t)):
        truth |= {f"{name}_{lead}_mV": values[:, i] for i, lead in enumerate(LEADS_12)}
    truth["sokolow_lyon_mV"] = np.maximum(truth["r_V5_mV"], truth["r_V6_mV"]) - truth["s_V1_mV"]
    truth["cornell_mV"] = truth["r_aVL_mV"] - truth["s_V3_mV"]
    labels = labels | _superclasses(labels)
    truth |= {name: labels[name] for name in (*FACTOR_NAMES, *RHYTHM_FACTORS, *DETAIL_FACTORS, "interaction")}
    made = {f"made_{name}": values for name, values in p.items() if name not in {*truth, "qrs_on", "qrs_off", "p_on", "t_end"}}
    return pd.DataFrame(truth | made)


def _evaluate(time_ms, centre, width, amplitude):
    centre, width, amplitude = (array.astype(np.float32) for array in (centre, width, amplitude))
    return np.matmul(gaussians(time_ms, centre, width), amplitude)


def _between(time_ms, start_ms, end_ms):
    return (time_ms >= start_ms[:, None]) & (time_ms <= end_ms[:, None])


def _at_least(wave_mV):
    return np.where(np.abs(wave_mV) >= MIN_WAVE_mV, wave_mV, 0)


def _superclasses(labels):
    """Superclasses that follow from the diagnoses, or that were asked for; NORM where there is nothing at all."""
    classes = {name: np.maximum.reduce([labels[name], *(labels[d] for d in given)]) for name, given in EXPLAINED_BY.items()}
    anything = [labels[name] for name in (*DIAGNOSES, "STTC", *RHYTHM_FACTORS, *DETAIL_FACTORS)] + list(classes.values())
    return classes | {"NORM": (np.maximum.reduce(anything) == 0).astype(float)}


def _database_table(labels, names, seed):
    rng = np.random.default_rng([seed, 22])
    n = len(labels)
    table = pd.DataFrame(index=labels.index)
    table["patient_id"] = np.arange(n) + 10001.0
    table["age"] = np.where(labels["age_years"] >= 90, 300.0, labels["age_years"])
    table["sex"] = labels["sex_female"].astype(int)
    for name in ("height", "weight", "nurse", "site", "device", "recording_date", "report"):
        table[name] = np.nan
    table["scp_codes"] = [str(_codes(row)) for row in labels.to_dict("records")]
    for name in (
        "heart_axis", "infarction_stadium1", "infarction_stadium2", "validated_by", "second_opinion",
        "initial_autogenerated_report", "validated_by_human", "baseline_drift", "static_noise", "burst_noise",
        "electrodes_problems", "extra_beats", "pacemaker",
    ):  # fmt: skip
        table[name] = np.nan
    table["strat_fold"] = rng.permutation(np.arange(n) % 10) + 1
    table["filename_lr"] = [name[0] for name in names]
    table["filename_hr"] = [name[1] for name in names]
    return table


def _codes(row):
    codes = [CODE_OF[name] for name, value in row.items() if name in CODE_OF and value > 0]
    norm = ["NORM"] if not any(row.get(name, 0) > 0 for name in (*DIAGNOSES, "STTC", *RHYTHM_FACTORS, *DETAIL_FACTORS)) else []
    rhythm = [] if {"AFIB", "BIGU", "SARRH"} & set(codes) else ["SR"]
    return {code: 100.0 if STATEMENTS[code][1] else 0.0 for code in (*norm, *codes, *rhythm)}


def _statement_table():
    columns = ["description", "diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"]
    table = pd.DataFrame.from_dict(STATEMENTS, orient="index", columns=columns)
    for name in ("Statement Category", "SCP-ECG Statement Description", "AHA code", "aECG REFID", "CDISC Code", "DICOM Code"):
        table[name] = table["description"] if name == "SCP-ECG Statement Description" else None
    return table.astype({"diagnostic": float, "form": float, "rhythm": float})


def _write_record(path, signal_mV, fs):
    """Write one WFDB record: 16 bit, interleaved, 1000 units per mV; many times quicker than wfdb.wrsamp, and read by it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    units = np.rint(signal_mV.T * 1000).astype("<i2")  # (n_samples, 12)
    units.tofile(path.with_suffix(".dat"))
    checksum = units.sum(axis=0, dtype=np.int64) % 65536
    lines = [f"{path.name} 12 {fs} {len(units)}"]
    for i, lead in enumerate(LEADS_12):
        lines.append(f"{path.name}.dat 16 1000.0(0)/mV 16 0 {units[0, i]} {checksum[i]} 0 {lead.upper() if lead[0] == 'a' else lead}")
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
