"""Explanations against arithmetic and against effects that were put in by hand."""

import copy

import numpy as np
import pandas as pd
import pytest
from known_posteriors import KnownPosteriors, population, quiet, some_beats

from vaescan_lite import explain
from vaescan_lite.ecg import BeatSet
from vaescan_lite.scan.scan import Scan
from vaescan_lite.training import Budget

SHORT = Budget(epochs=5, batch_size=300, learning_rate=1e-3)
TIME_S = (np.arange(96) - 40) / 100


def wave(center_s, width_s, amplitudes_mV):
    """A Gaussian wave in eight leads, (8, 96) in mV."""
    return np.outer(amplitudes_mV, np.exp(-0.5 * ((TIME_S - center_s) / width_s) ** 2))


class DrawnBeats(KnownPosteriors):
    """Latent 0 makes R taller, latent 1 lifts T, latent 2 moves nothing."""

    base = (
        wave(-0.16, 0.02, [0.1, 0.12, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05])
        + wave(0, 0.012, [0.8, 0.7, 0.2, 0.5, 0.9, 1.2, 1.3, 1.0])
        + wave(0.03, 0.012, [-0.1, -0.1, -0.9, -1.2, -0.6, -0.3, -0.2, -0.1])
        + wave(0.27, 0.04, [0.25, 0.3, 0.1, 0.4, 0.5, 0.4, 0.35, 0.3])
    )
    moves = np.stack([wave(0, 0.012, [0.3] * 8), wave(0.27, 0.04, [0.1] * 8), 0 * wave(0, 1, [1] * 8)])

    def __init__(self, mu, var):
        super().__init__(mu, var)
        self.loading = self.moves.astype(np.float32)

    def inverse_transform(self, z):
        return (self.base + super().inverse_transform(z)).astype(np.float32)

    def beats(self):
        return BeatSet(self.inverse_transform(self.mu), fs=100, ids=np.arange(len(self.mu)), rr_s=np.full(len(self.mu), 0.9))


@pytest.fixture(scope="module")
def drawn():
    """LVH raises latent 0 by one (R by 0.3 mV), and every 10 years lower latent 1 by one (T by 0.1 mV)."""
    rng = np.random.default_rng(0)
    n = 800
    lvh = (rng.random(n) < 0.3).astype(float)
    age = rng.normal(60, 15, n) + 10 * lvh
    mu = rng.normal(0, 0.5, (n, 3)) + np.c_[lvh, -(age - 60) / 10, np.zeros(n)]
    vae = DrawnBeats(mu, np.full((n, 3), 0.02))
    factors = pd.DataFrame({"LVH": lvh, "age_years": age})
    return quiet(Scan(vae, ["LVH", "age_years"], budget=SHORT), vae.beats(), factors), vae.beats(), factors


@pytest.fixture(scope="module")
def fitted():
    vae, beats, factors = population(n=600)
    return quiet(Scan(vae, list(factors.columns), budget=SHORT), beats, factors), beats


@pytest.mark.parametrize("factor", ["LBBB", "age_years"])
def test_contributions_add_up_to_the_log_odds(fitted, factor):
    scan, beats = fitted
    parts = explain.contributions(scan, beats, factor)
    assert list(parts.index) == list(beats.ids)
    np.testing.assert_allclose(parts.sum(axis=1), scan.logits(beats)[factor], atol=1e-4)
    np.testing.assert_allclose(parts.drop(columns="baseline").mean(), 0, atol=1e-4 * parts.abs().to_numpy().max())


def test_an_unusable_beat_is_explained_by_nan(fitted):
    scan, beats = fitted
    signals = beats.signals.copy()
    signals[0] = np.nan
    parts = explain.contributions(scan, BeatSet(signals, fs=100, ids=beats.ids), "LBBB")
    assert parts.iloc[0].isna().all() and parts.iloc[1:].notna().all(axis=None)


