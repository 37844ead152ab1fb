"""The four requirements against models of which the answer is known."""

import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from vaescan_lite.explain import compare_matched, readers, say_verdicts, summary, trade_off
from vaescan_lite.explain.verdicts import Average, Figure, average_models, verdict_table
from vaescan_lite.explain.waves import GROUPS, group_masks, reference_beats
from vaescan_lite.measurements.edits import EDITS
from vaescan_lite.statistics import Estimate, bootstrap_weights, estimate_known, row_correlation, weighted_mean

QUICK = {"n_explained": 6, "n_subsets": 32, "n_resamples": 50}
N = 150


class Reads:
    """A model that is a function of one named measurement; what is absent counts as its middle."""

    def __init__(self, column, slope=1.0):
        self.column, self.slope = column, slope

    def decision(self, beats):
        values = vl.measure(beats)[self.column]
        return self.slope * values.fillna(150.0).to_numpy()


class LinearInGroups:
    """Weighs the mean of each group; its contributions are exact against the mean of the beats it knows."""

    def __init__(self, beats, seed=0):
        self.at = group_masks(beats).reshape(len(GROUPS), -1).astype(float)
        self.at /= self.at.sum(axis=1, keepdims=True)
        self.weights = np.random.default_rng(seed).normal(size=len(GROUPS))
        self.mean = self._groups(beats).mean(axis=0)

    def _groups(self, beats):
        return beats.signals.reshape(len(beats), -1).astype(float) @ self.at.T

    def decision(self, beats):
        return self._groups(beats) @ self.weights

    def contributions(self, beats, factor):
        return pd.DataFrame((self._groups(beats) - self.mean) * self.weights, columns=GROUPS)


class WithoutContributions:
    def __init__(self, model):
        self.decision = model.decision


class Shuffled(LinearInGroups):
    """As accurate, but it gives the contributions of other groups."""

    def contributions(self, beats, factor):
        right = super().contributions(beats, factor)
        return pd.DataFrame(right.to_numpy()[:, ::-1], columns=GROUPS)


class Noisy(LinearInGroups):
    """As accurate; the contributions are right, but for noise of eight times their size."""

    def contributions(self, beats, factor):
        right = super().contributions(beats, factor)
        return right + 8 * right.to_numpy().std() * np.random.default_rng(1).normal(size=right.shape)


class Constant:
    def decision(self, beats):
        return np.zeros(len(beats))


class Scaled:
    def __init__(self, model, factor, shift):
        self.model, self.by, self.shift = model, factor, shift

    def decision(self, beats):
        return self.by * np.asarray(self.model.decision(beats)) + self.shift


@pytest.fixture(scope="module")
def data():
    rows = np.arange(N)
    made = pd.DataFrame({"AVB1": (rows % 5 == 0) * 1.0, "LVH": (rows % 7 == 1) * 1.0, "sex_female": rows % 2.0})
    beats = vl.median_beats(vl.simulate(made, seed=5))
    return beats, made[["AVB1"]]


def value(table, metric, model, detail=None):
    rows = table[(table["metric"] == metric) & (table["model"] == model)]
    return rows["value"].mean() if detail is None else rows.loc[rows["detail"] == detail, "value"].item()


@pytest.fixture(scope="module")
def table(data):
    beats, factors = data
    linear = LinearInGroups(beats)
    models = {
        "reads PR": Reads("pr_ms"), "against PR": Reads("pr_ms", -1.0), "linear": linear,
        "occluded": WithoutContributions(linear), "shuffled": Shuffled(beats), "constant": Constant(),
    }  # fmt: skip
    return vl.explain.requirements(models, beats, factors, **QUICK)


def test_a_model_that_reads_one_quantity_is_monotone_in_its_edit(table):
    share = "share in the published sign"
    assert value(table, share, "reads PR") > 0.95
    assert value(table, share, "against PR") < 0.05
    assert value(table, share, "constant") == 0 == value(table, "share never against it", "constant")
    assert value(table, "auroc", "reads PR") > 0.9 > 0.1 > value(table, "auroc", "against PR")


