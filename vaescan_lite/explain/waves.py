"""Waves x leads, the groups in which every model is explained, and the reference beats that stand in for them."""

import numpy as np
import pandas as pd

from ..ecg import LEADS_8, SEGMENTS_S, in_segment

GROUPS = pd.MultiIndex.from_product([list(SEGMENTS_S), LEADS_8], names=["segment", "lead"])
LEAST_IN_STRATUM = 10  # reference beats; fewer, and sex alone counts, or nobody is left out


def group_masks(beats):
    """Where each group lies, ndarray of bool, shape (n_groups, 8, n_times); a sample outside all segments is in none."""
    masks = np.zeros((len(GROUPS), len(LEADS_8), beats.signals.shape[-1]), dtype=bool)
    for i, (segment, lead) in enumerate(GROUPS):
        masks[i, LEADS_8.index(lead)] = in_segment(beats.time_s, segment)
    return masks


def reference_beats(beats, factors, known_beats, known_factors):
    """Mean beat of people of the same sex and age decade, ndarray (n, 8, n_times).

    With fewer than ten of them it is that of the same sex, and then of all; an unknown sex or age matches everybody.
    """
    person, known = (table.reindex(columns=["sex_female", "age_years"]) for table in (factors, known_factors))
    decade, known_decade = person["age_years"] // 10, known["age_years"] // 10
    out, means = np.empty_like(beats.signals), {}
    for row, key in enumerate(zip(person["sex_female"], decade, strict=True)):
        key = tuple(None if np.isnan(part) else float(part) for part in key)
        if key not in means:
            of_sex = np.full(len(known), True) if key[0] is None else (known["sex_female"] == key[0]).to_numpy()
            of_age = np.full(len(known), True) if key[1] is None else (known_decade == key[1]).to_numpy()
            choices = (of_sex & of_age, of_sex, np.full(len(known), True))
            chosen = next((some for some in choices if some.sum() >= LEAST_IN_STRATUM), choices[-1])
            means[key] = known_beats.signals[chosen].mean(axis=0)
        out[row] = means[key]
    return out


def row_correlation(a, b):
    """Pearson correlation of each row of `a` with that of `b`, NaN where one of them does not vary."""
    a, b = (part - part.mean(axis=1, keepdims=True) for part in (a, b))
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), size, out=np.full(len(a), np.nan), where=size > 1e-15)