def test_the_energy_of_a_traversal_lies_where_the_latent_acts(drawn):
    shares = explain.traversal_shares(drawn[0]).T.groupby(level="segment").sum().T
    assert shares.loc[0, "QRS"] > 0.99
    assert shares.loc[1, "T"] > 0.97
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_segments_must_cover_the_beat(drawn):
    late = copy.copy(drawn[0])
    late.r_index_ = 50
    with pytest.raises(ValueError, match="10 lie in none, the first at -0.500 s"):
        explain.traversal_shares(late)


def test_a_traversal_moves_one_latent_by_its_sd(drawn):
    scan, _, _ = drawn
    beats = explain.traversal(scan, 0, steps=[-1, 0, 2])
    assert list(beats.ids) == [-1, 0, 2]
    change = (beats.signals[2] - beats.signals[1])[:, 40]
    np.testing.assert_allclose(change, 2 * scan.aggregated_sd_[0] * 0.3, rtol=1e-4)
    from_prior = explain.traversal(scan.vae, 0, steps=[0, 1])
    np.testing.assert_allclose((from_prior.signals[1] - from_prior.signals[0])[:, 40], 0.3, rtol=1e-4)
    with pytest.raises(ValueError, match="latent must be a number from 0 to 2; got 3"):
        explain.traversal(scan, 3)


def test_what_a_latent_does_is_measured_in_millivolts(drawn):
    scan, beats, _ = drawn
    table = explain.latent_effects(scan, beats, n=30).set_index(["latent", "measurement"])
    assert table.loc[(0, "r_V5_mV"), "effect"] == pytest.approx(0.3 * scan.aggregated_sd_[0], rel=0.1)
    assert table.loc[(1, "t_V5_mV"), "effect"] == pytest.approx(0.1 * scan.aggregated_sd_[1], rel=0.15)
    assert table.loc[(2, "r_V5_mV"), "effect"] == pytest.approx(0, abs=1e-6)
    assert (table["low"] <= table["effect"]).all()


def test_associations_with_measurements_come_back_in_their_units(drawn):
    from vaescan_lite.measurements.values import measure

    scan, beats, factors = drawn
    table = explain.association_table(measure(beats), factors, scan=scan).set_index(["factor", "measurement"])
    r = table.loc[("LVH", "r_V5_mV")]
    assert (r["unit"], r["contrast"], r["n"], r["n_with"]) == ("mV", "yes - no", 800, factors["LVH"].sum())
    for value in (r["partial"], r["decoded_partial"]):
        assert value == pytest.approx(0.3, rel=0.15)
    assert r["partial_low"] < r["partial"] < r["partial_high"] and r["partial_q"] < 1e-6
    assert r["decoded_partial_low"] < r["decoded_partial"] < r["decoded_partial_high"]
    t = table.loc[("age_years", "t_V5_mV")]
    assert t["contrast"] == "+10"
    assert t["partial"] == pytest.approx(-0.1, rel=0.15) and t["decoded_partial"] == pytest.approx(-0.1, rel=0.2)
    # LVH has no effect of its own on T; those who have it are older
    assert abs(table.loc[("LVH", "t_V5_mV"), "partial"]) < 0.03
    assert table.loc[("LVH", "t_V5_mV"), "marginal"] < -0.07 and table.loc[("LVH", "t_V5_mV"), "decoded_marginal"] < -0.05