def test_an_additive_function_of_measurements_is_in_the_domain_and_an_interaction_is_not(data):
    beats, _ = data
    m = vl.measure(beats)
    z = ((m - m.mean()) / m.std()).fillna(0)
    from vaescan_lite.explain.surrogate import AdditiveSurrogate

    rng = np.random.default_rng(0)
    coin = np.where(rng.random(N) < 0.5, -1.0, 1.0)  # independent of the measurements but for its product with one of them
    logits = pd.DataFrame({
        "lines": z["qrs_ms"] - 2 * z["t_V5_mV"] + z["r_V5_mV"],
        "a bend": z["qrs_ms"] + np.abs(z["qt_ms"]),
        "noise": rng.normal(size=N),
        "an interaction": coin * z["t_V5_mV"],
        "constant": 3.0,
    }).to_numpy()  # fmt: skip
    surrogate = AdditiveSurrogate(m)
    predicted = surrogate.predict(logits)
    lines, bend, noise, interaction = 1 - np.mean((logits - predicted)[:, :4] ** 2, axis=0) / np.var(logits[:, :4], axis=0)
    assert lines > 0.97 and bend > 0.6 and noise < 0.1 and interaction < 0.2
    np.testing.assert_array_equal(predicted[:, 4], 3.0)
    np.testing.assert_allclose(surrogate.predict(logits[:, 1:2]), predicted[:, 1:2])  # whatever else is asked beside it
    np.testing.assert_allclose(surrogate.predict(100 * logits - 7), 100 * predicted - 7, atol=1e-6)


def test_the_true_explanation_of_a_model_linear_in_groups_is_faithful(table):
    for model in ("linear", "occluded"):
        assert value(table, "subset correlation", model) == pytest.approx(1, abs=1e-4)
    kinds = table[table["metric"] == "subset correlation"].set_index("model")["explanation"]
    assert kinds["linear"] == "own" and kinds["occluded"] == "occlusion"


def test_a_wrong_explanation_is_not_faithful_however_right_the_model(table):
    assert abs(value(table, "subset correlation", "shuffled")) < 0.6
    assert value(table, "subset correlation, occlusion", "shuffled") == pytest.approx(1, abs=1e-4)


def test_a_constant_is_robust_and_everything_else_about_it_is_undefined(table):
    assert value(table, "change of logit", "constant") == 0
    for metric in ("additive R2", "subset correlation", "rank correlation of explanation"):
        assert np.isnan(value(table, metric, "constant"))
    assert value(table, "auroc", "constant") == 0.5


def verdicts(table, metric):
    return table[table["metric"] == metric].drop_duplicates("model").set_index("model")


def test_an_explanation_must_foretell_more_than_an_even_share_of_its_sum(data):
    beats, factors = data
    models = {"right": LinearInGroups(beats), "noisy": Noisy(beats)}
    asked = QUICK | {"n_explained": 60}
    faithful = verdicts(vl.explain.requirements(models, beats, factors, **asked), "subset correlation")
    assert faithful.loc["right", "void"] is False
    assert faithful.loc["noisy", "void"] is True and faithful.loc["noisy", "against"] == "its sum spread evenly"


def test_each_requirement_has_its_own_control(table):
    monotone, domain, faithful = (
        verdicts(table, metric) for metric in ("share in the published sign", "additive R2", "subset correlation")
    )
    assert monotone.loc["reads PR", "void"] is False and monotone.loc["against PR", "void"] is True
    assert (monotone.drop(index="constant")["against"] == "constant").all()
    assert domain["void"].eq(False).all() and (domain["against"] == "measurements of another person").all()
    assert faithful.loc["linear", "void"] is False and faithful.loc["shuffled", "void"] is True
    assert faithful.loc["shuffled", "gain"] < 0.6 < faithful.loc["linear", "gain"]
    assert "constant" not in faithful.index  # of a control no explanation is asked
    assert all(void is None for void in verdicts(table, "change of logit")["void"])
    overall = summary(table)
    assert list(overall.columns) == [*dict.fromkeys(table["model"]), "better", "void for"]
    assert overall.loc[("monotone", "share in the published sign"), "void for"].split(", ")[0] == "against PR"


