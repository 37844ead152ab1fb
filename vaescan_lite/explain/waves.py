"""Waves x leads, the groups in which every model is explained, and the reference beats that stand in for them."""

import numpy as np
import pandas as pd

from ..ecg import LEADS_8, SEGMENTS_S, in_segment

GROUPS = pd.MultiIndex.from_product([list(SEGMENTS_S), LEADS_8], names=["segment", "lead"])
LEAST_IN_STRATUM = 10  # reference beats; fewer, and sex alone counts, or nobody is left out


def segment_masks(beats):
    """Mask the samples of each segment, ndarray of bool, shape (n_segments, n_times)."""
    return np.stack([in_segment(beats.time_s, segment) for segment in SEGMENTS_S])


def group_masks(beats):
    """Return where each group lies in a BeatSet, bool (n_groups, 8, n_times); a sample outside all segments is in none."""
    of_lead = np.eye(len(LEADS_8), dtype=bool)
    masks = segment_masks(beats)[:, None, None] & of_lead[:, :, None]  # (n_segments, 8, 8, n_times)
    return masks.reshape(len(GROUPS), len(LEADS_8), -1)


def sum_by_wave(maps, beats):
    """Add maps (n, n_leads, n_times) up within each wave and lead of `beats`: DataFrame with columns (segment, lead)."""
    sums = np.einsum("nlt,st->nsl", maps, segment_masks(beats).astype(float))
    columns = pd.MultiIndex.from_product([list(SEGMENTS_S), beats.leads], names=GROUPS.names)
    return pd.DataFrame(sums.reshape(len(maps), -1), columns=columns)


def reference_beats(beats, factors, known_beats, known_factors):
    """Mean beat (n, 8, n_times) of those alike in sex and age decade, if below ten in sex, or of all; unknown is like any."""
    person, known = (table.reindex(columns=["sex_female", "age_years"]) for table in (factors, known_factors))
    strata = pd.DataFrame({"sex": person["sex_female"], "decade": person["age_years"] // 10})
    references = np.empty_like(beats.signals)
    for (sex, decade), rows in strata.groupby(["sex", "decade"], dropna=False).indices.items():
        of_sex = np.isnan(sex) | (known["sex_female"] == sex).to_numpy()
        of_age = np.isnan(decade) | (known["age_years"] // 10 == decade).to_numpy()
        everybody = np.full(len(known), True)
        enough = [mask for mask in (of_sex & of_age, of_sex) if mask.sum() >= LEAST_IN_STRATUM]
        references[rows] = known_beats.signals[[*enough, everybody][0]].mean(axis=0)
    return references


def all_correlations(a, b):
    """Pearson correlation of every row of `a` with every row of `b`, (n_a, n_b), NaN where one of the two does not vary."""
    a, b = (part - part.mean(axis=1, keepdims=True) for part in (a, b))
    size = np.sqrt((a**2).sum(axis=1)[:, None] * (b**2).sum(axis=1))
    return np.divide(a @ b.T, size, out=np.full(size.shape, np.nan), where=size > 1e-15)
