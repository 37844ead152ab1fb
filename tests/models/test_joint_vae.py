import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from vaescan_lite.ecg import LEADS_8, BeatSet
from vaescan_lite.models.joint_vae import JointVAE
from vaescan_lite.training import Budget

SHORT = Budget(epochs=25, batch_size=32, learning_rate=3e-3, weight_decay=0.1)
SIZE = 0.1  # mV


def beats_with_a_small_sign(n, seed=0):
    """Large differences of the whole beat, and a small one in V1 and V2 that the label is about, hardly above the noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(48)
    y = rng.integers(0, 2, n).astype(float)
    large = rng.normal(size=(n, 3)) @ np.array([np.exp(-0.5 * ((t - c) / 4) ** 2) for c in (10, 22, 36)])
    small = SIZE * (2 * y - 1)[:, None] * np.exp(-0.5 * ((t - 22) / 3) ** 2)
    signals = np.repeat(large[:, None], 8, axis=1) + 0.1 * rng.normal(size=(n, 8, 48))
    signals[:, 2] += small
    signals[:, 3] -= small
    return signals.astype(np.float32), y


@pytest.fixture(scope="module")
def weighed():
    signals, y = beats_with_a_small_sign(300)
    return {w: JointVAE(n_latents=5, label_weight=w, budget=SHORT).fit(signals, y) for w in (0.0, 300.0)}


def test_labels_make_the_latents_keep_a_sign_that_is_too_small_for_the_reconstruction(weighed):
    signals, y = beats_with_a_small_sign(400, seed=1)
    auroc = {weight: roc_auc_score(y, joint.decision_function(signals)[:, 0]) for weight, joint in weighed.items()}
    assert auroc[300.0] > 0.9 and auroc[300.0] > auroc[0.0] + 0.1
    error = {weight: np.abs(joint.vae_.reconstruct(signals) - signals).mean() for weight, joint in weighed.items()}
    assert error[300.0] < 1.5 * error[0.0]  # and it is still a model of beats


def test_the_decision_is_affine_in_the_latents_that_it_decodes(weighed):
    joint = weighed[300.0]
    signals, _ = beats_with_a_small_sign(50, seed=2)
    z = joint.vae_.transform(signals)
    assert joint.decision_function(signals) == pytest.approx(z @ joint.coef_.T + joint.intercept_, abs=1e-5)
    assert joint.predict_proba(signals) == pytest.approx(1 / (1 + np.exp(-joint.decision_function(signals))))
    assert list(joint.history_.columns) == ["total", "reconstruction", "kl", "cross_entropy"]


def test_unknown_labels_teach_nothing():
    signals, y = beats_with_a_small_sign(120)
    two = np.column_stack([y, np.full(120, np.nan)])
    two[:2, 1] = 0, 1
    made = JointVAE(n_latents=3, label_weight=1e4, budget=Budget(epochs=3, batch_size=32)).fit(signals, two)
    assert made.predict(signals).shape == (120, 2)
    only = JointVAE(n_latents=3, label_weight=0.0, budget=Budget(epochs=2)).fit(signals, two)
    other = JointVAE(n_latents=3, label_weight=0.0, budget=Budget(epochs=2)).fit(signals, 1 - two)
    assert (only.vae_.transform(signals) == other.vae_.transform(signals)).all()  # without a weight the labels do nothing


def test_a_beat_set_is_taken_with_its_form_and_the_vae_can_be_saved(tmp_path):
    signals, y = beats_with_a_small_sign(60)
    beats = BeatSet(signals, 50, LEADS_8, r_index=20)
    joint = JointVAE(n_latents=2, budget=Budget(epochs=1)).fit(beats, y)
    assert (joint.vae_.fs_, joint.vae_.r_index_) == (50, 20)
    joint.vae_.save(tmp_path / "vae.safetensors")
    loaded = type(joint.vae_).load(tmp_path / "vae.safetensors")
    assert loaded.transform(beats) == pytest.approx(joint.vae_.transform(beats), abs=1e-6)
    with pytest.raises(ValueError, match="50"):
        joint.decision_function(BeatSet(signals, 100, LEADS_8, r_index=20))


@pytest.mark.parametrize(
    ("settings", "y", "message"),
    [
        ({"label_weight": -1}, None, "0 or more; got -1"),
        ({"budget": "huge"}, None, "got 'huge'"),
        ({}, np.zeros(40), "lack positives"),
        ({}, np.zeros(3), "a row per signal"),
    ],
)
def test_wrong_input_is_named(settings, y, message):
    signals, labels = beats_with_a_small_sign(40)
    with pytest.raises(ValueError, match=message):
        JointVAE(**settings).fit(signals, labels if y is None else y)


def test_it_says_when_it_is_not_fitted():
    with pytest.raises(ValueError, match="not fitted yet"):
        JointVAE().predict(np.zeros((1, 8, 48)))
