"""SCAN against its closed forms, on a stand-in for the VAE whose posteriors are set by hand."""

import numpy as np
import pandas as pd
import pytest
import torch
from known_posteriors import KnownPosteriors, population, quiet, some_beats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from vaescan_lite.ecg import BeatSet
from vaescan_lite.scan.associations import FactorCoding, associate, benjamini_hochberg, robust_effects, shrunk_correlation
from vaescan_lite.scan.network import fill_in
from vaescan_lite.scan.operators import combine
from vaescan_lite.scan.scan import Scan
from vaescan_lite.training import Budget

LONG = Budget(epochs=30, batch_size=500, learning_rate=1e-3)
FAST = Budget(epochs=40, batch_size=250, learning_rate=1e-2)
SHORT = Budget(epochs=5, batch_size=300, learning_rate=1e-3)


def moments(vae, rows):
    mu, var = vae.mu[rows].astype(float), np.exp(vae.logvar[rows].astype(float))
    return mu.mean(axis=0), var.mean(axis=0) + mu.var(axis=0)


@pytest.fixture(scope="module")
def fitted():
    vae, beats, factors = population()
    return quiet(Scan(vae, list(factors.columns)), beats, factors), beats, factors


# --- the posterior of factors -------------------------------------------------------------------------------------------


def test_without_the_prior_term_the_posterior_of_a_factor_has_the_moments_of_those_who_carry_it():
    vae, beats, factors = population()
    vae.mu[factors["LBBB"] == 1] *= 1.5  # a variance of their own
    scan = quiet(Scan(vae, ["LBBB"], beta_y=0, budget=LONG), beats, factors)
    for value in (0, 1):
        mu, logvar = scan.factors_to_latents({"LBBB": value})
        mean, variance = moments(vae, factors["LBBB"] == value)
        np.testing.assert_allclose(mu, mean, atol=0.02)
        np.testing.assert_allclose(np.exp(logvar), variance, rtol=0.03)


@pytest.mark.parametrize(
    ("lam", "beta_y", "mean", "variance"),
    [(10, 1, 0.7356, 0.8751), (10, 0, 0.8, 0.86), (1, 1, None, None), (1, 2, None, None), (30, 0.01, None, None)],
)
def test_the_worked_example_of_the_two_kl_terms(lam, beta_y, mean, variance):
    # mu_x ~ N(.8, .9), sigma_x^2 ~ U(.02, .08): m = .8, S = .81 + .05 = .86; beta v^2 + (lam - beta) v - lam Q = 0
    rng = np.random.default_rng(3)
    n = 2000
    mu_x = rng.normal(0, 1, (n, 1))
    carriers = np.arange(n) < n // 2
    for group, centre, spread in ((carriers, 0.8, 0.9), (~carriers, -0.3, 0.7)):
        part = mu_x[group]
        mu_x[group] = (part - part.mean()) / part.std() * spread + centre
    vae = KnownPosteriors(mu_x, rng.uniform(0.02, 0.08, (n, 1)))
    factors = pd.DataFrame({"AF": carriers.astype(float)})
    scan = quiet(Scan(vae, ["AF"], lam=lam, beta_y=beta_y, budget=LONG), some_beats(n), factors)
    mu, logvar = scan.factors_to_latents({"AF": 1})
    if mean is None:  # solve mu = lam m / (lam + beta v) and the quadratic together
        v, m, s = 0.86, *(part[0] for part in moments(vae, carriers))
        for _ in range(200):
            mean = lam * m / (lam + beta_y * v)
            q = s + (m - mean) ** 2
            v = (-(lam - beta_y) + np.sqrt((lam - beta_y) ** 2 + 4 * beta_y * lam * q)) / (2 * beta_y)
        variance = v
    assert mu[0] == pytest.approx(mean, rel=0.03)
    assert np.exp(logvar[0]) == pytest.approx(variance, rel=0.03)


def test_nobody_in_particular_is_the_aggregated_posterior():
    vae, beats, factors = population()
    scan = quiet(Scan(vae, list(factors.columns), beta_y=0), beats, factors)
    mean, variance = moments(vae, slice(None))
    for unspecified in ("observe", "average"):
        mu, logvar = scan.factors_to_latents({}, unspecified=unspecified)
        np.testing.assert_allclose(mu, mean, atol=0.02)
        np.testing.assert_allclose(np.exp(logvar), variance, rtol=0.03)


