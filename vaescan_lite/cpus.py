"""How many CPUs this process really has, and threads to match."""

import os
from contextlib import contextmanager
from pathlib import Path

from threadpoolctl import threadpool_limits


def available_cpus(root="/"):
    """Count the CPUs this process may use, at least 1: affinity or the quota of its cgroup, whichever is less (1.5 count as 1).

    Threads for every core of a host run many times slower than one where a container may use one or two. `root`: for tests.
    """
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([n_cpus, *_cgroup_quotas(Path(root))])))


@contextmanager
def limited_threads(n_threads=None):
    """Run BLAS and OpenMP with as many threads as the process has CPUs, and put the old number back afterwards."""
    with threadpool_limits(n_threads or available_cpus()):
        yield


def _cgroup_quotas(root):
    """Yield the quotas, in CPUs, of the process's cgroup and all its parents; a line is ``number:controllers:path``."""
    lines = [line.split(":", 2) for line in _read(root / "proc/self/cgroup").splitlines() if line.count(":") > 1]
    for _, controllers, path in lines:
        if controllers and "cpu" not in controllers.split(","):
            continue
        relative = Path(path.lstrip("/"))
        for mount in {controllers, "cpu"} if controllers else {""}:  # version 2 has one tree and names no controllers
            for folder in (relative, *relative.parents):
                yield _quota(root / "sys/fs/cgroup" / mount / folder)


def _quota(folder):
    """Quota in microseconds per period: cgroup-v2 ``cpu.max``, cgroup-v1 ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us``."""
    text = _read(folder / "cpu.max") or f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"
    try:
        quota, period = map(int, text.split())
    except ValueError:  # no limit ("max"), or no such files
        return float("inf")
    return quota / period if quota > 0 else float("inf")


def _read(path):
    try:
        return path.read_text()
    except OSError:
        return ""
