"""Where results are kept between runs and in what form, how they are written whole, and when they are out of date."""

import hashlib
import os
import shutil
import tempfile
import warnings
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import lru_cache, partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from filelock import FileLock
from joblib import delayed
from tqdm import tqdm

from .cpus import in_parallel, is_on_cluster
from .ecg import BeatSet

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
    """Return a folder that is the user's alone, or refuse it: models are read from it as pickles, which run what they like."""
    if hasattr(os, "geteuid") and folder.exists():  # Windows keeps rights elsewhere
        about = folder.stat()
        if about.st_uid != os.geteuid() or about.st_mode & 0o022:
            rights = f"owner {about.st_uid}, rights {about.st_mode & 0o777:o}"
            raise ValueError(f"{folder}: others can write here ({rights}), and what they put there would be run. {MOVE_IT}.")
    return folder


def load_or_make(path, make, save=joblib.dump, load=joblib.load, *, reload=False):
    """Load what a file of the cache keeps, or make it and keep it there; a warning says what was damaged or cannot be kept.

    Of several processes that want the same entry one makes it; the others wait and load it. With `reload` what was kept is
    loaded at once, and what was made comes back only where nothing could be kept.
    """
    seal = path.with_name(f".{path.name}.sha256")
    require_private(path.parent)
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(path):
        if path.exists():
            try:
                if seal.read_text() != content_hash(path):
                    raise ValueError("its checksum is another")
                return load(path)
            except Exception as error:  # whatever a loader raises on what was cut off or written over
                warnings.warn(f"{path}: this entry of the cache is damaged ({error!r}); it is made again.", stacklevel=2)
        made = make()
        try:
            with written_whole(path) as temporary:
                save(made, temporary)
            with written_whole(seal) as temporary:
                temporary.write_text(content_hash(path))
            made = load(path) if reload else made
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


def save_table(table, path):
    """Write a DataFrame of numbers, truth values and text column by column (`numpy.savez`), without a pickle."""
    columns = {f"column {i}": table.iloc[:, i] for i in range(table.shape[1])} | {"index": table.index.to_series()}
    for name, values in columns.items():
        columns[name] = values.to_numpy()
        if columns[name].dtype == object:
            if not all(isinstance(value, str) for value in values):
                raise ValueError(f"{name} ({values.name!r}) of a table holds neither numbers nor text alone.")
            columns[name] = values.to_numpy(dtype=str)
    with open(path, "wb") as file:
        np.savez(file, names=np.array([*table.columns, table.index.name or ""], dtype=str), **columns)


def load_table(path):
    """Read a DataFrame that `save_table` wrote."""
    with np.load(path, allow_pickle=False) as file:
        *names, index_name = file["names"].tolist()
        columns = {name: file[f"column {i}"] for i, name in enumerate(names)}
        return pd.DataFrame(columns, index=pd.Index(file["index"], name=index_name or None))


def save_beats(beats, folder):
    """Write a BeatSet into a folder: signals that can be memory-mapped, and a table of the rest."""
    folder.mkdir()
    np.save(folder / "signals.npy", beats.signals)
    save_table(beats.quality, folder / "quality.npz")
    np.savez(folder / "form.npz", fs=beats.fs, leads=beats.leads, ids=beats.ids, r_index=beats.r_index, rr_s=beats.rr_s)


def load_beats(folder):
    """Read a BeatSet that `save_beats` wrote; what changes its signals changes memory, never the file."""
    with np.load(folder / "form.npz", allow_pickle=False) as form:
        settings = {"fs": float(form["fs"]), "r_index": int(form["r_index"]), "leads": tuple(form["leads"].tolist())}
        settings |= {"ids": form["ids"], "rr_s": form["rr_s"], "quality": load_table(folder / "quality.npz")}
    return BeatSet(np.load(folder / "signals.npy", mmap_mode="c"), **settings)


def memory_mapped(path, n_rows, blocks):
    """Memory-map a float32 array that the cache keeps; else write there, or keep in memory, what ``blocks()`` yields."""

    def save(made, temporary):
        with open(temporary, "wb") as file:
            for i, block in enumerate(made):
                if i == 0:
                    form = {"descr": "<f4", "fortran_order": False, "shape": (n_rows, *block.shape[1:])}
                    np.lib.format.write_array_header_2_0(file, form)
                file.write(np.ascontiguousarray(block, dtype="<f4"))

    array = load_or_make(path, blocks, save, partial(np.load, mmap_mode="c"), reload=True)
    return array if isinstance(array, np.ndarray) else np.concatenate(list(blocks()))


