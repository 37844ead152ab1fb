"""Independent pieces of work in several processes; what is finished can be kept, and is then not done again."""

from pathlib import Path

import joblib
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from .cache import written_whole
from .cpus import available_cpus


def run_jobs(jobs, *, keep=None, n_jobs=1, description="", unit="job", progress=True):
    """Run functions, and give what they return, in the order of the jobs.

    Parameters
    ----------
    jobs : sequence of (key, function, arguments)
        `key` is whatever the result depends on besides the code and the ECGs, anything `joblib.hash` takes; `arguments` are a
        tuple.
    keep : str or Path, optional
        A folder. Each result is written there as soon as it is there, whole or not at all, and read when a job with the same
        key comes again: after an interruption only what was being worked on is lost. The folder must belong to the
        same code and the same ECGs (`results.kept_folder` sees to that).
    n_jobs : int
        Processes; -1 means as many as this process has CPUs.
    description, unit : str
        Of the progress bar.
    progress : bool
        Show it.

    Returns
    -------
    list
        One result per job.
    """
    folder = None if keep is None else Path(keep)
    tasks = [
        delayed(_run)(number, None if folder is None else folder / f"{joblib.hash(key)}.joblib", function, arguments)
        for number, (key, function, arguments) in enumerate(jobs)
    ]
    parallel = Parallel(n_jobs=available_cpus() if n_jobs == -1 else n_jobs, return_as="generator_unordered")
    bar = {"total": len(tasks), "desc": description, "unit": unit, "disable": not progress, "leave": False}
    done = dict(tqdm(parallel(tasks), **bar))
    return [done[number] for number in range(len(tasks))]


def _run(number, path, function, arguments):
    if path is not None and path.exists():
        return number, joblib.load(path)
    result = function(*arguments)
    if path is not None:
        with written_whole(path) as temporary:
            joblib.dump(result, temporary)
    return number, result