def test_the_ceiling_is_one_for_what_is_additive_and_below_for_an_interaction(data, table):
    assert value(table, "subset correlation, ceiling", "linear") == pytest.approx(1, abs=1e-3)
    beats, factors = data

    class Product(LinearInGroups):
        def decision(self, beats):
            groups = self._groups(beats) - self.mean
            return (groups[:, :8] * self.weights[:8]).sum(axis=1) * (groups[:, 16:24] * self.weights[16:24]).sum(axis=1)

    model = WithoutContributions(Product(beats))
    found = vl.explain.requirements({"a": model}, beats, factors, **QUICK)
    ceiling, occlusion = (value(found, f"subset correlation, {kind}", "a") for kind in ("ceiling", "occlusion"))
    assert occlusion - 0.02 < ceiling < 0.99


def test_the_sentences_say_who_keeps_what_against_which_control(table):
    said = say_verdicts(table)
    assert list(said.index) == ["accuracy", "interpretable domain", "monotone", "faithful", "robust"]
    kept, not_told = said["monotone"].split("not shown above a control:")
    assert "reads PR (+0.9" in kept or "reads PR (+1.0" in kept
    assert not_told.endswith("; control: constant.") and "against PR (" in not_told and "against PR (" not in kept
    nobody = say_verdicts(table[table["model"] == "constant"])
    assert "no control answered" in nobody["monotone"] and "kept by" not in " ".join(nobody)


def test_an_end_near_zero_shows_its_side(table):
    rows = table[table["requirement"] == "monotone"].assign(gain_low=0.0004, gain_high=0.25, void=False)
    above = say_verdicts(rows)["monotone"]
    below = say_verdicts(rows.assign(gain_low=-0.003, void=True))["monotone"]
    assert ", 0.000 to 0.25" in above and ", -0.003 to 0.25" in below


def test_the_table_is_tidy(table):
    assert not table.duplicated(["metric", "detail", "model", "factor"]).any()
    known = table.dropna(subset="value")
    assert (known["low"] <= known["value"] + 1e-9).all() and (known["value"] <= known["high"] + 1e-9).all()
    assert set(table["requirement"]) == {"accuracy", "interpretable domain", "monotone", "faithful", "robust"}
    assert (table.loc[table["metric"] == "additive R2", "n"] == N).all()


def test_scaling_and_shifting_a_logit_changes_nothing(data):
    beats, factors = data
    model = LinearInGroups(beats)
    one, two = (
        vl.explain.requirements({"a": some}, beats, factors, n_explained=3, n_subsets=16, n_resamples=20)
        for some in (model, Scaled(model, 1000.0, -7.0))
    )
    np.testing.assert_allclose(one["value"].astype(float), two["value"].astype(float), atol=1e-5)


def test_labels_are_found_by_id_and_in_any_order(data):
    beats, factors = data
    models = {"a": LinearInGroups(beats)}
    one = vl.explain.requirements(models, beats, factors, n_explained=2, n_subsets=4, n_resamples=10)
    two = vl.explain.requirements(models, beats, factors[::-1]["AVB1"], n_explained=2, n_subsets=4, n_resamples=10)
    pd.testing.assert_frame_equal(one, two)


def test_an_unusable_beat_is_left_out_and_counted(data):
    beats, factors = data
    signals = beats.signals.copy()
    signals[3] = np.nan
    gap = vl.BeatSet(signals, fs=100, rr_s=beats.rr_s)
    table = vl.explain.requirements({"a": LinearInGroups(beats)}, gap, factors, n_explained=2, n_subsets=4, n_resamples=10)
    assert (table.loc[table["metric"] == "auroc", "n"] == N - 1).all()


def test_reference_beats_are_people_of_the_same_sex_and_decade(data):
    beats = data[0][:40]
    people = pd.DataFrame({"sex_female": [1.0] * 15 + [0.0] * 25, "age_years": [45.0] * 12 + [71.0] * 3 + [45.0] * 25})
    found = reference_beats(beats, people, beats, people)
    np.testing.assert_allclose(found[0], beats.signals[:12].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found[13], beats.signals[:15].mean(axis=0), atol=1e-6)  # three of 71 are too few: all women
    unknown = reference_beats(beats[:1], pd.DataFrame({"sex_female": [np.nan], "age_years": [np.nan]}), beats, people)
    np.testing.assert_allclose(unknown[0], beats.signals.mean(axis=0), atol=1e-6)


