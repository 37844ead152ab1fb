"""Figures with intervals: AUROC within rotations, paired bootstrap of records, calibration, many tests at once."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm, t
from sklearn.metrics import average_precision_score

CLIP = 1e-6  # probabilities are kept this far from 0 and 1, where the logit would be infinite
NEWTON_STEPS = 30


@dataclass(frozen=True, eq=False)
class Estimate:
    """A figure with what is needed for its interval, so that differences and means keep their pairing.

    `by_seed` (n_seeds,) holds the figure for each training seed, one value if nothing was trained at random; `replicates`
    (n_resamples,) its mean over seeds in each resample of the records, made with the weights of `bootstrap_weights` that all
    estimates share which belong together; `limits` what the figure cannot pass, such as 0 and 1 for an AUROC, nor its interval.

    The interval of 95 % is the percentile interval of the bootstrap, each of its two distances from the value widened by 1.96
    standard deviations over training seeds (added as squares): the variance of a single training, not of the mean over seeds,
    for somebody who trains once. From two or three seeds it is a rough guess, more often too small than too large; with one it
    counts as 0.
    """

    by_seed: np.ndarray
    replicates: np.ndarray
    limits: tuple = (-np.inf, np.inf)

    @property
    def value(self):
        """Mean over the training seeds."""
        return float(np.mean(self.by_seed))

    @property
    def between_seeds(self):
        """Standard deviation over training seeds; 0 with a single seed."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else 0.0

    def __sub__(self, other):
        limits = self.limits[0] - other.limits[1], self.limits[1] - other.limits[0]
        return Estimate(self.by_seed - other.by_seed, self.replicates - other.replicates, limits)

    def percentiles(self):
        """Return the 2.5th and 97.5th percentile of the resamples, NaN where none has a value."""
        if not np.isfinite(self.replicates).any():
            return np.nan, np.nan
        return tuple(np.nanpercentile(self.replicates, [2.5, 97.5], axis=0))

    def interval(self):
        """Return the ends of the confidence interval of 95 %, as (low, high)."""
        low, high = self.percentiles()
        spread = norm.ppf(0.975) * self.between_seeds
        low = self.value - np.hypot(np.maximum(self.value - low, 0.0), spread)
        high = self.value + np.hypot(np.maximum(high - self.value, 0.0), spread)
        return float(np.maximum(low, self.limits[0])), float(np.minimum(high, self.limits[1]))

    def named(self, *names):
        """Value and ends of the interval under three names."""
        return dict(zip(names, (self.value, *self.interval()), strict=True))

    def p_value(self):
        """Two-sided p-value of "the figure is zero", by the normal approximation; 1 where nothing varies and it is zero."""
        standard_error = np.hypot(np.nanstd(self.replicates, ddof=1), self.between_seeds)
        if standard_error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * norm.sf(abs(self.value) / standard_error))


def mean_estimate(estimates):
    """Average estimates made with the same weights, for example over tasks; returns an Estimate."""
    by_seed = np.mean([estimate.by_seed for estimate in estimates], axis=0)
    return Estimate(by_seed, np.mean([estimate.replicates for estimate in estimates], axis=0), estimates[0].limits)


def over_trainings(estimates):
    """Join estimates of several trainings, made with the same weights, into one Estimate."""
    by_seed = np.concatenate([estimate.by_seed for estimate in estimates])
    return Estimate(by_seed, np.mean([estimate.replicates for estimate in estimates], axis=0), estimates[0].limits)


def bootstrap_weights(rotation, n_resamples=1000, seed=0):
    """Draw how often each record is in each resample, uint8 (n_resamples, n); every rotation (n,) keeps its number of records.

    A number of records in place of `rotation` is one rotation. Shared weights make a comparison of two models a paired one.
    """
    rotation = np.zeros(rotation) if np.ndim(rotation) == 0 else np.asarray(rotation)
    rng = np.random.default_rng(seed)
    weights = np.zeros((n_resamples, len(rotation)), dtype=np.uint8)
    for name in np.unique(rotation):
        members = np.flatnonzero(rotation == name)
        drawn = rng.integers(0, len(members), size=(n_resamples, len(members)))
        for resample, rows in enumerate(drawn):
            weights[resample, members] = np.bincount(rows, minlength=len(members))
    return weights


