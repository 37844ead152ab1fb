import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from vaescan_lite import benchmark
from vaescan_lite.benchmark import hybrids as hybrid
from vaescan_lite.models import standard_models
from vaescan_lite.models.hybrid import BeatsWithLatents, CappedHybrid, explained_share, explained_table
from vaescan_lite.statistics import Estimate
from vaescan_lite.training import Budget

SHORT = Budget(epochs=12, batch_size=32, learning_rate=3e-3, weight_decay=1e-2)


def people(n, seed=0, n_latents=4):
    """One latent carries half of the label; the other half is a bump that no latent knows of."""
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(n, n_latents))
    bump = rng.choice([-1.0, 1.0], n)
    y = (rng.random(n) < expit(2 * latents[:, 0] + 2 * bump)).astype(float)
    signals = rng.normal(0, 0.2, (n, 8, 48))
    signals[:, 2] += bump[:, None] * np.exp(-0.5 * ((np.arange(48) - 20) / 3) ** 2)
    return BeatsWithLatents(signals.astype(np.float32), latents), y


@pytest.fixture(scope="module")
def fitted():
    beats, y = people(500)
    return CappedHybrid(cap=3.0, budget=SHORT).fit(beats, y)


def test_the_correction_adds_what_the_latents_do_not_know(fitted):
    beats, y = people(600, seed=1)
    explained, correction = fitted.parts(beats)
    alone = roc_auc_score(y, explained[:, 0])
    assert roc_auc_score(y, fitted.decision_function(beats)[:, 0]) > alone + 0.04
    bump = beats.signals[:, 2, 20]
    assert np.corrcoef(correction[:, 0], np.sign(bump))[0, 1] > 0.7
    assert abs(np.corrcoef(correction[:, 0], explained[:, 0])[0, 1]) < 0.3  # it does not say the same again


def test_no_correction_is_larger_than_the_cap_in_training_or_after_turning_the_dial_down(fitted):
    beats, _ = people(300, seed=2)
    beats = BeatsWithLatents(beats.signals * 20, beats.latents)  # far outside of what was trained on
    for cap in (None, 3.0, 0.5, 0.0):
        explained, correction = fitted.parts(beats, cap=cap)
        assert np.abs(correction).max() <= (3.0 if cap is None else cap) + 1e-6
    assert (fitted.parts(beats, cap=np.inf)[1] != 0).any()
    assert fitted.decision_function(beats) == pytest.approx(sum(fitted.parts(beats)))


def test_with_a_cap_of_zero_it_is_the_affine_model_of_the_benchmark_and_trains_no_network():
    beats, y = people(300)
    alone = CappedHybrid(cap=0.0).fit(beats, y)
    assert alone.network_ is None and alone.history_ is None
    reference = standard_models("smoke")["logistic"]
    standard = (beats.latents - beats.latents.mean(axis=0)) / beats.latents.std(axis=0)
    reference.fit(standard, y)
    assert alone.predict_proba(beats)[:, 0] == pytest.approx(reference.predict_proba(standard)[:, 1], abs=1e-6)
    assert explained_share(*alone.parts(beats)) == pytest.approx([1.0])


def test_offsets_come_from_beats_the_explained_part_was_not_fitted_to():
    class Memory(LogisticRegression):  # knows every latent it was fitted to, and nothing else
        def fit(self, x, y):
            self.known_ = {row.tobytes(): label for row, label in zip(x, y)}
            return super().fit(x, y)

        def decision_function(self, x):
            return np.array([20.0 * (2 * self.known_[row.tobytes()] - 1) if row.tobytes() in self.known_ else 0.0 for row in x])

    beats, y = people(100)
    _, offsets = CappedHybrid(Memory(), budget=SHORT)._fit_explained(beats.latents, y.astype(int))
    assert (offsets == 0).all()


def test_unknown_labels_teach_nothing():
    beats, y = people(200)
    known = np.column_stack([y, np.where(np.arange(200) < 120, 1 - y, np.nan)])
    garbage = beats.signals.copy(), beats.latents.copy()
    one = CappedHybrid(cap=1.0, budget=Budget(epochs=1, batch_size=50)).fit(beats, known)
    garbage[1][120:] += 1000.0 * np.random.default_rng(0).normal(size=(80, 4))
    other = CappedHybrid(cap=1.0, budget=Budget(epochs=1, batch_size=50)).fit(BeatsWithLatents(*garbage), known)
    first, second = (made.explained_[1].decision_function(beats.latents) for made in (one, other))
    assert first == pytest.approx(second)


def test_a_seed_gives_the_same_hybrid_and_clones_start_anew():
    beats, y = people(80)
    make = CappedHybrid(budget=Budget(epochs=1), seed=3)
    assert (make.fit(beats, y).parts(beats)[1] == clone(make).fit(beats, y).parts(beats)[1]).all()
    assert not hasattr(clone(make), "network_")
    other = clone(make).set_params(seed=4).fit(beats, y)
    assert (make.parts(beats)[1] != other.parts(beats)[1]).any()


