"""The beta-VAE: losses against oracles, training that can be repeated, and input that is refused."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA

from vaescan_lite.ecg import BeatSet, to_twelve_leads
from vaescan_lite.training import Budget
from vaescan_lite.vae.beat_vae import ACTIVE_VARIANCE, BeatVAE, likelihood_profile, residual_profile
from vaescan_lite.vae.network import VAEOutput, beat_nll, gaussian_kl, laplace_nll, vae_loss
from vaescan_lite.vae.reconstruction import BeatPCA, segment_errors

SHORT = Budget(epochs=3, batch_size=32, learning_rate=3e-3)


def synthetic_beats(n, seed=0, fs=100, noise_mV=0.01):
    """Beats of three waves whose heights, and the P wave's place, differ from beat to beat."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(0.96 * fs)) / fs - 0.40

    def wave(centre, width):
        return np.exp(-0.5 * ((time_s - centre) / width) ** 2)

    leads = np.random.default_rng(99).normal(size=(3, 8))
    p = np.stack([wave(-0.18 + 0.03 * shift, 0.02) for shift in rng.normal(size=n)])
    waves = np.stack([p, np.tile(wave(0, 0.015), (n, 1)), np.tile(wave(0.28, 0.05), (n, 1))], axis=1)  # (n, 3, n_times)
    heights = np.array([0.1, 1.0, 0.3]) * (1 + 0.3 * rng.normal(size=(n, 3)))
    signals = np.einsum("nw,wl,nwt->nlt", heights, leads, waves)
    return BeatSet(signals + noise_mV * rng.normal(size=signals.shape), fs=fs)


@pytest.fixture(scope="module")
def beats():
    return synthetic_beats(80)


@pytest.fixture(scope="module")
def fitted(beats):
    return short_vae().fit(beats)


def short_vae(**settings):
    return BeatVAE(**{"n_latents": 4, "budget": SHORT, "progress": False} | settings)


def weights_of(vae):
    return torch.cat([value.flatten() for value in vae.network_.state_dict().values()])


# ---------------------------------------------------------------- losses


def test_kl_agrees_with_torch_distributions():
    generator = torch.Generator().manual_seed(0)
    mu_q, logvar_q, mu_p, logvar_p = (torch.randn((50, 3), generator=generator, dtype=torch.float64) for _ in range(4))
    q = torch.distributions.Normal(mu_q, torch.exp(0.5 * logvar_q))
    p = torch.distributions.Normal(mu_p, torch.exp(0.5 * logvar_p))
    torch.testing.assert_close(gaussian_kl(mu_q, logvar_q, mu_p, logvar_p), torch.distributions.kl_divergence(q, p))


def test_likelihood_agrees_with_torch_distributions():
    generator = torch.Generator().manual_seed(0)
    x, x_hat = torch.randn((2, 5, 8, 12), generator=generator)
    scale = torch.rand((8, 12), generator=generator) + 0.1
    oracle = -torch.distributions.Laplace(x_hat, scale).log_prob(x).sum(dim=(1, 2))
    torch.testing.assert_close(laplace_nll(x - x_hat, scale), oracle)


def test_loss_terms_of_a_case_done_by_hand():
    # 1 mV everywhere: I and II 1, III 0, aVR -1, aVL and aVF 0.5, V1 ... V6 1: 10 mV in each of 9 samples, at a scale of 0.5
    x = torch.ones(4, 8, 9)  # 8/12 * 9 * 10 * (1/0.5 + log(2*0.5)) = 120
    mu = torch.tensor([[2.0, 0.0]]).expand(4, 2)  # 2^2 / 2 = 2 nats
    output = VAEOutput(torch.zeros(4, 8, 9), mu, torch.zeros(4, 2))
    terms = vae_loss(x, output, torch.full((12, 9), 0.5), beta=3.0)
    assert terms["reconstruction"].item() == pytest.approx(120)
    assert terms["kl"].item() == pytest.approx(2)
    assert terms["total"].item() == pytest.approx(126)