@pytest.mark.parametrize("assignment", [{"LBBB": 1}, {"LVH": 0, "age_years": 75}, {"LBBB": 1, "LVH": 1, "age_years": 40}])
@pytest.mark.parametrize("unspecified", ["observe", "average"])
def test_unknown_factors_follow_the_closed_form(assignment, unspecified):
    vae, beats, factors = population(seed=4)
    scan = quiet(Scan(vae, list(factors.columns), beta_y=0, unspecified=unspecified, budget=LONG), beats, factors)
    # mu(y_S) = m0 + W_S y_S + W_U G y_S, v = v_res + diag(W_U (C_UU - G C_SU) W_U')
    y = factors.to_numpy()
    centred, mu_x = y - y.mean(axis=0), vae.mu.astype(float)
    weight = np.linalg.lstsq(centred, mu_x - mu_x.mean(axis=0), rcond=None)[0].T
    residual = ((mu_x - mu_x.mean(axis=0) - centred @ weight.T) ** 2).mean(axis=0) + np.exp(vae.logvar).mean(axis=0)
    covariance = np.cov(y.T, bias=True)
    s = np.array([name in assignment for name in factors])
    y_s = np.array([assignment[name] for name in factors if name in assignment]) - y.mean(axis=0)[s]
    g = (
        covariance[np.ix_(~s, s)] @ np.linalg.inv(covariance[np.ix_(s, s)])
        if unspecified == "observe"
        else np.zeros(((~s).sum(), s.sum()))
    )
    mean = mu_x.mean(axis=0) + weight[:, s] @ y_s + weight[:, ~s] @ g @ y_s
    unexplained = covariance[np.ix_(~s, ~s)] - g @ covariance[np.ix_(s, ~s)]
    variance = residual + np.diag(weight[:, ~s] @ unexplained @ weight[:, ~s].T)
    mu, logvar = scan.factors_to_latents(assignment)
    np.testing.assert_allclose(mu, mean, atol=0.05 * np.sqrt(variance).min())
    # LBBB and LVH have no variance of their own here, so the learnt one may only wander by its noise
    np.testing.assert_allclose(np.exp(logvar), variance, rtol=0.25)
    scan.encoder_.variance_weight.data.zero_()
    scan.encoder_.log_variance.data.copy_(torch.tensor(np.log(residual)))
    np.testing.assert_allclose(np.exp(scan.factors_to_latents(assignment)[1]), variance, rtol=0.05)


def test_a_single_binary_factor_that_is_unknown_averages_both_variances_exactly():
    vae, beats, factors = population()
    vae.mu[factors["LBBB"] == 1] *= 3
    scan = quiet(Scan(vae, ["LBBB"], beta_y=0), beats, factors)
    p = factors["LBBB"].mean()
    (m0, s0), (m1, s1) = (scan.factors_to_latents({"LBBB": value}) for value in (0, 1))
    expected = (1 - p) * np.exp(s0) + p * np.exp(s1) + p * (1 - p) * (m1 - m0) ** 2
    np.testing.assert_allclose(np.exp(scan.factors_to_latents({})[1]), expected, rtol=1e-4)


def test_observe_and_average_differ_where_factors_go_together(fitted):
    scan, _, _ = fitted
    observe, average = (scan.factors_to_latents({"LBBB": 1}, unspecified=how)[0] for how in ("observe", "average"))
    assert np.abs(observe - average).max() > 0.05


def test_filling_in_is_the_conditional_normal_distribution():
    correlation = torch.tensor([[1.0, 0.6, 0.2], [0.6, 1.0, 0.5], [0.2, 0.5, 1.0]])
    filled, covariance = fill_in(torch.tensor([[2.0, 77.0, -1.0]]), torch.tensor([[True, False, True]]), correlation)
    known = correlation[[0, 2]][:, [0, 2]]
    weights = torch.linalg.solve(known, correlation[[0, 2], 1])
    assert filled[0, 1].item() == pytest.approx(float(weights @ torch.tensor([2.0, -1.0])), abs=1e-6)
    assert covariance[0, 1, 1].item() == pytest.approx(float(1 - correlation[1, [0, 2]] @ weights), abs=1e-6)
    assert covariance[0, 0].abs().sum() == 0


