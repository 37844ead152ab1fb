"""Do latents match the quantities that made the beats? Scores against a known truth, and stability over seeds.

Scores that look at single latents (DCI, the best single latent) change when the latents are rotated; what a linear model
reads from all of them does not. Both are given side by side. Explained in chapter 5.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from ..statistics import weighted_r2, with_interval

MIN_ROWS = 20
MIN_CORRELATION = 0.5  # below it two latents of two trainings are not called the same


def linear_r2(codes, truth, *, n_folds=5, n_resamples=500, seed=0):
    """Share of the variance of each true quantity that a linear model reads from all codes, and from the best one alone.

    `codes` (n, n_codes) are latents of n beats, without NaN; `truth`, a DataFrame of n rows, is what made the beats: rows in
    which a quantity is NaN do not count for it, and at least 20 must be left. Every prediction comes from a model that has not
    seen the beat, of `n_folds`; so does the choice of the best single code.

    A DataFrame by quantity: ``r2`` with ``low`` and ``high`` (bootstrap interval over beats, 95 %), ``r2_single`` (best single
    code), ``code`` (its number, by correlation over all beats), ``n``. NaN if a quantity does not vary. Below 0: worse than the
    mean.
    """
    codes, columns = _checked(codes, truth)
    with threadpool_limits(1):  # hundreds of small fits, slower with more threads
        rows = {name: _read_linearly(codes, y, n_folds, n_resamples, seed) for name, y in columns.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["r2", "low", "high", "r2_single", "code", "n"])


def _read_linearly(codes, y, n_folds, n_resamples, seed):
    known = np.isfinite(y)
    x, y = codes[known], y[known]
    if np.ptp(y) < 1e-12:
        return (np.nan,) * 4 + (-1, len(y))
    from_all, from_best = np.empty(len(y)), np.empty(len(y))
    for fit, held_out in KFold(n_folds, shuffle=True, random_state=seed).split(x):
        from_all[held_out] = LinearRegression().fit(x[fit], y[fit]).predict(x[held_out])
        best = [_best_code(x[fit], y[fit])]
        from_best[held_out] = LinearRegression().fit(x[fit][:, best], y[fit]).predict(x[held_out][:, best])
    r2, low, high, n = with_interval(weighted_r2, y, from_all, n_resamples=n_resamples, seed=seed)
    return r2, low, high, r2_score(y, from_best), _best_code(x, y), n


@dataclass(frozen=True)
class DCI:
    """Disentanglement, completeness and informativeness of codes."""

    disentanglement: float  # 1 if every code serves one quantity only; 0 if every code serves all alike
    completeness: float  # 1 if every quantity is served by one code only
    informativeness: float  # mean R2 of the quantities on held-out beats
    importance: pd.DataFrame  # (n_codes, n_quantities): how much each code helps to predict each quantity; columns add up to 1


def dci(codes, truth, *, n_trees=60, seed=0):
    """Score codes by how boosted trees use them to predict true quantities: a `DCI`.

    With the importances R (code i, quantity j): ``disentanglement = sum_i rho_i (1 - H(R_i.))``, H the entropy of the
    normalised row in base of the number of quantities, rho_i the share of code i in all importance; ``completeness`` is the
    same over columns, in base of the number of codes. As coded in google-research/disentanglement_lib (commit 86a644d), with
    regression trees for quantities on a scale. `codes` and `truth` are as in `linear_r2`, and quantities must vary; a third of
    the beats, drawn by `seed`, is held out for informativeness.
    """
    codes, columns = _checked(codes, truth)
    if codes.shape[1] < 2 or len(columns) < 2:
        raise ValueError(f"DCI needs at least two codes and two quantities; got {codes.shape[1]} and {len(columns)}.")
    importance, r2 = np.zeros((codes.shape[1], len(columns))), []
    for j, (name, y) in enumerate(columns.items()):
        rows = np.random.default_rng(seed).permutation(np.flatnonzero(np.isfinite(y)))
        if np.ptp(y[rows]) < 1e-12:
            raise ValueError(f"quantity {name} is {y[rows[0]]:g} in all beats; leave it out.")
        held_out, fit = np.split(rows, [len(rows) // 3])
        trees = GradientBoostingRegressor(n_estimators=n_trees, max_depth=3, subsample=0.5, random_state=seed)
        trees.fit(codes[fit], y[fit])
        importance[:, j] = trees.feature_importances_
        r2.append(r2_score(y[held_out], trees.predict(codes[held_out])))
    table = pd.DataFrame(importance, columns=list(columns))
    return DCI(_one_sidedness(importance), _one_sidedness(importance.T), float(np.mean(r2)), table)


def match_latents(codes, others, *, min_correlation=MIN_CORRELATION):
    """Pair the latents of two trainings by their correlation over the same beats, with the Hungarian method.

    `codes` (n, n_codes) and `others` (n, n_others) are latents of the same n beats by two models. A pair whose correlation is
    weaker than `min_correlation`, in either direction, does not count as matched. A DataFrame, one row per pair, strongest
    first, then one per latent that is left over: ``latent``, ``other`` (-1: none), ``correlation`` (its sign tells whether one
    runs backwards), ``matched``.
    """
    codes, others = np.asarray(codes, dtype=float), np.asarray(others, dtype=float)
    if codes.ndim != 2 or others.ndim != 2 or len(codes) != len(others) or len(codes) < MIN_ROWS:
        shapes = f"{codes.shape} and {others.shape}"
        raise ValueError(f"codes and others must be of the same {MIN_ROWS} beats or more; got shapes {shapes}.")
    if not (np.isfinite(codes).all() and np.isfinite(others).all()):
        raise ValueError("codes and others must not hold NaN; leave unusable beats out.")
    correlation = _standard(codes).T @ _standard(others) / len(codes)
    pairs = sorted(zip(*linear_sum_assignment(-np.abs(correlation))), key=lambda pair: -abs(correlation[pair]))
    rows = [(i, j, correlation[i, j], bool(abs(correlation[i, j]) >= min_correlation)) for i, j in pairs]
    rows += [(i, -1, np.nan, False) for i in range(codes.shape[1]) if i not in {i for i, _ in pairs}]
    rows += [(-1, j, np.nan, False) for j in range(others.shape[1]) if j not in {j for _, j in pairs}]
    return pd.DataFrame(rows, columns=["latent", "other", "correlation", "matched"])


def stability(codes, *, min_correlation=MIN_CORRELATION, seed=0):
    """Compare trainings that differ in their seed, pair by pair.

    `codes` has the latents (n, n_codes) of the same beats by each. A DataFrame, one row per pair of trainings: ``first``,
    ``second``, ``latents`` (of the first), ``matched``, ``unmatched``, ``correlation`` (median size over the pairs of
    `match_latents`) and ``r2`` (mean share of a latent of the first that a linear model reads from all latents of the second:
    what is left when axes do not matter).
    """
    if len(codes) < 2:
        raise ValueError(f"stability needs at least two trainings; got {len(codes)}.")
    rows = []
    for first, second in combinations(range(len(codes)), 2):
        pairs = match_latents(codes[first], codes[second], min_correlation=min_correlation)
        n_latents, n_matched = codes[first].shape[1], int(pairs["matched"].sum())
        typical = pairs["correlation"].abs().median()
        read = linear_r2(codes[second], pd.DataFrame(codes[first]), n_resamples=2, seed=seed)["r2"].mean()
        rows.append((first, second, n_latents, n_matched, n_latents - n_matched, typical, read))
    return pd.DataFrame(rows, columns=["first", "second", "latents", "matched", "unmatched", "correlation", "r2"])


def _checked(codes, truth):
    """Codes as float64, and the columns of the truth as arrays by name."""
    codes = np.asarray(codes, dtype=float)
    if not isinstance(truth, pd.DataFrame):
        raise ValueError(f"truth must be a DataFrame, one column per quantity; got {type(truth).__name__}.")
    if codes.ndim != 2 or len(codes) != len(truth):
        raise ValueError(f"codes must be one row for each of the {len(truth)} rows of truth; got shape {codes.shape}.")
    if not np.isfinite(codes).all():
        raise ValueError("codes must not hold NaN; leave unusable beats out.")
    columns = {name: truth[name].to_numpy(dtype=float) for name in truth.columns}
    for name, y in columns.items():
        if np.isfinite(y).sum() < MIN_ROWS:
            raise ValueError(f"quantity {name} is known for {np.isfinite(y).sum()} beats; at least {MIN_ROWS} are needed.")
    return codes, columns


def _best_code(x, y):
    return int(np.argmax(np.abs(_standard(x).T @ (y - y.mean()))))


def _standard(x):
    """Columns with mean 0 and variance 1; a constant column becomes 0."""
    sd = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(sd > 1e-12, sd, np.inf)


def _one_sidedness(importance):
    """1 minus the entropy of each normalised row, averaged with the rows' shares of all importance."""
    size = importance.sum(axis=1, keepdims=True)
    share = size[:, 0] / importance.sum()
    p = importance / np.where(size > 0, size, 1)
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=1) / np.log(importance.shape[1])
    return float((share * (1 - entropy)).sum())