def test_an_error_in_three_shows_in_the_likelihood_even_where_one_and_two_hardly_move():
    # I down and II up by d: III moves by 2 d, as an inferior Q wave does. The same d upwards in both leaves III alone.
    x, d = torch.zeros(2, 8, 1), 0.1
    x[0, :2, 0] = torch.tensor([-d, d])
    x[1, :2, 0] = torch.tensor([d, d])
    opposite, alike = beat_nll(x, torch.zeros(2, 8, 1), torch.ones(12, 1))
    # absolute values of I, II, III, aVR, aVL, aVF in units of d: 1 1 2 0 1.5 1.5 against 1 1 0 1 0.5 0.5
    assert (opposite - alike).item() == pytest.approx(8 / 12 * (7 - 4) * d, rel=1e-4)


def test_a_new_network_reads_and_writes_the_principal_components_of_twelve_leads(beats):
    profile = likelihood_profile(beats.signals, 100, 40, power=0.4, p_weight=1, qrs_weight=1.5, derived_weight=0.5)
    vae = BeatVAE(n_latents=6)
    vae._remember_form(beats)
    network = vae._new_network(40)
    network.start_from_components(beats.signals, profile, 0)
    network.encoder.head.weight.data.zero_()
    network.encoder.head.bias.data.zero_()
    network.decoder.head.weight.data.zero_()
    twelve = (to_twelve_leads(beats.signals) - to_twelve_leads(beats.signals.mean(axis=0, keepdims=True))) / profile
    pca = PCA(6, random_state=0).fit(twelve.reshape(len(twelve), -1))
    oracle = pca.inverse_transform(pca.transform(twelve.reshape(len(twelve), -1))).reshape(twelve.shape)
    with torch.no_grad():
        x_hat = network.decoder(network.encode(torch.from_numpy(beats.signals))[0]).numpy()
    rebuilt = (to_twelve_leads(x_hat) - to_twelve_leads(beats.signals.mean(axis=0, keepdims=True))) / profile
    np.testing.assert_allclose(rebuilt, oracle, atol=2e-3)


def test_loss_does_not_depend_on_how_many_beats_are_in_the_batch():
    x, mu, scale = torch.rand(3, 8, 10), torch.rand(3, 4), torch.ones(12, 10)
    once = vae_loss(x, VAEOutput(x + 1, mu, mu), scale, beta=1.0)
    twice = vae_loss(x.repeat(2, 1, 1), VAEOutput((x + 1).repeat(2, 1, 1), mu.repeat(2, 1), mu.repeat(2, 1)), scale, beta=1.0)
    assert once["total"].item() == pytest.approx(twice["total"].item())


def test_scale_follows_the_residual_and_is_smaller_in_the_qrs(beats):
    flat = residual_profile(beats.signals, power=0.0)
    np.testing.assert_allclose(flat, 1)
    plain = residual_profile(beats.signals, power=0.5)
    assert plain.mean() == pytest.approx(1, abs=1e-5)
    weighted = likelihood_profile(beats.signals, 100, 40, power=0.5, p_weight=4.0, qrs_weight=2.0, derived_weight=0.25)
    ratio = (weighted / plain)[0]
    np.testing.assert_allclose((weighted / plain)[2:6], 4 * ratio * np.ones((4, 1)), rtol=1e-5)  # III, aVR, aVL, aVF
    # around sample 40, P and PR (-400 to -50 ms) are samples 0 to 34, QRS (-50 to 70 ms) 35 to 46
    np.testing.assert_allclose(ratio[:35], ratio[-1] / 4, rtol=1e-5)
    np.testing.assert_allclose(ratio[35:47], ratio[-1] / 2, rtol=1e-5)
    np.testing.assert_allclose(ratio[47:], ratio[-1], rtol=1e-5)


def test_a_flat_lead_keeps_a_finite_weight():
    signals = synthetic_beats(40, noise_mV=0.0).signals.copy()
    signals[:, 5] = 0
    vae = short_vae().fit(BeatSet(signals, 100))
    assert np.isfinite(vae.reconstruct(signals)).all()


