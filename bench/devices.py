"""A GPU beside the CPU: steps a second of each network, and one rotation of the grid with the same splits and first weights."""

import logging
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from vaescan_lite import benchmark
from vaescan_lite.benchmark.representations import Recordings
from vaescan_lite.benchmark.running import grid
from vaescan_lite.cache import written_whole
from vaescan_lite.cpus import available_cpus, limited_threads
from vaescan_lite.databases import open_database
from vaescan_lite.factors import SUPERCLASSES
from vaescan_lite.models import EcgCNN
from vaescan_lite.training import Budget
from vaescan_lite.vae import BeatVAE

SHAPES = {"VAE": (8, 96), "beat CNN": (8, 96), "ten-second CNN": (8, 1000)}  # leads and samples, at 100 Hz
BATCH_SIZES = (128, 1024)
N_TASKS = 5
WARM_UP, FEWEST, MOST, LIMIT_S = 5, 5, 200, 2.0  # steps that are not counted; steps that are, as many as fit into the seconds
PAIRS = (("VAE latents", "logistic"), ("VAE latents", "boosting"), ("median beat", "CNN"), ("ten seconds", "CNN"))
TASKS = (*SUPERCLASSES, "AF")
TOLERANCE, MEAN_TOLERANCE = 0.02, 0.01  # of the AUROC of a task, and of the mean over tasks, between devices
STEPS_FILE, GRID_FILE = "devices.csv", "devices_grid.csv"
log = logging.getLogger(__name__)


def measure_steps(folder, gpu="auto", batch_sizes=BATCH_SIZES):
    """Time steps of every network on one and all threads of the CPU, and on the GPU if there is one; write and return a table.

    Columns: network, batch_size, precision (the VAE has float32 alone), device, hardware, threads, steps_s (steps a second),
    and same_start: whether the weights before the first step were, bit for bit, those of the CPU.
    """
    rows, places = [], [("CPU", "cpu", threads) for threads in sorted({1, available_cpus()})]
    if gpu != "auto" or torch.cuda.is_available():
        places.append(("GPU", "cuda" if gpu == "auto" else gpu, 1))
    for network in SHAPES:
        first = {}
        for batch_size in batch_sizes:
            for precision in ("float32",) if network == "VAE" else ("float32", "bfloat16"):
                for device, place, threads in places:
                    step_s, weights = step_seconds(network, batch_size, place, threads, precision)
                    same = torch.equal(first.setdefault((batch_size, precision), weights), weights)
                    about = {"device": device, "hardware": hardware(place), "threads": threads}
                    row = {"network": network, "batch_size": batch_size, "precision": precision, **about}
                    rows.append(row | {"steps_s": 1 / step_s, "same_start": same})
                    log.info("%s", rows[-1])
        table = _written(rows, Path(folder) / STEPS_FILE)
    return table


def step_seconds(network, batch_size, device, threads=1, precision="float32"):
    """Median seconds of a step of the training loop, reading and augmenting its signals included, and the first weights."""
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(4 * batch_size, *SHAPES[network])).astype(np.float32)
    labels = rng.integers(0, 2, (len(signals), N_TASKS))
    budget = Budget(epochs=10_000, batch_size=batch_size, learning_rate=1e-4)
    marks, first = [], []

    def before(optimiser, *_):
        if not first:
            torch.set_num_threads(threads)  # the loop has just set it to its own
            weights = (weight for group in optimiser.param_groups for weight in group["params"])
            first.append(torch.cat([weight.detach().cpu().flatten() for weight in weights]))  # a copy

    def after(*_):
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        marks.append(time.perf_counter())
        n_steps = len(marks) - WARM_UP - 1
        if n_steps >= MOST or (n_steps >= FEWEST and marks[-1] - marks[WARM_UP] > LIMIT_S):
            raise _EnoughError

    hooks = register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)
    try:
        with limited_threads(threads):
            if network == "VAE":
                BeatVAE(budget=budget, device=device, progress=False).fit(signals, validation=signals[:64])
            else:
                EcgCNN(budget=budget, device=device, precision=precision).fit(signals, labels)
    except _EnoughError:
        return float(np.median(np.diff(marks[WARM_UP:]))), first[0]
    finally:
        for hook in hooks:
            hook.remove()
    raise RuntimeError(f"{network}: the training ended before {FEWEST} steps were timed.")


class _EnoughError(Exception):
    """Ends a training whose steps have been timed."""


def measure_grid(database, folder, gpu="auto", budget="full", n_jobs=-1, n=None):
    """Run one rotation of the grid on the GPU, and on the CPU with that seed and another; write and return the table.

    Both train and test on the same ECGs. Columns: representation, model, task, device, seed, auroc, n_test, and train_s, wall
    seconds for the representation (one training serves all of its models) and the model of all tasks.
    """
    rows = Recordings(open_database(database, n=n)).prepare(("beats", "ten_seconds"))
    runs = [("CPU", "cpu", (0, 1), n_jobs)]
    if gpu != "auto" or torch.cuda.is_available():  # one cell at a time, so that each has the GPU to itself
        runs.insert(0, ("GPU", "cuda" if gpu == "auto" else gpu, (0,), 1))
    tables, tested = [], []
    for device, place, seeds, processes in runs:
        started = time.perf_counter()
        chosen = grid(budget) | {"pairs": PAIRS, "tasks": TASKS, "seeds": seeds, "rotations": 1, "n_resamples": 10}
        result = benchmark.run(rows, **chosen, device=place, n_jobs=processes, progress=False)
        log.info("%s: %.0f s", device, time.perf_counter() - started)
        first = result.predictions[result.predictions["seed"] == 0].drop(columns="score").reset_index(drop=True)
        if tested and not tested[0].equals(first):
            raise RuntimeError("the devices were not tested on the same ECGs.")
        tested.append(first)
        tables.append(_scores(result).assign(device=device))
        table = _written(pd.concat(tables), Path(folder) / GRID_FILE)
    return table


def _scores(result):
    """AUROC and seconds of every cell of one rotation, task by task."""
    cell = ["representation", "model", "seed"]
    seconds = result.seconds.set_index(["representation", "part", "seed"])["seconds"]
    rows = []
    for (representation, model, seed, task), part in result.predictions.groupby([*cell, "task"], observed=True, sort=False):
        row = {"representation": representation, "model": model, "seed": seed, "task": task, "n_test": len(part)}
        taken = sum(seconds[representation, name, seed] for name in ("representation", model))
        rows.append(row | {"auroc": roc_auc_score(part["y"], part["score"]), "train_s": taken})
    return pd.DataFrame(rows)


def differences(table):
    """AUROC on the GPU, and with another seed on the CPU, minus that on the CPU, by cell and task."""
    of_run = table.pivot(index=["representation", "model", "task"], columns=["device", "seed"], values="auroc")
    reference = of_run["CPU", 0]
    return pd.DataFrame({"GPU": of_run["GPU", 0] - reference, "another seed": of_run["CPU", 1] - reference})


def hardware(device):
    """Name of the processor behind a device, as far as the system tells."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name()
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "CPU")


def _written(rows, path):
    table = pd.DataFrame(rows)
    with written_whole(path) as temporary:
        table.round(4).to_csv(temporary, index=False, lineterminator="\n")
    return table
