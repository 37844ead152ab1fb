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
    """Offer a temporary name beside `path` for a file or folder, and rename that to `path` at the end.

    What stood there before is replaced; of a symbolic link, what it points to. On an error, or where nothing was written
    (`FileNotFoundError`), it stays and nothing else is left.
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


def source_hash(*rooms, leave_out=()):
    """Hash the source of the rooms named (none: of the whole package), so that no edited code answers from an old cache.

    A room is a folder of the package such as ``"simulator"``, or a file beside them such as ``"ecg"``.
    """
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        room = place.parts[0].removesuffix(".py")
        if room not in leave_out and (not rooms or room in rooms):
            digest.update(place.as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def run_jobs(jobs, *, keep=None, n_jobs=1, description="", unit="job", progress=True):
    """Run functions, and return what they give, in the order of the jobs.

    Parameters
    ----------
    jobs : sequence of (key, function, arguments)
        `key` is whatever the result depends on besides the code and the ECGs, anything `joblib.hash` takes; `arguments` are a
        tuple.
    keep : str or Path, optional
        A folder of one's own (it holds pickles) for this code and these ECGs. Each result is written there, by
        `joblib.Memory`, as soon as it is there, and read when a job with the same key comes again.
    n_jobs : int
        Processes; -1 means as many as this process has CPUs.
    description, unit, progress : str, str, bool
        Of the progress bar, and whether to show it.
    """
    # The key is hashed here, once and in this process; the arguments, which hold all ECGs, are not part of it.
    kept = joblib.Memory(keep, verbose=0).cache(_run, ignore=["function", "arguments"])
    tasks = [delayed(_numbered)(i, kept, joblib.hash(key) if keep else None, *work) for i, (key, *work) in enumerate(jobs)]
    parallel = Parallel(n_jobs=available_cpus() if n_jobs == -1 else n_jobs, return_as="generator_unordered")
    bar = {"total": len(tasks), "desc": description, "unit": unit, "disable": not progress, "leave": False}
    done = dict(tqdm(parallel(tasks), **bar))
    return [done[i] for i in range(len(tasks))]


def _numbered(number, kept, *job):
    return number, kept(*job)


def _run(key, function, arguments):
    return function(*arguments)
