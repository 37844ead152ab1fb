import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

from vaescan_lite.statistics import (
    Estimate,
    auroc,
    average_precision_within,
    bootstrap_weights,
    calibration,
    holm,
    interval_over_trainings,
    mean_estimate,
    mean_over_records,
    over_trainings,
    weighted_auroc,
    weighted_calibration,
    weighted_mean,
    weighted_median,
    weighted_r2,
    with_interval,
)


def auroc_within(y, score, rotation):
    return auroc(y, score, rotation, 0).value


@pytest.fixture
def scored():
    """Labels, scores with ties, and three rotations of different size."""
    rng = np.random.default_rng(3)
    rotation = np.repeat([1, 2, 3], [120, 90, 60])
    y = (rng.random(len(rotation)) < 0.3).astype(int)
    score = np.round(y + rng.normal(0, 1.2, len(y)), 1)  # one decimal: many ties
    return y, score, rotation


def test_one_rotation_agrees_with_scikit_learn(scored):
    y, score, rotation = scored
    assert auroc_within(y, score, np.ones(len(y))) == pytest.approx(roc_auc_score(y, score), abs=1e-12)


def test_rotations_are_pooled_by_their_number_of_pairs(scored):
    y, score, rotation = scored
    parts = [rotation == r for r in (1, 2, 3)]
    n_pairs = [y[part].sum() * (1 - y[part]).sum() for part in parts]
    expected = np.average([roc_auc_score(y[part], score[part]) for part in parts], weights=n_pairs)
    assert auroc_within(y, score, rotation) == pytest.approx(expected, abs=1e-12)


def test_a_shift_of_all_scores_of_one_rotation_changes_nothing(scored):
    y, score, rotation = scored
    shifted = score + np.array([0.0, 5.0, -7.0])[rotation - 1]
    assert auroc_within(y, shifted, rotation) == auroc_within(y, score, rotation)
    assert abs(roc_auc_score(y, shifted) - roc_auc_score(y, score)) > 0.01  # over rotations it would


def test_reversed_scores_give_one_minus_the_area(scored):
    y, score, rotation = scored
    assert auroc_within(y, -score, rotation) == pytest.approx(1 - auroc_within(y, score, rotation), abs=1e-12)


def test_a_constant_score_gives_one_half(scored):
    y, _, rotation = scored
    assert auroc_within(y, np.full(len(y), 0.7), rotation) == 0.5


def test_weights_count_as_repeated_records_do(scored):
    y, score, rotation = scored
    weights = bootstrap_weights(rotation, 20, seed=1)
    fast = weighted_auroc(y, score, weights, rotation)
    for w, area in zip(weights, fast):
        again = np.repeat(np.arange(len(y)), w)
        assert area == pytest.approx(auroc_within(y[again], score[again], rotation[again]), abs=1e-12)


def test_resamples_keep_the_size_of_every_rotation(scored):
    _, _, rotation = scored
    weights = bootstrap_weights(rotation, 50, seed=0)
    for r in (1, 2, 3):
        assert (weights[:, rotation == r].sum(axis=1) == (rotation == r).sum()).all()
    assert not (weights == weights[0]).all(axis=1)[1:].any()


def test_the_interval_agrees_with_a_plain_loop_over_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [250, 150]))
    score = y + rng.normal(0, 1.5, 400)
    low, high = auroc(y, score, n_resamples=2000).interval()
    loop = []
    for _ in range(2000):
        rows = rng.integers(0, 400, 400)
        loop.append(roc_auc_score(y[rows], score[rows]))
    expected = np.percentile(loop, [2.5, 97.5])
    assert (low, high) == pytest.approx(tuple(expected), abs=0.006)  # Monte Carlo error of a percentile is about 0.002


def test_intervals_of_95_percent_cover_the_truth_about_as_often():
    truth, hits = 0.7602, 0  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt(2))
    for seed in range(200):
        rng = np.random.default_rng(seed)
        y = np.repeat([0, 1], [80, 60])
        score = y + rng.normal(size=140)
        low, high = auroc(y, score, n_resamples=300, seed=seed).interval()
        hits += low <= truth <= high
    assert 0.90 <= hits / 200 <= 0.99


def test_a_model_does_not_differ_from_itself(scored):
    y, score, rotation = scored
    difference = auroc(y, score, rotation, 100) - auroc(y, score, rotation, 100)
    assert difference.value == 0 and difference.interval() == (0, 0) and difference.p_value() == 1


