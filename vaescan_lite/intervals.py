"""A figure over ECGs with its bootstrap interval, for tables with many of them: part of `requirements`."""

import numpy as np

from .statistics import bootstrap_weights, weighted_auroc


def with_interval(values, statistic="mean", n_resamples=500, seed=0):
    """Mean or median over ECGs.

    Parameters
    ----------
    values : array-like of float or bool, shape (n,)
        One per ECG; NaN is left out.
    statistic : {"mean", "median"}
        Which.
    n_resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    value, low, high : float
        With the 95 % percentile interval; NaN if nothing is left.
    n : int
        ECGs that count.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan, np.nan, 0
    if statistic == "mean":
        weights = bootstrap_weights(np.zeros(len(values)), n_resamples, seed)
        drawn = weights.astype(float) @ values / len(values)
        return float(values.mean()), *_ends(drawn), len(values)
    rng = np.random.default_rng(seed)
    drawn = np.median(values[rng.integers(0, len(values), (n_resamples, len(values)))], axis=1)
    return float(np.median(values)), *_ends(drawn), len(values)


def r2_with_interval(y, predicted, n_resamples=500, seed=0):
    """Share of the variance of `y` that predictions explain; arguments and result as in `with_interval`.

    NaN where `y` does not vary: there is nothing to explain.
    """
    y, predicted = np.asarray(y, dtype=float), np.asarray(predicted, dtype=float)
    if np.ptp(y) < 1e-12:
        return np.nan, np.nan, np.nan, len(y)
    y, predicted = (y - y.mean()) / y.std(), (predicted - y.mean()) / y.std()
    weights = np.vstack([np.ones(len(y)), bootstrap_weights(np.zeros(len(y)), n_resamples, seed)]).astype(float)
    variance = weights @ y**2 / len(y) - (weights @ y / len(y)) ** 2
    error = weights @ (y - predicted) ** 2 / len(y)
    r2 = 1 - np.divide(error, variance, out=np.full(len(error), np.nan), where=variance > 1e-9)  # a resample may not vary
    return float(r2[0]), *_ends(r2[1:]), len(y)


def auroc_with_interval(y, score, n_resamples=500, seed=0):
    """Area under the ROC curve over ECGs with a known label; arguments and result as in `with_interval`.

    NaN without a positive or without a negative.
    """
    y, score = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
    known = np.isfinite(y)
    y, score = y[known], score[known]
    if not 0 < np.sum(y == 1) < len(y):
        return np.nan, np.nan, np.nan, len(y)
    fold = np.zeros(len(y))
    weights = np.vstack([np.ones(len(y)), bootstrap_weights(fold, n_resamples, seed)])
    found = weighted_auroc(y == 1, score, fold, weights)
    return float(found[0]), *_ends(found[1:]), len(y)


def _ends(drawn):
    return tuple(float(end) for end in np.nanpercentile(drawn, [2.5, 97.5]))
