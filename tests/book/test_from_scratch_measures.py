"""What chapters 8 and 10 write out, explanations and costs, agrees with the package; their exercises refuse near misses."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from chapter_cells import cells, hint, run
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone

import vaescan_lite as vl
from vaescan_lite.benchmark.costs import verdict
from vaescan_lite.benchmark.result import estimates_of
from vaescan_lite.book import Check
from vaescan_lite.explain import GROUPS, group_masks, wave_contributions
from vaescan_lite.explain.four_requirements import measure_requirements
from vaescan_lite.explain.readers import ScanReader
from vaescan_lite.measurements import EDITS

# ---- chapter 8: explanations


@pytest.fixture(scope="module")
def explanations():
    """Names of chapter 8 after its own integrated gradients and fidelity, of the pretrained Scan and simulated people."""
    _, scan = vl.load_pretrained()
    factors = pd.DataFrame({"LBBB": (np.arange(40) % 4 == 0) * 1.0, "AVB1": (np.arange(40) % 5 == 1) * 1.0})
    beats = vl.median_beats(vl.simulate(factors, seed=4))
    names = {
        "np": np, "pd": pd, "torch": torch, "vl": vl, "Check": Check, "EDITS": EDITS, "seed": 0, "factor": "LBBB",
        "models": {"VAE-SCAN": ScanReader(scan)}, "beats": beats, "unseen": beats, "factors": factors,
    }  # fmt: skip
    written_out = cells("08_reading_explanations", "from-scratch")
    run(written_out[:3], names)
    names["average"] = beats.signals.mean(axis=0)
    names["x"], names["start"] = (names["tensor"](part) for part in (beats.signals[0], names["average"]))
    names["share"] = names["by_wave"](names["integrated_gradients"](names["logit"], names["x"], names["start"]).numpy())
    run(written_out[3:], names)
    return run(cells("08_reading_explanations", "exercise-check"), names | {"simulated": beats, "Reads": reads(names)})


def reads(names):
    (source,) = [c for c in cells_of_code() if c.startswith("class Reads")]
    return run([source], {"vl": vl})["Reads"]


def cells_of_code():
    import nbformat
    from chapter_cells import ROOT

    notebook = nbformat.read(ROOT / "notebooks/08_reading_explanations.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_the_groups_of_chapter_8_are_those_of_the_package(explanations):
    np.testing.assert_array_equal(explanations["masks"], group_masks(explanations["beats"]))


def test_the_integrated_gradients_of_chapter_8_are_those_of_the_package(explanations):
    beats, average = explanations["some"], explanations["average"]
    package = wave_contributions(explanations["scan"], beats, "LBBB", reference=average)[list(GROUPS)]
    own = explanations["shares_of"]
    assert np.abs(own - package).max(axis=None) < 0.02 < 0.1 * np.abs(package).max(axis=None), "log odds; the chapter prints it"
    logits = explanations["logit"](explanations["tensor"](np.stack([*beats.signals, average]))).detach().numpy()
    np.testing.assert_allclose(own.sum(axis=1), logits[:-1] - logits[-1], atol=0.02)


def test_the_walk_adds_up_where_a_slope_at_one_end_does_not(explanations):
    def f(x):
        return torch.tanh(x.sum(dim=(1, 2)))

    x, start = torch.full((2, 3), 0.4), torch.zeros(2, 3)
    share = explanations["integrated_gradients"](f, x, start)
    assert share.sum().item() == pytest.approx(np.tanh(2.4), abs=1e-3)
    at = x[None].clone().requires_grad_()
    (slope,) = torch.autograd.grad(f(at).sum(), at)
    assert abs((slope * x).sum().item() - np.tanh(2.4)) > 0.5


def test_the_fidelity_of_chapter_8_and_its_control_are_those_of_the_package(explanations):
    names, factors = explanations, explanations["factors"]
    figures, _ = measure_requirements(
        names["models"], names["some"], factors.loc[names["some"].ids, ["LBBB"]], edits={},
        reference=(names["beats"], factors[["LBBB"]]), n_explained=len(names["some"]), n_resamples=400, seed=0,
    )  # fmt: skip
    (figure,) = [figure for figure in figures if figure.metric == "subset correlation"]
    other = figure.against["explanation of another person"]
    assert names["own"].mean() == pytest.approx(figure.estimate.value, abs=2e-3)
    assert names["others"].mean() == pytest.approx(other.value, abs=5e-3)
    low, high = (figure.estimate - other).percentiles()
    assert names["low"] == pytest.approx(low, abs=0.05) and names["high"] == pytest.approx(high, abs=0.05)
    assert names["verdict"] == "kept"


def test_an_explanation_that_promises_the_contrary_of_what_happens_correlates_so(explanations):
    shares, halves = explanations["shares_of"], explanations["halves"]
    own, others = explanations["foretold"](shares, -(shares @ halves.T), halves)
    np.testing.assert_allclose(own, -1)
    assert (np.abs(others) < 1).all()


def test_an_explanation_that_is_everybodys_is_void(explanations):
    same = np.tile(explanations["shares_of"].mean(axis=0), (len(explanations["some"]), 1))
    own, others = explanations["foretold"](same, explanations["falls_of"], explanations["halves"])
    np.testing.assert_allclose(own, others, atol=1e-9)
    assert explanations["against_control"](own, others)[-1] == "void"


def test_the_exercises_of_chapter_8_refuse_near_misses_and_say_why(explanations):
    names = explanations
    check, model = names["check_own"], names["Reads"]
    assert "a method" in hint(check, "pr_ms")
    assert "does not move" in hint(check, model("pr_ms", 0))
    assert "speak FOR" in hint(check, model("pr_ms", -1))
    assert hint(check, model("pr_ms", 0.05)) == "Right."
    assert hint(check, model("qrs_ms", 1)) != "Right." and hint(check, model("p_ms", 1)) != "Right."

    def mixed(into, of, minus, sign=1, group=lambda masks: masks):
        def inserted(f, x, start, masks):
            parts = {"x": x, "start": start}
            inside, outside = parts[into], parts[of]
            values = f(torch.where(torch.as_tensor(group(masks)), inside, outside))
            return (sign * (values - (f(parts[minus][None]) if minus else 0))).numpy()

        return inserted

    check = names["check_inserted"]
    assert "nothing back" in hint(check, lambda *a: None)
    assert "One number for each group" in hint(check, lambda f, x, start, masks: 2.0)
    assert "That is occlusion" in hint(check, mixed("start", "x", "x", sign=-1))
    assert "The sign" in hint(check, mixed("x", "start", "start", sign=-1))
    assert "Take off f of the reference" in hint(check, mixed("x", "start", None))
    assert "inside a group" in hint(check, mixed("x", "start", "start", group=np.logical_not))

    def with_zeros(f, x, start, masks):
        return (f(x * torch.as_tensor(masks)) - f(start[None])).numpy()

    assert "need not be 0" in hint(check, with_zeros)
    assert hint(check, mixed("x", "start", "start")) == "Right."

    check, hand = names["check_age"], names["by_hand"]
    assert "nothing back" in hint(check, lambda x, start: None)
    assert "by_wave" in hint(check, lambda x, start: names["integrated_gradients"](names["logit"], x, start).numpy())
    assert "SDs of age" in hint(check, lambda x, start: hand(x, start, unit=1))
    assert "yours goes back" in hint(check, lambda x, start: -hand(x, start))
    assert "slope at the beat" in hint(check, names["slope_only"])
    assert "returns years" in hint(check, lambda x, start: hand(x, start, unit=1, at=names["age_at"] - 1))
    page_x, page_start = names["x"], names["start"]
    assert "both arguments" in hint(check, lambda x, start: hand(page_x, page_start))
    assert "both arguments" in hint(check, lambda x, start: hand(x, page_start))

    def writes_into_it(x, start):
        x -= start
        return hand(x, start)

    assert hint(check, writes_into_it) != "Right."
    assert hint(check, hand) == "Right.", "a slip before it spoilt no beat"


# ---- chapter 10: costs

PAIRS = (("ten seconds", "CNN"), ("median beat", "CNN"), ("VAE latents", "logistic"))


@pytest.fixture(scope="module")
def made_up():
    """Predictions for 400 people in five rotations: scores share what is difficult, some labels are unknown, scores tie."""
    rng, parts = np.random.default_rng(2), []
    ids = np.arange(400)
    for task in ("NORM", "MI", "AF"):
        y, difficulty = (rng.random(400) < 0.3).astype(int), rng.normal(size=400)
        known = rng.random(400) < (0.9 if task == "MI" else 1)
        for i, (representation, model) in enumerate(PAIRS):
            score = (1.4 - 0.3 * i) * y + difficulty + 0.4 * rng.normal(size=400)
            table = pd.DataFrame({"id": ids, "y": y, "score": score.round(1), "rotation": ids % 5 + 1}).assign(
                task=task, representation=representation, model=model, seed=0
            )
            parts.append(table[known])
    predictions = pd.concat(parts, ignore_index=True)
    return vl.benchmark.Result(predictions, None, None, None, estimates_of(predictions, 1000))


@pytest.fixture(scope="module")
def costs_chapter(made_up):
    """Names of chapter 10 after its own bootstrap of the made-up predictions."""
    names = {
        "np": np, "pd": pd, "stats": stats, "vl": vl, "Check": Check, "clone": clone, "seed": 7, "result": made_up,
        "seen": made_up.predictions, "workspace": SimpleNamespace(profile=SimpleNamespace(n_bootstrap=600)),
    }  # fmt: skip
    run(cells("10_trade_off", "from-scratch"), names)
    return run(cells("10_trade_off", "exercise-check"), names)


def test_the_auroc_of_chapter_10_is_that_of_the_package_with_ties_and_unknown_labels(costs_chapter, made_up):
    names = costs_chapter
    assert names["labels"].isna().to_numpy().any()
    for pair in PAIRS:
        scores = names["scores_of"](pair)
        for task in ("NORM", "MI", "AF"):
            own = names["auroc"](names["labels"][task].to_numpy(), scores[task].to_numpy(), names["rotations"])
            assert own == pytest.approx(made_up.estimates[task, *pair].value, abs=1e-12)


def test_the_cost_of_chapter_10_is_that_of_the_package_within_the_monte_carlo_error_it_states(costs_chapter, made_up):
    names = costs_chapter
    row = vl.benchmark.cost(made_up).set_index(["step", "task"]).loc["all but naming", vl.benchmark.MACRO]
    assert names["cost_value"] == pytest.approx(row["cost"], abs=1e-12)
    np.testing.assert_allclose(names["own"][3:], row[["low_trainings", "high_trainings"]].astype(float), atol=1e-9)
    wobble = 2.7 * names["costs"]["paired"].std() * np.sqrt(1 / 600 + 1 / 1000)
    apart = np.abs(names["ends"]["paired"] - row[["low", "high"]].astype(float))
    assert (apart < 4 * wobble).all() and wobble < 0.2 * np.ptp(names["ends"]["paired"])
    assert names["own_verdict"] == row["verdict"]


def test_draws_keep_rotations_and_the_unpaired_interval_is_wider(costs_chapter):
    drawn = costs_chapter["draw"](np.random.default_rng(0))
    for rows, members in zip(drawn, costs_chapter["rotations"], strict=True):
        assert len(rows) == len(members) and set(rows) <= set(members) and len(set(rows)) < len(rows)
    width = {kind: np.ptp(ends) for kind, ends in costs_chapter["ends"].items()}
    assert width["not paired"] > 1.3 * width["paired"]


def test_the_verdict_of_chapter_10_is_that_of_the_package(costs_chapter):
    places = (-0.2, -0.1, 0.0, 0.1, 0.2)
    intervals = [(low, high) for low in places for high in places if low <= high] + [(-np.inf, np.inf)]
    for people in intervals[:-1]:
        for trainings in intervals:
            assert costs_chapter["verdict"](people, trainings) == verdict(people, trainings), (people, trainings)


def test_the_exercises_of_chapter_10_refuse_near_misses_and_say_why(costs_chapter):
    names = costs_chapter
    check, lost, rotations = names["check_rhythm"], names["lost"], names["rotations"]
    assert names["one_task"] == "AF"
    assert "difference of two shares" in hint(check, 1.2)
    assert "The sign" in hint(check, -lost(rotations))
    assert "not on one scale" in hint(check, lost([np.concatenate(rotations)]))
    assert "mean over rotations" in hint(check, np.mean([lost([rows]) for rows in rotations]))
    assert "twice" in hint(check, lost(rotations) + 0.1)
    assert hint(check, lost(rotations)) == "Right."

    def stepped(maximum=True, back=True, cap=True):
        def adjusted(p):
            order = np.argsort(p)
            values = p[order] * np.arange(len(p), 0, -1)
            values = np.maximum.accumulate(values) if maximum else values
            values = np.minimum(values, 1) if cap else values
            return values[np.argsort(order)] if back else values

        return adjusted

    def hochberg(p):
        order = np.argsort(p)
        values = np.minimum.accumulate((p[order] * np.arange(len(p), 0, -1))[::-1])[::-1]
        return np.minimum(values, 1)[np.argsort(order)]

    check = names["check_holm"]
    assert "nothing back" in hint(check, lambda p: None)
    assert "Bonferroni" in hint(check, lambda p: len(p) * p)
    assert "chapter 7" in hint(check, stats.false_discovery_control)
    assert "running maximum" in hint(check, stepped(maximum=False))
    assert "That is Hochberg's" in hint(check, hochberg)
    assert "sorted order" in hint(check, stepped(back=False))
    assert "exceeds 1" in hint(check, stepped(cap=False))
    assert hint(check, stepped()) == "Right."


class Nearer(BaseEstimator, ClassifierMixin):
    """The right answer to the hard exercise of chapter 10; near misses change one thing."""

    swapped, gives, leaks, sums, power, root, half = False, "self", False, True, 2, 1, 1
    centre, spread = staticmethod(np.mean), staticmethod(lambda x, y: x.std(axis=0))

    def fit(self, x, y):
        self.classes_, self.sd_ = np.unique(y), self.spread(x, y)
        self.means_ = [self.centre(x[y == value], axis=0) for value in (0, 1)]
        return {"nothing": None, "means": self.means_}.get(self.gives, self)

    def predict_proba(self, x):
        if self.gives == "one column":
            return np.zeros(len(x))
        sd = x.std(axis=0) + 1e-9 if self.leaks else self.sd_
        d0, d1 = (self.half * np.sum(np.abs((x - mean) / sd) ** self.power, axis=1) ** self.root for mean in self.means_)
        p = 1 / (1 + np.exp(np.clip(d1 - d0, -500, 500)))
        p = 1 - p if self.swapped else p
        return np.column_stack([1 - p if self.sums else p, p])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gives": "nothing"}, "`self` back"),
        ({"gives": "means"}, "`self` back"),
        ({"gives": "one column"}, "two columns"),
        ({"sums": False}, "add up to 1"),
        ({"leaks": True}, "who else is asked"),
        ({"swapped": True}, "wrong way"),
        ({"spread": staticmethod(lambda x, y: 1)}, "divide by SD"),
        ({"power": 1}, "Squared distances"),
        ({"root": 0.5}, "no root"),
        ({"spread": staticmethod(lambda x, y: x[y == 0].std(axis=0))}, "ALL training people"),
        ({"spread": staticmethod(lambda x, y: x[y == 1].std(axis=0))}, "ALL training people"),
        (
            {"spread": staticmethod(lambda x, y: np.hypot(x[y == 0].std(axis=0), x[y == 1].std(axis=0)) / 2**0.5)},
            "ALL training",
        ),
        ({"centre": staticmethod(np.median)}, "not medians"),
        ({"half": 0.5}, "1 / (1 + exp(d1 - d0))"),
        ({"spread": staticmethod(lambda x, y: x.std(axis=0, ddof=1))}, "Right."),
        ({}, "Right."),
    ],
)
def test_the_model_of_chapter_10_is_refused_if_it_leaks_or_ranks_wrongly(costs_chapter, change, words):
    assert words in hint(costs_chapter["check_model"], type("Changed", (Nearer,), change))
    assert "without brackets" in hint(costs_chapter["check_model"], Nearer())