# --- the decoder --------------------------------------------------------------------------------------------------------


def test_the_grounded_decoder_is_as_good_as_logistic_regression(fitted):
    scan, beats, factors = fitted
    vae, new_beats, new_factors = population(seed=0)
    rng = np.random.default_rng(8)
    train, test = np.split(rng.permutation(len(beats)), [1000])
    scan = quiet(Scan(vae, list(factors.columns)), beats[train], factors)
    found = scan.ecg_to_factors(beats[test])
    for name in ("LBBB", "LVH"):
        regression = LogisticRegression().fit(vae.mu[train], factors[name].to_numpy()[train])
        y = factors[name].to_numpy()[test]
        assert roc_auc_score(y, found[name]) > roc_auc_score(y, regression.decision_function(vae.mu[test])) - 0.005
        # calibrated: the mean probability is the prevalence, and the log odds have slope 1
        assert scan.ecg_to_factors(beats[train])[name].mean() == pytest.approx(factors[name].to_numpy()[train].mean(), abs=0.02)
        slope = LogisticRegression(C=1e6).fit(scan.logits(beats[test])[[name]], y).coef_[0, 0]
        assert 0.7 < slope < 1.5


def test_age_is_read_in_years(fitted):
    scan, beats, factors = fitted
    years = scan.ecg_to_factors(beats)["age_years"]
    assert years.mean() == pytest.approx(factors["age_years"].mean(), abs=1)
    residual = factors["age_years"] - years.to_numpy()
    design = np.c_[np.ones(len(beats)), scan.vae.mu]
    best = factors["age_years"] - design @ np.linalg.lstsq(design, factors["age_years"], rcond=None)[0]
    assert residual.std() < 1.03 * best.std()


def test_the_published_decoder_is_diagonal_naive_bayes():
    rng = np.random.default_rng(5)
    n = 3000
    af = (rng.random(n) < 0.3).astype(float)
    mu = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], n) + np.outer(af, [1.0, 0.3])
    vae, beats, factors = KnownPosteriors(mu, np.full((n, 2), 0.05)), some_beats(n), pd.DataFrame({"AF": af})
    published = quiet(Scan(vae, ["AF"], grounded=False, beta_y=0), beats, factors).weights_.loc["AF"].to_numpy()
    grounded = quiet(Scan(vae, ["AF"], beta_y=0), beats, factors).weights_.loc["AF"].to_numpy()
    difference = mu[af == 1].mean(axis=0) - mu[af == 0].mean(axis=0)
    pooled = mu - np.where(af[:, None] > 0, mu[af == 1].mean(axis=0), mu[af == 0].mean(axis=0))
    naive_bayes = difference / (pooled.var(axis=0) + 0.05)
    np.testing.assert_allclose(published, naive_bayes, atol=0.1)
    assert grounded[1] < 0 < published[1]  # the second latent is a distractor that only the grounded decoder sees through


def test_the_mlp_decoder_finds_what_the_affine_one_cannot():
    rng = np.random.default_rng(6)
    n = 1500
    mu = rng.normal(size=(n, 2))
    vae, beats = KnownPosteriors(mu, np.full((n, 2), 0.01)), some_beats(n)
    factors = pd.DataFrame({"AF": (np.abs(mu[:, 0]) > 1).astype(float)})
    scores = {
        decoder: quiet(Scan(vae, ["AF"], decoder=decoder, budget=FAST), beats, factors).ecg_to_factors(beats)["AF"]
        for decoder in ("affine", "mlp")
    }
    assert roc_auc_score(factors["AF"], scores["affine"]) < 0.65
    assert roc_auc_score(factors["AF"], scores["mlp"]) > 0.9


# --- what is unknown ----------------------------------------------------------------------------------------------------


