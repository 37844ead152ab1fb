"""Figures against plain loops over records and pairs, on any labels, scores, rotations and weights."""

import numpy as np
from properties import assume, generator, given, quick, seeds, st
from scipy.stats import norm
from sklearn.metrics import average_precision_score

from vaescan_lite.statistics import (
    Estimate,
    auroc,
    average_precision_within,
    bootstrap_weights,
    calibration,
    holm,
    interval_over_trainings,
    mean_over_records,
    weighted_auroc,
    weighted_mean,
    weighted_median,
    weighted_r2,
)  # fmt: skip


@st.composite
def scored(draw, n_rotations=3):
    """Labels, scores with ties, and rotations, of up to 30 records with both labels in the first rotation."""
    rng = generator(draw(seeds))
    n = draw(st.integers(4, 30))
    y, rotation = rng.random(n) < draw(st.floats(0.1, 0.9)), rng.integers(0, n_rotations, n)
    y[:2], rotation[:2] = (True, False), 0
    return y, rng.integers(0, draw(st.integers(1, 12)), n) / 4, rotation


def pairs_in_order(y, score, rotation, weights):
    """Share of pairs of one rotation in the right order, by a loop over pairs."""
    right = total = 0.0
    for i in np.flatnonzero(y):
        for j in np.flatnonzero(~y & (rotation == rotation[i])):
            weight = weights[i] * weights[j]
            total += weight
            right += weight * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
    return right / total if total else np.nan


@quick
@given(scored(), seeds)
def test_the_area_is_the_share_of_pairs_in_order_for_all_weights(data, seed):
    y, score, rotation = data
    weights = generator(seed).integers(0, 4, (3, len(y)))
    expected = [pairs_in_order(y, score, rotation, row) for row in weights]
    np.testing.assert_allclose(weighted_auroc(y, score, weights, rotation), expected, atol=1e-12)


@quick
@given(scored(), st.floats(0.1, 5), st.floats(-3, 3))
def test_the_area_depends_on_the_order_of_scores_and_not_on_that_of_records(data, scale, shift):
    y, score, rotation = data
    area = auroc(y, score, rotation, 0).value
    assert 0 <= area <= 1
    assert np.isclose(auroc(y, np.exp(scale * score) + shift, rotation, 0).value, area, atol=1e-12)
    assert np.isclose(auroc(y, -score, rotation, 0).value, 1 - area, atol=1e-12)
    order = np.argsort(score, kind="stable")[::-1]
    assert np.isclose(auroc(y[order], score[order], rotation[order], 0).value, area, atol=1e-12)


@quick
@given(scored())
def test_average_precisions_of_rotations_count_as_many_times_as_they_have_positives(data):
    y, score, rotation = data
    names = [name for name in np.unique(rotation) if y[rotation == name].any()]
    parts = [
        y[rotation == name].sum() * average_precision_score(y[rotation == name], score[rotation == name]) for name in names
    ]
    assert np.isclose(average_precision_within(y, score, rotation), sum(parts) / y.sum())


@quick
@given(seeds, st.integers(1, 25), st.integers(1, 4))
def test_weights_are_repetitions(seed, n, n_rows):
    rng = generator(seed)
    x, y, weights = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 4, (n_rows, n))
    weights[:, 0] += 1
    repeated = [np.repeat(np.arange(n), row) for row in weights]
    np.testing.assert_allclose(weighted_mean(x, weights), [x[rows].mean() for rows in repeated], atol=1e-12)
    np.testing.assert_allclose(weighted_median(x, weights), [np.median(x[rows]) for rows in repeated], atol=1e-12)
    for value, rows in zip(weighted_r2(y, x, weights), repeated, strict=True):
        if np.var(y[rows]) > 1e-6 * np.var(y) and n > 1:
            assert np.isclose(value, 1 - np.mean((y[rows] - x[rows]) ** 2) / np.var(y[rows]), rtol=1e-6, atol=1e-8)


@quick
@given(seeds, st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 20))
def test_resamples_keep_the_size_of_every_rotation_and_draw_from_it_alone(seed, rotation, n_resamples):
    rotation = np.array(rotation)
    weights = bootstrap_weights(rotation, n_resamples, seed % 1000)
    for name in np.unique(rotation):
        np.testing.assert_array_equal(weights[:, rotation == name].sum(axis=1), (rotation == name).sum())
    np.testing.assert_array_equal(bootstrap_weights(rotation, n_resamples, seed % 1000), weights)


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_holm_rejects_what_the_step_down_procedure_rejects_at_every_level(p, random):
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= 1).all()
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for step, i in enumerate(np.argsort(p, kind="stable")):
            if p[i] * (len(p) - step) > level:
                break
            rejected.add(int(i))
        assert rejected == set(np.flatnonzero(adjusted <= level).tolist())
    order = random.sample(range(len(p)), len(p))
    np.testing.assert_allclose(holm(np.array(p)[order]), adjusted[order])


@quick
@given(seeds, st.floats(-2, 2), st.integers(1, 4))
def test_p_values_are_two_sided_and_intervals_hold_the_value(seed, shift, n_seeds):
    rng = generator(seed)
    estimate = Estimate(shift + 0.1 * rng.normal(size=n_seeds), shift + rng.normal(size=200))
    spread = np.hypot(np.std(estimate.replicates, ddof=1), np.std(estimate.by_seed, ddof=1) if n_seeds > 1 else 0)
    p = estimate.p_value()
    assert np.isclose(p, 2 * norm.cdf(-abs(estimate.value) / spread))
    turned = Estimate(-estimate.by_seed, -estimate.replicates)
    assert np.isclose(turned.p_value(), p)
    low, high = estimate.interval()
    assert low <= estimate.value <= high
    np.testing.assert_allclose(turned.interval(), (-high, -low), atol=1e-12)


@quick
@given(seeds, st.integers(3, 40), st.floats(-5, 5))
def test_estimates_of_the_same_records_are_paired(seed, n, shift):
    x = generator(seed).normal(size=n)
    difference = mean_over_records(x + shift, n_resamples=50) - mean_over_records(x, n_resamples=50)
    np.testing.assert_allclose([difference.value, *difference.percentiles()], shift, atol=1e-9)


@quick
@given(seeds, st.integers(3, 8), st.floats(0, 1))
def test_more_shared_training_records_make_the_interval_over_trainings_wider(seed, n, test_share):
    x = generator(seed).normal(size=n)
    low, high = interval_over_trainings(x, test_share)
    assert np.isclose((low + high) / 2, x.mean())
    wider = interval_over_trainings(x, test_share + 0.25)
    assert np.isclose((wider[1] - wider[0]) / (high - low), np.sqrt((1 / n + test_share + 0.25) / (1 / n + test_share)))


@quick
@given(seeds, st.floats(-1, 1), st.floats(0.5, 2))
def test_calibration_undoes_a_line_on_the_logits(seed, intercept, slope):
    rng = generator(seed)
    logits = rng.normal(size=150)
    y = rng.random(150) < 1 / (1 + np.exp(-logits))
    assume(20 < y.sum() < 130)
    straight = calibration(y, 1 / (1 + np.exp(-logits)))
    bent = calibration(y, 1 / (1 + np.exp(-(logits - intercept) / slope)))
    # logit = a + b x and x = intercept + slope u: in u the line is a + b intercept + b slope u.
    np.testing.assert_allclose(bent, (straight[0] + straight[1] * intercept, straight[1] * slope), rtol=1e-4, atol=1e-4)
