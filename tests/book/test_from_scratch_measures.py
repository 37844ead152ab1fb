"""What chapter 8 writes out, explanations, agrees with the package; its exercises refuse near misses."""

import numpy as np
import pandas as pd
import pytest
import torch
from chapter_cells import cells, hint, run

import vaescan_lite as vl
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
    assert hint(check, mixed("x", "start", "start")) == "Right."

    check, hand = names["check_age"], names["by_hand"]
    assert "nothing back" in hint(check, lambda x, start: None)
    assert "by_wave" in hint(check, lambda x, start: names["integrated_gradients"](names["logit"], x, start).numpy())
    assert "SDs of age" in hint(check, lambda x, start: hand(x, start, unit=1))
    assert "yours goes back" in hint(check, lambda x, start: -hand(x, start))
    assert "slope at the beat" in hint(check, names["slope_only"])
    assert "returns years" in hint(check, lambda x, start: hand(x, start, unit=1, at=names["age_at"] - 1))
    assert hint(check, hand) == "Right."