def bootstrap(statistic, rotation=None, n_resamples=1000, seed=0, *, weights=None):
    """Make the Estimate of a figure: its value, and how it varies over resamples of the records.

    `statistic` takes weights (n_rows, n), how often each record counts, and returns one figure a row, (n_rows, ...). `weights`
    (n_resamples, n) drawn before, so that several estimates share them, stand in place of rotation, n_resamples and seed.
    """
    weights = bootstrap_weights(rotation, n_resamples, seed) if weights is None else np.asarray(weights)
    figures = statistic(np.vstack([np.ones((1, weights.shape[1]), dtype=weights.dtype), weights]))  # everybody once
    return Estimate(figures[:1], figures[1:])


def with_interval(statistic, *columns, n_resamples=500, seed=0):
    """Return value, low and high (95 %, percentiles) of a figure, and the number of records that count: those without a NaN.

    `statistic` takes columns (n,) and weights, as `weighted_mean` does. The figure is NaN if nothing is left or it does not
    exist.
    """
    columns = np.array([np.asarray(column, dtype=float) for column in columns])
    columns = columns[:, np.isfinite(columns).all(axis=0)]
    n = columns.shape[1]
    if n == 0:
        return np.nan, np.nan, np.nan, 0
    estimate, _ = estimate_known(statistic, *columns, weights=bootstrap_weights(n, n_resamples, seed))
    low, high = estimate.percentiles()
    return estimate.value, float(low), float(high), n


def estimate_known(statistic, *columns, weights):
    """Estimate a figure from the records without a NaN, their number beside it; `weights` are those of all records."""
    columns = np.array([np.asarray(column, dtype=float) for column in columns])
    known = np.isfinite(columns).all(axis=0)
    if not known.any():
        return Estimate(np.full(1, np.nan), np.full(len(weights), np.nan)), 0
    return bootstrap(partial(statistic, *columns[:, known]), weights=weights[:, known]), int(known.sum())


def weighted_mean(values, weights):
    """Mean of values (n,) for each row of weights (n_rows, n)."""
    return _shares(weights) @ values


