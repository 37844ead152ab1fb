import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import vaescan_lite as vl
from vaescan_lite import saliency
from vaescan_lite.ecg import BeatSet
from vaescan_lite.explain.gradients import network_of
from vaescan_lite.models.cnn import EcgCNN, FlatteningNetwork, PoolingNetwork
from vaescan_lite.saliency.networks import last_convolution
from vaescan_lite.statistics import mean_over_records
from vaescan_lite.training import Budget

SHAPE = (8, 24)
COMPLETE = ("integrated_gradients", "shap")
SHORT = Budget(epochs=8, batch_size=32, learning_rate=3e-3)


class Linear(nn.Module):
    """Two logits, each a weighted sum of all samples."""

    def __init__(self, seed=0, scale=1.0):
        super().__init__()
        self.sum = nn.Linear(SHAPE[0] * SHAPE[1], 2)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.sum.weight.copy_(scale * torch.randn(self.sum.weight.shape, generator=generator))
            self.sum.bias.fill_(0.5)

    def forward(self, x):
        return self.sum(x.flatten(1))

    def weights(self, task):
        return self.sum.weight[task].detach().numpy().reshape(SHAPE)


def beats(n=6, seed=0, shape=SHAPE):
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


def logits(network, x, task):
    with torch.no_grad():
        return network(torch.from_numpy(np.asarray(x)))[:, task].double().numpy()


