import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from vaescan_lite.ecg import BeatSet
from vaescan_lite.models.cnn import EcgCNN, FlatteningNetwork, PoolingNetwork
from vaescan_lite.models.fitting import SignalAugmentation
from vaescan_lite.training import Budget

SHORT = Budget(epochs=8, batch_size=32, learning_rate=3e-3)


def bumps(n, n_times=96, seed=0):
    """Noise with a bump: the first label is its sign, the second whether it comes early."""
    rng = np.random.default_rng(seed)
    up, early = rng.random(n) < 0.5, rng.random(n) < 0.5
    centre = np.where(early, 0.3, 0.6) * n_times
    bump = np.exp(-0.5 * ((np.arange(n_times) - centre[:, None]) / 3) ** 2) * np.where(up, 1, -1)[:, None]
    signals = rng.normal(0, 0.2, (n, 8, n_times))
    signals[:, 3] += bump
    return signals.astype(np.float32), np.column_stack([up, early]).astype(float)


def test_a_beat_network_learns_what_a_wave_looks_like_and_when_it_comes():
    signals, y = bumps(300)
    new_signals, new_y = bumps(200, seed=1)
    probability = EcgCNN(budget=SHORT).fit(signals, y).predict_proba(new_signals)
    assert roc_auc_score(new_y[:, 0], probability[:, 0]) > 0.97
    assert roc_auc_score(new_y[:, 1], probability[:, 1]) > 0.97


def test_a_ten_second_network_finds_a_wave_wherever_it_is():
    rng = np.random.default_rng(0)
    signals = rng.normal(0, 0.2, (250, 8, 1000)).astype(np.float32)
    up = np.arange(250) % 2
    for row, start in enumerate(rng.integers(0, 900, 250)):
        for beat in range(start % 100, 900, 100):
            signals[row, 2, beat : beat + 10] += 1 if up[row] else -1
    cnn = EcgCNN(budget=Budget(epochs=4, batch_size=32, learning_rate=3e-3)).fit(signals[:150], up[:150])
    assert isinstance(cnn.network_[1], PoolingNetwork)
    assert roc_auc_score(up[150:], cnn.predict_proba(signals[150:])[:, 0]) > 0.97


def test_unknown_labels_change_neither_network_nor_scores():
    """Whatever stands behind a NaN, it must not be seen: 0 and NaN differ, NaN of either origin do not."""
    signals, y = bumps(80)
    hidden = y.copy()
    hidden[::2, 1] = np.nan
    as_zero = np.where(np.isnan(hidden), 0, hidden)
    masked, zeros = (EcgCNN(budget=SHORT).fit(signals, labels).decision_function(signals) for labels in (hidden, as_zero))
    assert np.abs(masked - zeros).max() > 0.1
    cnn = EcgCNN(budget=SHORT).fit(signals, hidden)
    odd = np.arange(80) % 2 == 1
    assert roc_auc_score(y[odd, 1], cnn.predict_proba(signals[odd])[:, 1]) > 0.9


def test_the_same_seed_gives_the_same_scores_and_another_seed_others():
    signals, y = bumps(60)
    first, again, other = (EcgCNN(budget="smoke", seed=seed).fit(signals, y).predict_proba(signals) for seed in (0, 0, 1))
    assert np.abs(first - again).max() < 1e-6 and np.abs(first - other).max() > 1e-3


def test_global_random_states_and_threads_are_left_alone():
    signals, y = bumps(60)
    before, before_numpy, n_threads = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()  # noqa: NPY002
    EcgCNN(budget="smoke").fit(signals, y).predict(signals)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], before_numpy)  # noqa: NPY002
    assert torch.get_num_threads() == n_threads


def test_scores_do_not_depend_on_what_else_is_scored():
    signals, y = bumps(600)
    cnn = EcgCNN(budget="smoke").fit(signals[:60], y[:60])
    assert np.abs(cnn.decision_function(signals)[300:302] - cnn.decision_function(signals[300:302])).max() < 1e-4


def test_fitting_leaves_the_signals_as_they_are():
    signals, y = bumps(60)
    before = signals.copy()
    EcgCNN(budget="smoke").fit(signals, y).predict_proba(signals)
    assert np.array_equal(signals, before)


def test_a_set_and_its_array_give_the_same_scores():
    signals, y = bumps(60)
    cnn = EcgCNN(budget="smoke").fit(BeatSet(signals, fs=100), y)
    assert np.array_equal(cnn.decision_function(BeatSet(signals, fs=100)), cnn.decision_function(signals))


