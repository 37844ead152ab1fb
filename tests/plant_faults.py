"""Plant the faults of `faults.toml` one at a time, and write down which of them the tests notice: `make faults`.

Each is planted in a copy of the package, so that nothing is touched here. One process imports what takes long, and a fork of it
runs the tests of each fault; before the first fault of some tests these have to pass without it. What stands in
`faults_result.csv` is not run again, so an interrupted run goes on.
"""

import argparse
import compileall
import contextlib
import csv
import hashlib
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FAULTS, RESULT = (ROOT / "tests" / name for name in ("faults.toml", "faults_result.csv"))
COLUMNS = ("key", "what", "file", "tests", "caught", "by")
TAKES_LONG = (
    "pytest",
    "scipy.signal",
    "scipy.stats",
    "pandas",
    "sklearn.linear_model",
    "sklearn.ensemble",
    "torch",
    "tqdm",
)
OPTIONS = ("-x", "-q", "--no-header", "--tb=no", "-rfE", "-p", "no:cacheprovider")
LIMIT_S = 900


def read_faults():
    """Faults as dicts, each with a key that changes with what is planted and with what has to notice it."""
    faults = tomllib.loads(FAULTS.read_text(encoding="utf-8"))["fault"]
    for fault in faults:
        parts = [fault[name] for name in ("file", "old", "new", "tests")]
        fault["key"] = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]
    return faults


def read_result():
    """Rows of the result by key; none where there is no file."""
    if not RESULT.exists():
        return {}
    with RESULT.open(encoding="utf-8", newline="") as file:
        return {row["key"]: row for row in csv.DictReader(file)}


def planted(source, fault):
    """Return the source with the fault in it."""
    if source.count(fault["old"]) != 1:
        raise ValueError(f"{fault['file']}: {fault['old']!r} stands there {source.count(fault['old'])} times, not once.")
    return source.replace(fault["old"], fault["new"])


def run_tests(tree, tests):
    """Run tests in a fork, up to the first that fails; exit status of pytest and the name of that test."""
    said = tree / "said.txt"
    pid = os.fork()
    if not pid:
        with said.open("w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            os.chdir(tree)
            sys.path[:0] = [str(tree), str(tree / "tests")]
            options = [
                "-x",
                "-q",
                "--no-header",
                "--tb=no",
                "-rfE",
                "-p",
                "no:cacheprovider",
                "-m",
                "not (browser or book or chapter)",
            ]
            status = import_module("pytest").main([*shlex.split(tests), *options])
        os._exit(int(status))
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            failed = [
                line.split(" - ")[0].split("::")[-1] for line in said.read_text().splitlines() if line.startswith("FAILED")
            ]
            return os.waitstatus_to_exitcode(status), "".join(failed[:1])
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return 1, f"nothing within {LIMIT_S} s"


def main():
    """Run what is not in the result yet, and say what was not caught; exit status 1 if anything was not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="words of faults to run anew (default: all that are not in the result)")
    only = parser.parse_args().only
    faults, known, passed = read_faults(), read_result(), set()
    for name in TAKES_LONG:
        import_module(name)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        tree = Path(folder)
        for name in ("vaescan_lite", "tests", "bench", "book/_ext"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(ROOT / "pyproject.toml", tree)
        compileall.compile_dir(tree / "vaescan_lite", quiet=1)
        for number, fault in enumerate(faults, start=1):
            if fault["key"] in known and not any(word in f"{fault['what']} {fault['file']}" for word in only):
                continue
            if fault["tests"] not in passed and run_tests(tree, fault["tests"])[0] != 0:
                raise SystemExit(f"without any fault these do not pass: {fault['tests']}\n{(tree / 'said.txt').read_text()}")
            passed.add(fault["tests"])
            original, place = ROOT / "vaescan_lite" / fault["file"], tree / "vaescan_lite" / fault["file"]
            place.write_text(planted(original.read_text(encoding="utf-8"), fault), encoding="utf-8")
            os.utime(place, (number, number))  # a time of its own, so that no bytecode of another source is taken for it
            status, by = run_tests(tree, fault["tests"])
            shutil.copy2(original, place)
            if status not in (0, 1):
                raise SystemExit(f"no test could be run with {fault['what']!r}:\n{(tree / 'said.txt').read_text()}")
            known[fault["key"]] = {**fault, "caught": "yes" if status else "no", "by": by}
            print(f"{number}/{len(faults)} {'caught' if status else 'NOT CAUGHT'}: {fault['what']} {by}", flush=True)
            write_result([known[fault["key"]] for fault in faults if fault["key"] in known])
    escaped = [fault for fault in faults if known[fault["key"]]["caught"] != "yes"]
    print(f"{len(faults) - len(escaped)} of {len(faults)} faults are caught.")
    for fault in escaped:
        print(f"not caught: {fault['what']} ({fault['file']}; {fault['tests']})")
    return int(bool(escaped))


def write_result(rows):
    """Write all rows, whole or not at all."""
    temporary = RESULT.with_suffix(".part")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(RESULT)


if __name__ == "__main__":
    sys.exit(main())
