"""Set the book up on this machine, without a network, and open JupyterLab. Needs nothing but the Python of the bundle."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

BUNDLE = Path(__file__).resolve().parent


def main(arguments=None):
    """Make the reader's own folder, or use the one that is there, and start; 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path.home() / "vaescan-classroom", help="the folder to make or use")
    parser.add_argument("--no-lab", action="store_true", help="install and copy only")
    options = parser.parse_args(arguments)
    os.umask(0o077)  # the cache is read only where nobody else can write
    about = json.loads((BUNDLE / "about.json").read_text(encoding="utf-8"))
    if list(sys.version_info[:2]) != about["python"]:
        wanted = "{}.{}".format(*about["python"])
        print(
            f"The wheels are for Python {wanted}, and this is {sys.version.split()[0]}: python{wanted} start.py",
            file=sys.stderr,
        )
        return 1
    folder = options.folder.resolve()
    copy_chapters(folder)
    copy_cache(folder, about["times_ns"])
    python = install(folder)
    print(f"The book: {(BUNDLE / 'book' / 'index.html').as_uri()}\nYour chapters: {folder / 'notebooks'}")
    if options.no_lab:
        return 0
    environment = os.environ | {"VAESCAN_CACHE": str(folder / "cache"), "VAESCAN_DATABASE": "simulated"}
    return subprocess.run([python, "-m", "jupyter", "lab", str(folder / "notebooks")], env=environment, check=False).returncode


def copy_chapters(folder):
    """Copy the chapters that are not there: what a reader has changed stays."""
    for path in sorted((BUNDLE / "notebooks").iterdir()):
        target = folder / "notebooks" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copyfile(path, target)


def copy_cache(folder, times_ns):
    """Copy what training made into a folder that nobody else can write to, with the times by which it is found."""
    for name, time_ns in times_ns.items():
        target = folder / "cache" / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not target.exists():
            shutil.copyfile(BUNDLE / "cache" / name, target)
            os.utime(target, ns=(time_ns, time_ns))


def install(folder):
    """Install the package and what it needs from the wheels; the interpreter of the environment."""
    python = folder / "environment" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    finished = folder / "environment" / "installed"
    if not finished.exists():
        print("installing from the wheels of the bundle (once, a few minutes)")
        venv.create(folder / "environment", with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", BUNDLE / "wheels"]
        subprocess.run([*map(str, command), "vaescan-lite[book]"], check=True)
        finished.touch()
    return str(python)


if __name__ == "__main__":
    sys.exit(main())
