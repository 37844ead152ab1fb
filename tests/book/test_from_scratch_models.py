"""What chapters 9, 11 and 12 write out themselves agrees with the package, and their exercises refuse near misses."""

import copy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from scipy.special import expit, logit

from vaescan_lite.book import Check
from vaescan_lite.decisions import decision_curve
from vaescan_lite.models import EcgCNN
from vaescan_lite.models.fitting import cross_entropy
from vaescan_lite.saliency import agreement, attribute, randomised
from vaescan_lite.statistics import auroc, calibration, weighted_calibration
from vaescan_lite.training import torch_threads

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from chapter_cells import cells, hint, run  # noqa: E402

# ---- chapter 9: a CNN and a randomisation test


@pytest.fixture(scope="module")
def box_chapter():
    """Names of chapter 9 after its own network learnt two made-up signs, one of them unknown for some people."""
    rng = np.random.default_rng(0)
    y = (rng.random((700, 2)) < 0.4).astype(float)
    signals = rng.normal(0, 0.1, (700, 8, 96)).astype(np.float32)
    signals[:, 0, 20:28] += 0.15 * y[:, :1]
    signals[:, 3, 60:66] -= 0.15 * y[:, 1:]
    y[:100, 0] = np.nan
    names = {
        "np": np, "pd": pd, "torch": torch, "nn": torch.nn, "stats": stats, "copy": copy, "Check": Check, "seed": 0,
        "seen": SimpleNamespace(signals=signals[:500]), "learnt": pd.DataFrame(y[:500], columns=list("ab")),
        "tasks": ["a", "b"], "unseen_y": y[500:], "task": 0,
    }  # fmt: skip
    *written, last = cells("09_black_boxes", "from-scratch")
    with torch_threads(1):
        run(written, names)
    unseen = signals[500:]
    names |= {"some": unseen, "x_some": torch.from_numpy(unseen), "away": unseen - signals[:500].mean(axis=0)}
    names["own_slope"] = names["slope"](names["own"], names["x_some"], 0)
    return run([last], names)


def test_the_network_of_chapter_9_reads_unseen_beats_as_well_as_the_package_and_its_misfit_is_the_packages(box_chapter):
    names = box_chapter
    theirs = EcgCNN(budget="smoke").fit(names["seen"].signals, names["learnt"].to_numpy()).decision_function(names["some"])
    with torch.no_grad():
        own = names["own"](names["x_some"])
    for column, y in enumerate(names["unseen_y"].T):
        assert auroc(y, own.numpy()[:, column], n_resamples=2).value > auroc(y, theirs[:, column], n_resamples=2).value - 0.05
        assert auroc(y, own.numpy()[:, column], n_resamples=2).value > 0.95
    logits, y = torch.randn(500, 2), names["y_seen"]
    known = ~torch.isnan(y)
    torch.testing.assert_close(names["misfit"](logits, y), cross_entropy(logits, known.float(), y.nan_to_num()) / 500)