def test_pairing_makes_the_interval_of_a_difference_shorter(scored):
    y, score, rotation = scored
    noisier = score + np.random.default_rng(1).normal(0, 0.3, len(y))
    first = auroc(y, score, rotation, 500)
    paired, unpaired = ((first - auroc(y, noisier, rotation, 500, seed)).interval() for seed in (0, 1))
    assert paired[1] - paired[0] < 0.6 * (unpaired[1] - unpaired[0])


def test_seeds_that_disagree_widen_the_interval():
    replicates = np.linspace(0.78, 0.82, 1001)
    alone = Estimate(np.array([0.8, 0.8]), replicates).interval()
    low, high = Estimate(np.array([0.75, 0.85]), replicates).interval()  # SD over seeds 0.0707, 1.96 SD = 0.1386
    assert alone == pytest.approx((0.781, 0.819), abs=1e-3)
    assert (0.8 - low, high - 0.8) == pytest.approx((np.hypot(0.019, 0.1386),) * 2, abs=1e-3)


def test_the_mean_of_estimates_averages_seeds_and_resamples():
    a, b = Estimate(np.array([0.8, 0.9]), np.array([0.7, 0.8])), Estimate(np.array([0.6, 0.7]), np.array([0.5, 0.4]))
    mean = mean_estimate([a, b])
    assert mean.by_seed.tolist() == pytest.approx([0.7, 0.8]) and mean.replicates.tolist() == pytest.approx([0.6, 0.6])


def test_the_error_of_repeated_records_is_their_mean_and_pairing_holds(scored):
    _, error, rotation = scored
    two = over_trainings([mean_over_records(error, rotation, 30), mean_over_records(error + 2, rotation, 30)])
    one = mean_over_records(error + 1, rotation, 30)
    weights = bootstrap_weights(rotation, 30)
    expected = [np.repeat(error + 1, w).mean() for w in weights]
    assert two.by_seed.tolist() == pytest.approx([error.mean(), error.mean() + 2])
    assert two.replicates == pytest.approx(expected) and (two - one).replicates == pytest.approx(np.zeros(30), abs=1e-12)
    with pytest.raises(ValueError, match="one finite value"):
        mean_over_records([1.0, np.nan])


def test_weights_drawn_before_give_the_same_estimate(scored):
    y, score, rotation = scored
    drawn = auroc(y, score, rotation, 50, seed=4)
    given = auroc(y, score, rotation, weights=bootstrap_weights(rotation, 50, seed=4))
    assert given.value == drawn.value == auroc_within(y, score, rotation)
    np.testing.assert_array_equal(given.replicates, drawn.replicates)


def test_one_rotation_may_be_a_number_of_records():
    np.testing.assert_array_equal(bootstrap_weights(7, 20, seed=3), bootstrap_weights(np.zeros(7), 20, seed=3))


def test_labels_of_one_class_have_no_area():
    estimate = auroc([0, 0, 0], [0.1, 0.2, 0.3], n_resamples=10)
    assert np.isnan(estimate.value) and np.isnan(estimate.interval()).all()


@pytest.mark.parametrize("n", [41, 40])
def test_weighted_figures_are_those_of_repeated_records(n):
    rng = np.random.default_rng(5)
    x, y = np.round(rng.normal(size=n), 1), rng.normal(size=n)
    weights = bootstrap_weights(n, 25, seed=1)
    again = [np.repeat(np.arange(n), w) for w in weights]
    np.testing.assert_array_equal(weighted_median(x, weights), [np.median(x[rows]) for rows in again])
    np.testing.assert_allclose(weighted_mean(x, weights), [x[rows].mean() for rows in again])
    np.testing.assert_allclose(weighted_r2(x, x + 0.3 * y, weights), [r2_score(x[r], (x + 0.3 * y)[r]) for r in again])


def test_an_interval_leaves_out_what_is_unknown_and_is_nan_where_there_is_no_figure():
    value, low, high, n = with_interval(weighted_median, [1.0, 2.0, np.nan, 3.0])
    assert (value, n) == (2.0, 3) and low <= value <= high
    assert with_interval(weighted_mean, [np.nan])[3] == 0
    for statistic, y in ((weighted_auroc, [1.0, 1.0]), (weighted_r2, [2.0, 2.0])):
        assert np.isnan(with_interval(statistic, y, [0.1, 0.2])[:3]).all()