@pytest.mark.parametrize("network", [PoolingNetwork(8, 2), FlatteningNetwork(8, 96, 2)])
def test_convolutions_of_pictures_one_pixel_high_are_those_of_signals(network):
    x = h = torch.randn(5, 8, 96, generator=torch.Generator().manual_seed(0))
    for layer in network.eval().features:
        if isinstance(layer, torch.nn.Sequential):
            convolution, n_steps = layer[0], layer[0].stride[1]
            h = torch.nn.functional.conv1d(h, convolution.weight[:, :, 0], stride=n_steps, padding=convolution.padding[1])
            h = (h / np.sqrt(1 + layer[1].eps)).relu()  # of a new normalisation
        elif isinstance(layer, torch.nn.MaxPool2d):
            h = torch.nn.functional.max_pool1d(h, 2, ceil_mode=True)
    h = torch.cat([h.mean(dim=2), h.amax(dim=2)], dim=1) if isinstance(network, PoolingNetwork) else h.flatten(1)
    with torch.no_grad():
        torch.testing.assert_close(network(x), network.head(h))


def test_the_network_itself_takes_millivolts():
    signals, y = bumps(60)
    cnn = EcgCNN(budget="smoke").fit(signals, y)
    with torch.no_grad():
        logits = cnn.network_(torch.from_numpy(signals)).numpy()
    assert np.abs(logits - cnn.decision_function(signals)).max() < 1e-4


def test_a_copy_has_the_settings_and_not_the_weights():
    signals, y = bumps(60)
    copy = clone(EcgCNN(budget="smoke", seed=3).fit(signals, y))
    assert copy.get_params()["seed"] == 3 and not hasattr(copy, "network_")


def test_augmentation_keeps_the_signal_but_for_gain_shift_and_noise():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 8, 100, generator=generator)
    nothing = SignalAugmentation(gain=0, lead_gain=0, noise=0)
    assert torch.equal(nothing(x, generator), x)
    gained = SignalAugmentation(gain=0.5, lead_gain=0, noise=0)(x, generator)
    ratio = (gained / x).flatten(1)
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4) and ratio[:, 0].std() > 0.05
    cropped = SignalAugmentation(gain=0, lead_gain=0, noise=0, crop=0.5)(x, generator)
    assert cropped.shape == (4, 8, 50)
    assert all(any(torch.equal(c, one[:, s : s + 50]) for s in range(51)) for c, one in zip(cropped, x))
    moved = SignalAugmentation(gain=0, lead_gain=0, noise=0, shift=3)(x, generator)
    assert all(any(torch.equal(m[:, 3:-3], one[:, 3 + s : 97 + s]) for s in range(-3, 4)) for m, one in zip(moved, x))


def test_mixup_mixes_signals_and_targets_alike_and_a_target_is_known_where_both_are():
    x, known = torch.arange(6.0)[:, None, None].expand(6, 2, 3), torch.tensor([1.0, 1, 1, 1, 1, 0])[:, None]
    generator = torch.Generator().manual_seed(0)
    mixed, still_known, (target,) = SignalAugmentation(mixup=1.0).mix(x, known, [10 * x[:, :, 0]], generator)
    assert torch.allclose(target, 10 * mixed[:, :, 0]) and not torch.equal(mixed, x)
    assert mixed.mean().item() == pytest.approx(2.5)  # every row is the partner of one
    assert still_known[5] == 0 and still_known.sum() == 4
    assert SignalAugmentation(mixup=0).mix(x, known, [x], generator)[0] is x


@pytest.mark.parametrize("n_times", [8, 95, 96, 97, 400])
def test_a_beat_network_takes_windows_of_any_length(n_times):
    assert FlatteningNetwork(8, n_times, 3)(torch.zeros(2, 8, n_times)).shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, y: (s[0], y), r"\(n, n_leads, n_times\)"),
        (lambda s, y: (np.where(np.arange(len(s))[:, None, None] == 7, np.nan, s), y), "1 of 60 signals hold NaN .* row 7"),
        (lambda s, y: (s, y[:-1]), r"a row per signal; got \(59, 2\)"),
        (lambda s, y: (s, y * 2), "1, 0, or NaN"),
        (lambda s, y: (s, y + 41), "must hold 1, 0, or NaN for unknown; got 4[12]"),
        (lambda s, y: (s, np.column_stack([y[:, 0], np.ones(60)])), r"column\(s\) \[1\] of y lack positives or negatives"),
        (lambda s, y: (s, np.column_stack([y[:, 0], np.full(60, np.nan)])), r"column\(s\) \[1\] of y lack"),
    ],
)
def test_bad_training_sets_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        EcgCNN(budget="smoke").fit(*change(*bumps(60)))


def test_bad_settings_and_wrong_shapes_are_refused():
    signals, y = bumps(60)
    with pytest.raises(ValueError, match="budget must be a Budget or one of smoke, workshop, full; got 'huge'"):
        EcgCNN(budget="huge").fit(signals, y)
    with pytest.raises(ValueError, match="not fitted yet"):
        EcgCNN().predict_proba(signals)
    cnn = EcgCNN(budget="smoke").fit(signals, y)
    with pytest.raises(ValueError, match=r"\(n, 8, 96\), leads and samples; got \(60, 8, 90\)"):
        cnn.predict_proba(signals[..., :90])