def weighted_median(values, weights):
    """Median of values (n,) for each row of whole weights (n_rows, n)."""
    order = np.argsort(values, kind="stable")
    up_to = np.cumsum(weights[:, order].astype(np.int32), axis=1)  # records at or below each value
    n = up_to[:, -1:]
    middle = [(up_to > place).argmax(axis=1) for place in ((n - 1) // 2, n // 2)]
    return np.mean([values[order[rank]] for rank in middle], axis=0)


def weighted_r2(y, predicted, weights):
    """Share of the variance of `y` (n,) that predictions explain, for each row of weights; NaN where `y` does not vary."""
    if np.ptp(y) < 1e-12:
        return np.full(len(weights), np.nan)
    y, predicted, shares = (y - y.mean()) / y.std(), (predicted - y.mean()) / y.std(), _shares(weights)
    variance = shares @ y**2 - (shares @ y) ** 2
    error = shares @ (y - predicted) ** 2
    return 1 - np.divide(error, variance, out=np.full(len(error), np.nan), where=variance > 1e-9)  # a resample may not vary


def _shares(weights):
    """Weights (n_rows, n) of which each row adds up to 1; NaN in a row of zeros."""
    total = weights.sum(axis=1, keepdims=True, dtype=float)
    return np.divide(weights, total, out=np.full(weights.shape, np.nan), where=total > 0)


def weighted_auroc(y, score, weights, rotation=None):
    """Area under the ROC curve within rotations (default: one), for each row of weights; NaN where a row holds no pair.

    With the records sorted by score, a group of equal scores with weight p of positives and q of negatives adds
    p (Q + q / 2) right pairs, where Q is the weight of all negatives below. Cost: n log n for the sorting, then n per row.
    """
    y, score, weights = np.asarray(y, dtype=bool), np.asarray(score), np.asarray(weights)
    rotation = np.zeros(len(y)) if rotation is None else np.asarray(rotation)
    right_pairs, all_pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for name in np.unique(rotation):
        members = np.flatnonzero(rotation == name)
        order = members[np.argsort(score[members], kind="stable")]
        starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
        for rows in _chunks(len(weights), len(order)):
            sorted_weights = weights[rows][:, order].astype(np.float64)
            positive = np.add.reduceat(sorted_weights * y[order], starts, axis=1)  # (rows, distinct scores)
            negative = np.add.reduceat(sorted_weights * ~y[order], starts, axis=1)
            below = np.cumsum(negative, axis=1)
            right_pairs[rows] += (positive * (below - 0.5 * negative)).sum(axis=1)
            all_pairs[rows] += positive.sum(axis=1) * below[:, -1]
    return np.divide(right_pairs, all_pairs, out=np.full(len(weights), np.nan), where=all_pairs > 0)


def auroc(y, score, rotation=None, n_resamples=1000, seed=0, *, weights=None):
    """Area under the ROC curve with its interval, counting only pairs of records from the same rotation: an Estimate.

    Scores of two rotations come from two models and need not share a scale, so a positive of one is never compared with a
    negative of another. The value is the share of the pairs in the right order, tied ones counted one half; NaN without a pair.
    `y` (n,) is 1 or 0, a higher `score` means more likely 1, `rotation` is which model scored the record, default one for all.
    The rest is as for `bootstrap`; estimates of the same records with the same seed are paired: subtract them.

    >>> auroc([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.6], [1, 1, 2, 2]).value  # the first pair is right, the second is not
    0.5
    """
    y, score, rotation = _checked(y, score, rotation)
    area = bootstrap(partial(weighted_auroc, y, score, rotation=rotation), rotation, n_resamples, seed, weights=weights)
    return replace(area, limits=(0.0, 1.0))


def row_correlation(a, b):
    """Pearson correlation of each row of `a` with that of `b`, NaN where one of them does not vary."""
    a, b = (part - part.mean(axis=1, keepdims=True) for part in (a, b))
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), size, out=np.full(len(a), np.nan), where=size > 1e-15)


def average_precision_within(y, score, rotation):
    """Average precision of each rotation, averaged with the positives as weights; about their share without information."""
    y, score, rotation = _checked(y, score, rotation)
    parts = [rotation == name for name in np.unique(rotation)]
    parts = [part for part in parts if y[part].any()]
    n_positive = [y[part].sum() for part in parts]
    return float(np.average([average_precision_score(y[part], score[part]) for part in parts], weights=n_positive))


def mean_over_records(values, rotation=None, n_resamples=1000, seed=0):
    """Return the Estimate of a mean over records (n,), such as the mean absolute error; paired as those of `auroc`."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"give one finite value per record, at least one; got shape {values.shape}.")
    return bootstrap(partial(weighted_mean, values), len(values) if rotation is None else rotation, n_resamples, seed)


def interval_over_trainings(differences, test_share):
    """Return the ends of the interval of 95 % of a mean difference (n_rotations,), by the corrected resampled t-test.

    The bootstrap of records asks how a difference would move with other test people; this asks how it would move if everything
    were trained once more on other people, because every rotation was. With fewer than three rotations it is infinite; NaN
    where a rotation has none. `test_share`: test records per training record, 1/4 with eight of ten folds to train on, since
    rotations share training records and their variance alone would be too small (Nadeau C, Bengio Y. Machine Learning
    2003;52:239-281).
    """
    differences = np.asarray(differences, dtype=float)
    differences = differences[np.isfinite(differences)]
    if len(differences) < 3:
        return -np.inf, np.inf
    spread = np.sqrt((1 / len(differences) + test_share) * differences.var(ddof=1))
    half = t.ppf(0.975, len(differences) - 1) * spread
    return float(differences.mean() - half), float(differences.mean() + half)


def holm(p_values):
    """Adjust p-values for their number by the step-down method of Holm (Scand J Stat 1979;6:65-70), in the same order."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def calibration(y, probability):
    """Calibration intercept and slope of predicted probabilities (n,) (Cox DR, Biometrika 1958;45:562-565).

    They are those of the logistic regression of `y` on the logit of the probability, which is kept 1e-6 away from 0 and 1.
    Perfect: 0 and 1; a slope below 1 means that the probabilities are too extreme. NaN with one class only, or classes that do
    not overlap.
    """
    y, logits = np.asarray(y, dtype=float), _logits(probability)
    if np.ptp(logits) == 0:  # the same probability for everybody: a slope cannot be told
        return float(logit(np.mean(y)) - logits[0]), float("nan")
    intercept, slope = _logistic(y, _with_ones(logits), 0 * logits, np.ones((1, len(y))))[0]
    return float(intercept), float(slope)