def test_average_precision_of_one_rotation_agrees_with_scikit_learn(scored):
    y, score, rotation = scored
    part = rotation == 2
    assert average_precision_within(y[part], score[part], rotation[part]) == average_precision_score(y[part], score[part])


def test_calibration_finds_the_line_the_labels_were_drawn_from():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 60_000)
    y = rng.random(60_000) < 1 / (1 + np.exp(-(0.5 + 0.6 * logits)))
    assert calibration(y, 1 / (1 + np.exp(-logits))) == pytest.approx((0.5, 0.6), abs=0.03)


def test_calibration_of_a_constant_probability_has_no_slope():
    intercept, slope = calibration(np.array([0, 1, 1, 1]), np.full(4, 0.5))
    assert intercept == pytest.approx(np.log(3)) and np.isnan(slope)


def test_calibration_agrees_with_a_regression_without_penalty():
    rng = np.random.default_rng(2)
    p = rng.uniform(0.02, 0.9, 300)
    y = (rng.uniform(size=300) < expit(0.5 + 0.7 * logit(p))).astype(float)
    fit = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, None], y)
    assert calibration(y, p) == pytest.approx((fit.intercept_[0], fit.coef_[0, 0]), abs=1e-6)


def test_weighted_calibration_is_calibration_of_repeated_records():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.9, 300)
    y = (rng.uniform(size=300) < expit(0.5 + 0.7 * logit(p))).astype(float)
    weights = bootstrap_weights(np.zeros(300), 3, seed=1)
    offset, slope = weighted_calibration(y, p, weights)
    for row, counts in enumerate(weights):
        assert slope[row] == pytest.approx(calibration(np.repeat(y, counts), np.repeat(p, counts))[1], abs=1e-3)
        expected = expit(logit(p) + offset[row])
        assert counts @ expected == pytest.approx(counts @ y, abs=1e-6)


def test_weighted_calibration_finds_a_shift_that_was_put_in():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 20_000)
    y = (rng.uniform(size=20_000) < expit(logit(p) - 1.2)).astype(float)
    offset, slope = weighted_calibration(y, p, np.ones((1, 20_000)))
    assert offset[0] == pytest.approx(-1.2, abs=0.06) and slope[0] == pytest.approx(1, abs=0.06)


def test_weighted_calibration_says_nan_without_both_classes_and_for_classes_that_do_not_overlap():
    y, p = np.array([0, 0, 1, 1.0]), np.array([0.1, 0.2, 0.3, 0.9])
    offset, slope = weighted_calibration(y, p, [[1, 1, 0, 0], [1, 1, 1, 1]])
    assert np.isnan(offset[0]) and np.isnan(slope).all() and np.isfinite(offset[1])
    with pytest.raises(ValueError, match="one y, probability and weight per record"):
        weighted_calibration(y, p, np.ones((1, 3)))


def test_holm_matches_a_case_done_by_hand():
    # sorted .01 .02 .03 .5 -> .04 .06 .06 .5
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])


@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([0, 1, 2], [0.1, 0.2, 0.3], "0 and 1 only"),
        ([0, 1, 1], [0.1, np.nan, 0.3], "1 of 3 scores are not finite"),
        ([0, 1], [0.1, 0.2, 0.3], "one value per record"),
    ],
)
def test_bad_scores_are_refused(y, score, message):
    with pytest.raises(ValueError, match=message):
        auroc_within(y, score, np.ones(len(score)))


def test_a_rotation_without_pairs_adds_nothing():
    y, score, rotation = [1, 0, 1, 1], [0.9, 0.1, 0.0, 0.0], [1, 1, 2, 2]
    assert auroc_within(y, score, rotation) == 1.0


def test_the_interval_over_trainings_matches_a_case_done_by_hand():
    # mean .02, sd .01, t(2) = 4.3027, sqrt(1/3 + 1/4) = .76376: half = .032863
    assert interval_over_trainings([0.01, 0.02, 0.03], 0.25) == pytest.approx((0.02 - 0.032863, 0.02 + 0.032863), abs=1e-5)
    assert interval_over_trainings([0.01, np.nan, 0.02, 0.03], 0.25) == interval_over_trainings([0.01, 0.02, 0.03], 0.25)


def test_two_trainings_cannot_tell():
    assert interval_over_trainings([0.02, 0.02], 0.25) == (-np.inf, np.inf)
