"""Where results are kept between runs, how they are written whole, and when they are out of date."""

import hashlib
import os
import shutil
import tempfile
import warnings
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import joblib
from filelock import FileLock
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from .cpus import available_cpus, end_with

PACKAGE = Path(__file__).parent
MOVE_IT = "Set the environment variable VAESCAN_CACHE to a folder of your own"


def cache_folder():
    """Folder for everything that can be made again: ``$VAESCAN_CACHE``, else ``vaescan-lite`` in the user's cache."""
    if os.environ.get("VAESCAN_CACHE"):
        return Path(os.environ["VAESCAN_CACHE"]).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/.cache")
    if not os.path.isabs(base):  # a container whose user has no home
        raise ValueError(f"there is no home folder for the cache ({base}). {MOVE_IT}.")
    return Path(base) / "vaescan-lite"


def require_private(folder):
    """Return a folder that is the user's alone, or refuse it: pickles are read from it, and a pickle runs what it likes."""
    if hasattr(os, "geteuid") and folder.exists():  # Windows keeps rights elsewhere
        about = folder.stat()
        if about.st_uid != os.geteuid() or about.st_mode & 0o022:
            rights = f"owner {about.st_uid}, rights {about.st_mode & 0o777:o}"
            raise ValueError(f"{folder}: others can write here ({rights}), and what they put there would be run. {MOVE_IT}.")
    return folder


def load_or_make(path, make, save=joblib.dump, load=joblib.load):
    """Load what a file of the cache keeps, or make it and keep it there; a warning says what was damaged or cannot be kept.

    Of several processes that want the same entry one makes it; the others wait and load it.
    """
    seal = path.with_name(f".{path.name}.sha256")
    require_private(path.parent)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(path):
        if path.exists():
            try:
                if seal.read_text() != hashlib.sha256(path.read_bytes()).hexdigest():
                    raise ValueError("its checksum is another")
                return load(path)
            except Exception as error:  # whatever a loader raises on what was cut off or written over
                warnings.warn(f"{path}: this entry of the cache is damaged ({error!r}); it is made again.", stacklevel=2)
        made = make()
        try:
            with written_whole(path) as temporary:
                save(made, temporary)
            with written_whole(seal) as temporary:
                temporary.write_text(hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError as error:
            said = f"{path}: the cache cannot be written ({error.strerror}), so that nothing is kept. {MOVE_IT}."
            warnings.warn(said, stacklevel=2)
        return made


@contextmanager
def alone(path):
    """Wait until no other process is at work on `path`, and keep others waiting meanwhile; one that is killed lets go."""
    with ExitStack() as stack:
        with suppress(OSError):  # where nothing can be written, nothing is shared
            stack.enter_context(FileLock(path.with_name(f".{path.name}.lock")))
        yield


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
    """Hash the source of rooms, such as ``"simulator"`` or ``"ecg"`` (none: all): no edited code answers from a cache."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        room = place.parts[0].removesuffix(".py")
        if room not in leave_out and (not rooms or room in rooms):
            digest.update(place.as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def content_hash(*paths):
    """Hash names and contents of files, and of all files in folders."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(path)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def run_jobs(jobs, *, keep=None, n_jobs=1, description="", unit="job", progress=True):
    """Run functions on `n_jobs` processes (-1: as many as this process has CPUs); what they give, in the order of the jobs.

    `jobs` are triples (key, function, tuple of arguments); a key is whatever the result depends on besides the code and the
    ECGs, anything `joblib.hash` takes. `keep` is a folder of one's own, where nobody else may write (it holds pickles), for
    this code and these ECGs: each result is written there as soon as it is there, and read when its key comes again.
    """
    # Keys are hashed here, once and in this process; the arguments, which hold all ECGs, are not part of them.
    keys = [joblib.hash(key) if keep else None for key, *_ in jobs]
    tasks = [delayed(_numbered)(i, os.getpid(), keep, keys[i], *work) for i, (_, *work) in enumerate(jobs)]
    parallel = Parallel(n_jobs=available_cpus() if n_jobs == -1 else n_jobs, return_as="generator_unordered")
    bar = {"total": len(tasks), "desc": description, "unit": unit, "disable": not progress, "leave": False}
    done = dict(tqdm(parallel(tasks), **bar))
    return [done[i] for i in range(len(tasks))]


def kept(keep, key, function, *arguments):
    """Return ``function(*arguments)``, found again in the folder `keep` where the key is the same; None keeps nothing."""
    if keep is None:
        return function(*arguments)
    return load_or_make(Path(keep) / f"{joblib.hash(key)}.joblib", partial(function, *arguments))


def _numbered(number, parent, keep, key, function, arguments):
    if os.getppid() == parent:  # a worker: not the process itself, nor one on another machine
        end_with(parent)
    return number, kept(keep, key, function, *arguments)
