"""What `make bench-realism` counts, and that simulated ECGs stay near real ones."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import vaescan_lite as vl
from vaescan_lite.factors import FACTOR_NAMES

FOLDER = Path(__file__).parents[2] / "bench"
N = 3000


@pytest.fixture
def realism(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import realism

    yield realism
    sys.modules.pop("realism")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_shift_gives_the_auroc_of_two_normal_distributions(realism, rng):
    found = realism.classifier_auroc(rng.normal(0, 1, N), rng.normal(1, 1, N))
    assert found == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)


def test_what_two_columns_tell_together_and_neither_alone(realism, rng):
    """Two normal columns that go together on one side and against each other on the other."""
    first, rest = rng.normal(size=(2, N)), rng.normal(size=(2, N)) * 0.2
    real = pd.DataFrame({"a": first[0], "b": first[0] + rest[0]})
    simulated = pd.DataFrame({"a": first[1], "b": -first[1] + rest[1]})
    assert realism.separability(real, simulated)["auroc"].max() < 0.56
    assert realism.together(real, simulated) > 0.9
    assert realism.together(real, real + 0.0) < 0.55


def test_equal_distributions_cannot_be_told_apart(realism, rng):
    assert realism.classifier_auroc(rng.normal(0, 1, N), rng.normal(0, 1, N)) == pytest.approx(0.5, abs=0.03)


def test_a_difference_in_spread_counts_though_the_means_agree(realism, rng):
    assert realism.classifier_auroc(rng.normal(0, 1, N), rng.normal(0, 3, N)) > 0.7


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_share_of_missing_values_or_of_exact_zeros_counts(realism, rng, value):
    real, simulated = rng.normal(0, 1, (2, N))
    simulated[: N // 2] = value
    # Half of one side is told with certainty, the other half not at all: 0.5 * 1 + 0.5 * 0.5
    assert realism.classifier_auroc(real, simulated) == pytest.approx(0.75, abs=0.02)


def test_twins_have_what_the_real_people_have_as_far_as_one_heart_can(realism):
    nothing = dict.fromkeys(FACTOR_NAMES, 0.0)
    real = pd.DataFrame([nothing | {"age_years": 60, "AF": 1, "AVB1": 1, "STTC": np.nan, "NORM": np.nan, "LVH": np.nan}] * 2)
    twins = realism.twin_factors(real)
    assert twins.loc[0, ["AF", "AVB1", "STTC", "LVH"]].tolist() == [1, 0, 0, 0]
    assert len(vl.simulate(twins, duration_s=2)) == 2


def test_a_simulated_database_is_refused_as_the_real_one(realism, tmp_path, monkeypatch):
    vl.write_simulated_database(tmp_path / "db", 3, progress=False)
    monkeypatch.setattr(sys, "argv", ["realism.py", "--database", str(tmp_path / "db")])
    with pytest.raises(SystemExit, match="name real ECGs"):
        realism.main()


def test_no_single_measurement_tells_simulated_ecgs_from_real_ones_held_out(realism, real_data):
    """Folds 9 and 10 had no say in the simulator."""
    real = vl.open_database(real_data / "ptbxl")
    ids = realism.ids_of_folds(real, "9-10")
    assert set(real.fold.loc[ids]) == {9, 10}
    simulated = vl.simulate(realism.twin_factors(real.factors().loc[ids]), seed=7)
    found = realism.separability(realism.measured(real, ids)["measurements"], realism.measured(simulated)["measurements"])
    assert len(found) > 70
    assert found["auroc"].max() <= realism.BAR, found.head()