# ---------------------------------------------------------------- training


def test_same_seed_gives_the_same_weights_and_another_seed_others(beats, fitted):
    again, other = short_vae().fit(beats), short_vae(seed=1).fit(beats)
    assert torch.equal(weights_of(fitted), weights_of(again))
    assert not torch.equal(weights_of(fitted), weights_of(other))
    assert fitted.history_.equals(again.history_)


def test_global_random_state_is_untouched(beats):
    before_torch, before_numpy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    short_vae().fit(beats).transform(beats)
    assert torch.equal(before_torch, torch.random.get_rng_state())
    np.testing.assert_array_equal(before_numpy, np.random.get_state()[1])  # noqa: NPY002


def test_reconstruction_is_far_better_than_the_mean_beat_on_new_beats():
    training, new = synthetic_beats(150, noise_mV=0.002), synthetic_beats(60, seed=1, noise_mV=0.002)
    vae = BeatVAE(n_latents=6, budget="smoke", progress=False).fit(training)
    error = np.abs(vae.reconstruct(new) - new.signals).mean()
    of_mean_beat = np.abs(training.signals.mean(axis=0) - new.signals).mean()
    assert error < 0.4 * of_mean_beat


def test_more_beta_means_less_kl():
    beats = synthetic_beats(120)
    nats = [short_vae(beta=beta, budget="smoke", augment=False).fit(beats).latents_["kl"].sum() for beta in (1, 30)]
    assert nats[1] < 0.7 * nats[0]


def test_history_adds_up_and_ends_with_the_full_beta(beats):
    history = short_vae(beta=2.0).fit(beats).history_
    assert list(history.columns) == ["total", "reconstruction", "kl", "validation"]
    last = history.iloc[-1]
    assert last["total"] == pytest.approx(last["reconstruction"] + 2.0 * last["kl"], rel=1e-4)


def test_validation_beats_are_not_trained_on(beats):
    loud = BeatSet(beats.signals[:20] * 50, 100)
    vae = short_vae(augment=False).fit(beats, loud)
    np.testing.assert_allclose(vae.network_.mean_beat.numpy(), beats.signals.reshape(80, -1).mean(axis=0), atol=1e-5)


def test_interrupted_fit_leaves_the_model_as_it_was(beats, fitted, monkeypatch, tmp_path):
    def interrupted(*_args, **_keywords):
        raise KeyboardInterrupt

    unfitted, trained = short_vae(), clone(fitted).fit(beats)
    before = weights_of(trained)
    with monkeypatch.context() as patch:
        patch.setattr("vaescan_lite.vae.beat_vae.train", interrupted)
        for vae in (unfitted, trained):
            with pytest.raises(KeyboardInterrupt):
                vae.fit(beats[:40])
    assert not hasattr(unfitted, "fs_")
    assert torch.equal(weights_of(trained), before)
    assert unfitted.fit(beats).transform(beats).shape == (80, 4)


def test_active_latents_are_those_whose_mean_varies(beats, fitted):
    variance = fitted.network_.encode(torch.from_numpy(beats.signals))[0].var(dim=0).detach().numpy()
    assert set(fitted.active_latents_) <= set(range(4))
    # held-out beats are not counted in latents_, hence the tolerance
    np.testing.assert_allclose(fitted.latents_["variance_of_mean"], variance, rtol=0.5)
    assert set(np.flatnonzero(fitted.latents_["variance_of_mean"] > ACTIVE_VARIANCE)) == set(fitted.active_latents_)
    assert fitted.latents_["kl"].iloc[fitted.active_latents_].is_monotonic_decreasing


@pytest.mark.slow
def test_a_huge_beta_switches_latents_off():
    vae = BeatVAE(n_latents=8, beta=300.0, budget="smoke", progress=False).fit(synthetic_beats(200))
    assert len(vae.active_latents_) < 8


