"""Where results are kept between runs, how they are written whole, and when they are out of date."""

import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

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


def source_hash(*modules):
    """Hash of the package's source, so that an edited helper never answers from an old cache.

    Parameters
    ----------
    *modules : str
        Names such as ``"simulator"``; none means all modules.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    paths = [PACKAGE / f"{name}.py" for name in modules] if modules else sorted(PACKAGE.glob("*.py"))
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