def test_unknown_values_of_a_factor_change_nothing_for_that_factors_effect():
    vae, beats, factors = population()
    hidden = np.random.default_rng(2).random(len(beats)) < 0.4
    with_gaps = factors.assign(LBBB=factors["LBBB"].where(~hidden))
    by_gaps = quiet(Scan(vae, ["LBBB"], beta_y=0, budget=LONG), beats, with_gaps)
    by_rows = quiet(Scan(vae, ["LBBB"], beta_y=0, budget=LONG), beats[~hidden], factors)
    np.testing.assert_allclose(
        by_gaps.factors_to_latents({"LBBB": 1})[0], by_rows.factors_to_latents({"LBBB": 1})[0], atol=0.06
    )
    np.testing.assert_allclose(by_gaps.weights_, by_rows.weights_, atol=0.15)
    a, b = by_gaps.associations(), by_rows.associations()
    np.testing.assert_allclose(a["partial_p"], b["partial_p"])
    assert (a["n"] == (~hidden).sum()).all()


def test_a_named_unknown_is_like_a_factor_that_is_not_named(fitted):
    scan, _, _ = fitted
    for nothing in ({"LBBB": 1, "LVH": None}, {"LBBB": 1, "LVH": np.nan}, pd.DataFrame({"LBBB": [1.0], "LVH": [np.nan]})):
        mu, logvar = (np.ravel(part) for part in scan.factors_to_latents(nothing))
        np.testing.assert_array_equal(mu, scan.factors_to_latents({"LBBB": 1})[0])
        np.testing.assert_array_equal(logvar, scan.factors_to_latents({"LBBB": 1})[1])


def test_nested_factors_share_no_regression():
    vae, beats, factors = population()
    same = factors.rename(columns={"LBBB": "RBBB"}).assign(RBBB_any=factors["LBBB"])
    with pytest.warns(UserWarning, match="RBBB_any left out: the same"):
        scan = quiet(Scan(vae, ["RBBB", "RBBB_any"], budget=SHORT), beats, same)
    assert scan.factors == ["RBBB"] == list(scan.coding_.names)
    wider = same.assign(RBBB_any=np.maximum(same["RBBB"], np.arange(len(same)) % 3 == 0))
    with pytest.raises(ValueError, match="RBBB is part of RBBB_any, and they cannot be learnt side by side"):
        quiet(Scan(vae, ["RBBB", "RBBB_any"]), beats, wider)
    with pytest.raises(ValueError, match="has RBBB = 1 and RBBB_any = 0"):
        quiet(Scan(vae, ["RBBB", "RBBB_any"]), beats, same.assign(RBBB_any=1 - same["RBBB"]))


def test_unusable_beats_are_left_out_counted_and_answered_with_nan():
    vae, beats, factors = population(n=600)
    signals = beats.signals.copy()
    signals[:10] = np.nan
    broken = BeatSet(signals, fs=100, ids=beats.ids)
    scan = quiet(Scan(vae, ["LBBB"], budget=SHORT), broken, factors)
    assert (scan.n_fitted_, scan.n_left_out_) == (590, 10)
    found = scan.ecg_to_factors(broken)
    assert found.iloc[:10].isna().all(axis=None) and found.iloc[10:].notna().all(axis=None)
    alone = quiet(Scan(vae, ["LBBB"], budget=SHORT), broken[10:], factors)
    np.testing.assert_array_equal(alone.weights_, scan.weights_)


def test_rows_of_the_table_are_matched_by_id(fitted):
    scan, beats, factors = fitted
    shuffled = quiet(Scan(scan.vae, ["LBBB"], budget=SHORT), beats, factors.sample(frac=1, random_state=1))
    np.testing.assert_array_equal(shuffled.weights_, quiet(Scan(scan.vae, ["LBBB"], budget=SHORT), beats, factors).weights_)


# --- beats --------------------------------------------------------------------------------------------------------------


def test_one_beat_is_the_decoded_mean_and_many_are_draws(fitted):
    scan, _, _ = fitted
    mu, logvar = scan.factors_to_latents({"LBBB": 1})
    one = scan.factors_to_ecg({"LBBB": 1})
    np.testing.assert_allclose(one.signals[0], scan.vae.inverse_transform(mu[None])[0])
    assert (one.fs, one.r_index, one.leads[0]) == (100, 40, "I")
    many = scan.factors_to_ecg({"LBBB": 1}, n=4000, seed=1)
    z = np.linalg.lstsq(scan.vae.loading.reshape(len(mu), -1).T, many.signals.reshape(4000, -1).T, rcond=None)[0].T
    np.testing.assert_allclose(z.mean(axis=0), mu, atol=0.08)
    np.testing.assert_allclose(z.var(axis=0), np.exp(logvar), rtol=0.1)
    np.testing.assert_array_equal(many.signals, scan.factors_to_ecg({"LBBB": 1}, n=4000, seed=1).signals)
    assert not np.array_equal(many.signals, scan.factors_to_ecg({"LBBB": 1}, n=4000, seed=2).signals)


