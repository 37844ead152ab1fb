"""From clinical factors to twelve-lead ECGs of which everything is known, and a whole database of them on disk."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtr
from tqdm.auto import tqdm

from ..cache import written_whole
from ..ecg import LEADS_12, TWELVE_FROM_EIGHT, EcgSet
from ..factors import CONTRADICTIONS, FACTOR_NAMES
from .files import database_table, statement_table, write_record
from .heart import DOWER, gaussians, make_beats, make_ectopic_beats
from .individuals import N_INDIVIDUAL, draw_parameters, split_individual
from .noise import make_noise, n_knots, spline_basis
from .people import DETAIL_FACTORS, RHYTHM_CONTRADICTIONS, RHYTHM_FACTORS, Population, draw_factors, flip_labels
from .rhythm import (
    ECTOPIC,
    LEAD_IN_S,
    NO_BEAT,
    P_ONLY,
    breath_phase,
    breath_rate_hz,
    fibrillation,
    make_rhythm,
    n_slots,
)
from .truth import EXPLAINED_BY, true_measurements

MAY_BE_UNKNOWN = ("sex_female", "NORM", "MI", "CD", "HYP")
WINDOW_S = (-0.52, 0.70)  # around each beat, and the parts of it that the waves reach
AGES_COMPARED = (55, 65)  # years: an association with age is told per ten
IN_A_BEAT = ("_ms", "_mV", "_deg")  # units of what a single beat holds; a rate needs the next beat
P_WINDOW_S, QRS_WINDOW_S, T_WINDOW_S = (-0.52, 0.02), (-0.14, 0.18), (-0.10, 0.70)


def simulate(factors, *, fs=100, duration_s=10, seed=0, noise=True, effect_sizes=None):
    """Simulate one ten-second 12-lead ECG per row of a table of clinical factors.

    Parameters
    ----------
    factors : DataFrame
        One row per ECG; its index gives the ids. Columns, all optional:

        - ``age_years`` and ``sex_female`` (0, 1): drawn by the seed where missing or NaN;
        - diagnoses ``LBBB RBBB AF AVB1 LVH IMI AMI LAFB PVC STTC`` (0, 1): 0 where the column is missing;
        - superclasses ``NORM MI CD HYP`` (0, 1, NaN): they change the ECG only where nothing else explains them (MI without
          IMI or AMI becomes an infarction drawn by the seed, CD without a named block a slow QRS of 110-130 ms, HYP without
          LVH a mild one); NORM and NaN change nothing;
        - ``bigeminy wenckebach sinus_pause sinus_arrhythmia`` (0, 1): rhythm alone, the dominant beat stays as it is;
        - ``small_q delta_wave notch long_qt``: dials, 0 for none, 1 for a typical one; ``long_qt`` lets T come later, by 60 ms
          of the rate-corrected QT (Fridericia), and leaves its form and everything before it as they are;
        - ``interaction`` (0, 1): shown only by a product, whether horizontal heart position and T size deviate in the same
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
        For an unknown column, a value that is not 0 or 1 (NaN in a diagnosis included), or contradictory factors; the row is
        named.

    Notes
    -----
    A moving dipole of Gaussian waves (Sameni 2007) behind Dower's matrix, with a non-dipolar part of 5-15 % of the QRS
    energy, breathing that tilts the axis by 1-4 degrees, and individual electrode positions; `individuals.draw_parameters`
    and `rhythm.make_rhythm` list the published figures. What publications leave open (gains of leads, direction of P, shape
    of the blocks, noise) was matched to PTB-XL's folds 1-8; ``make bench-realism`` shows how far it holds on others.

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

        - ``qrs_ms``: from the first to the last time at which the root mean square over the eight leads of the QRS part exceeds
          1 % of its peak; ``p_ms``: the same for P with 7 %; ``pr_ms``: P onset to QRS onset;
          ``qt_ms``: QRS onset to where that of the T part last exceeds 7 %; ``qtcf_ms``, ``qtcb_ms`` by Fridericia and Bazett
          (NaN in atrial fibrillation for all that needs P);
        - ``heart_rate_bpm``: 60 / median RR in the record;
        - ``p_ qrs_ t_axis_deg``: from the net areas of I and aVF, 0 to the left, +90 to the feet;
        - ``q_ r_ s_ st_ t_<lead>_mV`` for the twelve leads: within QRS, r is the highest point that rises and falls by 0.03 mV
          (a raised J point does not), q the lowest one before the first r, s the lowest one after it (a QS complex counts as
          both; 0 below 0.03 mV); st is the level 60 ms after the end of QRS, t the point furthest from zero between there and
          the end of T; ``sokolow_lyon_mV``, ``cornell_mV``, and ``r_peak_time_V1_ms``, ``_V5_ms`` from QRS onset;
        - the factors as simulated, and what generated the beat (gains, angles, severities).
    """
    return _simulate(factors, fs, duration_s, seed, noise, effect_sizes, with_truth=True)


def true_effects(names, *, n=200, seed=0):
    """Measure what each factor does to the same simulated people while all else stays as it is.

    Parameters
    ----------
    names : sequence of str
        Factors, each a column that `simulate` knows; of those with two values 1 is compared with 0, and for age 65 with 55
        years.
    n : int
        People, healthy otherwise, of the ages and of both sexes that the seed draws.
    seed : int
        Who they are.

    Returns
    -------
    DataFrame
        One row per factor and measurement that a dominant beat holds: ``factor``, ``measurement``, and ``true``, the mean
        change over people in the unit of the measurement; angles the short way round; people who lack the wave with or without
        the factor are left out of that row.

    Examples
    --------
    >>> effects = true_effects(["AVB1"], n=20).set_index("measurement")["true"]
    >>> bool(effects["pr_ms"] > 15), bool(abs(effects["qrs_ms"]) < 1)
    (True, True)
    """
    people = pd.DataFrame(index=range(n))
    tables = []
    for name in names:
        pair = AGES_COMPARED if name == "age_years" else (0, 1)
        without, with_factor = (
            simulate_with_truth(people.assign(**{name: value}), duration_s=2, seed=seed, noise=False)[1] for value in pair
        )
        change = (with_factor - without)[[column for column in without if column.endswith(IN_A_BEAT)]]
        change = change[[column for column in change if not column.startswith(("made_", "qtc"))]]
        angles = [column for column in change if column.endswith("_deg")]
        change[angles] = (change[angles] + 180) % 360 - 180
        tables.append(change.mean().rename("true").rename_axis("measurement").reset_index().assign(factor=name))
    return pd.concat(tables, ignore_index=True)[["factor", "measurement", "true"]]


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
    names = [
        (f"records100/{i // 1000 * 1000:05d}/{i:05d}_lr", f"records500/{i // 1000 * 1000:05d}/{i:05d}_hr")
        for i in factors.index
    ]
    truths = []
    with written_whole(folder) as whole, tqdm(total=n, desc="Simulating ECGs", unit="ECG", disable=not progress) as bar:
        for start in range(0, n, 500):
            part = slice(start, min(start + 500, n))
            ecgs, truth = simulate_with_truth(factors.iloc[part], fs=fs, seed=seed, effect_sizes=population.effect_sizes)
            for signal, name in zip(ecgs.signals, names[part]):
                write_record(whole / name[fs == 500], signal, fs)
            truths.append(truth)
            bar.update(len(ecgs))
        pd.concat(truths).round(4).to_csv(whole / "ground_truth.csv")
        labels = flip_labels(factors, population.label_flips, seed)
        database_table(labels, names, seed).to_csv(whole / "ptbxl_database.csv")
        statement_table().to_csv(whole / "scp_statements.csv")
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
    for start in range(0, max(n, 1), step):  # an empty table goes through too, so that its truth has the same columns
        part = slice(start, min(start + step, n))
        chunk = {name: values[part] for name, values in columns.items()}
        draws = _draw(ids[part], seed, n_samples, duration_s, noise)
        signals[part], truth = _simulate_chunk(chunk, draws, fs, duration_s, effect_sizes or {}, with_truth)
        truths.append(truth)
    truth = pd.concat(truths, ignore_index=True).set_axis(factors.index) if with_truth else None
    return EcgSet(signals, fs, LEADS_12, ids), truth


def _check_factors(factors):
    """Columns of the table as float arrays, every factor present; errors name column, row and value."""
    if not isinstance(factors, pd.DataFrame):
        raise ValueError(f"factors must be a DataFrame with one row per ECG; got {type(factors).__name__}.")
    known = (*FACTOR_NAMES, *RHYTHM_FACTORS, *DETAIL_FACTORS, "interaction")
    unknown = [name for name in factors.columns if name not in known]
    if unknown:
        raise ValueError(f"unknown factor(s) {unknown}; known are {', '.join(known)}.")
    columns = {}
    for name in known:
        if name not in factors:
            columns[name] = np.full(len(factors), np.nan if name in ("age_years", "sex_female") else 0.0)
            continue
        values = factors[name].to_numpy(dtype=float, na_value=np.nan)
        if name == "age_years":
            wanted = "an age from 0 to 120 years or NaN (PTB-XL's 300 stands for 90 or older: use 90)"
            bad = (values < 0) | (values > 120)
        elif name in MAY_BE_UNKNOWN:
            wanted, bad = "0, 1 or NaN", ~np.isin(values, (0, 1)) & ~np.isnan(values)
        elif name in DETAIL_FACTORS:
            wanted, bad = "a dial of 0 or more", ~(values >= 0) | np.isinf(values)
        else:
            wanted = "0 or 1; an ECG cannot be made from an unknown diagnosis, so fill NaN first"
            bad = ~np.isin(values, (0, 1))
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
    """Random numbers of each ECG from a generator of its own, keyed by seed and id, in an order that keeps people alike."""
    n, slots, knots = len(ids), n_slots(duration_s), n_knots(duration_s)
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
    beats, parameters = make_beats(factors, traits, draw_parameters(factors, traits))
    rhythm = make_rhythm(factors, traits, parameters, draws["rr"], draws["event"], duration_s)
    n_samples = round(duration_s * fs)
    leads = _add_beats(beats, make_ectopic_beats(traits, beats), rhythm, traits, parameters, n_samples, fs)
    leads += _fibrillation_leads(factors, traits, draws["curve"], n_samples, duration_s, fs)
    if "white" in draws:
        leads += make_noise(draws, traits, n_samples, duration_s, fs)
    twelve = np.matmul(TWELVE_FROM_EIGHT, leads)
    return twelve, true_measurements(beats, parameters, rhythm, labels, duration_s) if with_truth else None


def _effects(columns, traits, uniform, effect_sizes):
    """Effects of the factors, their values times their effect sizes; and the labels themselves, age and sex filled in."""
    unknown = [name for name in effect_sizes if name not in columns]
    if unknown:
        raise ValueError(f"effect_sizes names {unknown}; known factors are {sorted(set(columns) - {'has_interaction'})}.")
    for name, size in effect_sizes.items():
        if not 0 <= size <= (1 if name == "interaction" else 3):
            raise ValueError(f"the effect size of {name} must lie between 0 and 3 (interaction: 1); got {size}.")
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
    breath = np.sin(2 * np.pi * breath_rate_hz(traits)[person] * time_s + breath_phase(traits)[person])
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


def _fibrillation_leads(factors, traits, curve, n_samples, duration_s, fs):
    leads = np.zeros((len(curve), 8, n_samples), dtype=np.float32)
    rows = np.flatnonzero(factors["AF"] > 0)
    if len(rows):
        some = {name: values[rows] for name, values in traits.items()}
        smooth = np.matmul(curve[rows], spline_basis(n_samples, duration_s, fs))
        wave = fibrillation(some, smooth, duration_s, fs) * factors["AF"][rows, None]
        towards = DOWER @ np.array([-0.35, 0.75, -0.95])  # the right atrium's front: largest in V1, then the inferior leads
        leads[rows] = (towards[:, None] * wave[:, None, :]).astype(np.float32)
    return leads