def test_each_ecg_is_compared_with_its_own_reference(data):
    beats = data[0]
    sex = np.arange(N) % 2
    factors = pd.DataFrame({"AVB1": (np.arange(N) % 5 == 0) * 1.0, "sex_female": sex * 1.0, "age_years": 50.0})
    means = np.stack([beats.signals[sex == value].mean(axis=0) for value in (0, 1)])

    class AgainstOwnSex(LinearInGroups):
        def contributions(self, some, factor):
            references = vl.BeatSet(means[sex[some.ids]], fs=100)
            return pd.DataFrame((self._groups(some) - self._groups(references)) * self.weights, columns=GROUPS)

    model = AgainstOwnSex(beats)
    table = vl.explain.requirements({"a": model}, beats, factors, names=["AVB1"], **QUICK)
    assert value(table, "subset correlation", "a") == pytest.approx(1, abs=1e-5)


def test_groups_cover_every_sample_of_a_beat_once(data):
    masks = group_masks(data[0])
    assert masks.shape == (40, 8, 96) and (masks.sum(axis=0) == 1).all()


def test_row_correlation_is_pearson():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 9))
    np.testing.assert_allclose(row_correlation(a, b), [np.corrcoef(*pair)[0, 1] for pair in zip(a, b, strict=True)])
    assert np.isnan(row_correlation(np.ones((1, 4)), np.arange(4.0)[None])[0])


def test_models_are_compared_only_where_they_know_as_much():
    rows = [("AVB1", "a", 0.9, 0.8), ("AVB1", "b", 0.4, 0.82), ("LVH", "a", 0.5, 0.9), ("LVH", "b", 0.9, 0.6)]
    table = pd.DataFrame(rows, columns=["factor", "model", "value", "auroc"]).assign(metric="m", detail="")
    one = compare_matched(table, "m").iloc[0]
    assert one["n_factors"] == 1 and one["difference"] == pytest.approx(0.5) and one["auroc"] == pytest.approx(-0.02)
    with pytest.raises(ValueError, match="unknown metric 'x'; known are m"):
        compare_matched(table, "x")


def test_bad_models_are_named(data):
    beats, factors = data

    class Wrong(Constant):
        def __init__(self, answer):
            self.answer = answer

        def decision(self, beats):
            return self.answer

    for answer, message in (
        (np.zeros(3), r"decision of model 'w' must give \(150,\) logits, .*; got ndarray of shape \(3,\)"),
        (pd.DataFrame({"LVH": np.zeros(N)}), "model 'w' decides none of the factors AVB1"),
        (pd.DataFrame({"AVB1": np.zeros(2)}), r"a DataFrame of 150 rows; got DataFrame of shape \(2, 1\)"),
        (np.full(N, np.nan), "not finite for 150 of 150"),
    ):
        with pytest.raises(ValueError, match=message):
            vl.explain.requirements({"w": Wrong(answer)}, beats, factors)
    with pytest.raises(ValueError, match="model 'w' .int. has no decision"):
        vl.explain.requirements({"w": 3}, beats, factors)
    with pytest.raises(ValueError, match="models must be a dict"):
        vl.explain.requirements([Constant()], beats, factors)


def test_other_bad_input_is_named(data):
    beats, factors = data
    models = {"a": Constant()}
    with pytest.raises(ValueError, match="ids have no row in factors"):
        vl.explain.requirements(models, beats, factors[:10])
    with pytest.raises(ValueError, match="beats must be a BeatSet.*got ndarray"):
        vl.explain.requirements(models, beats.signals, factors)
    with pytest.raises(ValueError, match="at least 10 usable beats.*got 4 of 4"):
        vl.explain.requirements(models, beats[:4], factors)
    with pytest.raises(ValueError, match="edit.s. in signs 'P'; known are PR"):
        vl.explain.requirements(models, beats, factors, edits={"PR": EDITS["PR"]}, signs={("AVB1", "P"): 1})
    with pytest.raises(ValueError, match="must be .1 or -1; got 0"):
        vl.explain.requirements(models, beats, factors, signs={("AVB1", "PR"): 0})
    with pytest.raises(ValueError, match="unknown factors to score 'AF'; known are AVB1"):
        vl.explain.requirements(models, beats, factors, names=["AF"])
    with pytest.raises(ValueError, match="unknown controls.* 'b'; known are a"):
        vl.explain.requirements(models, beats, factors, controls=["b"])


