"""How many CPUs this process really has, and threads to match."""

import os
from contextlib import contextmanager
from pathlib import Path

from threadpoolctl import threadpool_limits


def available_cpus(root="/"):
    """Count the CPUs this process may use: affinity and the quota of its cgroup, whichever is smaller.

    A container on a 64-core host often has a quota of one or two CPUs. Libraries that start a thread per core of
    the host then run many times slower than with one thread.

    Parameters
    ----------
    root : str or Path
        Where ``proc`` and ``sys`` are mounted; tests point it elsewhere.

    Returns
    -------
    int
        At least 1. A quota of 1.5 CPUs counts as 1.

    References
    ----------
    .. [1] Linux kernel documentation, cgroup-v2 ``cpu.max``; cgroup-v1 ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us``.
    """
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([n_cpus, *_cgroup_quotas(Path(root))])))


@contextmanager
def limited_threads(n_threads=None):
    """Run BLAS and OpenMP with as many threads as the process has CPUs, and put the old number back afterwards."""
    with threadpool_limits(n_threads or available_cpus()):
        yield


def _cgroup_quotas(root):
    """CPU quotas of the process's cgroup and all its parents, in CPUs."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    quotas = []
    for line in lines:
        if line.count(":") < 2:
            continue
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            mounts, read_quota = [root / "sys/fs/cgroup"], _quota_v2
        elif "cpu" in controllers.split(","):
            mounts, read_quota = [root / "sys/fs/cgroup" / controllers, root / "sys/fs/cgroup/cpu"], _quota_v1
        else:
            continue
        relative = Path(path.lstrip("/"))
        for mount in mounts:
            for folder in (mount / relative, *(mount / parent for parent in relative.parents)):
                quota = read_quota(folder)
                if quota:
                    quotas.append(quota)
    return quotas


def _quota_v2(folder):
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(folder):
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return quota / int((folder / "cpu.cfs_period_us").read_text()) if quota > 0 else None
    except (OSError, ValueError):
        return None
