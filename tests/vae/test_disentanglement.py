"""Scores of latents against a known truth, on codes whose answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import hadamard

from vaescan_lite.vae import disentanglement as d


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(600, 4)), columns=["pr", "qrs", "axis", "gain"])


@pytest.fixture(scope="module")
def rotation():
    return hadamard(4) / 2  # every code carries a quarter of every quantity


def test_an_identical_code_scores_one_everywhere(truth):
    codes = truth.to_numpy()[:, [2, 0, 3, 1]] * [1, -2, 5, 0.1]  # order, sign and scale do not matter
    table = d.linear_r2(codes, truth)
    assert (table["r2"] > 0.999).all() and (table["r2_single"] > 0.999).all()
    assert list(table["code"]) == [1, 3, 0, 2]
    score = d.dci(codes, truth)
    assert score.disentanglement > 0.95 and score.completeness > 0.95 and score.informativeness > 0.9
    assert (score.importance.to_numpy().argmax(axis=0) == [1, 3, 0, 2]).all()


def test_a_rotation_takes_axis_based_scores_away_and_leaves_linear_r2(truth, rotation):
    codes = truth.to_numpy() @ rotation
    before, after = d.linear_r2(truth.to_numpy(), truth), d.linear_r2(codes, truth)
    np.testing.assert_allclose(after["r2"], before["r2"], atol=1e-9)
    assert (after["r2_single"] - 0.25).abs().max() < 0.12
    assert d.dci(codes, truth).disentanglement < 0.2


def test_a_random_code_scores_nothing(truth):
    codes = np.random.default_rng(1).normal(size=(600, 6))
    table = d.linear_r2(codes, truth)
    assert (table["r2"].abs() < 0.05).all() and (table["low"] < 0).all()
    score = d.dci(codes, truth)
    assert score.informativeness < 0.1 and score.disentanglement < 0.2


def test_dci_is_that_of_its_formula():
    equal = np.full((4, 3), 0.25)
    assert abs(d._one_sidedness(equal)) < 1e-12 and abs(d._one_sidedness(equal.T)) < 1e-12
    assert d._one_sidedness(np.eye(3)) == pytest.approx(1)
    # two codes: the first serves one quantity, the second both alike; shares of importance 1/4 and 3/4
    assert d._one_sidedness(np.array([[0.25, 0], [0.375, 0.375]])) == pytest.approx(0.25)


def test_the_interval_covers_the_r2_of_the_population():
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(300, 1))
        y = x[:, 0] + rng.normal(size=300)  # R2 of the population: one half
        row = d.linear_r2(x, pd.DataFrame({"y": y}), n_resamples=200).iloc[0]
        covered += row["low"] <= 0.5 <= row["high"]
    assert covered >= 34


def test_unknown_values_leave_out_their_beat_for_that_quantity_only(truth):
    gaps = truth.copy()
    gaps.iloc[:100, 0] = np.nan
    table = d.linear_r2(truth.to_numpy(), gaps)
    assert list(table["n"]) == [500, 600, 600, 600] and (table["r2"] > 0.999).all()
    assert d.dci(truth.to_numpy(), gaps).completeness > 0.9


def test_a_quantity_that_does_not_vary_has_no_r2(truth):
    table = d.linear_r2(truth.to_numpy(), truth.assign(gain=1.0))
    assert np.isnan(table.loc["gain", "r2"]) and table.loc["gain", "code"] == -1
    with pytest.raises(ValueError, match="quantity gain is 1 in all beats"):
        d.dci(truth.to_numpy(), truth.assign(gain=1.0))


def test_latents_of_two_trainings_are_matched_whatever_their_order_and_sign(truth):
    codes = truth.to_numpy()
    pairs = d.match_latents(codes, codes[:, [3, 1, 0, 2]] * [1, -1, 2, 1])
    assert pairs["matched"].all()
    assert dict(zip(pairs["latent"], pairs["other"])) == {0: 2, 1: 1, 2: 3, 3: 0}
    assert pairs.set_index("latent").loc[1, "correlation"] == pytest.approx(-1)


def test_latents_without_a_partner_are_reported(truth):
    codes = truth.to_numpy()
    noise = np.random.default_rng(5).normal(size=(600, 1))
    pairs = d.match_latents(codes, np.hstack([codes[:, :2], noise]))
    assert pairs["matched"].sum() == 2 and len(pairs) == 4
    assert set(pairs.loc[~pairs["matched"], "latent"]) == {2, 3}
    assert list(d.match_latents(codes[:, :1], codes)["latent"]) == [0, -1, -1, -1]


def test_the_hungarian_method_finds_the_best_matching_as_a_whole():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2000, 2))
    # Taking the strongest pair first (0 with 0, .89) would leave a pair of nearly 0; together .71 + .89 is more.
    b = np.stack([a @ [2, 1], a @ [1, 0]], axis=1)
    assert dict(d.match_latents(a, b)[["latent", "other"]].to_numpy()) == {0: 1, 1: 0}


def test_rotated_trainings_do_not_match_and_yet_hold_the_same(truth, rotation):
    table = d.stability([truth.to_numpy(), truth.to_numpy() @ rotation, truth.to_numpy()[:, ::-1]])
    same = table.set_index(["first", "second"])
    assert same.loc[(0, 2), "matched"] == 4 and same.loc[(0, 2), "correlation"] == pytest.approx(1)
    assert same.loc[(0, 1), "correlation"] < 0.6 and (table["r2"] > 0.999).all()


def test_wrong_input_is_named(truth):
    with pytest.raises(ValueError, match="one row for each of the 600 rows"):
        d.linear_r2(np.zeros((5, 2)), truth)
    with pytest.raises(ValueError, match="must not hold NaN"):
        d.dci(np.full((600, 2), np.nan), truth)
    with pytest.raises(ValueError, match="truth must be a DataFrame"):
        d.linear_r2(np.zeros((600, 2)), truth.to_numpy())
    with pytest.raises(ValueError, match="at least two codes"):
        d.dci(truth.to_numpy()[:, :1], truth)
    with pytest.raises(ValueError, match="known for 3 beats"):
        d.linear_r2(truth.to_numpy(), truth.iloc[:3].reindex(range(600)))
    with pytest.raises(ValueError, match="same 20 beats"):
        d.match_latents(np.zeros((30, 2)), np.zeros((29, 2)))
    with pytest.raises(ValueError, match="at least two trainings"):
        d.stability([truth.to_numpy()])