@pytest.fixture(scope="module")
def fitted():
    rows = np.arange(200)
    factors = pd.DataFrame({"AVB1": (rows % 5 == 0) * 1.0, "LVH": (rows % 4 == 1) * 1.0, "sex_female": rows % 2.0})
    factors["age_years"] = 40.0 + rows % 40
    beats = vl.median_beats(vl.simulate(factors, seed=1))
    vae = vl.BeatVAE(8, budget="smoke", progress=False).fit(beats)
    scan = vl.Scan(vae, list(factors.columns)).fit(beats, factors, progress=False)
    models = readers.fit_readers(scan, beats, factors, ["AVB1", "LVH"], budget="smoke", n_permuted=6)
    return models, scan, beats, factors


@pytest.mark.parametrize("name", ["age_years", "LBBB"])
def test_what_is_measured_on_a_scale_or_was_not_learnt_is_named_before_anything_is_fitted(fitted, name):
    _, scan, beats, factors = fitted
    with pytest.raises(ValueError, match=f"unknown yes-or-no factor.*'{name}'; known are AVB1, LVH, sex_female"):
        readers.fit_readers(scan, beats, factors.assign(LBBB=0.0), ["AVB1", name], budget="smoke", n_permuted=0)


def test_a_factor_without_a_textbook_rule_is_read_by_all_models_but_the_rule(fitted):
    models, scan, beats, factors = fitted
    own = readers.fit_readers(scan, beats, factors, ["sex_female"], budget="smoke", n_permuted=0)
    assert set(models) - set(own) == {"rule", *(name for name in models if "permuted" in name)}
    table = vl.explain.requirements(
        own, beats, factors, names=["sex_female"], edits={}, n_explained=2, n_subsets=4, n_resamples=9
    )
    assert set(table["model"]) == set(own)


def test_every_reader_gives_logits_and_nan_for_an_unusable_beat(fitted):
    models, _, beats, _ = fitted
    signals = beats.signals[:12].copy()
    signals[0] = np.nan
    some = vl.BeatSet(signals, fs=100, ids=beats.ids[:12], rr_s=beats.rr_s[:12])
    assert len([name for name in models if "permuted" in name]) == 6
    for name, model in models.items():
        logits = model.decision(some)[["AVB1", "LVH"]]
        assert logits.shape == (12, 2) and np.isfinite(logits.iloc[1:].to_numpy()).all(), name
        assert logits.iloc[0].isna().all() or name == "constant", name


def test_the_reader_of_a_scan_says_what_the_scan_says(fitted):
    models, scan, beats, _ = fitted
    reader, some = models["VAE-SCAN"], beats[:9]
    pd.testing.assert_series_equal(reader.decision(some)["LVH"], scan.logits(some)["LVH"])
    pd.testing.assert_frame_equal(reader.contributions(some, "LVH"), vl.explain.wave_contributions(scan, some, "LVH"))
    assert "age_years" not in reader.decision(some)


def test_permuted_labels_are_the_same_labels_of_other_people(fitted):
    factors = fitted[3]
    permuted = readers.permuted_labels(factors, seed=1)
    assert permuted.index.equals(factors.index) and not permuted.equals(factors)
    pd.testing.assert_series_equal(permuted["AVB1"].value_counts(), factors["AVB1"].value_counts())
    np.testing.assert_allclose(permuted.corr(), factors.corr(), atol=1e-9)


def test_rules_are_above_zero_where_the_criterion_is_met(fitted):
    _, _, beats, _ = fitted
    rules, m = readers.RuleReader().decision(beats), vl.measure(beats)
    np.testing.assert_array_equal(rules["AVB1"] > 0, m["pr_ms"] > 200)
    np.testing.assert_array_equal(rules["LVH"] > 0, (m["sokolow_lyon_mV"] > 3.5) | (m["cornell_mV"] > 2.8))
    wide = pd.DataFrame({"qrs_ms": m["qrs_ms"] > 120, "RBBB": rules["RBBB"] > 0, "LBBB": rules["LBBB"] > 0})
    assert not (wide["RBBB"] & wide["LBBB"]).any() and not ((wide["RBBB"] | wide["LBBB"]) & ~wide["qrs_ms"]).any()


