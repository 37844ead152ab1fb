"""Where results are kept between runs, how they are written whole, and when they are out of date."""

import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import joblib
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from .cpus import available_cpus

PACKAGE = Path(__file__).parent


def cache_folder():
    """Folder for everything that can be made again: ``$VAESCAN_CACHE``, else ``vaescan-lite`` in the user's cache."""
    if os.environ.get("VAESCAN_CACHE"):
        return Path(os.environ["VAESCAN_CACHE"]).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(base) / "vaescan-lite"


@contextmanager
def written_whole(path):
    """Give a temporary name beside `path` and rename it to `path` at the end; on an error nothing is left.

    Parameters
    ----------
    path : str or Path
        The file or folder to make. What stood there before is replaced; of a symbolic link, what it points to.

    Yields
    ------
    Path
        The temporary name; write a file there, or make a folder of that name.

    Raises
    ------
    FileNotFoundError
        If nothing was written; what stood at `path` before is still there.
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temporary = holder / path.name
        yield temporary
        if not temporary.exists():
            raise FileNotFoundError(f"{path}: nothing was written to the temporary name {temporary}.")
        if path.is_dir():  # a folder cannot be renamed onto another
            path.rename(holder / "replaced")
        temporary.replace(path)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def source_hash(*folders, leave_out=()):
    """Hash of the package's source, so that an edited helper never answers from an old cache.

    Parameters
    ----------
    *folders : str
        Rooms of the package such as ``"simulator"``, or files beside them such as ``"ecg"``; none means the whole package.
    leave_out : sequence of str
        Rooms that do not count.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        room = place.parts[0].removesuffix(".py")
        if room not in leave_out and (not folders or room in folders):
            digest.update(place.as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


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
