"""From clinical factors to twelve-lead ECGs of which everything is known."""

import hashlib

import numpy as np
import pandas as pd

from ..ecg import DOWER, LEADS_12, EcgSet, subtract_measurements
from ..leads import TWELVE_FROM_EIGHT
from .heart import Waves, evaluate, make_beats, make_ectopic_beats
from .noise import count_knots, make_noise, spline_basis
from .people import N_INDIVIDUAL, check_factors, draw_parameters, fill_in, split_individual
from .rhythm import ECTOPIC, EVENTS, LEAD_IN_S, NO_BEAT, P_ONLY, breathing, fibrillation, make_rhythm, n_slots
from .truth import true_measurements

WINDOW_S = (-0.52, 0.70)  # around each beat, and the parts of it that P, QRS, and ST with T reach
WAVE_WINDOWS_S = ((-0.52, 0.02), (-0.14, 0.18), (-0.10, 0.70))
ST_T_FOLLOW_RR = np.array([0.4, 1, 1])  # share of the change of QT by which ST, the shoulder and the peak of T move
FIBRILLATION_DIPOLE = np.array([-0.35, 0.75, -0.95])  # the right atrium's front: largest in V1, then the inferior leads


def simulate(factors, *, fs=100, duration_s=10, seed=0, noise=True):
    """Simulate one ten-second 12-lead ECG per row of a table of clinical factors: an EcgSet in mV, float32.

    A moving dipole of Gaussian waves (Sameni 2007) behind Dower's matrix, with a non-dipolar part of 5-15 % of the QRS
    energy, breathing, and individual electrode positions. What publications leave open (gains of leads, direction of P, shape
    of the blocks, noise) was matched to PTB-XL's folds 1-8; ``make bench-realism`` shows how far it holds on others. Same seed,
    same bits, however many rows are simulated at once.

    Parameters
    ----------
    factors : DataFrame
        One row per ECG; its index gives the ids. Columns, all optional:

        - ``age_years`` and ``sex_female`` (0, 1): drawn by the seed where missing or NaN;
        - diagnoses ``LBBB RBBB AF AVB1 LVH IMI AMI LAFB PVC STTC`` (0, 1): 0 where the column is missing;
        - ``RBBB_any`` (0, 1, NaN): follows RBBB; 1 where RBBB is 0 makes an incomplete block;
        - superclasses ``NORM MI CD HYP`` (0, 1, NaN): they change the ECG only where nothing else explains them (MI without
          IMI or AMI becomes an infarction drawn by the seed, CD without a named block a slow QRS of 110-130 ms, HYP without
          LVH a mild one); NORM and NaN change nothing;
        - ``bigeminy wenckebach sinus_pause sinus_arrhythmia`` (0, 1): rhythm alone, the dominant beat stays as it is;
        - ``small_q delta_wave notch long_qt``: dials, 0 for none, 1 for a typical one; ``long_qt`` lets T come later, by 60 ms
          of the rate-corrected QT (Fridericia), its form unchanged;
        - ``interaction`` (0, 1): shown only by a product, whether horizontal heart position and T size deviate in the same
          direction (1) or in opposite ones (0); neither alone differs.
    fs, duration_s, seed : float, float, int
        50 to 2000 Hz; at least 2 s. Seed and id decide the individual: heart position, intervals and noise are the same in any
        table, so that tables which differ in one factor give paired ECGs.
    noise : bool, whether to add muscle noise, baseline wander and mains hum

    Examples
    --------
    >>> ecgs = simulate(pd.DataFrame({"LBBB": [0, 1]}, index=["healthy", "block"]))
    >>> ecgs.signals.shape, list(ecgs.ids)
    ((2, 12, 1000), ['healthy', 'block'])
    """
    return _simulate(factors, fs, duration_s, seed, noise, with_truth=False)[0]