def test_models_fitted_to_permuted_labels_know_nothing_of_new_people(fitted):
    models, _, _, _ = fitted
    rows = np.arange(150)
    factors = pd.DataFrame({"AVB1": (rows % 5 == 0) * 1.0})
    new = vl.median_beats(vl.simulate(factors, seed=9))
    some = {name: model for name, model in models.items() if name in ("rule", "constant") or "permuted" in name}
    table = vl.explain.requirements(some, new, factors, n_explained=2, n_subsets=4, n_resamples=20)
    auroc = table[table["metric"] == "auroc"].set_index("model")["value"]
    assert auroc["rule"] > 0.9 and auroc["constant"] == 0.5
    assert 0.2 < auroc[[name for name in models if "permuted" in name]].mean() < 0.8
    void = {metric: verdicts(table, metric).loc["rule", "void"] for metric in ("auroc", "share in the published sign")}
    assert not any(void.values())
    assert verdicts(table, "auroc").loc["rule", "against"] == "permuted labels"  # six count as trainings of one control


def test_the_linear_rows_are_faithful_by_construction(fitted):
    models, scan, beats, factors = fitted
    linear = {name: model for name, model in models.items() if "components" in name}
    assert list(linear) == ["logistic on 8 components", "logistic on 64 components"]
    table = vl.explain.requirements(linear, beats, factors[["AVB1"]], n_explained=5, n_subsets=16, n_resamples=20)
    for metric in ("subset correlation", "subset correlation, ceiling"):
        assert table.loc[table["metric"] == metric, "value"].min() > 0.999


# ---- verdicts


def figures_of(values, weights, model="a", against=None):
    """A figure of the mean of values (n,), beside those of controls."""
    means = {name: estimate_known(weighted_mean, v, weights=weights)[0] for name, v in (against or {}).items()}
    return Figure("faithful", "m", "", model, "LVH", *estimate_known(weighted_mean, values, weights=weights), "", means)


def test_a_control_is_compared_person_by_person():
    """Values that vary much between people, and a control that is always a little below: two means overlap, pairs do not."""
    people = np.random.default_rng(0).normal(size=80)
    weights = bootstrap_weights(80, 400, 0)
    row = verdict_table([average_models([figures_of(people, weights, against={"c": people - 0.05})], [])], []).iloc[0]
    assert row["gain"] == pytest.approx(0.05) and row["gain_low"] == pytest.approx(0.05) and row["void"] is False
    assert row["low"] < 0 < row["high"]
    equal = verdict_table([average_models([figures_of(people, weights, against={"c": people})], [])], []).iloc[0]
    assert equal["void"] is True and equal["gain"] == 0


def test_the_hardest_control_decides_and_a_missing_one_gives_no_verdict():
    values, weights = np.linspace(0.5, 1, 40), bootstrap_weights(40, 200, 0)
    both = {"easy": values - 0.4, "hard": values + 0.1}
    row = verdict_table([average_models([figures_of(values, weights, against=both)], [])], []).iloc[0]
    assert row["against"] == "hard" and row["void"] is True
    row = verdict_table([average_models([figures_of(values, weights, against={"c": values * np.nan})], [])], []).iloc[0]
    assert row["void"] is None and np.isnan(row["gain"])


def test_permutations_that_differ_widen_the_interval():
    weights = bootstrap_weights(60, 200, 0)

    def of(model, level):
        estimate = estimate_known(weighted_mean, np.full(60, level), weights=weights)
        return Figure("monotone", "m", "", model, "LVH", *estimate)

    rows = {}
    for spread in (0.0, 0.3):
        controls = [f"permuted {i}" for i in range(4)]
        figures = [of("a", 0.6), *(of(name, 0.4 + spread * s) for name, s in zip(controls, (-1, 1, -1, 1), strict=True))]
        rows[spread] = verdict_table([average_models(figures, controls)], controls).set_index("model")
    assert list(rows[0.3].index) == ["a", "permuted"] and rows[0.3].loc["permuted", "control"]
    assert all(row.loc["a", "gain"] == pytest.approx(0.2) for row in rows.values())
    assert rows[0.0].loc["a", "void"] is False and rows[0.3].loc["a", "void"] is True


