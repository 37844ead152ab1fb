"""CPUs are counted by affinity and by the quota of the cgroup, version 1 and 2."""

import os
from types import SimpleNamespace

import pytest
from threadpoolctl import threadpool_info

from vaescan_lite.cpus import available_cpus, available_memory_mb, default_threads, limited_threads


@pytest.fixture
def eight_cpus(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def mounted(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "n_cpus"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "350000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "6400000 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "400000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 1"}, 4),
        ({"proc/self/cgroup": "0::/not/mounted/here\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/docker/x\n1:memory:/docker/x\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
        ({"proc/self/cgroup": "nonsense\n0::/\n", "sys/fs/cgroup/cpu.max": "nonsense\n"}, 8),
    ],
    ids=[
        "no cgroup", "v2", "v2 without limit", "v2 fraction", "v2 less than one", "v2 above affinity",
        "v2 limit of a parent", "v2 own path not visible", "v1", "v1 without limit", "unreadable",
    ],
)  # fmt: skip
def test_the_smallest_limit_counts(tmp_path, eight_cpus, files, n_cpus):
    assert available_cpus(mounted(tmp_path, files)) == n_cpus


def test_affinity_counts_where_it_is_smaller(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    root = mounted(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"})
    assert available_cpus(root) == 1


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
        ({"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{1024**3}\n"}, 1024),
    ],
    ids=["no cgroup", "v2", "v2 without limit", "v1"],
)
def test_memory_is_what_is_free_or_the_limit(tmp_path, monkeypatch, files, mb):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=8000 * 1024**2))
    assert available_memory_mb(mounted(tmp_path, files)) == mb


@pytest.mark.parametrize(("wanted", "n_threads"), [("3", 3), ("2,1", 2), ("", 8), ("0", 8), ("many", 8)])
def test_threads_are_as_many_as_asked_for_else_one_a_cpu(monkeypatch, eight_cpus, wanted, n_threads):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    monkeypatch.setattr("vaescan_lite.cpus._cgroups", lambda root, controller: [])
    assert default_threads() == n_threads
