"""Who is in a simulated database: age, sex, diagnoses and how they go together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit

from ..factors import CONTRADICTIONS, DIAGNOSES

RHYTHM_FACTORS = ("bigeminy", "wenckebach", "sinus_pause", "sinus_arrhythmia")
DETAIL_FACTORS = ("small_q", "delta_wave", "notch", "long_qt")
# In the order in which they are drawn; what is new goes to the end, so that the same seed gives the same people as before.
DRAWN = (*DIAGNOSES, "STTC", *RHYTHM_FACTORS, "small_q", "delta_wave", "notch", "interaction", "long_qt")
RHYTHM_CONTRADICTIONS = tuple(("AF", name) for name in ("bigeminy", "wenckebach", "sinus_arrhythmia"))
PREVALENCE = {
    "LBBB": 0.04, "RBBB": 0.045, "AF": 0.06, "AVB1": 0.05, "LVH": 0.085,
    "IMI": 0.07, "AMI": 0.045, "LAFB": 0.05, "PVC": 0.05, "STTC": 0.14,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Population:
    """How often factors occur in a simulated database, how they go together, and how large their effects are.

    Attributes
    ----------
    prevalence : mapping of str to float
        Share of people with each diagnosis; the default is a little above PTB-XL's for the rare ones, so that 2,000 ECGs
        hold at least 40 of each, and about half are normal. Rhythm factors (``bigeminy`` ``wenckebach`` ``sinus_pause``
        ``sinus_arrhythmia``), details (``small_q`` ``delta_wave`` ``notch`` ``long_qt``) and ``interaction`` occur only when
        named here.
    share_female : float
    age_mean_years, age_sd_years : float
        Ages are normal, cut at 18 and 95 years; 62 and 17 resemble PTB-XL.
    age_log_odds : mapping of str to float
        Log odds ratio of a diagnosis per ten years of age.
    female_log_odds : mapping of str to float
        Log odds ratio of a diagnosis for women against men.
    confounding : float
        Multiplies both tables of log odds: 0 makes diagnoses independent of age and sex, 1 is the default population.
    effect_sizes : mapping of str to float
        Multiplies what a factor does to the ECG (1 if not named; 0 makes a label without a sign in the ECG).
    label_flips : float
        Share of diagnostic labels per ECG and diagnosis that are wrong in ``scp_codes``: this share of those who have the
        diagnosis go without the code, and as many others get it. The truth stays in ``ground_truth.csv``.
    """

    prevalence: Mapping[str, float] = field(default_factory=lambda: dict(PREVALENCE))
    share_female: float = 0.48
    age_mean_years: float = 62.0
    age_sd_years: float = 17.0
    age_log_odds: Mapping[str, float] = field(
        default_factory=lambda: {
            "AF": 0.60, "LBBB": 0.40, "RBBB": 0.30, "AVB1": 0.40, "LAFB": 0.30,
            "LVH": 0.15, "IMI": 0.30, "AMI": 0.25, "PVC": 0.25, "STTC": 0.20,
        }
    )  # fmt: skip
    female_log_odds: Mapping[str, float] = field(
        default_factory=lambda: {"IMI": -0.7, "AMI": -0.5, "RBBB": -0.5, "AVB1": -0.4, "LAFB": -0.4, "AF": -0.2, "STTC": 0.3}
    )
    confounding: float = 1.0
    effect_sizes: Mapping[str, float] = field(default_factory=dict)
    label_flips: float = 0.0

    def __post_init__(self):
        known = set(DRAWN)
        for name in ("prevalence", "age_log_odds", "female_log_odds"):
            unknown = set(getattr(self, name)) - known
            if unknown:
                raise ValueError(f"Population.{name} names {sorted(unknown)}; known factors are {sorted(known)}.")
        for name, share in {**self.prevalence, "share_female": self.share_female, "label_flips": self.label_flips}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be a share between 0 and 1; got {share}.")


def draw_factors(population, n, seed):
    """Draw age, sex and diagnoses of `n` people.

    Parameters
    ----------
    population : Population
    n : int
    seed : int

    Returns
    -------
    DataFrame
        Index 1 ... n named ``ecg_id``; ``sex_female``, ``age_years`` and one column of 0 and 1 per factor in the
        population's prevalences. Contradictory pairs (`factors.CONTRADICTIONS`) do not occur: the second of a pair is not
        drawn for those who have the first, and its prevalence holds among everyone.
    """
    rng = np.random.default_rng([seed, 20])
    age = rng.normal(population.age_mean_years, population.age_sd_years, n)
    outside = (age < 18) | (age > 95)
    age = np.where(outside, rng.uniform(35, 80, n), age).round()
    woman = (rng.uniform(size=n) < population.share_female).astype(float)
    table = pd.DataFrame({"sex_female": woman, "age_years": age}, index=pd.RangeIndex(1, n + 1, name="ecg_id"))
    for name in DRAWN:
        draw = rng.uniform(size=n)
        if name not in population.prevalence:
            continue
        possible = np.ones(n, dtype=bool)
        for pair in (*CONTRADICTIONS, *RHYTHM_CONTRADICTIONS):
            other = pair[0] if pair[1] == name else pair[1]
            if name in pair and other in table:
                possible &= table[other].to_numpy() == 0
        odds = population.age_log_odds.get(name, 0) * (age - population.age_mean_years) / 10
        odds = population.confounding * (odds + population.female_log_odds.get(name, 0) * (woman - population.share_female))
        table[name] = (draw < _shares(odds, possible, population.prevalence[name])).astype(float)
    return table


def flip_labels(factors, share, seed):
    """Exchange the label of a share of those who have a diagnosis with as many who do not; returns a copy."""
    rng = np.random.default_rng([seed, 21])
    flipped = factors.copy()
    for name in [name for name in (*DIAGNOSES, "STTC") if name in factors]:
        has = factors[name].to_numpy() > 0
        n_wrong = min(rng.binomial(has.sum(), share), (~has).sum())
        flipped.iloc[rng.choice(np.flatnonzero(has), n_wrong, replace=False), flipped.columns.get_loc(name)] = 0.0
        flipped.iloc[rng.choice(np.flatnonzero(~has), n_wrong, replace=False), flipped.columns.get_loc(name)] = 1.0
    return flipped


def _shares(odds, possible, prevalence):
    """Probabilities with the wanted log-odds differences whose mean over everyone is `prevalence`, by bisection."""
    if prevalence in (0, 1):
        return possible * float(prevalence)
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (possible * expit(middle + odds)).mean() < prevalence else (low, middle)
    return possible * expit(middle + odds)