def simulate_with_truth(factors, *, fs=100, duration_s=10, seed=0, noise=True):
    """Simulate as `simulate` does, and tell the truth beside it, a DataFrame indexed by id.

    It is that of the noise-free dominant beat at the median RR interval, breathing in the middle:

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
    return _simulate(factors, fs, duration_s, seed, noise, with_truth=True)


def true_effects(names, *, n=200, seed=0):
    """Measure what each factor that `simulate` knows does to the same `n` healthy people while all else stays as it is.

    1 is compared with 0, and for age 65 with 55 years. A DataFrame with one row per factor and measurement that a dominant beat
    holds: ``factor``, ``measurement``, and ``true``, the mean change over those people who have the wave with and without the
    factor, angles the short way round.

    >>> effects = true_effects(["AVB1"], n=20).set_index("measurement")["true"]
    >>> bool(effects["pr_ms"] > 15), bool(abs(effects["qrs_ms"]) < 1)
    (True, True)
    """
    people = pd.DataFrame(index=range(n))
    tables = []
    for name in names:
        pair = (55, 65) if name == "age_years" else (0, 1)  # an association with age is told per ten years
        tables_of_pair = (people.assign(**{name: value}) for value in pair)
        without, with_factor = (simulate_with_truth(t, duration_s=2, seed=seed, noise=False)[1] for t in tables_of_pair)
        in_a_beat = without.columns.str.endswith(("_ms", "_mV", "_deg")) & ~without.columns.str.startswith(("made_", "qtc"))
        change = subtract_measurements(with_factor, without).loc[:, in_a_beat]  # a rate and QTc need the next beat
        tables.append(change.mean().rename("true").rename_axis("measurement").reset_index().assign(factor=name))
    return pd.concat(tables, ignore_index=True)[["factor", "measurement", "true"]]


def _simulate(factors, fs, duration_s, seed, noise, *, with_truth):
    if not (np.isfinite(fs) and 50 <= fs <= 2000):
        raise ValueError(f"fs must lie between 50 and 2000 Hz; got {fs!r}.")
    if not (np.isfinite(duration_s) and duration_s >= 2):
        raise ValueError(f"duration_s must be at least 2 seconds; got {duration_s!r}.")
    columns = check_factors(factors)
    ids = factors.index.to_numpy()
    n, n_samples = len(ids), round(duration_s * fs)
    signals = np.empty((n, 12, n_samples), dtype=np.float32)
    truths = []
    step = max(1, int(64 * 1000 / n_samples))  # ECGs at once: bounded memory, and small enough for a processor's cache
    for start in range(0, max(n, 1), step):  # an empty table goes through too, so that its truth has the same columns
        part = slice(start, min(start + step, n))
        chunk = {name: values[part] for name, values in columns.items()}
        draws = _draw(ids[part], seed, n_samples, duration_s, noise)
        signals[part], truth = _simulate_chunk(chunk, draws, fs, n_samples, duration_s, with_truth)
        truths.append(truth)
    truth = pd.concat(truths, ignore_index=True).set_axis(factors.index) if with_truth else None
    return EcgSet(signals, fs, LEADS_12, ids), truth


def _draw(ids, seed, n_samples, duration_s, noise):
    """Random numbers of each ECG from a generator of its own, keyed by seed and id, in an order that keeps people alike."""
    n, n_knots = len(ids), count_knots(duration_s)
    uniform = {"demographic": np.empty((n, 2)), "event": np.empty((n, len(EVENTS)))}  # all others are standard normal
    draws = {"individual": np.empty((n, N_INDIVIDUAL)), **uniform, "rr": np.empty((n, n_slots(duration_s)))}
    draws["curve"] = np.empty((n, 2, n_knots), dtype=np.float32)
    if noise:
        draws["level"] = np.empty((n, 4))
        draws["wander"] = np.empty((n, 9, n_knots), dtype=np.float32)
        draws["white"] = np.empty((n, 9, n_samples), dtype=np.float32)
    for row, ecg_id in enumerate(ids):
        key = hashlib.blake2b(f"{int(seed)}|{ecg_id}".encode(), digest_size=16).digest()
        rng = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
        for name, values in draws.items():
            if name in uniform:
                rng.random(out=values[row])
            else:
                rng.standard_normal(out=values[row], dtype=values.dtype)
    return draws


def _simulate_chunk(columns, draws, fs, n_samples, duration_s, with_truth):
    traits = split_individual(draws["individual"])
    factors, labels = fill_in(columns, traits, draws["demographic"])
    beats, parameters = make_beats(factors, traits, draw_parameters(factors, traits))
    rhythm = make_rhythm(factors, traits, parameters, draws["rr"], draws["event"], duration_s)
    leads = _add_beats(beats, make_ectopic_beats(traits, beats), rhythm, traits, parameters, n_samples, fs)
    leads += _fibrillation_leads(factors["AF"], traits, draws["curve"], n_samples, fs)
    if "white" in draws:
        leads += make_noise(draws, traits, fs)
    twelve = np.matmul(TWELVE_FROM_EIGHT, leads)
    return twelve, true_measurements(beats, parameters, rhythm, labels, duration_s) if with_truth else None


def _add_beats(beats, ectopic, rhythm, traits, parameters, n_samples, fs):
    """Lay every beat into its place, (n, 8, n_samples) float32; only a window around each beat is computed."""
    person, slot = np.nonzero(rhythm.kind != NO_BEAT)
    time_s = rhythm.time_s[person, slot]
    at = np.floor(time_s * fs).astype(int)
    late_ms = ((time_s - at / fs) * 1000).astype(np.float32)[:, None]  # the reference point lies between two samples
    first = int(WINDOW_S[0] * fs)
    windows = np.zeros((len(at), int(WINDOW_S[1] * fs) + 1 - first, 8), dtype=np.float32)
    waves = _waves_in_rhythm(beats, ectopic, rhythm, traits, parameters, person, slot)
    for (start_s, end_s), wave in zip(WAVE_WINDOWS_S, waves):
        samples = np.arange(int(start_s * fs), int(end_s * fs) + 1)
        time_ms = samples.astype(np.float32) * np.float32(1000 / fs) - late_ms
        windows[:, samples[0] - first : samples[-1] - first + 1] += evaluate(time_ms, *wave)
    margin = int(np.ceil((LEAD_IN_S + 1.5) * fs))
    padded = np.zeros((len(rhythm.kind), n_samples + 2 * margin, 8), dtype=np.float32)
    for row, start, window in zip(person, at + first + margin, windows):  # windows of neighbouring beats overlap
        padded[row, start : start + len(window)] += window
    return padded[:, margin : margin + n_samples].transpose(0, 2, 1).copy()


def _waves_in_rhythm(beats, ectopic, rhythm, traits, parameters, person, slot):
    """P, QRS, and ST with T of single beats, each as centres, widths and heights: breathing tilts them, T follows RR."""
    kind = rhythm.kind[person, slot]
    is_ectopic = kind == ECTOPIC

    def pick(usual, wide):
        return np.where(is_ectopic.reshape(-1, *[1] * (usual.ndim - 1)), wide[person], usual[person]).astype(np.float32)

    p, qrs, st_t = (Waves(*map(pick, usual, wide)) for usual, wide in zip(beats, ectopic))
    largest_tilt = np.radians(1.2 * np.exp(0.5 * traits["breath_axis"]))
    tilt = (largest_tilt[person] * breathing(traits, rhythm.time_s)[person, slot])[:, None, None]
    p_leads, st_t_leads = ((wave.leads + tilt * wave.tilt).astype(np.float32) for wave in (p, st_t))
    qrs_leads = ((1 + tilt) * qrs.leads + tilt * qrs.tilt).astype(np.float32)  # breathing also changes the size of QRS
    qrs_leads[kind == P_ONLY] = st_t_leads[kind == P_ONLY] = 0
    usual_rr = 60 / parameters["rate_bpm"][person]
    rr = 0.85 * usual_rr + 0.15 * np.clip(rhythm.rr_before_s[person, slot], 0.6 * usual_rr, 1.6 * usual_rr)
    qt_change_ms = parameters["qt_ms"][person] * ((rr / usual_rr) ** (1 / 3) - 1)
    p_centre = p.centre - rhythm.pr_extra_ms[person, slot].astype(np.float32)[:, None]
    st_t_centre = st_t.centre + (qt_change_ms[:, None] * ST_T_FOLLOW_RR).astype(np.float32)
    return (p_centre, p.width, p_leads), (qrs.centre, qrs.width, qrs_leads), (st_t_centre, st_t.width, st_t_leads)


def _fibrillation_leads(af, traits, curve, n_samples, fs):
    leads = np.zeros((len(curve), 8, n_samples), dtype=np.float32)
    rows = np.flatnonzero(af > 0)
    if len(rows):
        curves = np.matmul(curve[rows], spline_basis(curve.shape[-1], n_samples, fs))
        wave = fibrillation({name: values[rows] for name, values in traits.items()}, curves, fs) * af[rows, None]
        leads[rows] = ((DOWER @ FIBRILLATION_DIPOLE)[:, None] * wave[:, None, :]).astype(np.float32)
    return leads