# --- associations -------------------------------------------------------------------------------------------------------


def test_the_robust_test_is_welchs_with_one_binary_column():
    from scipy import stats

    rng = np.random.default_rng(0)
    group = np.r_[np.ones(6), np.zeros(50)]
    y = np.r_[rng.normal(1, 3, 6), rng.normal(0, 1, 50)][:, None]
    effect, error, dof = robust_effects(np.c_[np.ones(56), group], y, 1)
    welch = stats.ttest_ind(y[:6, 0], y[6:, 0], equal_var=False)
    assert effect[0] / error[0] == pytest.approx(welch.statistic)
    # Imbens and Kolesar (2016), for two groups: n^2 (n0 - 1) (n1 - 1) / (n1^2 (n1 - 1) + n0^2 (n0 - 1))
    assert dof == pytest.approx(56**2 * 49 * 5 / (6**2 * 5 + 50**2 * 49))


def test_factors_that_mean_nothing_are_seldom_discovered():
    rng = np.random.default_rng(1)
    n, tests, found = 800, 0, 0
    for _ in range(10):
        factors = pd.DataFrame(
            {f"F{k}": (rng.random(n) < prevalence) for k, prevalence in enumerate((0.5, 0.1, 0.02, 0.01))}, dtype=float
        )
        latents = pd.DataFrame(rng.standard_t(5, size=(n, 24)))
        table = associate(latents, FactorCoding.of(factors), factors.to_numpy())
        tests += len(table)
        found += (table["partial_q"] < 0.05).sum()
        assert (table["partial_p"] < 0.05).mean() < 0.12
    assert found <= 0.005 * tests


def test_effects_come_back_with_sign_size_and_order(fitted):
    scan, _, factors = fitted
    table = scan.associations()
    assert list(table["factor"].unique()) == list(factors.columns)
    partial = table.pivot(index="factor", columns="latent", values="partial").loc[list(factors.columns)].to_numpy()
    y = factors.to_numpy() / [1, 1, 10]
    slopes = np.linalg.lstsq(y - y.mean(axis=0), scan.vae.mu - scan.vae.mu.mean(axis=0), rcond=None)[0] / scan.aggregated_sd_
    np.testing.assert_allclose(partial, 0.92 * slopes, atol=0.06)
    assert ((table["partial_low"] < table["partial"]) & (table["partial"] < table["partial_high"])).all()
    assert (table["divergence_nats"] >= 0).all()


def test_marginal_effects_hold_what_the_other_factors_bring_along():
    rng = np.random.default_rng(7)
    n = 2000
    af = (rng.random(n) < 0.3).astype(float)
    age = rng.normal(55, 10, n) + 15 * af
    mu = rng.normal(size=(n, 2)) + np.c_[0.1 * (age - 60), np.zeros(n)]  # latent 0 follows age only
    factors = pd.DataFrame({"AF": af, "age_years": age})
    table = quiet(Scan(KnownPosteriors(mu, np.full((n, 2), 0.05)), ["AF", "age_years"]), some_beats(n), factors).associations()
    row = table.set_index(["factor", "latent"]).loc[("AF", 0)]
    assert abs(row["partial"]) < 0.1 < 0.5 < row["marginal"]


def test_permuting_the_latents_permutes_the_associations(fitted):
    scan, beats, factors = fitted
    order = np.array([3, 1, 5, 0, 4, 2])
    permuted = KnownPosteriors(scan.vae.mu[:, order], np.exp(scan.vae.logvar[:, order]))
    tables = [
        quiet(Scan(vae, list(factors.columns), budget=SHORT), beats, factors).associations() for vae in (scan.vae, permuted)
    ]
    a, b = (table.pivot(index="factor", columns="latent", values="partial") for table in tables)
    np.testing.assert_allclose(a[order].to_numpy(), b.to_numpy(), atol=0.03)
    a, b = (table.pivot(index="factor", columns="latent", values="partial_p") for table in tables)
    np.testing.assert_allclose(a[order].to_numpy(), b.to_numpy(), rtol=1e-4, atol=1e-12)


