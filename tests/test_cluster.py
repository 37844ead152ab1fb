"""Work on a Dask cluster, through joblib: the same results, whatever happens to a worker; data read from a shared folder."""

import os
import signal
import threading
import time
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest

import vaescan_lite as vl
from bench.cluster import cluster
from vaescan_lite import benchmark, cache
from vaescan_lite.benchmark import Recordings
from vaescan_lite.cpus import in_parallel, is_on_cluster

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
PAIRS = [("measurements", "logistic"), ("VAE latents", "logistic"), ("ten seconds", "CNN")]


@pytest.fixture(scope="module")
def two_workers():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as workers:
        yield workers


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people") / "database"
    vl.write_simulated_database(folder, 150, seed=5, progress=False)
    return vl.open_database(folder)


def test_median_beats_on_a_cluster_are_those_of_this_process(two_workers, database):
    here = vl.median_beats(database, fs=100, batch_size=40)
    with cluster(two_workers.scheduler_address):
        there = vl.median_beats(database, fs=100, batch_size=40)
    np.testing.assert_array_equal(there.signals, here.signals)
    pd.testing.assert_frame_equal(there.quality, here.quality)


def test_the_grid_on_a_cluster_gives_the_predictions_of_this_process(two_workers, database, tmp_path):
    def run(keep):
        settings = {"tasks": ["NORM"], "pairs": PAIRS, "rotations": 2, "budget": "smoke", "n_resamples": 20, "progress": False}
        return benchmark.run(Recordings(database), keep=keep, **settings).predictions

    here = run(None)
    with cluster(two_workers.scheduler_address):
        there = run(tmp_path / "kept")
    pd.testing.assert_frame_equal(there, here)
    assert list((tmp_path / "kept").rglob("*.joblib"))  # the workers keep what is finished


def test_a_killed_worker_changes_nothing_and_shared_data_are_read_from_a_file_that_goes_away(two_workers, tmp_path):
    table = np.random.default_rng(0).normal(size=(40, 1000))

    def work(table, i):
        time.sleep(0.2)
        return os.getpid(), type(table).__name__, float(table[i].sum())

    jobs = [(i, work, (table, i)) for i in range(40)]
    victim = next(iter(two_workers.workers.values())).pid
    with cluster(two_workers.scheduler_address):
        assert is_on_cluster()
        killing = threading.Timer(2.0, os.kill, (victim, signal.SIGKILL))
        killing.start()
        done = cache.run_jobs(jobs, shared=[table], keep=tmp_path / "kept", progress=False)
        killing.join()
    pids, kinds, sums = zip(*done)
    np.testing.assert_array_equal(sums, table.sum(axis=1))
    assert victim in pids or len(set(pids)) >= 2
    assert set(kinds) == {"memmap"} and os.getpid() not in pids
    assert not list((tmp_path / "kept").glob("shared-*"))


@pytest.mark.parametrize(("threshold", "n_warnings"), [(65536, 1), (None, 0)])
def test_workers_that_give_freed_memory_back_at_once_and_train_half_as_fast_are_pointed_out(monkeypatch, threshold, n_warnings):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)  # what another cluster here has left
    dask = pytest.importorskip("dask")
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": threshold}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as workers,
        cluster(workers.scheduler_address),
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always")
        assert list(in_parallel([joblib.delayed(abs)(-1)])) == [1]
    assert sum("MALLOC_TRIM_THRESHOLD_=None" in str(warning.message) for warning in said) == n_warnings


def test_workers_with_two_threads_are_refused():
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as threads,
        cluster(threads.scheduler_address),
        pytest.raises(ValueError, match="--nthreads 1"),
    ):
        in_parallel([joblib.delayed(abs)(-1)])
