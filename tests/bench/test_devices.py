"""Steps of each network timed on each device from the same first weights; a rotation of the grid on both, of the same ECGs."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch

from bench import devices
from vaescan_lite.simulator.files import write_simulated_database
from vaescan_lite.training import BUDGETS, Budget


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(devices, "WARM_UP", 1)
    monkeypatch.setattr(devices, "FEWEST", 2)
    monkeypatch.setattr(devices, "MOST", 3)
    monkeypatch.setattr(devices, "available_cpus", lambda: 1)
    monkeypatch.setattr(devices, "PAIRS", (("VAE latents", "logistic"), ("ten seconds", "CNN")))
    monkeypatch.setattr(devices, "TASKS", ("NORM", "CD"))
    monkeypatch.setitem(BUDGETS["VAE"], "smoke", Budget(epochs=5, batch_size=64, learning_rate=5e-3))


def test_steps_are_timed_on_every_device_from_the_same_weights_and_leave_no_trace(tmp_path):
    before = torch.get_num_threads()
    table = devices.measure_steps(tmp_path, gpu="cpu", batch_sizes=(8,))
    cases = {("VAE", "float32"), *product(("beat CNN", "ten-second CNN"), ("float32", "bfloat16"))}
    assert table.groupby(["network", "precision"]).size().to_dict() == dict.fromkeys(cases, 2)
    assert (table["steps_s"] > 0).all() and table["same_start"].all()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "devices.csv"), table.round(4))
    assert torch.get_num_threads() == before
    weight = torch.nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    for _ in range(20):  # a hook that had stayed would end this training too
        torch.optim.SGD([weight]).step()


def test_a_slower_step_is_told_and_other_weights_too(monkeypatch):
    quick, weights = devices.step_seconds("beat CNN", 8, "cpu")
    slow, same = devices.step_seconds("beat CNN", 256, "cpu")
    assert slow > 2 * quick and torch.equal(weights, same)
    fit = devices.EcgCNN.fit
    monkeypatch.setattr(devices.EcgCNN, "fit", lambda self, *given: fit(self.set_params(seed=1), *given))
    assert not torch.equal(devices.step_seconds("beat CNN", 8, "cpu")[1], weights)


def test_the_grid_is_the_same_where_the_devices_are(tmp_path):
    folder = write_simulated_database(tmp_path / "ecgs", 300, progress=False)
    table = devices.measure_grid(folder, tmp_path, gpu="cpu", budget="smoke", n_jobs=1)
    apart = devices.differences(table)
    assert set(apart.index.droplevel("task")) == {("age + sex", "logistic"), *devices.PAIRS}
    assert (apart["GPU"] == 0).all() and (apart["another seed"] != 0).any()
    assert (apart["another seed"]["age + sex"] == 0).all()
    assert table["auroc"].between(0, 1).all() and (table["train_s"] > 0).all() and (table["n_test"] > 0).all()
    read = pd.read_csv(tmp_path / "devices_grid.csv")
    np.testing.assert_allclose(read["auroc"], table["auroc"], atol=1e-4)
