"""What a chapter writes out itself agrees with the package, as far as its text says, and its exercises refuse near misses."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import vaescan_lite as vl
from vaescan_lite.book import Check
from vaescan_lite.ecg import DOWER
from vaescan_lite.explain import association_table
from vaescan_lite.scan import Scan
from vaescan_lite.scan.network import factor_nll
from vaescan_lite.simulator import heart, people
from vaescan_lite.vae.beat_vae import WARM_UP
from vaescan_lite.vae.network import gaussian_kl, laplace_nll, sample_gaussian

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from chapter_cells import cells, hint, run  # noqa: E402
from known_posteriors import population, quiet  # noqa: E402

# ---- chapter 4: the VAE


@pytest.fixture(scope="module")
def vae_chapter():
    """Names of chapter 4 after its own VAE was trained for 200 steps on 300 simulated people."""
    people = pd.DataFrame({"age_years": np.linspace(20, 85, 340), "sex_female": np.arange(340) % 2})
    beats = vl.median_beats(vl.simulate(people.assign(LBBB=(np.arange(340) % 7 == 0).astype(int)), seed=3))
    training = (np.arange(340) < 300) & beats.usable
    names = {
        "np": np, "pd": pd, "torch": torch, "nn": torch.nn, "vl": vl, "Check": Check, "seed": 0, "profile": "smoke",
        "beats": beats, "training": training, "unseen": beats[~training & beats.usable],
    }  # fmt: skip
    return run(cells("04_vae", "from-scratch"), names)


def test_the_terms_of_chapter_4_are_those_of_the_package(vae_chapter):
    rng = np.random.default_rng(1)
    mu, logvar = (torch.as_tensor(rng.normal(size=(5, 4))) for _ in range(2))
    zero = torch.zeros(())
    torch.testing.assert_close(vae_chapter["kl_to_prior"](mu, logvar), gaussian_kl(mu, logvar, zero, zero))
    x, x_hat = (torch.as_tensor(rng.normal(size=(5, 3, 7))) for _ in range(2))
    scale = torch.as_tensor(rng.uniform(0.1, 2, (3, 7)))
    torch.testing.assert_close(vae_chapter["laplace_nll"](x, x_hat, scale), laplace_nll(x - x_hat, scale))
    before, noise = vae_chapter["noise"], torch.Generator().manual_seed(5)
    run(["noise = torch.Generator().manual_seed(5)"], vae_chapter)
    torch.testing.assert_close(
        vae_chapter["draw"](mu.float(), logvar.float()), sample_gaussian(mu.float(), logvar.float(), noise)
    )
    vae_chapter["noise"] = before


def test_yardstick_and_unit_of_chapter_4_are_those_of_the_package(vae_chapter):
    names, n = vae_chapter, vae_chapter["n_latents"]
    beats, unseen = names["beats"][names["training"]], names["unseen"]
    own = names["by_components"](unseen.signals, n)
    assert np.abs(own - vl.vae.BeatPCA(n).fit(beats).reconstruct(unseen)).mean() < 0.002
    weights = {"p_weight": 1.0, "qrs_weight": 2.5, "derived_weight": 1.0}
    profile = vl.vae.likelihood_profile(beats.signals, beats.fs, beats.r_index, power=0.42, **weights)
    theirs = profile[[vl.ecg.LEADS_12.index(lead) for lead in beats.leads]]
    assert np.corrcoef(theirs.ravel(), names["unit"].numpy().ravel())[0, 1] > 0.97
    assert (names["in_qrs"] == vl.ecg.in_segment(beats.time_s, "QRS")).all()
    dials = vl.BeatVAE().get_params()
    assert (dials["scale_power"], dials["qrs_weight"], WARM_UP) == (0.42, 2.5, 0.2), "the chapter says so"


def test_the_loop_of_chapter_4_learns_to_rebuild_unseen_beats(vae_chapter):
    names = vae_chapter
    assert names["after"] < names["before"] - 300
    assert names["history"]["kl"].iloc[-20:].mean() > names["history"]["kl"].iloc[0]
    with torch.no_grad():
        own = names["own"].decode(names["own"].encode(names["x_unseen"])[0]).numpy()
    unseen = names["unseen"]
    errors = {name: vl.vae.segment_errors(unseen, signals)["mean"] for name, signals in {
        "own": own, "mean beat": np.broadcast_to(names["x"].mean(dim=0).numpy(), own.shape),
        "PCA": names["by_components"](unseen.signals, names["n_latents"]),
    }.items()}  # fmt: skip
    assert (errors["own"] < 0.8 * errors["mean beat"]).all()
    assert errors["own"]["all"] < 2 * errors["PCA"]["all"], "errors are of the order of PCA's"


def test_the_exercises_of_chapter_4_refuse_near_misses_and_say_why(vae_chapter):
    names = run(cells("04_vae", "exercise-check"), dict(vae_chapter))
    cost = names["cost"]
    assert "square" in hint(names["check_kl"], cost(0.0, np.log(0.1)))
    assert "logarithm" in hint(names["check_kl"], cost(0.0, 0.1)) and "logarithm" in hint(names["check_kl"], cost(0.0, 0.01))
    assert "bits" in hint(names["check_kl"], cost(0.0, np.log(0.01)) / np.log(2))
    assert "never negative" in hint(names["check_kl"], -1.8)
    assert hint(names["check_kl"], cost(0.0, np.log(0.01))) == "Right."

    check = names["check_two"]
    assert "nothing back" in hint(check, lambda *parts: None)
    assert "no sum, no mean" in hint(check, lambda *parts: gaussian_kl(*parts).sum())
    assert "KL(b || a)" in hint(check, lambda ma, la, mb, lb: gaussian_kl(mb, lb, ma, la))
    assert "half" in hint(check, lambda *parts: 2 * gaussian_kl(*parts))
    assert "not of the SD" in hint(check, names["of_sd"])
    own_variance = lambda ma, la, mb, lb: gaussian_kl(ma, la, ma, lb) + 0.5 * (ma - mb) ** 2 / la.exp()  # noqa: E731
    assert "b's variance" in hint(check, own_variance)
    assert hint(check, gaussian_kl) == "Right."

    def nll(x, x_hat, scale, half=0.5, log=1.0, pi=1.0, reduce=lambda each: each.sum(dim=(1, 2))):
        each = half * ((x - x_hat) / scale) ** 2 + log * scale.log() + pi * 0.5 * np.log(2 * np.pi)
        return reduce(each)

    check = names["check_gaussian"]
    assert "nothing back" in hint(check, lambda *parts: None)
    assert "not over beats" in hint(check, lambda *parts: nll(*parts, reduce=torch.sum))
    assert "mean over values" in hint(check, lambda *parts: nll(*parts, reduce=lambda each: each.mean(dim=(1, 2))))
    assert "without end" in hint(check, lambda *parts: nll(*parts, log=0, pi=0))
    assert "without end" in hint(check, lambda *parts: nll(*parts, log=0))
    assert "one half" in hint(check, lambda *parts: nll(*parts, half=1))
    assert "log(2 pi)" in hint(check, lambda *parts: nll(*parts, pi=0))
    assert "variance is its square" in hint(check, lambda x, x_hat, scale: nll(x, x_hat, scale.sqrt()))
    assert "Half the squared" in hint(check, lambda x, x_hat, scale: laplace_nll(x - x_hat, scale))
    assert "nothing could learn" in hint(check, torch.no_grad()(nll))
    assert "nothing could learn" in hint(check, lambda x, x_hat, scale: nll(x, x_hat.detach(), scale))
    assert "nothing could learn" in hint(check, lambda x, x_hat, scale: nll(x, x_hat, scale.detach()))
    assert hint(check, nll) == "Right."


# ---- chapter 5: latents


@pytest.fixture(scope="module")
def latents_chapter():
    """Names of chapter 5 with a VAE of five latents that was hardly trained."""
    people = pd.DataFrame({"age_years": np.linspace(20, 85, 80), "sex_female": np.arange(80) % 2})
    beats = vl.median_beats(vl.simulate(people, seed=4))
    beats = beats[beats.usable]
    vae = vl.BeatVAE(5, budget=vl.training.Budget(epochs=3), progress=False).fit(beats)
    sd = vae.transform(beats).astype(float).std(axis=0)
    names = {"np": np, "pd": pd, "vl": vl, "Check": Check, "vae": vae, "sd": sd, "beats": beats}
    return run(cells("05_latent_space", "from-scratch"), names)


def test_traversal_and_effects_of_chapter_5_are_those_of_the_package(latents_chapter):
    names, vae, sd = latents_chapter, latents_chapter["vae"], latents_chapter["sd"]
    steps = np.arange(-3, 4)
    own = run(cells("05_latent_space", "from-scratch"), dict(names, sd=np.ones(5)))["traverse"](np.zeros(5), 2, steps)
    np.testing.assert_allclose(own.signals, vl.explain.traversal(vae, 2, steps).signals, atol=1e-6)
    moved = names["traverse"](np.zeros(5), 2, steps)
    np.testing.assert_allclose(moved.signals, vl.explain.traversal(vae, 2, steps * sd[2]).signals, atol=1e-6)

    scan = SimpleNamespace(vae=vae, aggregated_sd_=sd, latents_to_ecg=lambda z: names["as_beats"](vae.inverse_transform(z)))
    theirs = vl.explain.latent_effects(scan, names["beats"], n=20, seed=0).set_index(["latent", "measurement"])
    z = vae.transform(names["beats"]).astype(float)
    z = z[np.random.default_rng(0).permutation(len(z))[:20]]
    own = names["effects_of"](vae, z, sd, [3, 0]).set_index(["latent", "measurement"])
    own = own.dropna(subset="effect")
    assert len(own) >= 18
    pd.testing.assert_frame_equal(own, theirs.loc[own.index, own.columns], atol=1e-4)


def test_rotation_and_disentanglement_of_chapter_5_are_those_of_the_package(latents_chapter):
    rng = np.random.default_rng(2)
    rotation = latents_chapter["random_rotation"](6, rng)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(6), atol=1e-12)
    codes = rng.normal(size=(200, 6))
    truth = pd.DataFrame({"a": codes[:, 0] + 0.1 * codes[:, 3], "b": codes[:, 1] * codes[:, 2], "c": codes[:, 4]})
    for some in (codes, codes @ rotation):
        dci = vl.vae.dci(some, truth, n_trees=20)
        own = latents_chapter["disentanglement"](dci.importance.to_numpy())
        assert own == pytest.approx(dci.disentanglement, abs=1e-9)
    importance = np.array([[2.0, 0, 0], [0, 0, 0], [0, 1, 1]])
    assert latents_chapter["disentanglement"](importance) == pytest.approx(0.5 + 0.5 * (1 - np.log(2) / np.log(3)))


def test_the_exercises_of_chapter_5_refuse_near_misses_and_say_why(latents_chapter):
    effects = pd.DataFrame(
        {"latent": [0, 1, 2, 3], "measurement": ["pr_ms", "pr_ms", "pr_ms", "qt_ms"], "effect": [3, -5, 1, 9]}
    )
    names = run(cells("05_latent_space", "exercise-check"), dict(latents_chapter, effects=effects))
    assert "number of a latent" in hint(names["check_pr"], 3)
    assert "moves it up" in hint(names["check_pr"], 0)
    assert "the largest size" in hint(names["check_pr"], 2)
    assert hint(names["check_pr"], 1) == "Right."

    def turn(n, i, j, degrees, start=np.eye, sign=1, to_angle=np.deg2rad):
        matrix, angle = start(n).astype(float), to_angle(degrees)
        matrix[[i, j], [i, j]] = np.cos(angle)
        matrix[i, j], matrix[j, i] = sign * np.sin(angle), -sign * np.sin(angle)
        return matrix

    check = names["check_plane"]
    assert "nothing back" in hint(check, lambda *asked: None)
    assert "(n, n)" in hint(check, lambda n, i, j, degrees: np.eye(2))
    assert "must stay" in hint(check, lambda *asked: turn(*asked, start=lambda n: np.zeros((n, n))))
    assert "radians" in hint(check, lambda *asked: turn(*asked, to_angle=float))
    assert "perpendicular" in hint(check, lambda *asked: np.abs(turn(*asked)))
    assert "mirror" in hint(
        check, lambda n, i, j, degrees: np.where(np.arange(n)[:, None] == j, -1, 1) * turn(n, i, j, degrees)
    )
    assert "backwards" in hint(check, lambda *asked: turn(*asked, sign=-1))
    assert "Row i" in hint(check, lambda *asked: np.eye(5))
    assert hint(check, turn) == "Right."

    check, one_sided = names["check_completeness"], names["one_sided"]
    with np.errstate(divide="ignore", invalid="ignore"):
        bare = lambda r: -(r / r.sum(axis=0) * np.log(r / r.sum(axis=0))).sum()  # noqa: E731
        assert "NaN in NumPy" in hint(check, bare)
    assert "nothing back" in hint(check, lambda r: None)
    assert "One number" in hint(check, lambda r: r.sum(axis=0))
    assert "rows, not columns" in hint(check, latents_chapter["disentanglement"])
    assert "all latents, used or not" in hint(check, lambda r: one_sided(r.T, r.shape[1]))
    assert "all latents, used or not" in hint(check, lambda r: one_sided(r.T, r.any(axis=1).sum()))
    assert "may be the smaller" in hint(check, lambda r: one_sided(r.T, max(r.shape)))
    assert "may be the smaller" in hint(check, lambda r: one_sided(r.T, r.shape[1] + 1))
    assert "natural logarithm" in hint(check, lambda r: one_sided(r.T, np.e))
    assert "plain mean" in hint(check, lambda r: one_sided(r.T, len(r), weighted=False))
    assert "no say" in hint(check, lambda r: one_sided(r.T, len(r)) * r.any(axis=0).mean())
    assert "Entropies of columns" in hint(check, lambda r: 0.5)

    def writes_into_it(r):
        r /= r.sum()
        return 0.5

    assert "Entropies of columns" in hint(check, writes_into_it)
    assert hint(check, lambda r: latents_chapter["disentanglement"](r.T)) == "Right.", "a slip before it spoilt no table"


# ---- chapter 6: SCAN


@pytest.fixture(scope="module")
def scan_chapter():
    """Names of chapter 6 after its own SCAN was fitted to made-up latents, and the package's Scan of the same."""
    vae, beats, factors = population()
    factors.loc[factors.index % 5 == 0, "LVH"] = np.nan
    names = {
        "np": np, "pd": pd, "torch": torch, "nn": torch.nn, "Check": Check, "seed": 0, "beats": beats, "factors": factors,
        "names": list(factors), "binary": [name for name in factors if name != "age_years"],
        "training": np.arange(len(beats)) < 1200, "factor": "LBBB",
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

    def filled(fill, reduce, turn=False):
        def misfit(logits, values):
            known, values = ~torch.isnan(values), 1 - values if turn else values
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
    right = filled(True, lambda each, known: each.sum(dim=1).mean())
    assert "One number" in hint(check, filled(True, lambda each, known: each.sum(dim=1)))
    assert "be trained with" in hint(check, lambda *given: right(*given).item())
    assert "be trained with" in hint(check, torch.no_grad()(right))
    assert "says yes" in hint(check, filled(True, lambda each, known: each.sum(dim=1).mean(), turn=True))
    assert "All ECGs count" in hint(check, filled(True, lambda each, known: each.sum() / known.any(dim=1).sum()))
    assert "with its own logit" in hint(check, lambda logits, values: right(2 * logits, values))
    assert hint(check, right) == "Right."

    check, concept = names["check_alone"], names["concept"]
    assert "nothing back" in hint(check, lambda value: None)

    def spoils(value):
        names["scores"][:, names["position"]] = 9
        return names["averaged"](value)

    kept = names["scores"].clone()
    assert "work on a `clone()`" in hint(check, spoils) and bool((names["scores"] == kept).all())
    assert "One number per latent" in hint(check, lambda value: names["mu_x"])
    assert "observe" in hint(check, lambda value: concept({"LBBB": value})[0])
    assert "differ in all else" in hint(check, names["carriers"])
    assert "reads scores" in hint(check, names["raw"])
    assert "keep the rest" in hint(check, lambda value: concept({"LBBB": value, "LVH": 0})[0])
    assert "average person" in hint(check, names["of_nobody"])

    def told_already(value):
        given = names["scores"].clone()
        given[:, names["position"]] = (value - names["centre"]["LBBB"]) / names["scale"]["LBBB"]
        return names["encoder"](given, names["known"])[0].mean(dim=0)

    assert "set `known`, too" in hint(check, told_already) and bool((names["scores"] == kept).all())
    assert "neither yes nor no" in hint(check, lambda value: names["averaged"](float(value > 0)))
    assert hint(check, names["averaged"]) == "Right."


# ---- chapter 7: associations


@pytest.fixture(scope="module")
def association_chapter():
    rng = np.random.default_rng(3)
    n = 400
    people = pd.DataFrame({"LBBB": rng.random(n) < 0.1, "sex_female": rng.random(n) < 0.5}).astype(float)
    people["age_years"] = rng.normal(60, 12, n) + 10 * people["LBBB"]
    noise = rng.normal(size=(n, 2)) * (1 + 2 * people[["LBBB"]].to_numpy())
    measured = pd.DataFrame(noise, columns=["qrs_ms", "pr_ms"])
    measured["qrs_ms"] += 3 * people["LBBB"] + 0.05 * people["age_years"]
    measured.loc[::7, "pr_ms"] = np.nan
    names = {"np": np, "pd": pd, "stats": stats, "Check": Check, "people": people, "measured": measured}
    return run(cells("07_associations", "from-scratch"), names)


def test_the_table_of_chapter_7_is_that_of_the_package_where_everything_is_known(association_chapter):
    names = association_chapter
    own = names["table_of"](names["measured"], names["people"], "LBBB", ["sex_female", "age_years"])
    package = association_table(names["measured"], names["people"])
    package = package[package["factor"] == "LBBB"].set_index("measurement").loc[own.index]
    np.testing.assert_allclose(own["effect"].astype(float), package["partial"], atol=1e-8)
    np.testing.assert_array_equal(own[["n", "n_with"]], package[["n", "n_with"]])
    reach, theirs = (own["high"] - own["effect"]).astype(float), package["partial_high"] - package["partial"]
    error = reach / stats.t.ppf(0.975, (own["n"] - 4).astype(float))
    np.testing.assert_allclose(error, package["partial_se"], rtol=1e-8)
    assert ((theirs > reach) & (theirs < 1.15 * reach)).all(), "the package has as few degrees of freedom as there are carriers"
    classical = association_chapter["associate"](names["measured"]["qrs_ms"], names["people"], "LBBB", [])
    assert classical["effect"] > own.loc["qrs_ms", "effect"], "age, which was in the way, is held"


def test_a_person_whom_nobody_resembles_does_not_break_the_regression_of_chapter_7(association_chapter):
    people = association_chapter["people"].assign(AF=0.0, AMI=0.0)
    people.loc[3, "AF"] = 1.0
    row = association_chapter["associate"](association_chapter["measured"]["qrs_ms"], people, "LBBB", ["AF", "AMI"])
    assert all(np.isfinite(value) for value in row.values())
    measured = association_chapter["measured"].assign(p_ms=lambda table: table["pr_ms"].where(people["LBBB"] == 0))
    table = association_chapter["table_of"](measured, people, "LBBB", [])
    assert table.loc["p_ms", "n_with"] == 0 and np.isnan(table.loc["p_ms", ["effect", "q"]].astype(float)).all()
    assert table.loc["qrs_ms", "q"] < 0.05


def test_the_exercises_of_chapter_7_refuse_near_misses_and_say_why(association_chapter):
    names = dict(association_chapter)
    names |= {"on_map": pd.DataFrame({"partial": np.arange(200.0)}), "decided": range(40)}
    run(cells("07_associations", "exercise-check"), names)
    for answer, words in ((0, "None is what q"), (0.05, "the share"), (40, "found here"), (20, "evenly")):
        assert words in hint(names["check_false"], answer)
    assert hint(names["check_false"], 10) == "Right."

    check, right = names["check_q"], stats.false_discovery_control
    assert "nothing back" in hint(check, lambda p: None)
    assert "Bonferroni" in hint(check, lambda p: np.minimum(len(p) * p, 1))
    assert "Bonferroni" in hint(check, lambda p: len(p) * p)
    assert "no q may exceed" in hint(check, lambda p: len(p) * p / stats.rankdata(p))
    assert "where its p-value stood" in hint(check, lambda p: np.sort(right(p)))
    assert "then the minimum" in hint(check, lambda p: right(p, method="by"))

    def shared_ranks(p):
        order = np.argsort(p)
        q = np.minimum.accumulate((len(p) * p / stats.rankdata(p))[order][::-1])[::-1]
        return q[np.argsort(order)]

    assert "rank of its own" in hint(check, shared_ranks)
    assert hint(check, right) == "Right."

    def weighted(weigh, careful=(True, True), runs=False):
        def stratified(y, x, stratum):
            steps, weights = [], []
            stratum = np.append(0, np.cumsum(stratum[1:] != stratum[:-1])) if runs else stratum
            for s in np.unique(stratum):
                a, b = y[(stratum == s) & (x == 1)], y[(stratum == s) & (x == 0)]
                if all(len(side) or not care for side, care in zip((a, b), careful)):
                    with np.errstate(all="ignore"):
                        steps.append((a.sum() / np.float64(len(a))) - (b.sum() / np.float64(len(b))))
                    weights.append(weigh(len(a), len(b)))
            return np.average(steps, weights=weights)

        return stratified

    check = names["check_strata"]
    assert "nothing back" in hint(check, lambda y, x, s: None)
    for careful in ((False, False), (False, True), (True, False)):
        assert "NaN" in hint(check, weighted(lambda a, b: a, careful=careful))
    assert "crude" in hint(check, lambda y, x, s: y[x == 1].mean() - y[x == 0].mean())
    assert "counts the same" in hint(check, weighted(lambda a, b: 1))
    assert "all people" in hint(check, weighted(lambda a, b: a + b))
    assert "without the factor: count" in hint(check, weighted(lambda a, b: b))
    assert "that say something" in hint(check, lambda y, x, s: weighted(lambda a, b: a)(y, x, s) * 5 / x.sum())
    assert "weighted by its carriers" in hint(check, weighted(lambda a, b: a * b))
    assert "in any order" in hint(check, weighted(lambda a, b: a, runs=True))
    assert hint(check, weighted(lambda a, b: a)) == "Right."


# ---- appendix A1: the simulator


@pytest.fixture(scope="module")
def simulator_chapter():
    return run(cells("A1_simulator", "from-scratch"), {"np": np, "pd": pd, "vl": vl, "Check": Check})


def test_the_beat_of_the_appendix_is_the_simulators_typical_man_of_fifty(simulator_chapter):
    factors = people.check_factors(pd.DataFrame({"sex_female": [0], "age_years": [50]}))
    traits = people.split_individual(np.zeros((1, people.N_INDIVIDUAL)))  # of nothing more or less than others
    factors, _ = people.fill_in(factors, traits, np.full((1, 2), 0.5))
    waves, _ = heart.make_beats(factors, traits, people.draw_parameters(factors, traits))
    time_ms = 10.0 * np.arange(-40, 56) + 4
    package = sum(heart.evaluate(time_ms, wave.centre, wave.width, wave.leads)[0] for wave in waves).T
    written_out = simulator_chapter["scaled"][0]
    assert np.abs(written_out - package).max() < 0.05, "numbers rounded to two digits"
    assert np.corrcoef(written_out.ravel(), package.ravel())[0, 1] > 0.999
    np.testing.assert_array_equal(simulator_chapter["dower"], DOWER)


def test_the_beat_of_the_appendix_is_nearer_to_the_mean_simulated_man_than_these_are_to_each_other(simulator_chapter):
    men = pd.DataFrame({"sex_female": 0, "age_years": 50}, index=range(60))
    simulated = vl.median_beats(vl.simulate(men, seed=5, noise=False)).signals
    apart = np.sqrt(np.mean((simulated - simulated.mean(axis=0)) ** 2, axis=(1, 2)))
    own = np.sqrt(np.mean((simulator_chapter["scaled"] - simulated.mean(axis=0)) ** 2))
    assert own < 0.5 * np.median(apart)


def test_the_exercises_of_the_appendix_refuse_near_misses_and_say_why(simulator_chapter):
    names = run(cells("A1_simulator", "exercise-check"), dict(simulator_chapter))
    assert "name of one" in hint(names["check_back"], 3)
    assert "largest positive" in hint(names["check_back"], "V6")
    assert "last column" in hint(names["check_back"], "V1")
    assert hint(names["check_back"], "V2") == "Right."

    def turned(sign=1, to_radians=np.radians, rows=slice(None)):
        def turn(table, angle_deg):
            angle, table = sign * to_radians(angle_deg), table.copy()
            x, y = table.loc[rows, "x"].copy(), table.loc[rows, "y"].copy()
            table.loc[rows, "x"], table.loc[rows, "y"] = (
                np.cos(angle) * x - np.sin(angle) * y,
                np.sin(angle) * x + np.cos(angle) * y,
            )
            return table

        return turn

    def one_after_the_other(table, angle_deg):
        table = table.copy()
        cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        table["x"] = cos * table["x"] - sin * table["y"]
        table["y"] = sin * table["x"] + cos * table["y"]
        return table

    check = names["check_turn"]
    assert "nothing back" in hint(check, lambda table, angle: None)
    assert "keeps lengths" in hint(check, one_after_the_other)
    assert "other way round" in hint(check, turned(sign=-1))
    assert "radians" in hint(check, turned(to_radians=lambda angle: angle))
    assert "P and T too" in hint(check, turned(rows=names["heart"].index[2:8]))

    def in_place(table, angle_deg):
        table[["x", "y"]] = turned()(table, angle_deg)[["x", "y"]]
        return table

    assert "begin with a copy" in hint(check, in_place)
    assert "only x and y" in hint(check, lambda table, angle: turned()(table, angle).assign(z=0))
    assert "only x and y" in hint(check, lambda table, angle: turned()(table, angle)[:-1])
    assert "Nothing has turned" in hint(check, lambda table, angle: table.copy())
    assert "not by 30" in hint(check, lambda table, angle: turned()(table, 30))
    assert hint(check, turned()) == "Right."

    def moved(rows, times=-1, column="centre", copied=True, always=0):
        def slow(table, extra_ms):
            table = table.copy() if copied else table
            table.loc[rows, column] += times * (always or extra_ms)
            return table

        return slow

    check, atria, rest = names["check_slow"], names["atria"], names["rest"]
    assert "nothing back" in hint(check, lambda table, extra_ms: None)
    assert "no longer be at 0" in hint(check, moved(rest, 1))
    assert "only its time" in hint(check, moved(atria, 1, "width"))
    assert "PR is shorter" in hint(check, moved(atria, 1))
    assert "torn" in hint(check, moved(atria[:1]))
    assert "to the left" in hint(check, moved(atria, -2))
    assert "begin with a copy" in hint(check, moved(atria, copied=False))
    assert "not by 60" in hint(check, moved(atria, always=60))
    assert "no row more" in hint(check, lambda *given: pd.concat([moved(atria)(*given), names["heart"][:1]]))
    assert hint(check, moved(atria)) == "Right."
