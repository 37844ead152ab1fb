import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

from vaescan_lite.decisions import decision_curve, plot_decision_curve, plot_risk_coverage, risk_coverage
from vaescan_lite.plots.tables import colors_of


def people(n=400, seed=0):
    rng = np.random.default_rng(seed)
    probability = rng.beta(1, 4, n)
    return (rng.random(n) < probability).astype(float), probability


def net_benefit(y, p, t):
    """The same from recall and precision."""
    recall, precision = recall_score(y, p >= t), precision_score(y, p >= t)
    return y.mean() * recall * (1 - (1 - precision) / precision * t / (1 - t)) if recall else 0.0


def test_treating_all_breaks_even_where_the_threshold_is_the_prevalence_and_treating_none_always():
    y = np.r_[np.ones(30), np.zeros(70)]
    curve = decision_curve(y, {"m": np.full(100, 0.3)}, thresholds=[0.1, 0.3, 0.5], n_resamples=50)
    curve = curve.set_index(["model", "threshold"])
    assert curve.loc[("treat all", 0.3), "net_benefit"] == pytest.approx(0, abs=1e-6)
    assert curve.loc[("treat all", 0.1), "net_benefit"] == pytest.approx(0.3 - 0.7 / 9, abs=1e-6)
    assert (curve.loc["treat none", "net_benefit"] == 0).all()
    assert curve.loc[("m", 0.3), "net_benefit"] == pytest.approx(0, abs=1e-6)  # whoever reaches the threshold is treated
    assert curve.loc[("m", 0.5), "net_benefit"] == 0


def test_the_curve_is_net_benefit_at_each_threshold_and_true_probabilities_never_lose_to_the_defaults():
    y, p = people(20_000)
    curve = decision_curve(y, {"truth": p}, n_resamples=50)
    truth = curve[curve["model"] == "truth"]
    assert truth["net_benefit"].to_numpy() == pytest.approx([net_benefit(y, p, t) for t in truth["threshold"]], abs=1e-5)
    assert (truth["gain"] > -0.002).all() and truth["gain"].max() > 0.02
    assert (truth["low"] <= truth["net_benefit"]).all() and (truth["net_benefit"] <= truth["high"]).all()


def test_a_score_without_information_gains_nothing_over_the_defaults():
    covered = []
    for seed in range(20):
        y, p = people(300, seed)
        shuffled = np.random.default_rng(seed + 100).permutation(p)
        curve = decision_curve(y, {"m": shuffled}, thresholds=[0.1, 0.2, 0.3], n_resamples=100)
        covered.append((curve.loc[curve["model"] == "m", "gain_low"] <= 0).all())
    assert np.mean(covered) >= 0.9


def test_intervals_cover_the_net_benefit_of_the_population_in_nine_of_ten_samples():
    y_all, p_all = people(200_000, seed=7)
    truth = net_benefit(y_all, p_all, 0.2)
    hits = 0
    for seed in range(40):
        y, p = people(300, seed)
        curve = decision_curve(y, {"m": p}, thresholds=[0.2], n_resamples=200, seed=seed).set_index("model")
        hits += curve.loc["m", "low"] <= truth <= curve.loc["m", "high"]
    assert hits >= 34


def test_abstaining_lowers_the_error_of_a_model_that_knows_when_it_is_unsure():
    y, p = people(5000)
    table = risk_coverage(y, p, n_resamples=50)
    assert table["error"].is_monotonic_increasing
    assert table["error"].iloc[-1] == pytest.approx(((p >= 0.5) != y).mean())
    assert table["answered"].to_numpy() == pytest.approx(table["coverage"].to_numpy(), abs=1e-3)
    assert table["deferred"].iloc[-1] == 0


def test_people_who_are_equally_sure_are_answered_together_whatever_their_order():
    y, p = np.array([1, 0, 0, 1, 1, 0]), np.array([0.8, 0.8, 0.2, 0.2, 0.9, 0.6])
    order = [5, 3, 1, 0, 2, 4]
    one, other = (risk_coverage(y[o], p[o], coverages=[0.3, 1.0], n_resamples=20) for o in (range(6), order))
    assert one["answered"].tolist() == other["answered"].tolist() == [pytest.approx(5 / 6), 1]
    assert one["error"].tolist() == other["error"].tolist()
    assert one["missed"].iloc[0] == pytest.approx(1 / 3)


def test_one_person_and_one_coverage_are_enough():
    table = risk_coverage([1], [0.7], coverages=[0.01], n_resamples=5)
    assert table.loc[0, "error"] == 0 and table.loc[0, "answered"] == 1


def test_figures_have_a_line_per_model():
    y, p = people(100)
    ax = plot_decision_curve(decision_curve(y, {"a": p, "b": p[::-1]}, n_resamples=20))
    assert [line.get_label() for line in ax.lines] == ["treat all", "treat none", "a", "b"]
    assert len(plot_risk_coverage({"a": risk_coverage(y, p, n_resamples=20)}).lines) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decision_curve([1, 0], {"m": [0.2, 0.3]}, thresholds=[1.0]), "above 0 and below 1"),
        (lambda: decision_curve([1, 0], {"m": [2.0, -3.0]}), "expit"),
        (lambda: decision_curve([1, np.nan], {"m": [0.2, 0.3]}), "unknown label"),
        (lambda: decision_curve([1, 0, 1], {"m": [0.2, 0.3]}), r"shapes \(3,\) and \(2,\)"),
        (lambda: risk_coverage([1, 0], [0.2, 0.3], coverages=[0.0]), "at most 1"),
        (lambda: risk_coverage([1, 0], [0.2, np.nan]), "nan"),
        (lambda: decision_curve([1, 0], {"treat all": [0.1, 0.2]}), "other names"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_model_has_the_colour_that_it_has_in_every_figure_of_the_book():
    y = np.repeat([0, 1], 50)
    probability = np.linspace(0.1, 0.9, 100)
    curve = decision_curve(y, {"CNN": probability, "affine": probability}, n_resamples=20)
    known = colors_of(["CNN", "affine"])
    for ax in (plot_decision_curve(curve), plot_risk_coverage({"CNN": risk_coverage(y, probability)})):
        drawn = {line.get_label(): line.get_color() for line in ax.lines}
        assert all(drawn[name] == known[name] for name in known if name in drawn)
        plt.close(ax.figure)
