"""How many CPUs and how much memory this process really has, threads to match, workers that end with it, and clusters."""

import os
import threading
import time
import warnings
from functools import cache
from pathlib import Path

import joblib
from threadpoolctl import threadpool_limits


def available_cpus():
    """Count the CPUs this process may use, at least 1: affinity or its container's quota, the lesser (1.5 count as 2)."""
    return joblib.cpu_count()


def available_memory_mb(root="/"):
    """Memory in MB that is free on this machine, or the limit of the process's cgroup where that is less. `root`: for tests."""
    import psutil

    return min(psutil.virtual_memory().available, _memory_limit(Path(root))) / 1024**2


def default_threads():
    """Threads for torch, BLAS and OpenMP: ``OMP_NUM_THREADS`` where it is set, as in workers of joblib; else one a CPU."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(wanted) if wanted.isdigit() and int(wanted) else available_cpus()


def limited_threads(n_threads=None):
    """Context in which BLAS and OpenMP run with `n_threads`, else `default_threads`; the old number comes back afterwards."""
    return threadpool_limits(n_threads or default_threads())


@cache
def end_with(parent):
    """Have this process end once `parent`, the process that started it, is gone: one that is killed cannot say so."""

    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def in_parallel(calls, n_jobs=1, return_as="generator"):
    """Yield what calls (`joblib.delayed`) give, from `n_jobs` processes (-1: as many as this one has CPUs) or from a cluster.

    A cluster is that of ``joblib.parallel_config("dask")``, if the call is inside one.
    """
    if client := getattr(joblib.parallel.get_active_backend()[0], "client", None):
        if max(client.ncores().values(), default=1) > 1:
            raise ValueError("start Dask workers with --nthreads 1: trainings in two threads would draw from one generator.")
        if any(client.run(os.getenv, "MALLOC_TRIM_THRESHOLD_", on_error="ignore").values()):
            cure = "start them with DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON__MALLOC_TRIM_THRESHOLD_=None"
            warnings.warn(f"Dask's workers give freed memory back at once, and train half as fast; {cure}.", stacklevel=2)
    calls = ((_alone, (function, *arguments), settings) for function, arguments, settings in calls)
    ends = {} if is_on_cluster() else {"initializer": end_with, "initargs": (os.getpid(),)}
    return joblib.Parallel(available_cpus() if n_jobs == -1 else n_jobs, return_as=return_as, **ends)(calls)


def is_on_cluster():
    """Say whether calls go to other machines, which have to be sent, or to read, what they work on."""
    return hasattr(joblib.parallel.get_active_backend()[0], "client")  # of joblib's backends only that of Dask has one


def _alone(function, *arguments, **settings):
    """Call a function that shares no work out itself: the processes are all in use."""
    with joblib.parallel_config("sequential"):
        return function(*arguments, **settings)


def _memory_limit(root):
    """Limit in bytes of the process's cgroup and its parents: version 2 ``memory.max``, version 1 ``memory.limit_in_bytes``."""
    limits = [float("inf")]
    lines = [line.split(":", 2) for line in _read(root / "proc/self/cgroup").splitlines() if line.count(":") > 1]
    for _, controllers, path in lines:  # ``number:controllers:path``; version 2 has one tree and names no controllers
        if controllers and "memory" not in controllers.split(","):
            continue
        relative = Path(path.lstrip("/"))
        for mount in {controllers, "memory"} if controllers else {""}:
            for folder in (root / "sys/fs/cgroup" / mount / part for part in (relative, *relative.parents)):
                text = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
                limits += [int(text)] if text.strip().isdigit() else []
    return min(limits)


def _read(path):
    return path.read_text() if path.is_file() and os.access(path, os.R_OK) else ""