def test_a_wide_posterior_counts_as_information():
    vae, beats, factors = population()
    vae.mu[:, 2] = np.random.default_rng(1).normal(size=len(beats)) * np.where(factors["LBBB"] == 1, 3, 1)
    table = quiet(Scan(vae, ["LBBB"]), beats, factors).associations().set_index("latent")
    assert table.loc[2, "sd_ratio"] > 1.5
    assert table.loc[2, "divergence_nats"] > 0.2


def test_a_correlation_matrix_from_gaps_is_shrunk_and_positive():
    rng = np.random.default_rng(0)
    x = rng.multivariate_normal([0, 0, 0], [[1, 0.9, 0.8], [0.9, 1, 0.9], [0.8, 0.9, 1]], 60)
    x[:20, 0] = x[20:40, 1] = x[40:, 2] = np.nan
    r = shrunk_correlation(x)
    assert np.linalg.eigvalsh(r)[0] > 0 and np.allclose(np.diag(r), 1)
    noise = shrunk_correlation(rng.normal(size=(200, 8)))
    assert np.abs(noise - np.eye(8)).max() < 0.1


def test_benjamini_hochberg_of_a_case_done_by_hand():
    # sorted .01 .02 .04 .5: p * 4 / rank = .04 .04 .0533 .5
    np.testing.assert_allclose(benjamini_hochberg([0.5, 0.01, np.nan, 0.02, 0.04]), [0.5, 0.04, np.nan, 0.04, 0.16 / 3])


# --- operators ----------------------------------------------------------------------------------------------------------


def same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-9)


def test_operators_on_posteriors_obey_their_laws():
    rng = np.random.default_rng(0)
    prior = rng.normal(size=5), rng.normal(0, 0.1, 5) + 0.5
    a, b, c = ((rng.normal(size=5), rng.normal(-1, 0.3, 5)) for _ in range(3))
    both = combine(a, b, prior=prior)
    same(both, combine(b, a, prior=prior))
    same(combine(both, c, prior=prior), combine(a, combine(b, c, prior=prior), prior=prior))
    same(combine(a, prior, prior=prior), a)
    same(combine(both, b, "ignore", prior=prior), a)
    same(combine(a, a, "in_common", prior=prior), a)
    same(combine(a, prior, "in_common", prior=prior), prior)
    same(combine(a, b, "in_common", prior=prior), combine(b, a, "in_common", prior=prior))


def test_and_of_posteriors_is_their_product_divided_by_the_prior():
    # prior N(0, 2): precisions 1 + 1 - 1/2 = 3/2, linear parts 1*1 + 2*1 = 3
    mu, logvar = combine(([1.0], [0.0]), ([2.0], [0.0]), prior=([0.0], [np.log(2)]))
    assert mu[0] == pytest.approx(2) and np.exp(logvar[0]) == pytest.approx(2 / 3)


def test_a_precision_below_zero_is_an_error_and_never_clipped():
    wide, prior = ([0.0, 0.0], [-1.0, np.log(3)]), ([0.0, 0.0], [0.0, 0.0])
    with pytest.raises(ValueError, match=r"precision of -0.333 \(latents \[1\]\)"):
        combine(wide, wide, prior=prior)


def test_operators_on_assignments_are_exact():
    assert combine({"LBBB": 1}, {"AF": 0}) == {"LBBB": 1, "AF": 0}
    assert combine(combine({"LBBB": 1}, {"AF": 0}), {"AF": 0}, "ignore") == {"LBBB": 1}
    assert combine({"LBBB": 1, "AF": 0}, {"LBBB": 0, "AF": 0}, "in_common") == {"AF": 0}
    assert combine({"LBBB": 1, "AF": np.nan}, {"AF": 1}) == {"LBBB": 1, "AF": 1}
    with pytest.raises(ValueError, match=r"contradict each other: AF \(1 and 0\)"):
        combine({"AF": 1}, {"AF": 0})


# --- keeping ------------------------------------------------------------------------------------------------------------


