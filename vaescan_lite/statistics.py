"""Scores with intervals: AUROC within rotations, paired bootstrap of records, calibration. The grid lives in `benchmark`."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit
from scipy.stats import norm, t
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score


def auroc_within(y, score, rotation):
    """Area under the ROC curve, counting only pairs of records from the same rotation.

    Scores of two rotations come from two models and need not share a scale, so a positive of one is never compared with
    a negative of another.

    Parameters
    ----------
    y : array-like of float, shape (n,)
        1 for positives, 0 for negatives.
    score : array-like of float, shape (n,)
        Higher means more likely positive. Tied pairs count one half.
    rotation : array-like, shape (n,)
        Which model scored the record.

    Returns
    -------
    float
        Share of the pairs (a positive and a negative of one rotation) that are in the right order.

    Raises
    ------
    ValueError
        If shapes differ, `y` holds anything but 0 and 1, `score` is not finite, or no rotation holds both classes.

    Examples
    --------
    >>> auroc_within([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.6], [1, 1, 2, 2])  # the first pair is right, the second is not
    0.5
    """
    y, score, rotation = _checked(y, score, rotation)
    return float(weighted_auroc(y, score, rotation, np.ones((1, len(y))))[0])


def bootstrap_weights(rotation, n_resamples=1000, seed=0):
    """Draw how often each record is in each resample; every rotation keeps its number of records.

    Parameters
    ----------
    rotation : array-like, shape (n,)
        Rotation of each record.
    n_resamples : int
        Number of resamples.
    seed : int
        Seed of the draws. The same weights used for two models make their comparison a paired one.

    Returns
    -------
    ndarray of uint8, shape (n_resamples, n)
        The counts; over the records of a rotation each row adds up to their number.
    """
    rotation = np.asarray(rotation)
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_resamples, len(rotation)), dtype=np.uint8)
    for name in np.unique(rotation):
        members = np.flatnonzero(rotation == name)
        drawn = rng.integers(0, len(members), size=(n_resamples, len(members)))
        for resample, rows in enumerate(drawn):
            weights[resample, members] = np.bincount(rows, minlength=len(members))
    return weights


def weighted_auroc(y, score, rotation, weights):
    """Area under the ROC curve within rotations, for many weightings of the records at once.

    Parameters
    ----------
    y, score, rotation : ndarray, shape (n,)
        As for `auroc_within`.
    weights : ndarray, shape (n_resamples, n)
        How often each record counts.

    Returns
    -------
    ndarray of float, shape (n_resamples,)
        NaN where a resample holds no pair at all.

    Notes
    -----
    With the records sorted by score, a group of equal scores with weight p of positives and q of negatives adds
    p (Q + q / 2) right pairs, where Q is the weight of all negatives below. Cost: n log n for the sorting, then n per resample.
    """
    y = np.asarray(y, dtype=bool)
    score, rotation, weights = np.asarray(score), np.asarray(rotation), np.asarray(weights)
    right_pairs, all_pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for name in np.unique(rotation):
        members = np.flatnonzero(rotation == name)
        order = members[np.argsort(score[members], kind="stable")]
        starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
        for rows in _chunks(len(weights), len(order)):
            sorted_weights = weights[rows][:, order].astype(np.float64)
            positive = np.add.reduceat(sorted_weights * y[order], starts, axis=1)  # (resamples, distinct scores)
            negative = np.add.reduceat(sorted_weights * ~y[order], starts, axis=1)
            below = np.cumsum(negative, axis=1)
            right_pairs[rows] += (positive * (below - 0.5 * negative)).sum(axis=1)
            all_pairs[rows] += positive.sum(axis=1) * below[:, -1]
    return np.divide(right_pairs, all_pairs, out=np.full(len(weights), np.nan), where=all_pairs > 0)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure with what is needed for its interval, so that differences and means keep their pairing.

    Attributes
    ----------
    by_seed : ndarray of float, shape (n_seeds,)
        The figure for each training seed; one value if nothing was trained at random.
    replicates : ndarray of float, shape (n_resamples,)
        The mean over seeds in each resample of the records. Two estimates belong together only if they were made with the
        same weights from `bootstrap_weights`.

    Notes
    -----
    The interval of 95 % is the percentile interval of the bootstrap, each of its two distances from the value widened by
    1.96 standard deviations over training seeds (added as squares). That is the variance of a single training, not of
    the mean over seeds, for somebody who trains once. From two or three seeds it is a rough guess, more often too small
    than too large; with one seed it is unknown and counts as zero.

    Examples
    --------
    >>> a = Estimate(np.array([0.9]), np.array([0.88, 0.9, 0.92]))
    >>> b = Estimate(np.array([0.8]), np.array([0.78, 0.8, 0.82]))
    >>> round((a - b).value, 6), np.ptp((a - b).replicates).round(6).item()  # the resamples agree: no doubt is left
    (0.1, 0.0)
    """

    by_seed: np.ndarray
    replicates: np.ndarray

    @property
    def value(self):
        """Mean over the training seeds."""
        return float(np.mean(self.by_seed))

    @property
    def between_seeds(self):
        """Standard deviation over training seeds; 0 with a single seed."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else 0.0

    def __sub__(self, other):
        by_seed = self.by_seed - other.by_seed
        return Estimate(by_seed, self.replicates - other.replicates)

    def interval(self):
        """Give the ends of the confidence interval of 95 %, as (low, high)."""
        low, high = np.nanpercentile(self.replicates, [2.5, 97.5])
        spread = norm.ppf(0.975) * self.between_seeds
        return (
            float(self.value - np.hypot(max(self.value - low, 0.0), spread)),
            float(self.value + np.hypot(max(high - self.value, 0.0), spread)),
        )

    def p_value(self):
        """Two-sided p-value of "the figure is zero", by the normal approximation; 1 where nothing varies and it is zero."""
        standard_error = np.hypot(np.nanstd(self.replicates, ddof=1), self.between_seeds)
        if standard_error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * norm.sf(abs(self.value) / standard_error))


def mean_estimate(estimates):
    """Average estimates made with the same weights, for example over tasks.

    Parameters
    ----------
    estimates : sequence of Estimate
        At least one.

    Returns
    -------
    Estimate
    """
    return Estimate(np.mean([one.by_seed for one in estimates], axis=0), np.mean([one.replicates for one in estimates], axis=0))


def error_estimate(by_seed, rotation, n_resamples=1000):
    """Estimate a mean over records, such as the mean absolute error, with the resamples of `bootstrap_weights`.

    Parameters
    ----------
    by_seed : array-like of float, shape (n_seeds, n)
        The error of each record after each training.
    rotation : array-like, shape (n,)
        Rotation of each record; the same rotations give the same resamples, so that differences are paired.
    n_resamples : int
        Number of resamples.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> error_estimate([[2.0, 4.0]], [1, 1]).value
    3.0
    """
    by_seed = np.atleast_2d(np.asarray(by_seed, dtype=float))
    weights = bootstrap_weights(rotation, n_resamples)
    return Estimate(by_seed.mean(axis=1), weights @ by_seed.mean(axis=0) / by_seed.shape[1])


def interval_over_trainings(differences, test_share):
    """Interval of 95 % of a mean difference from its values in single rotations, by the corrected resampled t-test [1]_.

    The bootstrap of records asks how a difference would move with other test people; this asks how it would move if everything
    were trained once more on other people, because every rotation was.

    Parameters
    ----------
    differences : array-like of float, shape (n_rotations,)
        One per rotation, NaN where a rotation has none.
    test_share : float
        Test records per training record, 1/4 with eight of ten folds to train on: rotations share training records, and their
        variance alone would be too small.

    Returns
    -------
    low, high : float
        Minus and plus infinity with fewer than three rotations: so few trainings cannot tell.

    References
    ----------
    .. [1] Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning 2003;52:239-281.

    Examples
    --------
    >>> [round(end, 3) for end in interval_over_trainings([0.02, 0.03, 0.01, 0.02, 0.02], 0.25)]
    [0.007, 0.033]
    """
    differences = np.asarray(differences, dtype=float)
    differences = differences[np.isfinite(differences)]
    if len(differences) < 3:
        return -np.inf, np.inf
    spread = np.sqrt((1 / len(differences) + test_share) * differences.var(ddof=1))
    half = t.ppf(0.975, len(differences) - 1) * spread
    return float(differences.mean() - half), float(differences.mean() + half)


def holm(p_values):
    """Adjust p-values for their number by Holm's step-down method [1]_.

    Parameters
    ----------
    p_values : array-like of float, shape (n,)
        One per hypothesis.

    Returns
    -------
    ndarray of float, shape (n,)
        Adjusted p-values in the same order.

    References
    ----------
    .. [1] Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def average_precision_within(y, score, rotation):
    """Average precision of each rotation, averaged with the positives as weights.

    Parameters
    ----------
    y, score, rotation : array-like, shape (n,)
        As for `auroc_within`.

    Returns
    -------
    float
        A score without information gives about the share of positives.
    """
    y, score, rotation = _checked(y, score, rotation)
    parts = [rotation == name for name in np.unique(rotation)]
    parts = [part for part in parts if y[part].any()]
    return float(
        np.average([average_precision_score(y[part], score[part]) for part in parts], weights=[y[part].sum() for part in parts])
    )