def test_decoder_is_small_enough_for_a_web_page():
    # base64 of float16: 2 bytes and four characters for three bytes
    vae = BeatVAE()
    vae.leads_, vae.n_times_, vae.fs_, vae.r_index_ = ("",) * 8, 96, 100, 40
    n_numbers = sum(value.numel() for value in vae._new_network(160).decoder.parameters())
    assert n_numbers * 2 * 4 / 3 <= 400_000


# ---------------------------------------------------------------- input and output


def test_unusable_beats_pass_through_as_rows_of_nan(beats, fitted):
    signals = beats.signals.copy()
    signals[3, 2, 10] = np.nan
    broken = BeatSet(signals, 100)
    broken.quality.loc[7, "usable"] = False
    mu, logvar = fitted.posterior(broken)
    rebuilt = fitted.inverse_transform(mu)
    for values in (mu, logvar, rebuilt.reshape(80, -1)):
        assert np.flatnonzero(np.isnan(values).all(axis=1)).tolist() == [3, 7]
        assert np.isfinite(np.delete(values, [3, 7], axis=0)).all()
    np.testing.assert_allclose(np.delete(mu, [3, 7], axis=0), np.delete(fitted.transform(beats), [3, 7], axis=0), atol=1e-5)


def test_fit_says_how_many_beats_it_leaves_out(beats):
    signals = beats.signals.copy()
    signals[:5] = np.nan
    with pytest.warns(UserWarning, match="5 of 80 beats are not usable"):
        vae = short_vae().fit(BeatSet(signals, 100))
    assert vae.n_left_out_ == 5


def test_sets_and_arrays_and_twelve_leads_give_the_same_latents(beats, fitted):
    mu = fitted.transform(beats)
    np.testing.assert_array_equal(mu, fitted.transform(beats.signals))
    np.testing.assert_allclose(mu, fitted.transform(to_twelve_leads(beats)), atol=1e-5)
    assert mu.dtype == fitted.inverse_transform(mu).dtype == np.float32


def test_no_beats_give_no_latents(beats, fitted):
    assert fitted.transform(beats[:0]).shape == (0, 4)
    assert fitted.inverse_transform(np.zeros((0, 4))).shape == (0, 8, 96)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (synthetic_beats(3, fs=50), r"8 leads, 96 samples\), as in fit; got \(3, 8, 48\)"),
        (BeatSet(np.zeros((3, 8, 96)), fs=200), "fs 200, the beats of fit had 100"),
        (BeatSet(np.zeros((3, 8, 96)), fs=100, r_index=30), "r_index 30, the beats of fit had 40"),
        (np.zeros((8, 96)), r"got \(8, 96\)"),
        (np.zeros((3, 12, 96)), r"got \(3, 12, 96\)"),
    ],
)
def test_beats_of_another_form_are_refused(fitted, wrong, message):
    with pytest.raises(ValueError, match=message):
        fitted.transform(wrong)


def test_wrong_settings_and_too_few_beats_are_refused(beats):
    with pytest.raises(ValueError, match="smoke, workshop, full; got 'workship'"):
        short_vae(budget="workship").fit(beats)
    with pytest.raises(ValueError, match="n_latents must be at least 1"):
        short_vae(n_latents=0).fit(beats)
    with pytest.raises(ValueError, match="at least 10 usable beats"):
        short_vae().fit(beats[:8])
    with pytest.raises(ValueError, match=r"z must have shape \(n_beats, 4\); got \(4,\)"):
        short_vae().fit(beats).inverse_transform(np.zeros(4))


def test_more_latents_than_beats_allow_still_train():
    vae = short_vae(n_latents=24).fit(synthetic_beats(16))
    assert vae.transform(synthetic_beats(5)).shape == (5, 24)


def test_clones_carry_the_settings_and_nothing_else(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "network_")


def test_pipelines_may_hand_labels_to_fit_transform(beats):
    vae = short_vae()
    latents = vae.fit_transform(beats, np.zeros(80))
    np.testing.assert_array_equal(latents, vae.transform(beats))


# ---------------------------------------------------------------- files