def test_a_saved_scan_comes_back_the_same(fitted, tmp_path):
    scan, beats, _ = fitted
    scan.save(tmp_path / "scan.safetensors")
    again = Scan.load(tmp_path / "scan.safetensors", vae=scan.vae)
    pd.testing.assert_frame_equal(again.ecg_to_factors(beats), scan.ecg_to_factors(beats))
    pd.testing.assert_frame_equal(again.associations(), scan.associations())
    pd.testing.assert_frame_equal(again.history_, scan.history_)
    np.testing.assert_array_equal(again.factors_to_ecg({"LVH": 1}, n=3).signals, scan.factors_to_ecg({"LVH": 1}, n=3).signals)
    scan.save(tmp_path / "alone", with_vae=False)
    assert (tmp_path / "alone").stat().st_size < (tmp_path / "scan.safetensors").stat().st_size - scan.vae.mu.nbytes
    with pytest.raises(ValueError, match="holds no VAE"):
        Scan.load(tmp_path / "alone")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "scan.safetensors"]


def test_the_same_seed_gives_the_same_scan_and_torchs_random_state_stays():
    vae, beats, factors = population(n=400)
    before = torch.get_rng_state()
    a, b, c = (
        quiet(Scan(vae, ["LBBB", "age_years"], seed=seed, decoder="mlp", budget=SHORT), beats, factors) for seed in (0, 0, 1)
    )
    assert torch.equal(before, torch.get_rng_state())
    pd.testing.assert_frame_equal(a.ecg_to_factors(beats), b.ecg_to_factors(beats))
    assert not a.ecg_to_factors(beats).equals(c.ecg_to_factors(beats))


# --- messages -----------------------------------------------------------------------------------------------------------


def test_wrong_input_is_named(fitted, tmp_path):
    scan, beats, factors = fitted
    with pytest.raises(ValueError, match="unknown factor.* 'LBB'; known are LBBB, LVH, age_years"):
        scan.factors_to_latents({"LBB": 1})
    with pytest.raises(ValueError, match="LBBB is binary .* found 0.5"):
        scan.factors_to_latents({"LBBB": 0.5})
    with pytest.raises(ValueError, match="n must be a whole number"):
        scan.factors_to_ecg({"LBBB": 1}, n=0)
    with pytest.raises(ValueError, match="not fitted yet"):
        Scan(scan.vae, ["LBBB"]).ecg_to_factors(beats)
    with pytest.raises(ValueError, match="2 of 1500 ids have no row in factors: 3, 7"):
        Scan(scan.vae, ["LBBB"]).fit(beats, factors.drop(index=[3, 7]))
    with pytest.raises(ValueError, match=r"unknown column\(s\) of factors 'XYZ'; known are LBBB, LVH, age_years"):
        Scan(scan.vae, ["XYZ"]).fit(beats, factors)
    with pytest.raises(ValueError, match="LBBB is binary .* found 2"):
        Scan(scan.vae, ["LBBB"]).fit(beats, factors.replace({"LBBB": {1: 2}}))
    with pytest.raises(ValueError, match="factor LBBB cannot be learnt from these 1500 ECGs: it is 0 in all"):
        Scan(scan.vae, ["LBBB"]).fit(beats, factors.assign(LBBB=0.0))
    with pytest.raises(ValueError, match="unknown value of unspecified"):
        Scan(scan.vae, ["LBBB"], unspecified="zero").fit(beats, factors)
    with pytest.raises(FileNotFoundError, match="no Scan at"):
        Scan.load(tmp_path / "none")
    (tmp_path / "junk").write_bytes(b"not a Scan")
    with pytest.raises(ValueError, match="junk cannot be read"):
        Scan.load(tmp_path / "junk")


def test_in_common_keeps_the_smaller_of_two_shifts_of_one_sign_and_nothing_of_opposite_ones():
    """By hand, with the prior N(0, 1): natural parameters (m/v, 1/v) of two posteriors, latent by latent."""
    linear, precision = np.array([[1.0, 1.0, 3.0], [2.5, -1.0, 0.5]]), np.array([[2.0, 2.0, 4.0], [3.0, 2.0, 2.0]])
    a, b = ((m / v, -np.log(v)) for m, v in zip(linear, precision))
    mu, logvar = combine(a, b, "in_common", prior=(np.zeros(3), np.zeros(3)))
    np.testing.assert_allclose(np.exp(-logvar), [2.0, 2.0, 2.0])
    np.testing.assert_allclose(mu, [1.0 / 2.0, 0.0, 0.5 / 2.0])
