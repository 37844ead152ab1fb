import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from vaescan_lite.statistics import (
    Estimate,
    auroc_within,
    average_precision_within,
    bootstrap_weights,
    calibration,
    error_estimate,
    holm,
    mean_estimate,
    weighted_auroc,
)


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
    fast = weighted_auroc(y, score, rotation, weights)
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
    replicates = weighted_auroc(y, score, np.ones(400), bootstrap_weights(np.ones(400), 2000, seed=0))
    low, high = Estimate(np.array([roc_auc_score(y, score)]), replicates).interval()
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
        replicates = weighted_auroc(y, score, np.zeros(140), bootstrap_weights(np.zeros(140), 300, seed))
        low, high = Estimate(np.array([roc_auc_score(y, score)]), replicates).interval()
        hits += low <= truth <= high
    assert 0.90 <= hits / 200 <= 0.99


def test_a_model_does_not_differ_from_itself(scored):
    y, score, rotation = scored
    replicates = weighted_auroc(y, score, rotation, bootstrap_weights(rotation, 100))
    estimate = Estimate(np.array([auroc_within(y, score, rotation)]), replicates)
    difference = estimate - estimate
    assert difference.value == 0 and difference.interval() == (0, 0) and difference.p_value() == 1


def test_pairing_makes_the_interval_of_a_difference_shorter(scored):
    y, score, rotation = scored
    other = score + np.random.default_rng(1).normal(0, 0.3, len(y))
    estimates = []
    for s, seed in ((score, 0), (other, 0), (other, 1)):
        replicates = weighted_auroc(y, s, rotation, bootstrap_weights(rotation, 500, seed))
        estimates.append(Estimate(np.array([auroc_within(y, s, rotation)]), replicates))
    paired, unpaired = ((estimates[0] - b).interval() for b in estimates[1:])
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
    one, two = error_estimate([error, error + 2], rotation, 30), error_estimate([error + 1], rotation, 30)
    weights = bootstrap_weights(rotation, 30)
    expected = [np.repeat(error + 1, w).mean() for w in weights]
    assert one.by_seed.tolist() == pytest.approx([error.mean(), error.mean() + 2])
    assert one.replicates == pytest.approx(expected) and (one - two).replicates == pytest.approx(np.zeros(30), abs=1e-12)


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


def test_holm_matches_a_case_done_by_hand():
    # sorted .01 .02 .03 .5 -> .04 .06 .06 .5
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])


@pytest.mark.parametrize(
    ("y", "score", "message"),
    [
        ([0, 1, 2], [0.1, 0.2, 0.3], "0 and 1 only"),
        ([0, 1, 1], [0.1, np.nan, 0.3], "1 of 3 scores are not finite"),
        ([0, 0, 0], [0.1, 0.2, 0.3], "no pair to compare"),
        ([0, 1], [0.1, 0.2, 0.3], "one value per record"),
    ],
)
def test_bad_scores_are_refused(y, score, message):
    with pytest.raises(ValueError, match=message):
        auroc_within(y, score, np.ones(len(score)))


def test_a_rotation_without_pairs_adds_nothing():
    y, score, rotation = [1, 0, 1, 1], [0.9, 0.1, 0.0, 0.0], [1, 1, 2, 2]
    assert auroc_within(y, score, rotation) == 1.0