def test_a_saved_model_comes_back_the_same(beats, fitted, tmp_path):
    fitted.save(tmp_path / "vae")
    loaded = BeatVAE.load(tmp_path / "vae")
    for before, after in zip(fitted.posterior(beats), loaded.posterior(beats)):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(fitted.reconstruct(beats), loaded.reconstruct(beats))
    assert loaded.get_params() == fitted.get_params()
    assert (loaded.fs_, loaded.r_index_, loaded.leads_, loaded.n_times_) == (100, 40, fitted.leads_, 96)
    assert loaded.history_.equals(fitted.history_)
    assert loaded.latents_.equals(fitted.latents_)
    np.testing.assert_array_equal(loaded.active_latents_, fitted.active_latents_)


def test_a_named_budget_survives_saving(beats, tmp_path):
    vae = short_vae(budget="smoke")
    vae.fit(beats).save(tmp_path / "vae")
    assert BeatVAE.load(tmp_path / "vae").budget == "smoke"


def test_files_that_are_no_model_are_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(FileNotFoundError, match="no BeatVAE at"):
        BeatVAE.load(tmp_path / "absent")
    (tmp_path / "text").write_text("not a model")
    with pytest.raises(ValueError, match="text cannot be read"):
        BeatVAE.load(tmp_path / "text")
    save_file({"w": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="holds no model of this package"):
        BeatVAE.load(tmp_path / "other")


def test_a_failed_save_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    fitted.save(tmp_path / "vae")
    before = (tmp_path / "vae").read_bytes()
    monkeypatch.setattr("vaescan_lite.vae.saving.save_file", lambda *_args, **_keywords: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fitted.save(tmp_path / "vae")
    assert (tmp_path / "vae").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["vae"]


# ---------------------------------------------------------------- real ECGs


@pytest.mark.real
@pytest.mark.slow
def test_small_waves_and_the_qrs_are_kept_on_real_beats(real_data):
    import vaescan_lite as vl

    db = vl.open_database(real_data / "ptbxl")
    beats = vl.median_beats(db)
    test = db.fold.loc[beats.ids].isin([9, 10]).to_numpy()
    vae = BeatVAE(progress=False).fit(beats[~test & beats.usable])
    pca = BeatPCA(vae.n_latents).fit(beats[~test & beats.usable])
    unseen = beats[test & beats.usable]
    errors = segment_errors(unseen, vae.reconstruct(unseen))["mean"]
    ratio = errors / segment_errors(unseen, pca.reconstruct(unseen))["mean"]
    # The bars of the design, on one rotation; another processor rounds otherwise.
    assert ratio["all"] <= 0.80
    assert ratio["P"] <= 0.75
    assert ratio["ST-T"] <= 0.80
    assert errors["QRS"] <= 36


def test_a_stretch_of_one_part_leaves_the_others(beats, fitted):
    decoder = clone(fitted).fit(beats).network_.decoder
    z = torch.zeros(1, 4)
    with torch.no_grad():
        decoder.stretch.weight.zero_()
        decoder.stretch.bias.zero_()
        plain = decoder(z)[0]
        decoder.stretch.bias[0] = float(np.log(2))  # before the QRS time runs twice as fast
        moved = decoder(z)[0]
    border = beats.r_index - 6  # 60 ms before R at 100 Hz
    torch.testing.assert_close(moved[:, border:], plain[:, border:])
    torch.testing.assert_close(moved[:, border - 10], plain[:, border - 20])
    with torch.no_grad():
        decoder.stretch.bias[:] = torch.tensor([0, 0, float(np.log(2)), 0])  # the right half of the QRS is half as wide
        narrow = decoder(z)[0]
    r = beats.r_index
    torch.testing.assert_close(narrow[:, : r + 1], plain[:, : r + 1])
    torch.testing.assert_close(narrow[:, r + 2], plain[:, r + 4])
    torch.testing.assert_close(narrow[:, r + 6 : -6], plain[:, r + 12 :])  # and what follows it comes 60 ms earlier