def test_an_ebm_can_be_the_explained_part_and_three_positives_are_enough():
    beats, _ = people(60)
    y = (np.arange(60) < 3).astype(float)
    made = CappedHybrid("EBM", cap=1.0, budget="smoke").fit(beats, y)
    assert np.isfinite(made.predict_proba(beats)).all()
    assert CappedHybrid(cap=1.0, budget="smoke").fit(beats, y).predict(beats).shape == (60, 1)


def test_shares_of_a_known_split_add_up_and_a_constant_logit_has_none():
    rng = np.random.default_rng(0)
    explained, correction = rng.normal(0, 2, (20_000, 2)), rng.normal(0, 1, (20_000, 2))
    explained[:, 1] = correction[:, 1] = 0
    share = explained_share(explained, correction)
    assert share[0] == pytest.approx(4 / 5, abs=0.02) and np.isnan(share[1])
    assert share[0] + explained_share(correction, explained)[0] == pytest.approx(1)
    table = explained_table(explained, correction, ["a", "b"])
    assert table.loc["a", "overturned"] == pytest.approx(np.arctan(1 / 2) / np.pi, abs=0.01)  # of two independent normals
    assert table.loc["b", "largest correction"] == 0


def test_all_hybrids_run_in_the_benchmark_next_to_the_network_and_the_affine_model(tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path))
    from vaescan_lite.databases.database import open_database

    db = open_database("simulated", n=160, seed=5)
    chosen = hybrid.grid("smoke")
    result = benchmark.run(db, tasks=["NORM"], **chosen, rotations=1, n_resamples=50, budget="smoke", progress=False)
    assert set(chosen["pairs"]) <= set(result.pairs)
    table = benchmark.cost(result, steps=hybrid.STEPS, tasks=["NORM"])
    back = hybrid.won_back(result, ["NORM"])
    assert back["cost"].to_numpy() == pytest.approx(table["cost"].to_numpy())
    assert (back["bound"] <= back["high"] + 1e-12).all() and back.loc["affine", "won"] == 0
    assert (back["cost"] + back["won"]).to_numpy() == pytest.approx(back.loc["affine", "cost"])
    assert list(table["step"]) == list(hybrid.STEPS) and np.isfinite(table[["cost", "low", "high"]]).all(axis=None)


def made_result(differences, seed=0):
    """Result whose models stand so far below the network, and vary a little in resamples."""
    rng = np.random.default_rng(seed)
    estimates = {("NORM", *hybrid.NETWORK): Estimate(np.array([0.91]), 0.91 + rng.normal(0, 0.01, 400))}
    for (_, pair), d in zip(hybrid.STEPS.values(), differences):
        noise = rng.normal(0, 0.003, 400)
        estimates["NORM", *pair] = Estimate(np.array([0.91 - d]), estimates["NORM", *hybrid.NETWORK].replicates - d + noise)
    return benchmark.Result(None, None, None, None, estimates)


def test_within_needs_a_small_cost_and_a_small_bound_and_shares_are_of_the_affine_cost():
    back = hybrid.won_back(made_result([0.04, 0.008, 0.02, -0.01]))
    assert back["share"].to_numpy() == pytest.approx([0, 0.8, 0.5, 1.25])
    assert back["within"].tolist() == [False, True, False, True]
    assert back.loc["affine + capped CNN", "bound"] == pytest.approx(0.008 + 1.645 * 0.003, abs=0.001)
    assert back["share"].notna().all() and hybrid.won_back(made_result([-0.01, 0, 0, 0]))["share"].isna().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda beats, y: CappedHybrid(cap=-1.0).fit(beats, y), "0 or more, in log odds; got -1.0"),
        (lambda beats, y: CappedHybrid(cap=np.nan).fit(beats, y), "in log odds; got nan"),
        (lambda beats, y: CappedHybrid("magic").fit(beats, y), "decision_function; got 'magic'"),
        (lambda beats, y: CappedHybrid(budget="huge").fit(beats, y), "smoke, workshop, full; got 'huge'"),
        (lambda beats, y: CappedHybrid().fit(beats.signals, y), "beats with their latents"),
        (lambda beats, y: CappedHybrid().fit(BeatsWithLatents(beats.signals, beats.latents * np.nan), y), "unusable beats"),
        (lambda beats, y: CappedHybrid().fit(beats, np.ones(60)), "lack positives or negatives"),
        (lambda beats, y: CappedHybrid().parts(beats), "not fitted yet"),
        (lambda beats, y: CappedHybrid(cap=0).fit(beats, y).parts(BeatsWithLatents(beats.signals, beats.latents[:, 1:])), "3"),
        (lambda beats, y: BeatsWithLatents(beats.signals, beats.latents[1:]), "a row for each beat"),
        (lambda beats, y: explained_share(np.zeros(3), np.zeros(4)), "one shape"),
    ],
)
def test_wrong_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(*people(60))