def calibration(y, probability):
    """Calibration intercept and slope of predicted probabilities [1]_.

    Parameters
    ----------
    y : array-like of float, shape (n,)
        1 for positives, 0 for negatives.
    probability : array-like of float, shape (n,)
        Between 0 and 1; kept 1e-6 away from both, where the logit would be infinite.

    Returns
    -------
    intercept, slope : float
        Of the logistic regression of `y` on the logit of `probability`. Perfect: 0 and 1. A slope below 1 means
        that the probabilities are too extreme.

    References
    ----------
    .. [1] Cox DR. Two further applications of a model for binary regression. Biometrika 1958;45:562-565.
    """
    logits = logit(np.clip(np.asarray(probability, dtype=float), 1e-6, 1 - 1e-6))
    if np.ptp(logits) == 0:  # the same probability for everybody: a slope cannot be told
        return float(logit(np.mean(y)) - logits[0]), float("nan")
    fit = LogisticRegression(C=1e6, max_iter=1000).fit(logits[:, None], np.asarray(y, dtype=int))
    return float(fit.intercept_[0]), float(fit.coef_[0, 0])


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


def _chunks(n_rows, row_length, cells=4_000_000):
    """Slices over rows such that a block of (rows, row_length) stays within `cells` numbers."""
    step = max(1, cells // max(row_length, 1))
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]


def _checked(y, score, rotation):
    y, score, rotation = np.asarray(y, dtype=float), np.asarray(score, dtype=float), np.asarray(rotation)
    if not (y.shape == score.shape == rotation.shape and y.ndim == 1):
        raise ValueError(
            f"y, score and rotation must be one value per record; got shapes {y.shape}, {score.shape}, {rotation.shape}."
        )
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"y must hold 0 and 1 only; got {np.unique(y)[:5]}. Leave records with an unknown label out.")
    if not np.isfinite(score).all():
        raise ValueError(f"{(~np.isfinite(score)).sum()} of {len(score)} scores are not finite.")
    if not any(0 < y[rotation == name].mean() < 1 for name in np.unique(rotation)):
        raise ValueError("no rotation holds both a positive and a negative record: there is no pair to compare.")
    return y.astype(bool), score, rotation
