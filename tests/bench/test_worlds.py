"""Simulated worlds: the cost arises where the simulator put it, and nowhere in a world without one."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from bench import worlds
from vaescan_lite.benchmark import STEPS
from vaescan_lite.statistics import auroc

QUICK = {"rotations": 1, "n_resamples": 200, "progress": False}


@pytest.fixture(scope="module")
def pause():
    """A world of rhythm; both networks see it, one of them the dominant beat alone."""
    steps = {"rhythm": STEPS["rhythm"]}
    return worlds.world_costs("rhythm", n=700, steps=steps, budget="workshop", **QUICK).set_index("task")


@pytest.fixture(scope="module")
def interaction():
    steps = {name: STEPS[name] for name in ("transparency", "naming")}
    return worlds.world_costs("interaction", n=1000, steps=steps, budget="smoke", **QUICK).set_index("step")


def test_what_only_rhythm_carries_costs_something_at_the_step_away_from_rhythm(pause):
    row = pause.loc["sinus_pause"]
    assert row["low"] > 0.2 and row["auroc_before"] > 0.85
    assert abs(row["auroc_after"] - 0.5) < 0.12  # the dominant beat does not show a pause


def test_what_only_a_product_carries_costs_something_at_the_step_to_an_affine_model(interaction):
    row = interaction.loc["transparency"]
    assert row["low"] > 0.05 and abs(row["auroc_after"] - 0.5) < 0.12
    assert interaction.loc["naming", "low"] < 0.05  # measurements, read by an affine model as well, do not bring it back


def test_no_model_beats_the_true_factor_by_more_than_chance(pause, interaction):
    for table in (pause, interaction):
        assert (table["ceiling"] < 1).all() and (table["auroc_before"] < table["ceiling"] + 0.05).all()


def test_the_ceiling_is_the_auroc_of_the_truth_for_labels_that_are_partly_wrong():
    db = worlds.make_world("plain", 400, 3)
    label, truth = db.labels["LBBB"], db.truth["LBBB"]
    assert 0.05 < (label != truth).mean() < 0.15
    # Of the pairs, (1 - f)^2 are right and f^2 wrong, the others are tied: 1 - f with f wrong labels, in groups of equal size.
    assert roc_auc_score(label, truth) == pytest.approx(1 - (label != truth).mean(), abs=0.02)


def test_a_blind_label_says_nothing_about_the_heart():
    db = worlds.make_world("blind", 2000, 0)
    assert abs(auroc(db.labels["LBBB"], db.truth["LBBB"], n_resamples=0).value - 0.5) < 0.04


def test_a_world_is_decided_by_its_seed_and_has_ten_folds():
    one, again, other = (worlds.make_world("rhythm", 60, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.ecgs.signals, again.ecgs.signals) and one.labels.equals(again.labels)
    assert not np.array_equal(one.ecgs.signals, other.ecgs.signals)
    assert set(one.fold) == set(range(1, 11))
    some = one.read(one.ids[[5, 2]], 100)
    assert np.array_equal(some.signals, one.ecgs.signals[[5, 2]]) and list(some.ids) == list(one.ids[[5, 2]])


def test_the_summary_counts_intervals_that_hold_zero_and_says_where_the_cost_must_be():
    rows = [
        ("rhythm", 0, "rhythm", 0.2, 0.1, 0.3),
        ("rhythm", 1, "rhythm", 0.4, 0.3, 0.5),
        ("rhythm", 0, "detail", 0.0, -0.1, 0.1),
    ]
    rows += [("blind", 0, "detail", 0.1, 0.05, 0.2), ("blind", 1, "detail", -0.1, -0.2, 0.0)]
    rows += [("blind", 0, "naming", 0.0, -0.1, 0.1), ("blind", 1, "naming", 0.0, -0.1, 0.1)]
    table = pd.DataFrame(rows, columns=["world", "seed", "step", "cost", "low", "high"]).assign(task="x", ceiling=0.9)
    found = worlds.summary(table).set_index(["world", "step"])
    row = found.loc[("rhythm", "rhythm")]
    assert (row["worlds"], row["cost"], row["lowest"], row["highest"]) == (2, pytest.approx(0.3), 0.2, 0.4)
    assert found["must_cost"].tolist() == [True, False, False, False, False]
    assert found["holds_zero"].tolist() == [0, 1, 0.5, 1, 0.75]  # an interval that ends at zero holds it
    assert found.index[-1] == ("blind", worlds.EVERY_STEP) and found["worlds"].iloc[-1] == 2


def test_an_unknown_world_and_another_rate_are_named():
    with pytest.raises(ValueError, match="unknown world 'flat'; known are rhythm, interaction, plain, blind"):
        worlds.make_world("flat", 50, 0)
    with pytest.raises(ValueError, match="made at 100 Hz; got fs=500"):
        worlds.make_world("blind", 20, 0).read([1], 500)
