"""CPUs are counted by affinity, memory by the limit of the cgroup, version 1 and 2."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
from threadpoolctl import threadpool_info

from vaescan_lite.cpus import available_cpus, available_memory_mb, default_threads, limited_threads


@pytest.fixture
def eight_cpus(monkeypatch):
    monkeypatch.setattr("vaescan_lite.cpus.available_cpus", lambda: 8)


def mounted(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_cpus_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert available_cpus() == 1


def test_threads_are_limited_inside_and_restored_outside():
    before = [pool["num_threads"] for pool in threadpool_info()]
    assert before, "numpy brings a BLAS with threads"
    with limited_threads(1):
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before


@pytest.mark.parametrize(
    ("files", "mb"),
    [
        ({}, 8000),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/memory.max": str(2048 * 1024**2)}, 2048),
        ({"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 8000),
        (
            {"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/memory.max": f"{1024**3}", "sys/fs/cgroup/a/b/memory.max": "max"},
            1024,
        ),
        ({"proc/self/cgroup": "0::/not/mounted/here\n", "sys/fs/cgroup/memory.max": f"{1024**3}\n"}, 1024),
        ({"proc/self/cgroup": "nonsense\n0::/\n", "sys/fs/cgroup/memory.max": "nonsense\n"}, 8000),
        ({"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{1024**3}\n"}, 1024),
    ],
    ids=["no cgroup", "v2", "v2 without limit", "of a parent", "not visible", "unreadable", "v1"],
)
def test_memory_is_what_is_free_or_the_limit(tmp_path, monkeypatch, files, mb):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=8000 * 1024**2))
    assert available_memory_mb(mounted(tmp_path, files)) == mb


@pytest.mark.parametrize(("wanted", "n_threads"), [("3", 3), ("2,1", 2), ("", 8), ("0", 8), ("many", 8)])
def test_threads_are_as_many_as_asked_for_else_one_a_cpu(monkeypatch, eight_cpus, wanted, n_threads):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert default_threads() == n_threads


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_workers_with_and_without_a_job_end_with_a_process_that_is_killed():
    call = "list(in_parallel([joblib.delayed(time.sleep)(900)], n_jobs=2))"
    code = f"import time, joblib\nfrom vaescan_lite.cpus import in_parallel\n{call}"
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})

    def soon(condition):
        until = time.monotonic() + 60
        while not (fulfilled := condition()) and time.monotonic() < until:
            time.sleep(0.1)
        return fulfilled

    def workers():
        return [child for child in psutil.Process(parent.pid).children() if "LokyProcess" in " ".join(child.cmdline())]

    assert soon(lambda: len(workers()) == 2)
    time.sleep(1)
    left = workers()
    parent.kill()
    parent.wait()
    assert soon(lambda: not any(worker.is_running() for worker in left))
