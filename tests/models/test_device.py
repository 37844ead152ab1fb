"""VAE, networks and hybrids train on the device that is asked for, and are on the CPU afterwards, their files too."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from vaescan_lite.models import BeatsWithLatents, CappedHybrid, EcgCNN, JointVAE
from vaescan_lite.training import Budget
from vaescan_lite.vae import BeatVAE

SHORT = Budget(epochs=3, batch_size=16)
RNG = np.random.default_rng(0)
BEATS = np.cumsum(RNG.normal(size=(60, 8, 32)), axis=2).astype(np.float32)
SIGNALS = np.tile(BEATS, (1, 1, 15))  # 480 samples: the network for ten seconds
BOTH = BeatsWithLatents(BEATS, BEATS[:, :3, 0])
UP = (BEATS[:, 0].mean(axis=1) > 0).astype(float)
MODELS = {
    "VAE": (BeatVAE(n_latents=3, budget=SHORT, progress=False), (BEATS,), BEATS),
    "beat CNN": (EcgCNN(budget=SHORT), (BEATS, UP), BEATS),
    "ten-second CNN": (EcgCNN(budget=SHORT), (SIGNALS, UP), SIGNALS),
    "hybrid": (CappedHybrid(budget=SHORT), (BOTH, UP), BOTH),
    "joint VAE": (JointVAE(n_latents=3, budget=SHORT), (BEATS, UP), BEATS),
}  # fmt: skip
HAS_GPU = torch.cuda.is_available()


def answers(name, **settings):
    model, given, asked = MODELS[name]
    fitted = clone(model).set_params(**settings).fit(*given)
    answer = [getattr(fitted, way) for way in ("decision_function", "transform", "predict") if hasattr(fitted, way)][0](asked)
    assert isinstance(answer, np.ndarray) and np.isfinite(answer).all()
    return fitted, answer


@pytest.mark.parametrize("name", MODELS)
def test_the_cpu_is_the_default_and_what_auto_means_without_a_gpu(name):
    reference = answers(name)[1]
    for device in ("cpu",) if HAS_GPU else ("cpu", "auto"):
        assert np.array_equal(answers(name, device=device)[1], reference)


@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_device_is_refused_by_every_model(name):
    with pytest.raises(ValueError, match="device must be .*got 'abacus'"):
        answers(name, device="abacus")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")
def test_a_gpu_learns_what_the_cpu_learns_and_leaves_the_model_on_the_cpu(name):
    before = torch.cuda.get_rng_state()
    fitted, answer = answers(name, device="auto")
    again, reference = answers(name, device="cuda")[1], answers(name)[1]
    np.testing.assert_allclose(answer, again, atol=1e-3)
    assert np.corrcoef(answer.ravel(), reference.ravel())[0, 1] > 0.8  # other noise, the same first weights and order of rows
    network = getattr(fitted, "network_", None) or fitted.vae_.network_
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"cpu"}
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_file_does_not_say_where_a_model_was_trained(tmp_path):
    for device in ("cpu", "auto"):
        answers("VAE", device=device)[0].save(tmp_path / device)
    assert HAS_GPU or (tmp_path / "cpu").read_bytes() == (tmp_path / "auto").read_bytes()
    vae = BeatVAE.load(tmp_path / "auto")
    assert vae.device == "cpu" and b"device" not in (tmp_path / "auto").read_bytes()


def test_bfloat16_moves_the_answers_a_little():
    exact, rounded = answers("beat CNN")[1], answers("beat CNN", precision="bfloat16")[1]
    assert 0 < np.abs(exact - rounded).max() < 0.5
