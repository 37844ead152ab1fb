"""The wheel of the package alone, and the bundle for a classroom without a network."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vaescan_lite as vl
from publish import bundle

ROOT = Path(__file__).resolve().parents[2]


def start_of(folder):
    """The script that starts, as a module, from a bundle."""
    spec = importlib.util.spec_from_file_location("start_of_bundle", folder / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small_bundle(tmp_path):
    """A bundle of one chapter and a cache of two files, as a copy to a stick would leave it: rights and times lost."""
    cache, folder = tmp_path / "cache", tmp_path / "bundle"
    for name in ("workspace/ab12/vae.safetensors", "simulated-300/records/0.dat"):
        (cache / name).parent.mkdir(parents=True)
        (cache / name).write_text(name)
        os.utime(cache / name, ns=(10**18 + 123_456_789, 10**18 + 123_456_789))
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks/01_first.ipynb").write_text("{}")
    bundle.copy_start(cache, folder)
    for path in folder.rglob("*"):
        os.utime(path, (2 * 10**8, 2 * 10**8))
        path.chmod(0o777)
    return folder


def test_a_copy_of_the_cache_keeps_the_times_by_which_entries_are_found_and_is_private(small_bundle, tmp_path):
    start, own = start_of(small_bundle), tmp_path / "own"
    start.copy_cache(own, json.loads((small_bundle / "about.json").read_text())["times_ns"])
    for name in ("workspace/ab12/vae.safetensors", "simulated-300/records/0.dat"):
        copied = own / "cache" / name
        assert copied.read_text() == name and copied.stat().st_mtime_ns == 10**18 + 123_456_789
        vl.cache.require_private(copied.parent)


def test_what_a_reader_has_written_into_a_chapter_stays(small_bundle, tmp_path):
    start, own = start_of(small_bundle), tmp_path / "own"
    start.copy_chapters(own)
    (own / "notebooks/01_first.ipynb").write_text("mine")
    start.copy_chapters(own)
    assert (own / "notebooks/01_first.ipynb").read_text() == "mine"


def test_another_python_is_told_which_one_is_needed_before_anything_is_made(small_bundle, tmp_path):
    about = json.loads((small_bundle / "about.json").read_text()) | {"python": [2, 7]}
    (small_bundle / "about.json").write_text(json.dumps(about))
    command = [sys.executable, "-I", str(small_bundle / "start.py"), "--folder", str(tmp_path / "own")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and "wheels are for Python 2.7" in run.stderr and "python2.7 start.py" in run.stderr
    assert not (tmp_path / "own").exists()


def test_the_word_to_the_reader_names_this_python_and_both_ways(small_bundle):
    text = (small_bundle / "READ_ME.txt").read_text()
    assert "book/index.html" in text and "python{}.{} start.py".format(*sys.version_info) in text


@pytest.mark.slow
def test_a_workspace_finds_what_training_made_in_a_copy_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path / "cache"))
    made = vl.Workspace("smoke", "simulated").database()
    folder = tmp_path / "bundle"
    bundle.copy_start(tmp_path / "cache", folder)
    for path in (folder / "cache").rglob("*"):
        os.utime(path, (2 * 10**8, 2 * 10**8))
    start_of(folder).copy_cache(tmp_path / "own", json.loads((folder / "about.json").read_text())["times_ns"])
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path / "own/cache"))
    monkeypatch.setattr("vaescan_lite.simulator.write_simulated_database", None)  # there is nothing to simulate
    assert vl.Workspace("smoke", "simulated").database().fingerprint == made.fingerprint


@pytest.mark.slow
def test_the_wheel_alone_opens_the_pretrained_pair_and_runs_the_three_lines_of_the_readme(tmp_path):
    wheel = bundle.package_wheel(ROOT, tmp_path / "wheels")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(tmp_path / "bare")]
    subprocess.run([*install, str(wheel)], check=True)
    shutil.rmtree(tmp_path / "bare/bin", ignore_errors=True)
    (lines,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    *first, last = lines.strip().splitlines()
    script = "\n".join([
        *first, f"table = {last}", "vae, scan = vl.load_pretrained()", "html = vl.Explorer(vae, scan).html(b'')",
        "print(vl.__file__, scan.factors_to_ecg({'LBBB': 1}).signals.shape, len(html) > 300_000, len(table))",
    ])  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "bare"), "VAESCAN_CACHE": str(tmp_path / "cache")}
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [str(tmp_path / "bare/vaescan_lite/__init__.py"), "(1,", "8,", "96)", "True", "8"]