def test_rotations_are_averaged_and_other_trainings_have_an_interval_of_their_own():
    def rotation(gain):
        exact = Estimate(np.array([gain]), np.full(50, gain))
        return {("m", "a"): Average("faithful", exact, None, {"c": exact})}

    row = verdict_table([rotation(gain) for gain in (0.1, 0.2, 0.3)], []).iloc[0]
    assert row["value"] == pytest.approx(0.2) and row["training_low"] < 0 < 0.4 < row["training_high"]
    assert verdict_table([rotation(0.1)], []).iloc[0]["training_low"] == -np.inf


# ---- trade-off


def rows_of(metric, better, values, void=False):
    """Rows of a table of requirements for one factor and detail; ``values`` are model to (value, auroc)."""
    rows = []
    for model, (value, auroc) in values.items():
        for name, number in ((metric, value), ("auroc", auroc)):
            spread = {"low": number - 0.1, "high": number + 0.1, "better": better, "void": void}
            rows.append({"metric": name, "detail": "", "model": model, "factor": "LVH", "value": number, **spread})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("better", "sign"), [("higher", 1), ("lower", -1)])
def test_the_front_holds_those_that_no_other_beats_in_both(better, sign):
    metric = {"higher": "additive R2", "lower": "change of logit"}[better]
    values = {"open": (0.9, 0.8), "closed": (0.2, 0.95), "worse": (0.5, 0.7), "as good": (0.9, 0.8), "constant": (1.0, 0.99)}
    values["level with the first in one"] = (0.9, 0.7)
    found = trade_off(rows_of(metric, better, {name: (sign * v, a) for name, (v, a) in values.items()}), metric)
    found = found.set_index("model")
    assert found.index[found["front"]].tolist() == ["open", "closed", "as good"]
    assert found.loc["constant", "control"] and not found.loc["open", "control"]
    assert found.loc["open", "auroc_low"] == pytest.approx(0.7) and found.loc["open", "value"] == pytest.approx(sign * 0.9)


def test_both_axes_are_means_over_what_all_models_answer():
    both = rows_of("additive R2", "higher", {"a": (0.6, 0.8), "b": (0.4, 0.9)})
    only_a = rows_of("additive R2", "higher", {"a": (0.0, 0.5)}).assign(factor="IMI")
    found = trade_off(pd.concat([both, only_a]), "additive R2").set_index("model")
    assert found.loc["a", "value"] == pytest.approx(0.6) and found.loc["a", "auroc"] == pytest.approx(0.8)
    assert (found["n_pairs"] == 1).all()


def test_a_trade_off_of_an_unknown_metric_is_named():
    with pytest.raises(ValueError, match="unknown metric 'beauty'; known are additive R2, auroc"):
        trade_off(rows_of("additive R2", "higher", {"a": (0.5, 0.5)}), "beauty")


@pytest.mark.real
@pytest.mark.parametrize("folder", ["ptbxl", "chapman-ningbo", "ludb-dev"])
def test_on_real_ecgs_the_explanation_of_a_scan_is_faithful_and_its_controls_are_not(real_data, folder):
    db = vl.open_database(real_data / folder)
    beats = vl.median_beats(db, (db.ids[db.fold >= 9] if folder == "ptbxl" else db.ids)[:100], fs=100)
    names = ["AVB1", "LVH", "LBBB", "RBBB"]
    factors = pd.DataFrame(0.0, index=beats.ids, columns=names)
    scan = readers.ScanReader(vl.load_pretrained()[1])
    table = vl.explain.requirements({"VAE-SCAN": scan}, beats, factors, n_explained=30, n_resamples=100)
    row = verdicts(table, "subset correlation").loc["VAE-SCAN"]
    values = table.loc[table["metric"] == "subset correlation", "value"]
    assert values.mean() >= 0.95 and values.mean() - row["gain"] <= 0.2 and row["void"] is False
    assert row["gain"] <= value(table, "subset correlation, ceiling", "VAE-SCAN")
