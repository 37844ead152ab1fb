"""The training loop: it minimises, keeps the best weights, can be repeated, and leaves the world as it was."""

import numpy as np
import pytest
import torch
from torch import nn

from vaescan_lite.book import PROFILES
from vaescan_lite.models.fitting import AUGMENTATIONS
from vaescan_lite.training import (
    BUDGETS,
    TABLE_BUDGETS,
    Budget,
    _share_of_peak,
    as_device,
    budget_of,
    seeded_weights,
    torch_threads,
    train,
)

X = torch.linspace(-1, 1, 40).reshape(-1, 1)
Y = 3 * X - 1


def line(seed=0):
    with seeded_weights(seed):
        return nn.Linear(1, 1)


def fit(network, budget=None, *, seed=0, validation_loss=None, y=Y, n_rows=40):
    def loss(rows, _generator):
        return {"total": (network(X[rows]) - y[rows]).square().mean()}

    budget = budget or Budget(epochs=150, batch_size=8, learning_rate=0.05)
    return train(network, loss, n_rows, budget, seed=seed, validation_loss=validation_loss, progress=False)


def test_a_line_is_found():
    network = line()
    history = fit(network)
    assert network.weight.item() == pytest.approx(3, abs=1e-2)
    assert network.bias.item() == pytest.approx(-1, abs=1e-2)
    assert history["total"].iloc[-1] < 1e-3 < history["total"].iloc[0]
    assert not network.training


def test_same_seed_gives_the_same_history_and_another_seed_another():
    first, same, other = (fit(line(), Budget(epochs=3, batch_size=8), seed=seed) for seed in (0, 0, 1))
    assert first.equals(same)
    assert not first.equals(other)


def test_first_weights_follow_their_seed():
    assert torch.equal(line(1).weight, line(1).weight)
    assert not torch.equal(line(1).weight, line(2).weight)


def test_global_state_is_untouched():
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    fit(line())
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_threads_are_put_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_every_row_is_seen_once_in_each_epoch():
    network, seen = line(), []

    def loss(rows, _generator):
        seen.append(rows)
        return {"total": network(X[rows]).square().mean()}

    train(network, loss, 40, Budget(epochs=2, batch_size=16), seed=0, progress=False)
    epochs = torch.cat(seen).reshape(2, 40)
    assert [sorted(epoch.tolist()) for epoch in epochs] == [list(range(40))] * 2
    assert not torch.equal(epochs[0], epochs[1])
    assert max(len(rows) for rows in seen) <= 16


def test_history_holds_means_over_rows_of_every_term():
    network = line()

    def loss(rows, _generator):
        return {"total": network(X[rows]).mean() * 0, "row": rows.float().mean()}

    history = train(network, loss, 40, Budget(epochs=2, batch_size=16), seed=0, progress=False)
    np.testing.assert_allclose(history["row"], 19.5, rtol=1e-6)


def test_the_weights_of_the_best_epoch_are_kept():
    network, values, kept = line(), iter([3.0, 1.0, 2.0, 5.0]), []

    def validation_loss():
        assert not network.training
        assert not torch.is_grad_enabled()
        kept.append(network.weight.item())
        return next(values)

    history = fit(network, Budget(epochs=4, batch_size=8, learning_rate=0.05), validation_loss=validation_loss)
    assert network.weight.item() == kept[1]
    assert len(set(kept)) == 4
    assert history["validation"].tolist() == [3.0, 1.0, 2.0, 5.0]


def test_patience_counts_epochs_without_a_better_validation_loss():
    values = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    history = fit(line(), Budget(epochs=6, batch_size=8, patience=2), validation_loss=lambda: next(values))
    assert len(history) == 4


def test_a_loss_that_is_not_finite_is_an_error_that_says_when():
    with pytest.raises(FloatingPointError, match="epoch 1: the loss is nan"):
        fit(line(), y=torch.full_like(Y, torch.nan))


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero():
    shares = [_share_of_peak(step, 100) for step in range(101)]
    assert np.argmax(shares) in (9, 10)
    assert max(shares) == 1
    assert shares[100] == pytest.approx(0, abs=1e-12)
    assert (np.diff(shares[:10]) > 0).all()
    assert (np.diff(shares[10:]) < 0).all()


@pytest.mark.parametrize("epochs", [1, 2, 9, 10, 11])
def test_trainings_of_few_steps_finish(epochs):
    assert len(fit(line(), Budget(epochs=epochs, batch_size=40))) == epochs


def test_wrong_settings_are_refused():
    for wrong in ({"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}):
        with pytest.raises(ValueError, match="at least 1"):
            Budget(**wrong)
    with pytest.raises(ValueError, match="no rows to train on"):
        fit(line(), n_rows=0)


def test_a_budget_is_itself_or_the_one_of_its_name():
    assert budget_of("full", "VAE") is BUDGETS["VAE"]["full"] and budget_of(Budget(epochs=3), "VAE").epochs == 3
    with pytest.raises(ValueError, match="a Budget or one of smoke, workshop, full; got 'shrt'"):
        budget_of("shrt", "joint VAE")


def test_every_network_and_table_has_a_budget_in_every_profile():
    assert {"VAE", "joint VAE", *(f"CNN, {kind}" for kind in AUGMENTATIONS)} == set(BUDGETS)
    assert all(set(budgets) == set(PROFILES) == set(TABLE_BUDGETS) for budgets in BUDGETS.values())


# where it is trained, and how exactly


@pytest.mark.parametrize("name", ["gpu", "abacus", "meta", None])
def test_a_device_that_is_not_there_is_refused_by_its_name(name):
    with pytest.raises(ValueError, match=f"device must be .auto., .cpu. .*got {name!r}"):
        as_device(name)


def test_auto_is_the_gpu_where_there_is_one_and_else_the_cpu():
    assert as_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_order_of_rows_is_the_same_wherever_steps_are_taken():
    seen = {}
    for device in ("cpu", "auto"):
        network = line()

        def loss(rows, generator, network=network, device=device):
            assert generator.device.type == as_device(device).type == next(network.parameters()).device.type
            seen.setdefault(device, []).append(rows)
            return {"total": network(X[rows].to(generator.device)).square().mean()}

        train(network, loss, 40, Budget(epochs=2, batch_size=16), seed=3, progress=False, device=device)
        assert next(network.parameters()).device.type == "cpu"
    assert torch.equal(torch.cat(seen["cpu"]), torch.cat(seen["auto"]))


def test_bfloat16_rounds_products_and_only_for_those_who_ask():
    dtypes = []

    def loss(rows, _generator):
        dtypes.append((network(X[rows]).dtype, torch.zeros(1).dtype))
        return {"total": network(X[rows]).float().square().mean()}

    for precision in ("float32", "bfloat16"):
        network = line()
        train(network, loss, 40, Budget(epochs=1, batch_size=40), seed=0, progress=False, precision=precision)
        assert network.weight.dtype == torch.float32
    assert dtypes == [(torch.float32, torch.float32), (torch.bfloat16, torch.float32)]
    with pytest.raises(ValueError, match="unknown precision 'half'; known are float32, bfloat16"):
        train(line(), loss, 40, Budget(epochs=1), seed=0, progress=False, precision="half")
