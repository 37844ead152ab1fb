"""Who is in a simulated database, and which people the simulator refuses."""

import numpy as np
import pandas as pd
import pytest

from vaescan_lite.simulator import Population, draw_factors, simulate, simulate_with_truth


def test_a_dial_that_nobody_has_draws_the_same_people_as_without_it():
    prevalence = {"LBBB": 0.2, "notch": 0.3, "interaction": 0.5}
    without = draw_factors(Population(prevalence=prevalence), 300, 5)
    beside = draw_factors(Population(prevalence=prevalence | {"long_qt": 0.4}), 300, 5)
    pd.testing.assert_frame_equal(beside[without.columns], without)
    assert 0.3 < beside["long_qt"].mean() < 0.5
    # The people of this seed before there was a long QT
    assert (int(without["interaction"].sum()), int((without["interaction"] * np.arange(300)).sum())) == (148, 23728)
    nobody = pd.DataFrame({"long_qt": np.zeros(20)})
    np.testing.assert_array_equal(simulate(nobody).signals, simulate(nobody[[]]).signals)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"LBB": [0, 1]}, "unknown factor.*LBB"),
        ({"LBBB": [0, np.nan]}, "LBBB of row 'b' is nan"),
        ({"AF": [0.3, 0]}, "AF of row 'a' is 0.3"),
        ({"AF": [0, 1], "AVB1": [1, 1]}, "row 'b' has both AF and AVB1"),
        ({"LBBB": [1, 0], "RBBB": [1, 0]}, "row 'a' has both LBBB and RBBB"),
        ({"age_years": [300, 50]}, "age_years of row 'a' is 300"),
        ({"small_q": [-1, 0]}, "small_q of row 'a'"),
    ],
)
def test_impossible_factors_are_refused_by_name_and_row(columns, words):
    with pytest.raises(ValueError, match=words):
        simulate(pd.DataFrame(columns, index=["a", "b"]))


def test_age_and_sex_are_drawn_where_they_are_not_known():
    factors = pd.DataFrame({"age_years": [np.nan, 44.0], "sex_female": [np.nan, 1.0]})
    _, truth = simulate_with_truth(factors)
    assert truth.loc[1, ["age_years", "sex_female"]].tolist() == [44.0, 1.0]
    assert 18 <= truth.loc[0, "age_years"] <= 95 and truth.loc[0, "sex_female"] in (0, 1)


def test_population_has_the_wanted_prevalences_and_correlations():
    factors = draw_factors(Population(), 8000, 0)
    for name, share in Population().prevalence.items():
        assert abs(factors[name].mean() - share) < 4 * np.sqrt(share * (1 - share) / 8000)
    assert factors.loc[factors["AF"] > 0, "age_years"].mean() > factors["age_years"].mean() + 6
    apart = draw_factors(Population(age_log_odds={}, female_log_odds={}), 8000, 0)
    assert abs(apart.loc[apart["AF"] > 0, "age_years"].mean() - apart["age_years"].mean()) < 3
    for one, other in (("AF", "AVB1"), ("LBBB", "RBBB"), ("LBBB", "LAFB")):
        assert not ((factors[one] > 0) & (factors[other] > 0)).any()
    with pytest.raises(ValueError, match="LBB"):
        Population(prevalence={"LBB": 0.1})


def test_any_right_bundle_branch_block_follows_the_complete_one_and_alone_is_incomplete():
    rows = {"none": (0, 0), "complete": (1, 1), "incomplete": (0, 1), "follows": (1, np.nan)}
    tables = [pd.DataFrame([values], columns=["RBBB", "RBBB_any"], index=[7]) for values in rows.values()]  # one person
    truth = pd.concat([simulate_with_truth(table, noise=False)[1] for table in tables]).set_axis(list(rows))
    assert truth["RBBB_any"].tolist() == [0, 1, 1, 1] and truth["RBBB"].tolist() == [0, 1, 0, 1]
    assert truth["CD"].tolist() == [0, 1, 1, 1] and truth["NORM"].tolist() == [1, 0, 0, 0]
    qrs_ms = truth["qrs_ms"]
    assert qrs_ms["none"] + 10 < qrs_ms["incomplete"] < qrs_ms["complete"] - 10 and qrs_ms["follows"] == qrs_ms["complete"]
    with pytest.raises(ValueError, match="row 1 has RBBB = 1 and RBBB_any = 0, but RBBB is part of RBBB_any"):
        simulate(pd.DataFrame({"RBBB": [0, 1], "RBBB_any": [0, 0]}))
