"""Age as a task: the error in years, beside what the sex alone tells."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bench.age import EcgRegressor, GroupMedian, age_error
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.ecg import BeatSet
from vaescan_lite.training import Budget

N = 400


def recordings(effect):
    """People of whom women are ten years older; the first lead shows the age as far as `effect` goes, one age is unknown."""
    rng = np.random.default_rng(0)
    ids = np.arange(N)
    woman = rng.integers(0, 2, N).astype(float)
    age = 55 + 10 * woman + rng.normal(0, 12, N)
    factors = pd.DataFrame({"age_years": age, "sex_female": woman}, index=ids)
    signals = rng.normal(0, 0.1, size=(N, 8, 24)).astype(np.float32)
    signals[:, 0] += effect * (age[:, None] - 60) / 12
    factors.loc[3, "age_years"] = np.nan
    beats = BeatSet(signals, fs=100, ids=ids, r_index=10, rr_s=np.ones(N))
    db = SimpleNamespace(ids=ids, fold=pd.Series(ids % 10 + 1, index=ids), factors=lambda: factors)
    return Recordings(db, beats=beats)


@pytest.fixture(scope="module")
def found():
    pairs = [("PCA", "affine"), ("median beat", "boosting"), ("median beat", "CNN")]
    table = age_error(recordings(1.0), pairs=pairs, n_resamples=200, budget="smoke", progress=False)
    return table.set_index(["representation", "model"])


def test_what_the_beat_shows_is_found_by_every_model_and_gains_years_over_the_sex_alone(found):
    for pair in (("PCA", "affine"), ("median beat", "boosting"), ("median beat", "CNN")):
        row = found.loc[pair]
        assert row["low"] < row["mae_years"] < row["high"] < 7 and row["gain_low"] > 2, pair
        assert row["gain_years"] == pytest.approx(found.loc[("sex", "median"), "mae_years"] - row["mae_years"], abs=1e-9)
    assert (found["n"] == N - 1).all()


def test_the_baselines_are_the_error_of_medians_of_the_training_folds(found):
    rows = recordings(1.0)
    age, fold = rows.factors["age_years"].to_numpy(), rows.fold
    errors = []
    for rotation in range(1, 6):
        is_test = np.isin(fold, (2 * rotation - 1, 2 * rotation))
        errors.append(np.abs(age[is_test] - np.nanmedian(age[~is_test])))
    assert found.loc[("nothing", "median"), "mae_years"] == pytest.approx(np.nanmean(np.concatenate(errors)), abs=1e-9)
    assert found.loc[("sex", "median"), "mae_years"] < found.loc[("nothing", "median"), "mae_years"] - 0.5
    assert (found.loc[("sex", "median"), ["gain_years", "gain_low", "gain_high"]] == 0).all()


def test_a_beat_that_shows_nothing_gains_nothing():
    table = age_error(recordings(0.0), pairs=[("PCA", "affine")], n_resamples=200, progress=False)
    row = table.set_index("representation").loc["PCA"]
    assert row["gain_high"] < 0.5  # no better than the sex alone, which it does not see


def test_the_median_of_an_unknown_group_is_that_of_all():
    model = GroupMedian().fit(np.array([[0.0], [0.0], [1.0]]), np.array([10.0, 20.0, 90.0]))
    assert model.predict(np.array([[0.0], [1.0], [0.5]])).tolist() == [15.0, 90.0, 20.0]


@pytest.mark.parametrize("pair", [("age + sex", "affine"), ("median beat", "oracle")])
def test_a_pair_that_cannot_be_scored_is_named(pair):
    with pytest.raises(ValueError, match="unknown pair"):
        age_error(recordings(1.0), pairs=[pair], progress=False)


def test_a_network_for_a_number_reads_it_in_its_own_unit_and_leaves_unknown_ones_out():
    rng = np.random.default_rng(0)
    years = rng.uniform(20, 90, 300)
    signals = rng.normal(0, 0.2, (300, 8, 96)).astype(np.float32)
    signals[:, 2, 40:50] += (years[:, None] - 55) / 35
    known = np.where(np.arange(300) % 5 == 0, np.nan, years)
    short = Budget(epochs=8, batch_size=32, learning_rate=3e-3)
    model = EcgRegressor(budget=short, seed=1).fit(signals[:200], known[:200])
    assert np.abs(model.predict(signals[200:]) - years[200:]).mean() < 6  # the median misses by 17
    again = EcgRegressor(budget=short, seed=1).fit(signals[:200], known[:200])
    assert np.array_equal(model.predict(signals), again.predict(signals))


@pytest.mark.parametrize(
    ("y", "message"),
    [(np.zeros((30, 2)), r"must have shape \(30,\)"), (np.r_[5.0, np.full(29, np.nan)], "two different known numbers")],
)
def test_numbers_that_cannot_be_learnt_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        EcgRegressor(budget="smoke").fit(np.zeros((30, 8, 96), dtype=np.float32), y)