def planted(n, seed=0):
    """Noise in all leads and, in lead 3, a wave around sample 60 whose sign is the label."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.5).astype(float)
    x = rng.normal(0, 0.2, (n, 8, 96))
    x[:, 3] += (2 * y[:, None] - 1) * np.exp(-0.5 * ((np.arange(96) - 60) / 3) ** 2)
    region = np.zeros((n, 8, 96), dtype=bool)
    region[:, 3, 53:68] = True
    return x.astype(np.float32), y, region


@pytest.fixture(scope="module")
def cnn():
    x, y, _ = planted(240)
    return EcgCNN(budget=SHORT).fit(x, y)


@pytest.fixture(scope="module")
def scan():
    rng = np.random.default_rng(0)
    people = pd.DataFrame({"LBBB": rng.integers(0, 2, 120), "AVB1": rng.integers(0, 2, 120)})
    some = vl.median_beats(vl.simulate(people))
    vae = vl.BeatVAE(n_latents=6, budget=Budget(epochs=3, batch_size=40)).fit(some)
    return vl.Scan(vae, factors=["LBBB", "AVB1"]).fit(some, people, progress=False), some


# ---- closed forms


@pytest.mark.parametrize("task", [0, 1])
@pytest.mark.parametrize("method", ["gradient_x_input", "integrated_gradients", "occlusion", "shap"])
def test_all_signed_methods_give_the_weight_times_the_change_for_a_linear_network(method, task):
    x, background, network = beats(), beats(5, seed=1), Linear().eval()
    found = saliency.attribute(network, x, task, method, baseline=background, window=1)
    assert found.dtype == np.float32
    assert np.allclose(found, network.weights(task) * (x - background.mean(axis=0)), atol=1e-4)


def test_saliency_is_the_size_of_the_weights_and_the_control_ignores_them():
    x, network = beats(), Linear().eval()
    assert np.allclose(saliency.attribute(network, x, 1, "saliency"), np.abs(network.weights(1))[None], atol=1e-6)
    assert np.array_equal(saliency.attribute(network, x, 1, "input"), np.abs(x))


@pytest.mark.parametrize("window", [4, 5, 24, 100])
def test_occlusion_spreads_the_change_of_a_window_evenly_and_adds_up_for_a_linear_network(window):
    x, network = beats(), Linear().eval()
    found = saliency.attribute(network, x, 0, "occlusion", window=window)
    exact = network.weights(0) * x
    for start in range(0, SHAPE[1], window):
        part = exact[..., start : start + window].mean(axis=2, keepdims=True)
        assert np.allclose(found[..., start : start + window], part, atol=1e-4)
    assert np.allclose(found.sum(axis=(1, 2)), logits(network, x, 0) - 0.5, atol=1e-3)


def test_integrated_gradients_of_a_square_are_the_squares():
    class Squares(nn.Module):
        def forward(self, x):
            return x.square().sum(dim=(1, 2))[:, None]

    x = beats()
    found = saliency.attribute(Squares().eval(), x, 0, "integrated_gradients")
    assert np.allclose(found, x**2, atol=1e-4)
    assert np.allclose(saliency.attribute(Squares().eval(), x, 0, "gradient_x_input"), 2 * x**2, atol=1e-4)


def test_grad_cam_is_the_rectified_sum_of_channels_weighted_by_their_mean_gradient():
    """One convolution of width one, summed over time with weights: gradients are those weights."""
    convolution = nn.Conv1d(8, 2, 1, bias=False)
    head = nn.Linear(2 * SHAPE[1], 1, bias=False)
    network = nn.Sequential(convolution, nn.Flatten(), head).eval()
    x = beats()
    channels = np.einsum("cl,nlt->nct", convolution.weight.detach().numpy()[..., 0], x)
    weight = head.weight.detach().numpy().reshape(2, SHAPE[1]).mean(axis=1)
    curve = np.maximum(np.einsum("c,nct->nt", weight, channels), 0)
    found = saliency.attribute(network, x, 0, "gradcam")
    assert np.allclose(found, np.repeat(curve[:, None], 8, axis=1), atol=1e-5)


@pytest.mark.parametrize("method", COMPLETE)
def test_maps_of_a_cnn_add_up_to_the_logit_minus_that_of_the_baseline(cnn, method):
    x, background = planted(20, seed=1)[0], planted(16, seed=2)[0]
    found = saliency.attribute(cnn, x, 0, method, baseline=background, n_steps=256).sum(axis=(1, 2))
    start = background if method == "shap" else background.mean(axis=0, keepdims=True)
    wanted = cnn.decision_function(x)[:, 0] - cnn.decision_function(start)[:, 0].mean()
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).mean()


def test_shap_is_what_captum_estimates_from_random_points(cnn):
    from captum.attr import GradientShap

    x, background = planted(4, seed=1)[0], planted(16, seed=2)[0]
    found = saliency.attribute(cnn, x, 0, "shap", baseline=background)
    with torch.random.fork_rng(), pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        patch.setattr(np.random, "choice", np.random.default_rng(0).choice)
        patch.setattr(np.random, "uniform", np.random.default_rng(1).uniform)
        estimate = GradientShap(cnn.network_).attribute(
            torch.from_numpy(x), torch.from_numpy(background), n_samples=600, stdevs=0.0, target=0
        )
    assert np.corrcoef(found.ravel(), estimate.detach().numpy().ravel())[0, 1] > 0.97


# ---- where the truth is known


@pytest.mark.parametrize("method", [name for name in saliency.METHODS if name not in ("gradcam", "input")])
def test_a_network_that_learnt_a_planted_wave_is_seen_to_look_there(cnn, method):
    x, y, region = planted(60, seed=1)
    assert np.mean((cnn.decision_function(x)[:, 0] > 0) == y) > 0.97
    found = saliency.attribute(cnn, x, 0, method, baseline=planted(40, seed=2)[0])
    table = saliency.truth_table({"found": found, "even": np.ones_like(found)}, region, control="even")
    assert table.loc["found", "gain_low"] > 0.1, table
    assert table.loc["even", "share"] == pytest.approx(region.mean())


def test_grad_cam_finds_the_time_but_not_the_lead(cnn):
    x, _, region = planted(60, seed=1)
    found = saliency.attribute(cnn, x, 0, "gradcam")
    assert np.array_equal(found[:, 0], found[:, 3]) and (found >= 0).all()
    assert saliency.share_inside(found, region).mean() <= 1 / 8 + 1e-6


def test_paired_beats_of_an_av_block_differ_where_the_p_wave_is_and_not_in_the_qrs():
    people = pd.DataFrame({"age_years": [50.0] * 6, "sex_female": [0, 1] * 3, "AVB1": 1})
    without, with_block = saliency.paired_beats("AVB1", people)
    region = saliency.truth_region((with_block.signals - without.signals) ** 2)
    counts = saliency.by_wave(region.astype(float), without).T.groupby("segment").sum().T.sum()
    assert counts["P"] == counts.max() and counts["QRS"] < 0.1 * counts["P"]
    assert without.ids.tolist() == with_block.ids.tolist()


# ---- checks of a map


def test_new_weights_give_another_map_and_leave_the_model_as_it_was(cnn):
    x = planted(10, seed=1)[0]
    before = cnn.decision_function(x)
    new, same, other = (saliency.randomised(cnn, seed=seed) for seed in (0, 0, 1))
    maps = [saliency.attribute(one, x, 0) for one in (cnn, new, same, other)]
    assert np.array_equal(cnn.decision_function(x), before)
    assert np.array_equal(maps[1], maps[2]) and not np.allclose(maps[1], maps[3])
    assert saliency.agreement(maps[0], maps[1]).mean() < 0.7


def test_layers_are_randomised_from_the_output_downwards(cnn):
    n_layers = saliency.n_weight_layers(cnn)
    assert n_layers == 5  # three convolutions, two linear layers; normalisations go with them

    def unchanged(n):
        pairs = zip(cnn.network_.parameters(), saliency.randomised(cnn, n_layers=n).parameters(), strict=True)
        return [torch.equal(*pair) for pair in pairs]

    assert all(unchanged(0)) and not any(unchanged(n_layers)[::3])
    assert unchanged(1)[:-2] == [True] * (len(unchanged(1)) - 2) and unchanged(1)[-2:] == [False, False]
    with pytest.raises(ValueError, match="between 0 and 5"):
        saliency.randomised(cnn, n_layers=6)


def test_agreement_is_one_with_itself_none_with_nothing_and_about_zero_with_noise():
    first, second = beats(200), beats(200, seed=1)
    assert np.allclose(saliency.agreement(first, -3 * first), 1)
    assert np.array_equal(saliency.agreement(first, np.ones_like(first)), np.zeros(200))
    assert np.allclose(saliency.agreement(first, 1 / first), -1)
    low, high = mean_over_records(saliency.agreement(first, second)).interval()
    assert low < 0 < high and high - low < 0.05


def test_the_interval_of_a_mean_over_ecgs_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    ends = [mean_over_records(rng.normal(0.3, 1, 60), n_resamples=400, seed=trial).interval() for trial in range(200)]
    assert 0.9 <= np.mean([low < 0.3 < high for low, high in ends]) <= 0.99


def test_the_truth_region_is_the_smallest_that_holds_the_share():
    energy = np.array([[[4.0, 0.0], [3.0, 3.0]], [[0.0, 0.0], [0.0, 0.0]]])
    region = saliency.truth_region(energy, share=0.65)
    assert region[0].tolist() == [[True, False], [True, False]] and not region[1].any()
    assert saliency.truth_region(energy, share=0.75)[0].sum() == 3


def test_an_empty_map_scores_chance():
    region = np.array([[True, False, False, False]])
    assert saliency.share_inside(np.zeros((1, 4)), region) == [0.25]
    assert saliency.share_inside(np.array([[-2.0, 1.0, 1.0, 0.0]]), region) == [0.5]


def test_waves_hold_all_of_a_map_once():
    some = BeatSet(beats(3, shape=(8, 96)), fs=100)
    table = saliency.by_wave(some.signals, some)
    assert np.allclose(table.sum(axis=1), some.signals.sum(axis=(1, 2), dtype=float), atol=1e-4)
    spike = np.zeros_like(some.signals)
    spike[:, 2, some.r_index] = 1
    assert saliency.by_wave(spike, some).idxmax(axis=1).tolist() == [("QRS", "V1")] * 3
    with pytest.raises(ValueError, match="shape of its beats"):
        saliency.by_wave(spike[:, :, :90], some)


def test_the_sanity_table_tells_a_map_of_the_model_from_one_of_the_input():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(80, 40))
    noisy = [shared + rng.normal(0, 0.3, shared.shape) for _ in range(3)]
    random = rng.normal(size=shared.shape)
    table = saliency.sanity_table(
        {"model": noisy, "input": [shared] * 3}, {"new weights": {"model": random, "input": shared}}
    ).set_index(["method", "comparison"])
    assert table.loc[("model", "new weights"), "gap_low"] > 0.3
    assert table.loc[("input", "new weights"), "gap"] == 0 and table.loc[("input", "another training"), "rho"] == pytest.approx(
        1
    )
    repeat = table.loc[("model", "another training")]
    assert repeat["lowest"] <= repeat["rho"] <= repeat["highest"] and repeat["low"] < repeat["rho"] < repeat["high"]


# ---- VAE-SCAN under the same tests


def test_contributions_pulled_back_through_the_encoder_add_up_to_the_log_odds(scan):
    model, some = scan
    network = network_of(model)
    exact = model.logits(some)
    with torch.no_grad():
        assert np.abs(network(torch.from_numpy(some.signals)).numpy() - exact.to_numpy()).max() < 1e-3
    mean = some.signals.mean(axis=0)
    found = saliency.attribute(model, some, "AVB1", baseline=mean, n_steps=128).sum(axis=(1, 2))
    wanted = exact["AVB1"] - logits(network, mean[None], 1)
    assert np.abs(found - wanted).max() < 1e-2


def test_every_method_but_grad_cam_explains_a_scan(scan):
    model, some = scan
    for method in saliency.METHODS:
        if method != "gradcam":
            assert np.isfinite(saliency.attribute(model, some[:3], "LBBB", method, baseline=some)).all()
    with pytest.raises(ValueError, match="gradcam needs a network with a convolution"):
        saliency.attribute(model, some, "LBBB", "gradcam")


def test_wave_contributions_and_maps_share_their_currency_and_the_randomised_scan_its_interface(scan):
    model, some = scan
    table = vl.explain.wave_contributions(model, some, "LBBB")
    grouped = saliency.by_wave(saliency.attribute(model, some, "LBBB"), some)
    assert table.columns.equals(grouped.columns) and (table.index == grouped.index).all()
    weights = model.weights_.copy()
    random = saliency.randomised_scan(model, some)
    assert saliency.agreement(table, vl.explain.wave_contributions(random, some, "LBBB")).mean() < 0.9
    assert model.weights_.equals(weights)
    assert saliency.attribute(saliency.randomised(model), some, "LBBB").shape == some.signals.shape


# ---- seeds, batches, memory, side effects


@pytest.mark.parametrize("method", saliency.METHODS)
def test_maps_do_not_depend_on_the_batch_nor_on_what_else_is_explained(cnn, method):
    x, background = planted(13, seed=1)[0], planted(20, seed=2)[0]
    whole = saliency.attribute(cnn, x, 0, method, baseline=background)
    for batch_size in (1, 5, 64):
        assert np.allclose(saliency.attribute(cnn, x, 0, method, baseline=background, batch_size=batch_size), whole, atol=1e-4)
    assert np.allclose(saliency.attribute(cnn, x[5:6], 0, method, baseline=background), whole[5:6], atol=1e-4)


def test_no_more_than_a_batch_passes_the_network_at_once():
    seen = []

    class Watched(Linear):
        def forward(self, x):
            seen.append(len(x))
            return super().forward(x)

    network = Watched().eval()
    for method in saliency.METHODS:
        if method != "gradcam":
            saliency.attribute(network, beats(50), 0, method, baseline=beats(5), batch_size=16)
    assert max(seen) <= 16, max(seen)


def test_the_seed_draws_the_background_and_global_states_are_left_alone(cnn):
    x, background = planted(5, seed=1)[0], planted(60, seed=2)[0]
    weight = cnn.network_[1].head[1].weight
    before, before_numpy, gradient = torch.get_rng_state(), np.random.get_state()[1].copy(), weight.grad.clone()  # noqa: NPY002
    first, again, other = (
        saliency.attribute(cnn, x, 0, "shap", baseline=background, n_background=4, seed=seed) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.allclose(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002
    assert weight.requires_grad and torch.equal(weight.grad, gradient)


def test_a_set_and_its_array_give_the_same_map_and_stay_as_they_are(cnn):
    x = planted(5, seed=1)[0]
    before = x.copy()
    assert np.array_equal(saliency.attribute(cnn, BeatSet(x, fs=100)), saliency.attribute(cnn, x))
    assert np.array_equal(x, before)


def test_the_layer_of_grad_cam_is_the_last_convolution_with_its_activation():
    assert last_convolution(FlatteningNetwork(8, 96, 2)) is not None
    for network in (FlatteningNetwork(8, 96, 2), PoolingNetwork(8, 2)):
        assert isinstance(last_convolution(network)[-1], nn.ReLU)


def test_captum_is_imported_only_when_a_map_is_made():
    code = "import sys, vaescan_lite as vl; vl.saliency.METHODS; assert 'captum' not in sys.modules"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_making_maps_warns_of_nothing(cnn, recwarn):
    for method in saliency.METHODS:
        saliency.attribute(cnn, planted(3)[0], 0, method, baseline=planted(4)[0])
    assert not list(recwarn)


# ---- twelve leads


def test_over_twelve_leads_networks_that_always_agree_have_different_maps():
    """Both read lead I, one from I itself and one from aVL and aVF; no ECG can tell them apart."""
    twelve = torch.from_numpy(vl.to_twelve_leads(beats())).requires_grad_(True)
    from_limb = twelve[:, 0].sum(dim=1)
    from_augmented = (4 / 3 * twelve[:, 4] + 2 / 3 * twelve[:, 5]).sum(dim=1)
    assert torch.allclose(from_limb, from_augmented, atol=1e-4)
    gradients = [torch.autograd.grad(one.sum(), twelve, retain_graph=True)[0] for one in (from_limb, from_augmented)]
    assert not torch.allclose(*gradients)
    assert gradients[1][:, 0].abs().max() == 0 < gradients[0][:, 0].abs().max()
    with pytest.raises(ValueError, match="not identifiable"):
        saliency.attribute(Linear().eval(), twelve.detach().numpy())


# ---- messages


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "lime"}, "unknown method 'lime'; known are saliency, "),
        ({"task": 2}, "from 0 to 1; got 2"),
        ({"task": "LBBB"}, "from 0 to 1; got 'LBBB'"),
        ({"task": -1}, "got -1"),
        ({"beats": beats()[0]}, r"\(n, 8, n_times\)"),
        ({"beats": beats()[:, :3]}, r"got \(6, 3, 24\)"),
        ({"beats": beats()[:0]}, "at least one row"),
        ({"beats": np.where(np.arange(6)[:, None, None] == 4, np.nan, beats())}, "1 of 6 signals hold NaN .* row 4"),
        ({"baseline": np.zeros((8, 23))}, r"beats of shape \(8, 24\).* got shape \(8, 23\)"),
        ({"baseline": np.full((8, 24), np.nan)}, "finite beats"),
        ({"method": "shap"}, "shap needs a background"),
        ({"method": "shap", "baseline": np.zeros((8, 24))}, "shap needs a background"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"n_steps": 0}, "n_steps must be at least 1"),
        ({"model": "cnn"}, "fitted EcgCNN, a fitted Scan or a torch network; got str"),
        ({"model": EcgCNN()}, "fitted EcgCNN"),
        ({"model": Linear().train()}, "training mode"),
        ({"model": nn.Flatten(0).eval()}, r"logits of shape \(n, n_tasks\)"),
    ],
)
def test_what_cannot_be_explained_is_refused(change, message):
    arguments = {"model": Linear().eval(), "beats": beats(), "task": 0} | change
    with pytest.raises(ValueError, match=message):
        saliency.attribute(**arguments)


def test_unknown_factors_and_bad_comparisons_are_refused(scan):
    with pytest.raises(ValueError, match="unknown factor 'AF'; known are LBBB, AVB1"):
        saliency.attribute(*scan, "AF")
    with pytest.raises(ValueError, match="one shape"):
        saliency.agreement(beats(3), beats(4))
    with pytest.raises(ValueError, match="NaN"):
        saliency.agreement(np.full((2, 3), np.nan), np.ones((2, 3)))
    with pytest.raises(ValueError, match="one finite value per record"):
        mean_over_records([])
    with pytest.raises(ValueError, match="share must lie between 0 and 1; got 1"):
        saliency.truth_region(np.ones((1, 3)), share=1)
    with pytest.raises(ValueError, match="at least 0"):
        saliency.truth_region(-np.ones((1, 3)))
    with pytest.raises(ValueError, match="at least two trainings; got 1"):
        saliency.sanity_table({"a": [np.ones((2, 3))]}, {})
    with pytest.raises(ValueError, match="unknown control among the maps 'b'; known are a"):
        saliency.truth_table({"a": np.ones((2, 3))}, np.ones((2, 3), bool), control="b")


class TestRepeatability:
    """Correlation of population maps over trainings."""

    rng = np.random.default_rng(0)
    truth = rng.normal(size=(2, 8, 30))

    def test_maps_that_differ_by_scale_and_offset_repeat_perfectly(self):
        table = saliency.repeatability([self.truth, 3 * self.truth + 1, 0.1 * self.truth], ["a", "b"])
        np.testing.assert_allclose(table[["mean", "lowest"]], 1)

    def test_noise_of_the_size_of_the_map_halves_the_correlation_of_a_pair_of_trainings(self):
        noisy = [self.truth + self.rng.normal(size=self.truth.shape) for _ in range(4)]
        table = saliency.repeatability(noisy, ["a", "b"])  # r = var(truth) / (var(truth) + var(noise))
        np.testing.assert_allclose(table["mean"], 0.5, atol=0.1)
        assert (table["lowest"] <= table["mean"]).all()

    def test_a_flipped_training_is_the_lowest_pair_and_signs_count(self):
        table = saliency.repeatability([self.truth, self.truth, -self.truth], ["a", "b"])
        np.testing.assert_allclose(table["lowest"], -1)
        np.testing.assert_allclose(table["mean"], -1 / 3)

    def test_a_control_is_compared_with_every_training(self):
        control = self.rng.normal(size=self.truth.shape)
        table = saliency.repeatability([self.truth, 2 * self.truth], ["a", "b"], control=control)
        expected = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in zip(self.truth, control)]
        np.testing.assert_allclose(table["control"], expected)

    def test_one_training_or_another_shape_is_refused(self):
        for maps in ([self.truth], [self.truth, self.truth[:1]], []):
            with pytest.raises(ValueError, match="at least two trainings"):
                saliency.repeatability(maps, ["a", "b"])
