"""Who is in a simulated database, what tells one person from another, and what factors do to intervals and to the heart."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr

from ..factors import BROADER, CONTRADICTIONS, DIAGNOSES, FACTOR_NAMES, OLDEST_AGE_YEARS, PERSON, known_names
from .heart import N_QRS

RHYTHM_FACTORS = ("bigeminy", "wenckebach", "sinus_pause", "sinus_arrhythmia")
DETAIL_FACTORS = ("small_q", "delta_wave", "notch", "long_qt")
SIMULATED_FACTORS = (*FACTOR_NAMES, *RHYTHM_FACTORS, *DETAIL_FACTORS, "interaction")
# In the order in which they are drawn; what is new goes to the end, so that the same seed gives the same people as before.
DRAWN = (*DIAGNOSES, "STTC", *RHYTHM_FACTORS, "small_q", "delta_wave", "notch", "interaction", "long_qt")
MAY_BE_UNKNOWN = ("sex_female", *BROADER, "NORM", "MI", "CD", "HYP")
EXPLAINED_BY = {"MI": ("IMI", "AMI"), "CD": ("LBBB", "RBBB_any", "AVB1", "LAFB"), "HYP": ("LVH",)}
EXCLUDED = (*CONTRADICTIONS, ("AF", "bigeminy"), ("AF", "wenckebach"), ("AF", "sinus_arrhythmia"))  # pairs no heart can have
INCOMPLETE = 0.3  # of a complete right bundle branch block: S in I and V6, R in V1 as in the 89 IRBBB of PTB-XL's folds 1-8
PREVALENCE = {
    "LBBB": 0.04, "RBBB": 0.045, "AF": 0.06, "AVB1": 0.05, "LVH": 0.085,
    "IMI": 0.07, "AMI": 0.045, "LAFB": 0.05, "PVC": 0.05, "STTC": 0.14,
}  # fmt: skip
AGE_LOG_ODDS = {
    "AF": 0.60, "LBBB": 0.40, "RBBB": 0.30, "AVB1": 0.40, "LAFB": 0.30,
    "LVH": 0.15, "IMI": 0.30, "AMI": 0.25, "PVC": 0.25, "STTC": 0.20,
}  # fmt: skip
FEMALE_LOG_ODDS = {"IMI": -0.7, "AMI": -0.5, "RBBB": -0.5, "AVB1": -0.4, "LAFB": -0.4, "AF": -0.2, "STTC": 0.3}

# What tells one person from another: one standard normal number each, the same whatever the factors are ("spare" holds a place,
# so that the same seed gives the same people as before), ...
TRAITS = (
    "age", "rate", "pr", "p_length", "qrs", "qtc", "frontal", "horizontal", "sagittal",
    "qrs_gain", "p_gain", "t_gain", "t_frontal", "t_horizontal", "t_width", "st", "st_y", "not_dipolar",
    "left_block", "right_block", "fascicle", "av_block", "hypertrophy", "strain", "inferior", "inferior_t",
    "anterior", "anterior_t", "repolarisation", "repolarisation_kind", "subtype", "slow_conduction",
    "ectopic_x", "ectopic_y", "ectopic_z", "ectopic_width", "spare",
    "breath_rate", "breath_phase", "breath_axis", "variability", "fibrillation_rate", "fibrillation_size",
)  # fmt: skip
# ... and arrays of them: deviations of single Gaussians, gains and shifts of electrodes, what no dipole explains.
TRAIT_ARRAYS = {
    "vector_jitter": (N_QRS, 3), "time_jitter": (N_QRS,), "electrode": (8,), "shift": (5,),
    "qrs_residual": (N_QRS, 8), "p_residual": (2, 8), "st_residual": (1, 8), "t_residual": (2, 8), "p_direction": (2,),
}  # fmt: skip
N_INDIVIDUAL = len(TRAITS) + sum(map(math.prod, TRAIT_ARRAYS.values()))

# Population quantiles are those of Mason 2007 (46,129 adults, 2nd to 98th percentile: heart rate 48-98, PR 113-212, QRS 69-109,
# axis -40..91, QTcF 359-445), sex differences those of Rao 2021 (QRS +8 ms in men), WHI and ARIC (QTc 10 ms longer and J point
# lower in women), age by Simonson and Nemati (axis turns left, r about -.3; QRS and T shrink until fifty; no effect on QRS
# duration). Means of QRS duration, axis and their spread were moved within these limits towards PTB-XL's folds 1-8.

# Normal quantities: mean at 55 years, standard deviation, women minus men, change per year, lowest, highest.
NORMAL = {
    "p_ms": (112, 12.5, 0, 0.1, 80, 150),
    "qrs_ms": (84, 9, -7, 0, 66, 113),
    "slow_qrs_ms": (115, 5, 0, 0, 110, 130),  # 110-130 ms: conduction disturbance without a name
    "left_block_qrs_ms": (152, 11, -5, 0, 128, 190),
    "right_block_qrs_ms": (138, 10, -4, 0, 123, 175),
    "qtcf_ms": (400, 19, 9, 0.12, 340, 500),
}
# Standard deviation of the logarithm of factors around one, by trait.
LOG_SD = {
    "pr": 0.145, "inferior": 0.22, "anterior": 0.22, "hypertrophy": 0.30, "repolarisation": 0.25,
    "qrs_gain": 0.24, "p_gain": 0.28, "t_gain": 0.30,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Population:
    """How often factors occur in a simulated database, and how they go together.

    Attributes
    ----------
    prevalence : mapping of str to float
        Share of people with each diagnosis; by default rare ones are a little more frequent than in PTB-XL, so that 2,000 ECGs
        hold 40 of each, and half are normal. Rhythm and detail factors and ``interaction`` occur only when named here.
    share_female, age_mean_years, age_sd_years : float, ages are normal, cut at 18 and 95 years; 62 and 17 resemble PTB-XL
    age_log_odds, female_log_odds : mapping of str to float
        Log odds ratio of a diagnosis per ten years of age, and for women against men; 0 where not named.
    """

    prevalence: Mapping[str, float] = field(default_factory=PREVALENCE.copy)
    share_female: float = 0.48
    age_mean_years: float = 62.0
    age_sd_years: float = 17.0
    age_log_odds: Mapping[str, float] = field(default_factory=AGE_LOG_ODDS.copy)
    female_log_odds: Mapping[str, float] = field(default_factory=FEMALE_LOG_ODDS.copy)

    def __post_init__(self):
        for name in ("prevalence", "age_log_odds", "female_log_odds"):
            known_names(getattr(self, name), DRAWN, f"factor(s) in Population.{name}")
        for name, share in {**self.prevalence, "share_female": self.share_female}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be a share between 0 and 1; got {share}.")


def draw_factors(population, n, seed):
    """Draw age, sex and diagnoses of `n` people of a Population, a DataFrame with index 1 ... n named ``ecg_id``.

    Sex, age and a column of 0 and 1 per factor in the population's prevalences. Of two that contradict each other those with
    the first never get the second, whose prevalence holds among everyone.
    """
    rng = np.random.default_rng([seed, 20])
    age = rng.normal(population.age_mean_years, population.age_sd_years, n)
    age = np.where((age < 18) | (age > 95), rng.uniform(35, 80, n), age).round()
    woman = (rng.uniform(size=n) < population.share_female).astype(float)
    table = pd.DataFrame({"sex_female": woman, "age_years": age}, index=pd.RangeIndex(1, n + 1, name="ecg_id"))
    for name in DRAWN:
        draw = rng.uniform(size=n)
        if name not in population.prevalence:
            continue
        rivals = [first if second == name else second for first, second in EXCLUDED if name in (first, second)]
        possible = np.all([table[rival] == 0 for rival in rivals if rival in table] or [np.ones(n)], axis=0)
        odds = population.age_log_odds.get(name, 0) * (age - population.age_mean_years) / 10
        odds = odds + population.female_log_odds.get(name, 0) * (woman - population.share_female)
        table[name] = (draw < _shares(odds, possible, population.prevalence[name])).astype(float)
    return table


def _shares(odds, possible, prevalence):
    """Probabilities with the wanted log-odds differences whose mean over everyone is `prevalence`, by bisection."""
    if prevalence in (0, 1):
        return possible * float(prevalence)
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (possible * expit(middle + odds)).mean() < prevalence else (low, middle)
    return possible * expit(middle + odds)


def check_factors(factors):
    """Columns of a table as float arrays, every factor of the simulator present; errors name column, row and value."""
    if not isinstance(factors, pd.DataFrame):
        raise ValueError(f"factors must be a DataFrame with one row per ECG; got {type(factors).__name__}.")
    known_names(factors.columns, SIMULATED_FACTORS, "factor(s)")
    columns = {}
    for name in SIMULATED_FACTORS:
        columns[name] = np.full(len(factors), np.nan if name in PERSON else 0.0)
        if name in factors:
            values = factors[name].to_numpy(dtype=float, na_value=np.nan)
            _check_values(name, values, factors.index)
            columns[name] = values if name in PERSON else np.nan_to_num(values)
    columns["has_interaction"] = np.full(len(factors), float("interaction" in factors))
    for broader, narrower in BROADER.items():  # RBBB_any follows RBBB; alone it is an incomplete block
        denied = (columns[narrower] > 0) & (np.asarray(factors.get(broader, np.nan), dtype=float) == 0)
        if denied.any():
            row = factors.index[denied.argmax()]
            raise ValueError(f"row {row!r} has {narrower} = 1 and {broader} = 0, but {narrower} is part of {broader}.")
        columns[broader] = np.maximum(columns[broader], columns[narrower])
    for first, second in EXCLUDED:
        conflict = (columns[first] > 0) & (columns[second] > 0)
        if conflict.any():
            row = factors.index[conflict.argmax()]
            raise ValueError(f"row {row!r} has both {first} and {second}, which contradict each other; set one of them to 0.")
    return columns


def _check_values(name, values, ids):
    if name == "age_years":
        wanted = f"an age from 0 to {OLDEST_AGE_YEARS} years or NaN (PTB-XL's 300 stands for 90 or older: use 90)"
        bad = (values < 0) | (values > OLDEST_AGE_YEARS)
    elif name in MAY_BE_UNKNOWN:
        wanted, bad = "0, 1 or NaN", ~np.isin(values, (0, 1)) & ~np.isnan(values)
    elif name in DETAIL_FACTORS:
        wanted, bad = "a dial of 0 or more", ~(values >= 0) | np.isinf(values)
    else:
        wanted, bad = "0 or 1; an ECG cannot be made from an unknown diagnosis, so fill NaN first", ~np.isin(values, (0, 1))
    if bad.any():
        row = bad.argmax()
        raise ValueError(f"{name} of row {ids[row]!r} is {values[row]}; wanted {wanted}.")


def split_individual(numbers):
    """Name the standard normal numbers of each person, shape (n, N_INDIVIDUAL): traits, then arrays of them."""
    traits = dict(zip(TRAITS, numbers.T))
    ends = np.cumsum([len(TRAITS), *map(math.prod, TRAIT_ARRAYS.values())])
    for (name, shape), start, end in zip(TRAIT_ARRAYS.items(), ends, ends[1:]):
        traits[name] = numbers[:, start:end].reshape(-1, *shape)
    return traits


def fill_in(columns, traits, uniform):
    """Draw age and sex where they are not known: what acts on the heart, and the labels, both by name."""
    labels = {name: values.copy() for name, values in columns.items() if name != "has_interaction"}
    age = np.clip(60 + 17 * traits["age"], 18, 95).round()
    labels["age_years"] = np.where(np.isnan(labels["age_years"]), age, labels["age_years"])
    labels["sex_female"] = np.where(np.isnan(labels["sex_female"]), (uniform[:, 0] < 0.5).astype(float), labels["sex_female"])
    effects = labels | {"has_interaction": columns["has_interaction"]}
    effects["RBBB"] = np.where(labels["RBBB"] > 0, labels["RBBB"], INCOMPLETE * labels["RBBB_any"])
    for name, diagnoses in EXPLAINED_BY.items():  # a superclass acts only where no diagnosis explains it
        alone = np.all([labels[diagnosis] == 0 for diagnosis in diagnoses], axis=0)
        effects[f"other_{name}"] = effects[name] * alone
    inferior = ndtr(traits["subtype"]) < 0.5
    effects["IMI"] = effects["IMI"] + effects["other_MI"] * inferior
    effects["AMI"] = effects["AMI"] + effects["other_MI"] * ~inferior
    return effects, labels


def add_superclasses(labels):
    """Labels with the superclasses that follow from diagnoses or were asked for; NORM where there is nothing at all."""
    classes = {name: np.maximum.reduce([labels[name], *(labels[d] for d in given)]) for name, given in EXPLAINED_BY.items()}
    anything = [labels[name] for name in (*DIAGNOSES, "STTC", *RHYTHM_FACTORS, *DETAIL_FACTORS)] + list(classes.values())
    return labels | classes | {"NORM": (np.maximum.reduce(anything) == 0).astype(float)}


def draw_parameters(factors, traits):
    """Make effects and traits into intervals (ms), angles (degrees), gains and severities (no unit), each of shape (n,)."""
    woman, years = factors["sex_female"] - 0.5, factors["age_years"] - 55  # half a sex difference up or down
    young = np.clip((50 - factors["age_years"]) / 30, 0, 1)  # 1 at twenty, 0 from fifty on
    sinus_bpm = np.clip(70 * np.exp(0.175 * traits["rate"] + 0.05 * woman), 42, 130)
    fibrillation_bpm = np.clip(88 * np.exp(0.22 * traits["rate"]), 48, 165)
    pr = 157 * _around_one("pr", traits["pr"]) - 6 * woman + 0.15 * years - 0.15 * (sinus_bpm - 70)
    block_pr = np.maximum(208 - 26 * np.log(ndtr(-traits["av_block"])), 0)  # 208 ms and an exponential number more
    severity = _severities(factors, traits)
    qtcf = _normal("qtcf_ms", traits["qtc"], woman, years, 8 * severity["st_t"] * traits["repolarisation_kind"])
    horizontal, t_size = _interact(factors["interaction"], factors["has_interaction"], traits)
    frontal = -2 + 12.5 * traits["frontal"] - 0.40 * years + 6 * woman * young - 2 * severity["hypertrophy"]
    return {
        "rate_bpm": sinus_bpm * (1 + factors["AF"] * (fibrillation_bpm / sinus_bpm - 1)),
        "pr_ms": _towards(np.clip(pr, 105, 199), block_pr, factors["AVB1"]),
        "p_ms": _normal("p_ms", traits["p_length"], woman, years),
        **severity,
        "qrs_ms": _qrs_ms(factors, traits, severity, woman, years),
        "qtcf_ms": qtcf + 30 * factors["LBBB"] + 14 * factors["RBBB"] + 6 * severity["hypertrophy"],
        "frontal_deg": frontal,
        "fascicle_deg": np.maximum(-47 - 7 * np.abs(traits["fascicle"]), -75),  # axis in left anterior fascicular block
        "horizontal_deg": 16 * horizontal + 4 * severity["hypertrophy"],
        "sagittal_deg": 9 * traits["sagittal"],
        "qrs_gain": _around_one("qrs_gain", traits["qrs_gain"]) * (1 + 0.22 * young) * (1 - 0.16 * woman),
        "p_gain": _around_one("p_gain", traits["p_gain"]),
        "t_gain": _around_one("t_gain", t_size) * (1 + 0.25 * young * (1 - woman)) * (1 - 0.18 * woman),
    }


def _severities(factors, traits):
    """How severe each disease is: its size around one, and the share that shows in ST and T."""
    sizes = {"inferior": "IMI", "anterior": "AMI", "hypertrophy": "LVH", "repolarisation": "STTC"}
    severity = {name: factors[factor] * _around_one(name, traits[name]) for name, factor in sizes.items()}
    shares = {"strain": "LVH", "inferior_t": "IMI", "anterior_t": "AMI"}
    severity |= {name: factors[factor] * ndtr(traits[name]) for name, factor in shares.items()}
    return severity | {"st_t": severity.pop("repolarisation")}


def _qrs_ms(factors, traits, severity, woman, years):
    qrs = _normal("qrs_ms", traits["qrs"], woman, years)
    qrs = _towards(qrs, np.clip(qrs + 7, 80, 117), factors["LAFB"])
    qrs = qrs + 4 * severity["hypertrophy"] + 4 * (factors["IMI"] + factors["AMI"])
    slow = _normal("slow_qrs_ms", traits["slow_conduction"], woman, years)
    qrs = _towards(qrs, np.maximum(slow, qrs), factors["other_CD"])
    qrs = _towards(qrs, _normal("left_block_qrs_ms", traits["left_block"], woman, years), factors["LBBB"])
    return _towards(qrs, _normal("right_block_qrs_ms", traits["right_block"], woman, years), factors["RBBB"])


def _normal(name, trait, woman, years, more=0):
    mean, sd, women_more, per_year, lowest, highest = NORMAL[name]
    return np.clip(mean + sd * trait + women_more * woman + per_year * years + more, lowest, highest)


def _around_one(name, trait):
    return np.exp(LOG_SD[name] * trait)


def _towards(usual, changed, share):
    return usual + share * (changed - usual)


def _interact(is_same, acts, traits):
    """Horizontal heart position and T size, their signs equal where `is_same`, else opposite, where the interaction `acts`."""
    # Each alone is distributed alike in both groups: no main effects (T does not turn with QRS in the horizontal plane, so that
    # no lead holds their product). Both also move away from their means, so that the signs can be read from an ECG.
    apart = (traits[name] + 0.8 * acts * np.sign(traits[name]) for name in ("horizontal", "t_gain"))
    horizontal, t_size = ((1 - 0.2 * acts) * values for values in apart)
    wrong = horizontal * t_size * np.where(is_same > 0, 1, -1) < 0
    return horizontal, np.where(wrong & (acts > 0), -t_size, t_size)