def test_an_association_that_too_few_people_speak_of_is_left_out_and_counted():
    """Of sixty people with atrial fibrillation one has a PR, far from everybody's: that effect vanishes."""
    rng = np.random.default_rng(2)
    n = 400
    factors = pd.DataFrame({"AF": (np.arange(n) < 60) * 1.0, "rare": (np.arange(n) % 20 == 0) * 1.0})
    factors["age_years"] = rng.normal(60, 9, n)
    measurements = pd.DataFrame({"pr_ms": rng.normal(160, 20, n), "qrs_ms": rng.normal(90, 8, n) + 10 * factors["AF"]})
    measurements.loc[1:59, "pr_ms"] = np.nan
    measurements.loc[0, "pr_ms"] = 400
    every = explain.association_table(measurements, factors, fewest=0).set_index(["factor", "measurement"])
    assert every.loc[("AF", "pr_ms"), "n_with"] == 1 and every.loc[("AF", "pr_ms"), "partial"] > 200
    table = explain.association_table(measurements, factors)
    rows = table.set_index(["factor", "measurement"])
    effects = [name for name in table if name.startswith(("partial", "marginal"))]
    assert rows.loc[[("AF", "pr_ms"), ("rare", "qrs_ms"), ("rare", "pr_ms")], effects].isna().all(axis=None)
    assert rows["enough"].tolist() == [False, True, False, False, True, True]
    kept = rows[rows["enough"]]
    np.testing.assert_allclose(kept["partial"], every.loc[kept.index, "partial"])
    assert (kept["partial_q"] <= 3 * kept["partial_p"] + 1e-12).all()  # three are tested, not six
    words = explain.left_out(table)
    assert words.startswith("3 of 6 associations are left out") and "AF and PR (1 of 341)" in words


@pytest.mark.parametrize(("n_with", "n", "enough"), [(25, 50, True), (24, 400, False), (376, 400, False), (375, 400, True)])
def test_as_many_people_are_asked_for_with_a_factor_as_without(n_with, n, enough):
    group = (np.arange(n) < n_with) * 1.0
    table = explain.association_table(pd.DataFrame({"qrs_ms": 90 + np.arange(n) % 7}), pd.DataFrame({"LVH": group}))
    assert table["enough"].tolist() == [enough] and np.isfinite(table["partial"]).tolist() == [enough]


@pytest.mark.parametrize(("n", "enough"), [(49, False), (50, True)])
def test_a_factor_on_a_scale_needs_twice_as_many_people_in_all(n, enough):
    rng = np.random.default_rng(0)
    people = pd.DataFrame({"age_years": rng.normal(60, 9, n)})
    table = explain.association_table(pd.DataFrame({"qrs_ms": rng.normal(90, 8, n)}), people)
    assert table["enough"].tolist() == [enough]
    compared = explain.compare_with_published(table)
    assert len(compared) == enough  # an empty table, not an error
    assert explain.in_words(compared).startswith(f"{(compared['verdict'] == 'as published').sum()} of {len(compared)}")


def test_axes_are_averaged_around_the_circle():
    n = 200
    group = np.arange(n) % 2
    axis_deg = np.where(group == 1, -170.0, 170.0) + np.random.default_rng(0).normal(0, 3, n)  # 20 degrees apart
    table = explain.association_table(pd.DataFrame({"qrs_axis_deg": axis_deg}), pd.DataFrame({"LAFB": group.astype(float)}))
    assert table.loc[0, "marginal"] == pytest.approx(20, abs=2)


def test_measurements_with_gaps_use_the_rows_they_have():
    rng = np.random.default_rng(0)
    factors = pd.DataFrame({"AF": (rng.random(300) < 0.4).astype(float)})
    pr = 160 + rng.normal(0, 10, 300)
    measurements = pd.DataFrame({"qrs_ms": 100 + 20 * factors["AF"], "pr_ms": np.where(rng.random(300) < 0.5, pr, np.nan)})
    table = explain.association_table(measurements + rng.normal(0, 5, (300, 2)), factors).set_index("measurement")
    assert table.loc["qrs_ms", "partial"] == pytest.approx(20, abs=2)
    assert table.loc["pr_ms", "n"] == np.isfinite(measurements["pr_ms"]).sum() < 300 == table.loc["qrs_ms", "n"]


def test_wrong_requests_are_named(fitted):
    scan, beats = fitted
    with pytest.raises(ValueError, match="unknown factor 'AF'; known are LBBB, LVH, age_years"):
        explain.contributions(scan, beats, "AF")
    vae, _, factors = population(n=300)
    mlp = quiet(Scan(vae, ["LBBB"], decoder="mlp", budget=SHORT), some_beats(300), factors)
    with pytest.raises(ValueError, match="no single weight per latent"):
        explain.contributions(mlp, some_beats(300), "LBBB")
