"""The grid of representations and models: nothing leaks, pairing is kept, what cannot be scored is said."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from bench import studies
from vaescan_lite import benchmark
from vaescan_lite.benchmark import costs, running
from vaescan_lite.benchmark import result as result_module
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.ecg import BeatSet

N = 400


@pytest.fixture(scope="module")
def rows():
    """Four hundred made-up people whose first lead tells the truth about `clear` and nothing about `blind`."""
    rng = np.random.default_rng(0)
    ids = np.arange(1000, 1000 + N)
    factors = pd.DataFrame(
        {
            "age_years": rng.uniform(30, 80, N).round(),
            "sex_female": rng.integers(0, 2, N).astype(float),
            "clear": rng.integers(0, 2, N).astype(float),
            "blind": rng.integers(0, 2, N).astype(float),
            "rare": (np.arange(N) < 20).astype(float),
        },
        index=ids,
    )
    factors.loc[ids[5], "blind"] = np.nan
    signals = rng.normal(size=(N, 8, 24)).astype(np.float32)
    signals[:, 0] += 1.5 * factors["clear"].to_numpy()[:, None]
    beats = BeatSet(signals, fs=100, ids=ids, r_index=10, rr_s=rng.uniform(0.6, 1.2, N))
    db = SimpleNamespace(ids=ids, fold=pd.Series(np.arange(N) % 10 + 1, index=ids), factors=lambda: factors)
    return Recordings(db, beats=beats)


def labelled(rows, factors):
    return Recordings(rows.db, rows.ids, beats=rows.beats, factors=factors)


class FirstLead(TransformerMixin, BaseEstimator):
    """Mean of the first lead; remembers which ECGs it learnt from and which it was shown afterwards."""

    seen = []

    def fit(self, rows, y=None):
        self.seen.append((set(rows.ids), set()))
        return self

    def transform(self, rows):
        self.seen[-1][1].update(set(rows.ids) - self.seen[-1][0])
        return rows.beats.signals[:, 0].mean(axis=1, keepdims=True)


def _start_of_first_lead(rows, n):
    return rows.beats.signals[:, 0, :n].mean(axis=1, keepdims=True)


def run(rows, **settings):
    settings = {
        "tasks": ["clear", "blind"],
        "representations": {"first lead": FirstLead()},
        "models": {"plain": LogisticRegression()},
    } | settings
    return benchmark.run(rows, n_resamples=50, progress=False, **settings)


@pytest.fixture(scope="module")
def result(rows):
    return run(rows)


def auroc(result, task, representation="first lead", model="plain"):
    scores = result.scores.set_index(["task", "representation", "model"])
    return scores.loc[(task, representation, model)]


def test_what_a_signal_tells_is_found_and_what_it_does_not_tell_is_not(result):
    assert auroc(result, "clear")["auroc"] > 0.99
    blind = auroc(result, "blind")
    assert blind["low"] < 0.5 < blind["high"]


def test_no_test_ecg_takes_part_in_fitting(rows):
    FirstLead.seen.clear()
    run(rows)
    assert len(FirstLead.seen) == 5
    tested = [others for _, others in FirstLead.seen]
    assert all(not learnt & others for learnt, others in FirstLead.seen)
    assert sum(len(others) for others in tested) == N == len(set.union(*tested))


def test_every_ecg_with_a_known_label_is_predicted_once_in_each_pair(result):
    count = result.predictions.groupby(["task", "representation", "model"], observed=True)["id"].agg(["size", "nunique"])
    assert (count.loc["clear"] == N).all(axis=None) and (count.loc["blind"] == N - 1).all(axis=None)


def test_the_score_of_one_rotation_is_that_of_scikit_learn(rows):
    one = run(rows, rotations=1)
    part = one.predictions.query("task == 'clear' and representation == 'first lead'")
    assert set(rows.fold[np.isin(rows.ids, part["id"])]) == {9, 10}
    assert auroc(one, "clear")["auroc"] == pytest.approx(roc_auc_score(part["y"], part["score"]), abs=1e-12)


def test_age_and_sex_are_always_there_and_sex_does_not_predict_itself(rows):
    result = run(rows, tasks=["sex_female", "clear"])
    assert ("age + sex", "logistic") in result.pairs
    assert auroc(result, "sex_female", "age + sex", "logistic")["auroc"] < 0.7


def test_the_cost_of_no_step_is_zero_and_costs_of_successive_steps_add_up(rows):
    result = run(rows, models={"plain": LogisticRegression(), "blunt": LogisticRegression(C=1e-9)})
    first, second, base = ("first lead", "plain"), ("first lead", "blunt"), benchmark.BASELINE
    steps = {"none": (first, first), "one": (first, second), "two": (second, base), "both": (first, base)}
    cost = benchmark.cost(result, steps, tasks=["clear"]).set_index("step")
    assert (cost.loc["none", ["cost", "low", "high"]] == 0).all() and cost.loc["none", "p"] == 1
    assert cost.loc["one", "cost"] + cost.loc["two", "cost"] == pytest.approx(cost.loc["both", "cost"], abs=1e-12)
    assert cost.loc["both", "low"] > 0.3


def test_a_paired_interval_is_narrower_than_that_of_unpaired_scores(rows):
    parts = {f"{n} samples": FunctionTransformer(_start_of_first_lead, kw_args={"n": n}) for n in (2, 3)}
    result = run(rows, representations=parts, tasks=["clear"])
    cost = benchmark.cost(result, {"less": (("3 samples", "plain"), ("2 samples", "plain"))}, tasks=["clear"]).iloc[0]
    spread = [np.subtract(*auroc(result, "clear", name)[["high", "low"]]) for name in parts]
    assert cost["high"] - cost["low"] < sum(spread)


def test_a_task_with_too_few_positives_is_left_out_by_rule_and_listed(rows):
    result = run(rows, tasks=["clear", "rare"])
    assert result.tasks == ("clear",)
    (row,) = result.left_out.query("kind == 'task'").to_dict("records")
    assert row["name"] == "rare" and "20 positives" in row["reason"] and "25" in row["reason"]


def test_nested_tasks_are_refused_and_one_that_repeats_another_is_left_out(rows):
    nested = rows.factors.rename(columns={"clear": "RBBB"}).assign(RBBB_any=rows.factors["clear"])
    result = run(labelled(rows, nested), tasks=["RBBB", "RBBB_any"], rotations=1)
    assert list(result.tasks) == ["RBBB"] and "the same labels as a narrower factor" in result.left_out["reason"].tolist()
    differ = nested.assign(RBBB_any=1.0)
    with pytest.raises(ValueError, match="RBBB is part of RBBB_any"):
        run(labelled(rows, differ), tasks=["RBBB", "RBBB_any"], rotations=1)


def test_a_training_set_without_examples_teaches_nothing_and_does_not_fail(rows):
    factors = rows.factors.copy()
    factors["late"] = ((rows.ids - 1000 >= 300) & (rows.ids % 3 == 0)).astype(float)
    some = Recordings(
        SimpleNamespace(ids=rows.ids, fold=pd.Series(rows.fold, index=rows.ids), factors=lambda: factors), beats=rows.beats
    )
    result = run(some, tasks=["late"], n_training=10, rotations=1, seeds=(3,))
    assert 0 <= auroc(result, "late")["auroc"] <= 1


def test_the_same_seed_gives_the_same_scores_in_any_number_of_processes(rows):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, two = run(rows, rotations=2), run(rows, rotations=2, n_jobs=2)
    pd.testing.assert_frame_equal(one.scores, two.scores, atol=1e-9)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_a_smaller_training_set_is_a_part_of_a_larger_one(rows):
    FirstLead.seen.clear()
    for size in (50, 100):
        run(rows, rotations=1, n_training=size)
    small, large = (learnt for learnt, _ in FirstLead.seen)
    assert len(small) == 50 and small < large


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": ["clear", "nothing"]}, "unknown task.*'nothing'"),
        ({"tasks": "nothing"}, "unknown task.*'nothing'"),
        ({"tasks": ["age_years"]}, r"age_years are not yes or no \(age_years is \d+\).*vaescan-lite train"),
        ({"tasks": ["rare"]}, "no task can be scored: rare: 20 positives"),
        ({"rotations": 6}, "rotations must be 1 to 5; got 6"),
        ({"seeds": (1, 1)}, "none twice"),
        ({"pairs": [("first lead", "oracle")]}, "unknown pair"),
    ],
)
def test_what_cannot_be_run_is_named(rows, settings, message):
    with pytest.raises(ValueError, match=message):
        run(rows, **settings)


def test_a_representation_that_gives_nan_is_named(rows):
    gap = FunctionTransformer(lambda some: np.full((len(some), 1), np.nan))
    with pytest.raises(ValueError, match="'gap' gives NaN"):
        run(rows, representations={"gap": gap}, rotations=1)


def test_a_step_that_was_not_run_is_named(result):
    with pytest.raises(ValueError, match="not run: ten seconds with CNN"):
        benchmark.cost(result, {"rhythm": (("ten seconds", "CNN"), ("first lead", "plain"))})


@pytest.mark.parametrize(
    ("bootstrap", "trainings", "says"),
    [
        ((0.01, 0.03), (0.005, 0.04), "costs"),
        ((0.01, 0.03), (-0.01, 0.05), "too few trainings"),  # other trainings could say the contrary
        ((-0.01, 0.03), (0.005, 0.04), "no evidence"),
        ((-0.03, -0.01), (-0.04, -0.005), "gains"),
        ((-0.03, -0.01), (-0.04, 0.005), "too few trainings"),
    ],
)
def test_a_cost_is_a_conclusion_only_where_other_people_and_other_trainings_would_say_the_same(bootstrap, trainings, says):
    assert costs.verdict(bootstrap, trainings) == says
    assert costs.verdict(bootstrap, trainings, p_holm=0.049) == says
    assert costs.verdict(bootstrap, trainings, p_holm=0.05) == "no evidence"


def test_what_differs_in_every_rotation_is_a_conclusion_and_what_differs_in_one_is_not(rows):
    result = run(rows, models={"plain": LogisticRegression(), "blunt": LogisticRegression(C=1e-9)})
    ends = (("first lead", "plain"), benchmark.BASELINE)
    row = benchmark.cost(result, {"all": ends}, tasks=["clear"]).iloc[0]
    assert row["verdict"] == "costs" and row["low_trainings"] < row["cost"] < row["high_trainings"]
    swapped = result.predictions.copy()
    is_first = (swapped["representation"] == "first lead") & (swapped["rotation"] == 3)
    swapped.loc[is_first, "score"] *= -1  # in one rotation the model is as wrong as it was right
    again = benchmark.Result(swapped, result.scores, result.left_out, result.seconds, result_module.estimates_of(swapped, 50))
    row = benchmark.cost(again, {"all": ends}, tasks=["clear"]).iloc[0]
    assert row["low"] > 0 and row["low_trainings"] < 0 and row["verdict"] == "too few trainings"


@pytest.mark.parametrize(
    ("by_seed", "says"),
    [
        ([(0.02, "costs"), (0.03, "costs")], "equal"),
        ([(0.02, "costs"), (0.01, "too few trainings")], "neighbouring"),
        ([(0.02, "too few trainings"), (-0.001, "no evidence")], "neighbouring"),
        ([(0.02, "costs"), (0.01, "no evidence")], "apart"),
        ([(0.02, "costs"), (0.02, "too few trainings"), (0.01, "no evidence")], "apart"),
        ([(0.02, "too few trainings"), (-0.02, "too few trainings")], "reversed"),  # the same word for a cost and for a gain
        ([(0.02, "costs"), (0.0, "no evidence"), (-0.02, "gains")], "reversed"),
    ],
)
def test_verdicts_of_seeds_are_equal_next_to_each_other_apart_or_reversed(result, monkeypatch, by_seed, says):
    monkeypatch.setattr(type(result), "by_seed", lambda self: [self])
    said = [pd.DataFrame([{"step": "a", "task": "t", "cost": cost, "verdict": verdict}]) for cost, verdict in by_seed]
    monkeypatch.setattr(costs, "cost", lambda *arguments: said.pop(0))
    table = costs.agreement([result] * len(by_seed))
    assert table["agreement"].tolist() == [says]
    assert table.loc[0, "lowest"] == min(cost for cost, _ in by_seed)


def test_each_of_several_training_seeds_says_what_it_would_have_said_alone(rows):
    steps = {"all": (("first lead", "plain"), benchmark.BASELINE)}
    both, alone = run(rows, seeds=(0, 1)), run(rows, seeds=(1,))
    table = benchmark.agreement([both], steps, tasks=["clear", "blind"])
    expected = benchmark.cost(alone, steps, tasks=["clear", "blind"])
    assert table["seed 1"].tolist() == expected["verdict"].tolist() and table["agreement"].tolist() == ["equal", "equal"]
    pd.testing.assert_frame_equal(both.by_seed()[1].scores, alone.scores)
    with pytest.raises(ValueError, match="at least two training seeds; got 1"):
        benchmark.agreement([alone], steps)


def test_one_rotation_allows_no_conclusion(rows):
    row = benchmark.cost(run(rows, rotations=1), {"all": (("first lead", "plain"), benchmark.BASELINE)}, tasks=["clear"]).iloc[
        0
    ]
    assert row["low"] > 0 and row["low_trainings"] == -np.inf and row["verdict"] == "too few trainings"


# ---- studies


def test_matched_ecgs_are_alike_in_sex_decade_and_rotation(rows):
    some = studies.matched(rows, "clear", n_controls=1)
    table = some.factors.assign(decade=some.factors["age_years"] // 10, rotation=(some.fold + 1) // 2)
    share = table.groupby(["sex_female", "decade", "rotation"])["clear"].agg(["sum", "size"])
    assert (share["size"] <= 2 * share["sum"]).all() and (share["size"] > share["sum"]).all()
    assert len(set(some.ids)) == len(some)


def test_matching_takes_away_what_age_alone_would_tell(rows):
    factors = rows.factors.copy()
    factors["old"] = (factors["age_years"] + np.random.default_rng(1).normal(0, 20, N) > 60).astype(float)
    some = Recordings(
        SimpleNamespace(ids=rows.ids, fold=pd.Series(rows.fold, index=rows.ids), factors=lambda: factors), beats=rows.beats
    )
    settings = {"representations": {"first lead": FirstLead()}, "models": {"plain": LogisticRegression()}}
    table = studies.matched_cost(some, "old", pairs=[("first lead", "plain")], n_resamples=50, progress=False, **settings)
    baseline = table[table["representation"] == "age + sex"].set_index("ecgs")["auroc"]
    assert baseline["all"] > 0.7 and baseline["matched"] < baseline["all"] - 0.1


def test_a_learning_curve_says_which_sizes_there_are(rows):
    with pytest.raises(ValueError, match="sizes must be from 10 to 320.*got \\[5000\\]"):
        studies.learning_curve(rows, [50, 5000], pairs=[("first lead", "plain")])


def test_a_listed_label_takes_no_part_in_its_task_and_is_never_another_one(rows):
    listed = rows.ids[rows.factors["clear"].to_numpy() == 1][:7]
    settings = {"representations": {"first lead": FirstLead()}, "models": {"plain": LogisticRegression()}, "n_resamples": 50}
    table = studies.without_suspects(
        rows, "clear", excluded=listed, pairs=[("first lead", "plain")], progress=False, **settings
    )
    n = table[table["representation"] == "first lead"].set_index("labels")[["n", "n_positive"]]
    assert (n.loc["all"] - n.loc["without the list"]).tolist() == [7, 7]
    assert rows.factors["clear"].notna().all()  # the labels themselves stay as they are


def test_the_exclusion_list_holds_for_its_database_and_its_labels_only():
    suspects = [("PTB-XL", 2, "LBBB", "x"), ("PTB-XL", 3, "LBBB", "x"), ("PTB-XL", 2, "AF", "x"), ("LUDB", 2, "LBBB", "x")]
    labels = pd.DataFrame({"LBBB": [1.0, 1.0, 0.0]}, index=[1, 2, 3])
    db = SimpleNamespace(name="PTB-XL", factors=lambda names: labels)
    assert studies.exclusion_list(db, "LBBB", suspects)["id"].tolist() == [2]
    db.name = "simulated"
    assert len(studies.exclusion_list(db, "LBBB", suspects)) == 0


def test_finished_cells_are_found_again_unless_labels_or_model_differ(rows, tmp_path):
    FirstLead.seen.clear()
    one = run(rows, rotations=2, keep=tmp_path)
    assert len(FirstLead.seen) == 2
    two = run(rows, rotations=3, keep=tmp_path)  # the last two rotations are there
    assert len(FirstLead.seen) == 3
    shared = two.predictions[two.predictions["rotation"] > 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(shared, one.predictions)
    other = rows.factors.assign(clear=1 - rows.factors["clear"])
    run(labelled(rows, other), rotations=2, keep=tmp_path)
    run(rows, rotations=2, keep=tmp_path, models={"plain": LogisticRegression(C=0.1)})
    run(rows[:-1], rotations=2, keep=tmp_path)
    assert len(FirstLead.seen) == 9


def test_the_kept_cells_of_another_age_are_not_mistaken_for_these(rows, tmp_path):
    one = run(rows, rotations=1, keep=tmp_path)
    older = labelled(rows, rows.factors.assign(age_years=rows.factors["clear"] * 50 + 20))
    two = run(older, rotations=1, keep=tmp_path)
    assert auroc(one, "clear", *benchmark.BASELINE)["auroc"] < 0.8 < auroc(two, "clear", *benchmark.BASELINE)["auroc"]


class Learner(TransformerMixin, BaseEstimator):
    """A representation that learns a model of beats, and may show more beside it; counts the trainings of all of its kind."""

    trained = []

    def __init__(self, size=2, beside=0):
        self.size, self.beside = size, beside

    def beat_model(self):
        return Counted(self.size)

    def fit(self, rows, y=None, model=None):
        self.model_ = model
        return self

    def transform(self, rows):
        return rows.beats.signals[:, 0, : self.model_.size + self.beside]


class Counted(BaseEstimator):
    def __init__(self, size):
        self.size = size

    def fit(self, beats):
        Learner.trained.append(tuple(beats.ids))
        return self


def test_what_two_representations_learn_of_beats_is_trained_once_and_found_again_by_another_run(rows, tmp_path):
    Learner.trained.clear()
    both = {"narrow": Learner(), "wide": Learner(beside=3), "other": Learner(size=4)}
    models = {"plain": LogisticRegression(), "blunt": LogisticRegression(C=1e-9)}
    run(rows, representations=both, models=models, rotations=2)
    assert len(Learner.trained) == 4 and len(set(Learner.trained)) == 2  # two models of beats, two rotations
    shared = {name: both[name] for name in ("narrow", "other")}
    first = run(rows, representations=shared, rotations=2, keep=tmp_path)
    assert len(Learner.trained) == 8
    second = run(rows, representations={"narrow": Learner(), "wider": Learner(beside=5)}, rotations=2, keep=tmp_path)
    assert len(Learner.trained) == 8
    a, b = (result.predictions.query("representation == 'narrow'")["score"] for result in (first, second))
    np.testing.assert_array_equal(a, b)
    run(rows, representations={"narrow": Learner()}, rotations=2, keep=tmp_path, n_training=50)
    run(rows, representations={"narrow": Learner()}, rotations=2, keep=tmp_path, seeds=(1,))  # nothing in it has a seed
    assert len(Learner.trained) == 10


class Placed(Counted):
    """A model of beats or of tables that says where it would train."""

    places = []

    def __init__(self, size=2, device="cpu"):
        self.size, self.device = size, device

    def fit(self, x, y=None):
        Placed.places.append(self.device)
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, x):
        return np.full((len(x), 2), 0.5)


class PlacedBeats(Learner):
    def beat_model(self):
        return Placed()


def test_the_device_reaches_models_and_models_of_beats_and_cells_of_the_cpu_stay_apart(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "as_device", lambda name: {"auto": "cuda"}.get(name, name))  # as where there is a GPU
    own = {"placed": Placed(), "nested": Pipeline([("inner", Placed())]), "plain": LogisticRegression(max_iter=50)}

    def trained_on(**settings):
        Placed.places.clear()
        chosen = {"representations": {"beats": PlacedBeats()}, "models": own, "tasks": ["clear"], "rotations": 1}
        run(rows, keep=tmp_path, **chosen, **settings)
        return list(Placed.places)

    assert trained_on() == ["cpu"] * 3
    assert trained_on(device="cpu") == []  # found again
    assert trained_on(device="auto") == ["cuda"] * 3
    assert trained_on(device="cuda") == [] and trained_on() == []
    own["placed"] = Placed(device="mps")  # what a model says of its own stands where nothing else is asked
    assert trained_on() == ["mps"]


def test_a_device_that_is_not_there_is_refused_before_anything_is_fitted(rows):
    FirstLead.seen.clear()
    with pytest.raises(ValueError, match="device must be .*got 'abacus'"):
        run(rows, device="abacus")
    assert not FirstLead.seen
