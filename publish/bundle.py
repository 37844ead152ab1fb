"""A folder for a classroom without a network: built book, chapters, wheels, what training made, a script that starts."""

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

START = Path(__file__).with_name("start.py")
READ_ME = """VAE-SCAN, step by step: everything for a classroom without a network.

To read:      open book/index.html in a browser. Nothing has to be installed.
To work:      {python} start.py
              It makes a folder of your own, vaescan-classroom in your home, installs into it from wheels/, copies the
              chapters and what training made, and opens JupyterLab. The second time it only opens JupyterLab.

The wheels are for {python} on {system}. For another Python or system make the bundle there: make bundle
"""


def make_bundle(source, html, cache, folder):
    """Put the bundle of a book together in `folder`, which is made anew; `cache` is the one that its chapters were run with."""
    source, folder = Path(source).resolve(), Path(folder).resolve()
    for old in ("book", "notebooks", "wheels"):
        shutil.rmtree(folder / old, ignore_errors=True)
    shutil.copytree(html, folder / "book")
    shutil.copytree(source / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    wheel = package_wheel(source, folder / "wheels")
    dependency_wheels(wheel, folder / "wheels")
    copy_start(cache, folder)
    return folder


def package_wheel(source, folder):
    """Build the wheel of the package from a copy of its source, with the setuptools that is installed; its path."""
    folder = Path(folder)
    with tempfile.TemporaryDirectory() as staged:
        for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-CONTENT"):
            shutil.copy(Path(source) / name, staged)
        shutil.copytree(Path(source) / "vaescan_lite", Path(staged) / "vaescan_lite")
        _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), staged)
    return next(folder.glob("vaescan_lite-*.whl"))


def dependency_wheels(wheel, folder):
    """Fetch or build wheels of everything that the book needs, in the versions that are installed here."""
    installed = {dist.metadata["Name"]: dist.version for dist in distributions()}
    with tempfile.TemporaryDirectory() as temporary:
        pins = Path(temporary) / "installed.txt"
        lines = [f"{name}=={version}\n" for name, version in sorted(installed.items()) if name != "vaescan-lite"]
        pins.write_text("".join(lines), encoding="utf-8")
        _pip("wheel", "--wheel-dir", str(folder), "--constraint", str(pins), f"vaescan-lite[book] @ {Path(wheel).as_uri()}")


def copy_start(cache, folder):
    """Copy the cache, the script that starts and a word to the reader; entries are found by times, which copies may lose."""
    cache, folder = Path(cache), Path(folder)
    if cache != folder / "cache":
        shutil.copytree(cache, folder / "cache", dirs_exist_ok=True)
    times = {path.relative_to(cache).as_posix(): path.stat().st_mtime_ns for path in sorted(cache.rglob("*")) if path.is_file()}
    about = {"python": list(sys.version_info[:2]), "system": f"{platform.system()} {platform.machine()}", "times_ns": times}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    shutil.copy(START, folder)
    words = {"python": "python{}.{}".format(*sys.version_info), "system": about["system"]}
    (folder / "READ_ME.txt").write_text(READ_ME.format(**words), encoding="utf-8")


def _pip(*arguments):
    run = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"pip {arguments[0]} failed: {run.stderr[-2000:]}")
