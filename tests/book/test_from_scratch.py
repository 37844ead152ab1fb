"""What a chapter writes out itself agrees with the package, as far as its text says, and its exercises refuse near misses."""

import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch

from vaescan_lite.book import Check
from vaescan_lite.scan import Scan
from vaescan_lite.scan.network import factor_nll
from vaescan_lite.vae.network import gaussian_kl

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from known_posteriors import population, quiet  # noqa: E402


def cells(chapter, tag):
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def run(sources, names):
    for source in sources:
        exec(compile(source, "<chapter>", "exec"), names)
    return names


def hint(check, answer):
    return repr(check(answer))


# ---- chapter 6: SCAN


@pytest.fixture(scope="module")
def scan_chapter():
    """Names of chapter 6 after its own SCAN was fitted to made-up latents, and the package's Scan of the same."""
    vae, beats, factors = population()
    factors.loc[factors.index % 5 == 0, "LVH"] = np.nan
    names = {
        "np": np, "pd": pd, "torch": torch, "nn": torch.nn, "Check": Check, "seed": 0, "beats": beats, "factors": factors,
        "names": list(factors), "training": np.arange(len(beats)) < 1200, "factor": "LBBB",
        "workspace": SimpleNamespace(vae=lambda: vae),
    }  # fmt: skip
    run(cells("06_scan", "from-scratch"), names)
    scan = quiet(Scan(vae, factors=list(factors)), beats[names["training"]], factors)
    names |= {"crowd_sd": np.exp(0.5 * names["crowd_logvar"].numpy()), "scan": scan}
    names["partial"] = np.diff(scan.contrast_latents("average"), axis=0)[0] / names["crowd_sd"]
    return names


def test_the_divergence_and_the_misfit_of_chapter_6_are_those_of_the_package(scan_chapter):
    rng = np.random.default_rng(1)
    parts = [torch.as_tensor(rng.normal(size=(5, 4))) for _ in range(4)]
    torch.testing.assert_close(scan_chapter["kl"](*parts), gaussian_kl(*parts))
    decoder, known = scan_chapter["scan"].decoder_, scan_chapter["known"]
    output, target = decoder(scan_chapter["mu_x"]), scan_chapter["target"]
    continuous = ~scan_chapter["yes_no"]
    with torch.no_grad():
        theirs = factor_nll(decoder, scan_chapter["mu_x"], scan_chapter["scores"], target, known, continuous)
        log_sigma, n_age = decoder.log_sigma[2], known[:, 2]
        squared = 0.5 * (target - output)[:, 2] ** 2 * n_age
        theirs += squared - (squared * torch.exp(-2 * log_sigma) + (log_sigma + 0.5 * np.log(2 * np.pi)) * n_age)
        torch.testing.assert_close(scan_chapter["misfit"](output, target, known), theirs)


def test_the_concepts_of_chapter_6_are_those_of_the_package(scan_chapter):
    names, scan = scan_chapter, scan_chapter["scan"]
    for position, name in enumerate(("LBBB", "LVH")):
        own, package = (read({name: 1})[0] - read({name: 0})[0] for read in (names["concept"], scan.factors_to_latents))
        assert np.corrcoef(own, package)[0, 1] > 0.98
        from_observe, from_average = own - package, own - names["partial"][position] * names["crowd_sd"]
        assert np.abs(from_observe / names["crowd_sd"]).max() < 0.15
        assert np.linalg.norm(from_observe) < 0.5 * np.linalg.norm(from_average), "the chapter says that it observes"
    nothing = (names["concept"]({})[0] - scan.aggregated_mean_) / names["crowd_sd"]
    assert np.abs(nothing).max() < 0.1
    wide, narrow = names["concept"]({"LBBB": 1})[1], names["concept"]({"LBBB": 0})[1]
    assert np.isfinite(wide).all() and np.isfinite(narrow).all()


def test_unseen_people_of_chapter_6_are_foretold_as_well_as_by_the_package(scan_chapter):
    names, scan = scan_chapter, scan_chapter["scan"]
    unseen = names["beats"][~names["training"]]
    mu, logvar = (torch.as_tensor(part) for part in names["workspace"].vae().posterior(unseen))
    row = names["factors"].loc[unseen.ids]
    scores = torch.as_tensor(((row - names["centre"]) / names["scale"]).fillna(0).to_numpy(np.float32))
    with torch.no_grad():
        own = names["encoder"](scores, torch.as_tensor(row.notna().to_numpy()))
    package = [torch.as_tensor(part) for part in scan.factors_to_latents(row)]
    nothing = [torch.as_tensor(part)[None] for part in scan.factors_to_latents({})]
    nats = [names["kl"](mu, logvar, *said).sum(dim=1).mean().item() for said in (own, package, nothing)]
    assert abs(nats[0] - nats[1]) < 0.2 * (nats[2] - nats[1])


def test_the_exercises_of_chapter_6_refuse_near_misses_and_say_why(scan_chapter):
    names = run(cells("06_scan", "exercise-check"), dict(scan_chapter))
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    assert "reverse answer" in hint(names["check_variance"], 0.04)
    assert "one of its own" in hint(names["check_variance"], 2 / 3)
    assert "That is an SD" in hint(names["check_variance"], np.sqrt(0.04 + 2 / 3))
    assert "over three" in hint(names["check_variance"], 0.04 + 1)

    def filled(fill, reduce):
        def misfit(logits, values):
            known = ~torch.isnan(values)
            each = entropy(logits, torch.where(known, values, 0.0) if fill else values, reduction="none")
            return reduce(torch.where(known, each, 0.0), known)

        return misfit

    check = names["check_mask"]
    assert "nothing back" in hint(check, lambda logits, values: None)
    assert "0 times NaN" in hint(check, lambda logits, values: (entropy(logits, values, reduction="none") * 0).sum())
    assert "gradient NaN" in hint(check, filled(False, lambda each, known: each.sum(dim=1).mean()))
    assert "nobody knows" in hint(check, lambda logits, values: entropy(logits, values.nan_to_num(), reduction="none").mean())
    assert "mean over known" in hint(check, filled(True, lambda each, known: each.sum() / known.sum()))
    assert "sum over all" in hint(check, filled(True, lambda each, known: each.sum()))
    assert "divides by all" in hint(check, filled(True, lambda each, known: each.mean()))
    assert hint(check, filled(True, lambda each, known: each.sum(dim=1).mean())) == "Right."

    check, concept = names["check_alone"], names["concept"]
    assert "nothing back" in hint(check, lambda value: None)
    assert "One number per latent" in hint(check, lambda value: names["mu_x"])
    assert "observe" in hint(check, lambda value: concept({"LBBB": value})[0])
    assert "differ in all else" in hint(check, names["carriers"])
    assert "reads scores" in hint(check, names["raw"])
    assert "keep the rest" in hint(check, lambda value: concept({"LBBB": value, "LVH": 0})[0])
    assert hint(check, names["averaged"]) == "Right."
