"""What each stage takes, from files to a cell of the benchmark, for more and more ECGs: CPU seconds and memory."""

import logging
import multiprocessing
import os
import resource
import sys
import time
from pathlib import Path

import pandas as pd

from vaescan_lite import benchmark
from vaescan_lite.beats import median_beats
from vaescan_lite.benchmark.representations import MedianBeat, Recordings, TenSeconds, VAELatents
from vaescan_lite.cache import written_whole
from vaescan_lite.cpus import limited_threads
from vaescan_lite.databases import open_database
from vaescan_lite.measurements import measure
from vaescan_lite.models import EcgCNN, standard_models
from vaescan_lite.training import Budget
from vaescan_lite.vae import BeatVAE

SIZES = (500, 2000, 8000, 21_799)  # the last is all of PTB-XL
EPOCHS = 2  # of each training: the time of an epoch is what is asked
TASKS = ("NORM", "MI", "CD")
FILE = "scaling.csv"
log = logging.getLogger(__name__)


def measure_scaling(database, folder, sizes=SIZES):
    """Run all stages on the first so many ECGs of a database, each size in a process of its own; write and return the table.

    Columns: n, stage, cpu_s (of one process with one thread), wall_s, and peak_MB, the most memory resident until then.
    """
    database, rows = open_database(database).folder, []
    for n in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # a peak of memory is of a whole process
            rows += pool.apply(stages, (database, n))
        table = pd.DataFrame(rows)
        with written_whole(Path(folder) / FILE) as path:
            table.round(3).to_csv(path, index=False, lineterminator="\n")
    return table


def stages(database, n):
    """Time the stages on `n` ECGs of a folder; a list of rows."""
    rows, budget = [], Budget(epochs=EPOCHS, batch_size=128, learning_rate=1e-3)
    if hasattr(os, "sched_setaffinity"):  # one CPU, so that no stage takes a second thread
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    def timed(stage, work, *arguments, **settings):
        wall, cpu = time.perf_counter(), time.process_time()
        made = work(*arguments, **settings)
        taken = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
        rows.append({"n": n, "stage": stage, **taken, "peak_MB": peak_mb()})
        log.info("%s", rows[-1])
        return made

    with limited_threads(1):
        db = timed("open", open_database, database, n=n)
        beats = timed("files to beats", median_beats, db, fs=100)
        timed("measurements", measure, beats)
        usable = beats[beats.usable]
        vae = BeatVAE(budget=budget, progress=False)
        timed("VAE, an epoch", vae.fit, usable)
        recordings = Recordings(db, usable.ids, beats=usable).prepare(("measurements",))
        timed("ten seconds", recordings.prepare, ("ten_seconds",))
        timed("CNN on beats, an epoch", _one_cell, recordings, "median beat", MedianBeat(), "CNN", EcgCNN(budget=budget))
        timed("CNN on ten seconds, an epoch", _one_cell, recordings, "ten seconds", TenSeconds(), "CNN", EcgCNN(budget=budget))
        latents, boosting = VAELatents(budget=budget), standard_models("smoke")["boosting"]
        timed("latents and boosting", _one_cell, recordings, "VAE latents", latents, "boosting", boosting)
    for row in rows:
        if "epoch" in row["stage"]:
            row["cpu_s"], row["wall_s"] = row["cpu_s"] / EPOCHS, row["wall_s"] / EPOCHS
    return rows


def _one_cell(rows, name, representation, model_name, model):
    """Run one representation with one model in one rotation of the folds."""
    return benchmark.run(
        rows, tasks=TASKS, representations={name: representation}, models={model_name: model}, pairs=[(name, model_name)],
        rotations=1, n_resamples=200, progress=False,
    )  # fmt: skip


def peak_mb():
    """Most memory that this process has had resident, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