def test_the_map_and_the_likeness_of_chapter_9_are_those_of_the_package(box_chapter):
    names = box_chapter
    own, some, slope = names["own"], names["some"], names["own_slope"]
    np.testing.assert_allclose(np.abs(slope), attribute(own, some, 0, "saliency"), rtol=1e-5, atol=1e-7)
    product = attribute(own, some, 0, "gradient_x_input", baseline=names["seen"].signals)
    np.testing.assert_allclose(slope * names["away"], product, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(names["likeness"](slope, product), agreement(slope, product), atol=1e-6)


def test_the_randomisation_of_chapter_9_redraws_the_layers_that_the_package_redraws(box_chapter):
    own, forgetful = box_chapter["own"], box_chapter["forgetful"]
    before = copy.deepcopy(own.state_dict())
    for n_layers in range(4):
        states = (forgetful(own, n_layers, 0).state_dict(), randomised(own, n_layers=n_layers).state_dict())
        changed = [{name for name in before if not torch.equal(before[name], state[name])} for state in states]
        assert changed[0] == changed[1] and len(changed[0]) == 2 * n_layers
    assert all(torch.equal(before[name], value) for name, value in own.state_dict().items()), "the trained one is left as it is"
    table = box_chapter["test_of_ours"]
    np.testing.assert_allclose(table.iloc[0], 1)
    assert table.iloc[-1, 0] < 0.5


def test_the_exercises_of_chapter_9_refuse_near_misses_and_say_why(box_chapter):
    names = dict(box_chapter)
    names |= {"logits": [np.array([[3.0], [1.0]])], "total": np.array([2.0, 1.0]), "at_baseline": 1.0, "difference": [2.0]}
    run(cells("09_black_boxes", "exercise-check"), names)
    for answer, words in (
        ([1, 2], "One number"),
        (2.0, "difference"),
        (5.0, "subtract it"),
        (-1.0, "other way"),
        (1.5, "Its logit"),
    ):
        assert words in hint(names["check_baseline"], answer)
    assert hint(names["check_baseline"], 1.0) == "Right."

    def occlude(sign=1, over=None, fill=None, fresh=True, rows=None, last=True):
        def f(score, beat, baseline, width):
            drawn, whole, x = np.zeros_like(beat), score(beat), beat.copy()
            for lead in range(len(beat)):
                for start in range(0, beat.shape[1] - (0 if last else width - 1), width):
                    part = slice(start, start + width)
                    x = beat.copy() if fresh else x
                    chosen = lead if rows is None else rows
                    x[chosen, part] = baseline[chosen, part] if fill is None else fill
                    drawn[lead, part] = sign * (whole - score(x)) / (over or drawn[lead, part].size)
            return drawn

        return f

    check = names["check_occlusion"]
    assert "nothing back" in hint(check, lambda *a: None)
    assert "shorter window" in hint(check, occlude(last=False))
    assert "before minus after" in hint(check, occlude(sign=-1))
    assert "divide by samples" in hint(check, occlude(over=1)) and "its own number" in hint(check, occlude(over=3))
    assert "no baseline" in hint(check, occlude(fill=0))
    assert "One lead" in hint(check, occlude(rows=slice(None)))
    assert "single samples" in hint(check, lambda s, x, b, width: occlude()(s, x, b, 1))
    assert "fresh copy" in hint(check, occlude(fresh=False))
    assert hint(check, occlude()) == "Right."

    def cheat(less=True, control=True, per_ecg=True, safe=True, more=0, in_place=False):
        def f(score, beats, baseline):
            owed = score(beats) - (score(baseline[None]) if less else 0)
            beats = np.subtract(beats, baseline, out=beats if in_place else None)
            size = np.abs(beats) if control else np.where(np.abs(beats) > 0, 1.0, 0.0)
            total = size.sum(axis=(1, 2)) + more
            with np.errstate(all="ignore"):
                times = owed / total if per_ecg else np.full(len(beats), owed.sum() / total.sum())
            times = np.nan_to_num(times, posinf=0.0, neginf=0.0) if safe else times
            return size * times[:, None, None]

        return f

    check = names["check_cheat"]
    assert "nothing back" in hint(check, lambda *a: None)
    assert "0 / 0" in hint(check, cheat(safe=False))
    assert "Minus that of the baseline" in hint(check, cheat(less=False))
    assert "each map add up" in hint(check, cheat(per_ecg=False))
    assert "adds up nearly" in hint(check, cheat(more=1e-4))
    assert "baseline is empty" in hint(check, lambda *given: cheat()(*given) + 1e-9)
    assert "one number per ECG" in hint(check, cheat(control=False))
    assert hint(check, cheat(in_place=True)) == "Right.", "its sums are right"
    assert hint(check, cheat()) == "Right.", "and no later answer meets beats that it wrote into"


# ---- chapter 11: calibration in two numbers


@pytest.fixture(scope="module")
def hospital_chapter():
    names = {"np": np, "pd": pd, "Check": Check, "expit": expit, "logit": logit, "seed": 0}
    return run(cells("11_external_validation", "from-scratch"), names)


@pytest.mark.parametrize(("n", "times", "plus"), [(40, 1.0, 0.0), (400, 2.0, 1.0), (3000, 0.3, -4.0), (3000, 4.0, 5.0)])
def test_offset_and_slope_of_chapter_11_are_those_of_the_package(hospital_chapter, n, times, plus):
    rng = np.random.default_rng(n)
    true = rng.normal(-1, 1.5, n)
    y, p = (rng.random(n) < expit(true)).astype(float), expit(times * true + plus).clip(1e-6, 1 - 1e-6)
    offset, slope = weighted_calibration(y, p, np.ones((1, n)))
    np.testing.assert_allclose(hospital_chapter["offset_of"](y, p), offset[0], atol=1e-6)
    np.testing.assert_allclose(hospital_chapter["slope_of"](y, p), [slope[0]], atol=1e-6)
    np.testing.assert_allclose(hospital_chapter["slope_of"](y, p), calibration(y, p)[1], atol=1e-6)
    assert np.isclose(expit(logit(p) + offset[0]).sum(), y.sum(), rtol=1e-6), "as many are expected as there are"


def test_the_exercises_of_chapter_11_refuse_near_misses_and_say_why(hospital_chapter):
    names = run(cells("11_external_validation", "exercise-check"), dict(hospital_chapter))
    wrong = {200: "how many ECGs", 2000: "square root", 100: "square root", 1000: "as it is", 3800: "the ill", 800: "19 others"}
    assert all(words in hint(names["check_number"], answer) for answer, words in wrong.items())
    assert hint(names["check_number"], 4000) == "Right."

    check = names["check_prevalence"]

    def by_bayes(p, old, new):
        with np.errstate(divide="ignore"):
            return expit(logit(p) + logit(new) - logit(old))

    assert "nothing back" in hint(check, lambda *a: None)
    assert "Those are logits" in hint(check, lambda p, old, new: logit(p) + logit(new) - logit(old))
    assert "about odds" in hint(check, lambda p, old, new: p * new / old)
    assert "healthy people changes" in hint(check, lambda p, old, new: expit(logit(p) + np.log(new / old)))
    assert "logits go down" in hint(check, lambda p, old, new: by_bayes(p, new, old))
    assert "stays certain" in hint(check, lambda p, old, new: by_bayes(p.clip(0.005, 0.995), old, new))
    assert hint(check, by_bayes) == "Right."

    newton, check = names["newton"], names["check_recalibrate"]

    def fit(fit_clip=1e-6, ask_clip=1e-6, slope=True, one_fit=True, intercept=1, out=expit):
        def recalibrate(y, p):
            x = logit(p.clip(fit_clip, 1 - fit_clip))
            with np.errstate(all="ignore"):
                a, b = newton(y, np.column_stack([np.ones(len(y)), x]), 0.0)
                if not (slope and one_fit):
                    a, b = newton(y, np.ones((len(y), 1)), x)[0], b if slope else 1.0
            return lambda new: out(intercept * a + b * logit(np.clip(new, ask_clip, 1 - ask_clip)))

        return recalibrate

    assert "nothing back" in hint(check, lambda y, p: None)
    assert "Return a function" in hint(check, lambda y, p: fit()(y, p)(p))
    assert "Clip before the fit" in hint(check, fit(fit_clip=0))
    assert "1e-6 in the fit" in hint(check, fit(fit_clip=1e-3)) and "1e-6 in the fit" in hint(check, fit(fit_clip=1e-5))
    assert "intercept is missing" in hint(check, fit(intercept=0))
    assert "Those are logits" in hint(check, fit(out=lambda values: values))
    assert "offset alone" in hint(check, fit(slope=False))
    assert "one fit" in hint(check, fit(one_fit=False))
    assert "Clip new probabilities" in hint(check, fit(ask_clip=0))
    assert "as they come in" in hint(check, fit(ask_clip=1e-12)) and "as they come in" in hint(check, fit(ask_clip=1e-2))
    assert "as they come in" in hint(check, fit(ask_clip=0, out=lambda values: expit(values).clip(1e-6, 1 - 1e-6)))
    assert hint(check, fit()) == "Right."


# ---- chapter 12: net benefit


@pytest.fixture(scope="module")
def decision_chapter():
    names = {"np": np, "pd": pd, "Check": Check, "expit": expit, "logit": logit}
    return run(cells("12_hybrids_and_decisions", "from-scratch"), names)


def test_the_net_benefit_of_chapter_12_and_its_interval_are_those_of_the_package(decision_chapter):
    rng = np.random.default_rng(2)
    p = rng.beta(1, 4, 3000).round(2)  # many people lie on a threshold
    y = (rng.random(3000) < p).astype(float)
    curve = decision_curve(y, {"model": p}, thresholds=[0.1, 0.3], n_resamples=500)
    for row in curve[curve["model"] == "model"].itertuples():
        values = decision_chapter["worth"](y, p, row.threshold)
        assert np.isclose(values.mean(), row.net_benefit, rtol=1e-5)  # in single precision
        np.testing.assert_allclose(decision_chapter["mean_of"](values), [row.net_benefit, row.low, row.high], atol=0.002)
    assert (decision_chapter["worth"](y, np.ones(3000), 0.5) == np.where(y == 1, 1, -1)).all(), "at even exchange"


def test_the_exercises_of_chapter_12_refuse_near_misses_and_say_why(decision_chapter):
    names = run(cells("12_hybrids_and_decisions", "exercise-check"), dict(decision_chapter))
    check = names["check_cap"]
    wrong = {1.2: "between 0 and 1", expit(logit(0.2) - 1): "largest", 0.9: "log odds", 0.2: "log odds"}
    assert all(words in hint(check, answer) for answer, words in wrong.items())
    assert hint(check, expit(logit(0.2) + 1)) == "Right."
    check = names["check_benefit"]
    wrong = {46.67: "Per person", 0.06: "cost, too", 0.04: "no false alarms", -0.06: "not a whole case", 0.048: "0.1 / 0.9"}
    assert all(words in hint(check, answer) for answer, words in wrong.items())
    assert hint(check, 0.06 - 0.12 / 9) == "Right."

    def distance(p):
        return np.abs(p - 0.5)

    def abstain(
        sureness=distance, of_answered=True, share="cases", count=round, is_yes=lambda p: p >= 0.5, right=False, cover=None
    ):
        def f(y, p, coverage):
            order = sureness(p) if sureness is the_last else np.argsort(-sureness(p), kind="stable")
            n = count((cover or coverage) * len(y))
            answered, others = order[:n], order[n:]
            n_told = ((is_yes(p[answered]) == (y[answered] == 1)) == right).sum()
            waiting, told, cases = y[others].sum(), y[answered].sum(), y.sum()
            shares = {"cases": waiting / cases, "people": waiting / len(y), "answered": told / cases}
            shares["others"] = waiting / max(len(others), 1)
            return n_told / (n if of_answered else len(y)), shares[share]

        return f

    def the_last(p):
        return np.argsort(distance(p), kind="stable")[::-1]

    def in_place(y, p, coverage):
        p -= 0.5
        return abstain(np.abs, is_yes=lambda p: p >= 0)(y, p, coverage)

    check = names["check_abstain"]
    assert "nothing back" in hint(check, lambda *a: None)
    assert "Two numbers" in hint(check, lambda y, p, coverage: 0.5)
    assert "among the answered" in hint(check, abstain(of_answered=False))
    assert "Of cases" in hint(check, abstain(share="people"))
    assert "Of all cases" in hint(check, abstain(share="others"))
    assert "WITHOUT an answer" in hint(check, abstain(share="answered"))
    assert "Furthest" in hint(check, abstain(lambda p: -distance(p))) and "Furthest" in hint(check, abstain(lambda p: p))
    assert "use `coverage`" in hint(check, abstain(cover=0.5))
    assert "Count the wrong" in hint(check, abstain(right=True))
    for threshold in (np.nextafter(0.5, 1), 0.6):
        assert "Yes from 0.5" in hint(check, abstain(is_yes=lambda p, least=threshold: p >= least))
    assert "6 if rounded" in hint(check, abstain(count=int))
    assert "are 3" in hint(check, abstain(count=lambda n: int(np.ceil(n))))
    assert "the first" in hint(check, abstain(the_last))
    for sureness in (distance, lambda p: distance(p).round(12), lambda p: np.abs(logit(p)), lambda p: -p * (1 - p)):
        assert hint(check, abstain(sureness)) == "Right."
    assert hint(check, in_place) == hint(check, abstain()) == "Right."