def weighted_calibration(y, probability, weights):
    """Return offset and slope, each (n_resamples,), of probabilities for each row of weights (n_resamples, n).

    The offset is what has to be added to every logit so that as many positives are expected as there are (the intercept with
    the slope held at 1, "calibration in the large"); the slope is that of `calibration`. Both are of maximum likelihood, NaN
    where a resample has one class only or the search for the slope does not end.
    """
    y, logits, weights = np.asarray(y, dtype=float), _logits(probability), np.asarray(weights)
    if not y.shape == logits.shape == weights.shape[1:]:
        raise ValueError(f"one y, probability and weight per record; got shapes {y.shape}, {logits.shape}, {weights.shape}.")
    offset = _logistic(y, np.ones((len(y), 1)), logits, weights)[:, 0]
    return offset, _logistic(y, _with_ones(logits), 0 * logits, weights)[:, 1]


def _logits(probability):
    return logit(np.clip(np.asarray(probability, dtype=float), CLIP, 1 - CLIP))


def _with_ones(column):
    return np.stack([np.ones_like(column), column], axis=1)


def _logistic(y, x, fixed, weights):
    """Coefficients (n_resamples, n_columns) of logistic regressions on `x` (n, n_columns), with `fixed` added to the logits."""
    plain = np.array([[0.0, 1.0][: x.shape[1]]])
    start = np.nan_to_num(_newton(y, x, fixed, np.ones((1, len(y))), plain), nan=0.0)  # near the answer of each resample
    return np.vstack([_newton(y, x, fixed, weights[rows], start) for rows in _chunks(len(weights), len(y))])


def _newton(y, x, fixed, weights, coefficients):
    """Maximise the likelihood of every row of weights by Newton's method; NaN with one class only or without an end."""
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    for _ in range(NEWTON_STEPS):
        p = expit(fixed + coefficients @ x.T)
        gradient = (weights * (y - p)) @ x
        curvature = ((weights * p * (1 - p)) @ products).reshape(len(weights), x.shape[1], x.shape[1])
        curvature = curvature + 1e-9 * np.eye(x.shape[1])
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        step = step / np.maximum(np.abs(step).max(axis=1, keepdims=True) / 2.0, 1.0)  # shorter, in the same direction
        coefficients = coefficients + step
        if np.abs(step).max() < 1e-6:  # the next step is about its square: below rounding
            break
    positives, total = weights @ y, weights.sum(axis=1)
    bad = ~(np.abs(step).max(axis=1) < 1e-4) | (positives == 0) | (positives == total)
    return np.where(bad[:, None], np.nan, coefficients)


def _chunks(n_rows, row_length, cells=100_000):  # which a core keeps close by: half the time of 4 million
    """Slices over rows such that a block of (rows, row_length) stays within `cells` numbers."""
    step = max(1, cells // max(row_length, 1))
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]


def _checked(y, score, rotation):
    y, score = np.asarray(y, dtype=float), np.asarray(score, dtype=float)
    rotation = np.zeros(len(y)) if rotation is None else np.asarray(rotation)
    if not (y.shape == score.shape == rotation.shape and y.ndim == 1):
        shapes = f"{y.shape}, {score.shape}, {rotation.shape}"
        raise ValueError(f"y, score and rotation must be one value per record; got shapes {shapes}.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"y must hold 0 and 1 only; got {np.unique(y)[:5]}. Leave records with an unknown label out.")
    if not np.isfinite(score).all():
        raise ValueError(f"{(~np.isfinite(score)).sum()} of {len(score)} scores are not finite.")
    return y.astype(bool), score, rotation