class SomeRows:
    """Some rows of an array, often memory-mapped, of which only those are read that are asked for."""

    def __init__(self, array, rows):
        self.array, self.rows = array, rows
        self.shape, self.ndim, self.dtype = (len(rows), *array.shape[1:]), array.ndim, array.dtype

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, rows):
        return self.array[self.rows[rows]]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array[self.rows], dtype=dtype)


def in_blocks(x, n_rows=512):
    """Yield an array, or `SomeRows` of one, a few rows at a time."""
    x = x if isinstance(x, SomeRows) else np.asarray(x)
    return (x[start : start + n_rows] for start in range(0, len(x), n_rows))


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
    """Hash code and tables of rooms, such as ``"simulator"`` or ``"ecg"`` (none: all): no edited code answers from a cache."""
    digest = hashlib.sha256()
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.csv")]):
        place = path.relative_to(PACKAGE)
        room = place.parts[0].split(".")[0]
        if room not in leave_out and (not rooms or room in rooms):
            digest.update(place.as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def content_hash(*paths):
    """Hash names and contents, read piece by piece, of files, and of all files in folders."""
    digest = hashlib.sha256()
    for path in map(Path, paths):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                with open(file, "rb") as content:
                    of_file = hashlib.file_digest(content, "sha256").hexdigest()
                digest.update(f"{file.relative_to(path)} {of_file}\n".encode())
    return digest.hexdigest()


def run_jobs(jobs, *, shared=(), keep=None, n_jobs=1, description="", unit="job", progress=True):
    """Run functions as `in_parallel` does, on processes or on a cluster; what they give, in the order of the jobs.

    `jobs` are triples (key, function, tuple of arguments); a key is whatever the result depends on besides the code and the
    ECGs, anything `joblib.hash` takes. `keep` is a folder of one's own, where nobody else may write (it holds pickles), for
    this code and these ECGs: each result is written there as soon as it is there, and read when its key comes again.
    `shared` are large arguments of many jobs: the workers of a cluster are not sent them, but read them from a file below
    `keep`, or the cache, which all of them must see.
    """
    # Keys are hashed here, once and in this process; the arguments, which hold all ECGs, are not part of them.
    jobs = [(joblib.hash(key) if keep else None, *work) for key, *work in jobs]
    bar = {"total": len(jobs), "desc": description, "unit": unit, "disable": not progress, "leave": False}
    with _at_paths(shared, keep or cache_folder() / "shared") if is_on_cluster() else nullcontext({}) as paths:
        calls = [
            delayed(_numbered)(i, keep, key, function, [paths.get(id(value), value) for value in arguments])
            for i, (key, function, arguments) in enumerate(jobs)
        ]
        done = dict(tqdm(in_parallel(calls, n_jobs, "generator_unordered"), **bar))
    return [done[i] for i in range(len(jobs))]


class _AtPath(str):
    """Stands for an argument that is read from the file of this name where it is needed."""


@contextmanager
def _at_paths(arguments, folder):
    """Write arguments to files for a while; `_AtPath` of each by its ``id``."""
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shared-", dir=require_private(Path(folder))) as own:
        names = [joblib.dump(argument, f"{own}/{i}.joblib")[0] for i, argument in enumerate(arguments)]
        yield {id(argument): _AtPath(name) for argument, name in zip(arguments, names)}


@lru_cache(maxsize=2)
def _read(path):
    """Read a shared argument, its arrays memory-mapped, once for all jobs of a worker."""
    require_private(Path(path).parent)
    return joblib.load(path, mmap_mode="c")


def kept(keep, key, function, *arguments):
    """Return ``function(*arguments)``, found again in the folder `keep` where the key is the same; None keeps nothing."""
    if keep is None:
        return function(*arguments)
    return load_or_make(Path(keep) / f"{joblib.hash(key)}.joblib", partial(function, *arguments))


def _numbered(number, keep, key, function, arguments):
    return number, kept(keep, key, function, *[_read(value) if isinstance(value, _AtPath) else value for value in arguments])
