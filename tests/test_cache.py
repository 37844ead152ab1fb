"""Results are kept, written whole, not made again, and out of date when the source has changed."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from vaescan_lite import cache
from vaescan_lite.cache import run_jobs
from vaescan_lite.ecg import BeatSet


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    with cache.written_whole(tmp_path / "sub" / "table.csv") as temporary:
        temporary.write_text("1")
        assert not (tmp_path / "sub" / "table.csv").exists()
    assert (tmp_path / "sub" / "table.csv").read_text() == "1"
    assert os.listdir(tmp_path / "sub") == ["table.csv"]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "old").write_text("old")
    with pytest.raises(KeyboardInterrupt), cache.written_whole(tmp_path / "kept") as temporary:
        temporary.mkdir()
        (temporary / "half").write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["old"]


def test_a_folder_replaces_a_folder(tmp_path):
    for name in ("first", "second"):
        with cache.written_whole(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(tmp_path / "folder") == ["second"]


def test_writing_nothing_is_an_error_and_loses_nothing(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "old").write_text("old")
    with pytest.raises(FileNotFoundError, match="nothing was written"), cache.written_whole(tmp_path / "kept"):
        pass
    assert (tmp_path / "kept" / "old").read_text() == "old"


def test_what_a_link_points_to_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    with cache.written_whole(tmp_path / "link") as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert os.listdir(tmp_path / "real") == ["new"]


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("VAESCAN_CACHE", str(tmp_path / "here"))
    assert cache.cache_folder() == tmp_path / "here"
    monkeypatch.delenv("VAESCAN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg" / "vaescan-lite"


def test_the_source_hash_changes_with_the_source_of_the_named_modules_only(monkeypatch, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(f"{name} = 1\n")
    monkeypatch.setattr(cache, "PACKAGE", tmp_path)
    before = cache.source_hash("one"), cache.source_hash("two"), cache.source_hash()
    (tmp_path / "two.py").write_text("two = 2\n")
    after = cache.source_hash("one"), cache.source_hash("two"), cache.source_hash()
    assert [old == new for old, new in zip(before, after)] == [True, False, False]


def test_tables_of_the_package_count_as_source(monkeypatch, tmp_path):
    (tmp_path / "one.more.csv").write_text("a,b\n")
    monkeypatch.setattr(cache, "PACKAGE", tmp_path)
    before = cache.source_hash("one"), cache.source_hash("two")
    (tmp_path / "one.more.csv").write_text("a,c\n")
    assert cache.source_hash("one") != before[0] and cache.source_hash("two") == before[1]


def test_the_source_hash_is_of_this_package():
    assert (Path(cache.PACKAGE) / "cache.py").samefile(cache.__file__)
    assert len(cache.source_hash("cache")) == 12


# forms in which beats and tables are kept


def beats_with_all_kinds_of_columns():
    quality = pd.DataFrame({
        "usable": [True, False, True], "reason": ["", "too short, \"quoted\"\n", "\u00e9"],
        "n_beats": [9, 0, 11], "noise_uV": [1.5, np.nan, np.inf],
    }, index=["a", "b", "03"])  # fmt: skip
    signals = np.random.default_rng(0).normal(size=(3, 8, 96)).astype(np.float32)
    signals[1] = np.nan
    return BeatSet(signals, 100, ids=np.array(["a", "b", "03"]), r_index=40, rr_s=[0.8, np.nan, 0.9], quality=quality)


def test_beats_come_back_bit_for_bit_and_their_signals_are_mapped(tmp_path):
    beats = beats_with_all_kinds_of_columns()
    cache.save_beats(beats, tmp_path / "beats")
    again = cache.load_beats(tmp_path / "beats")
    for name in ("signals", "ids", "rr_s"):
        np.testing.assert_array_equal(getattr(again, name), getattr(beats, name))
    assert (again.fs, again.leads, again.r_index) == (beats.fs, beats.leads, beats.r_index)
    pd.testing.assert_frame_equal(again.quality, beats.quality)
    assert isinstance(again.signals.base, np.memmap)
    again.signals[0] = 0  # in memory alone
    np.testing.assert_array_equal(cache.load_beats(tmp_path / "beats").signals, beats.signals)


@pytest.mark.parametrize("index", [pd.Index([3, 1, 2], name="ecg_id"), pd.Index(["x", "y", "z"])])
def test_a_table_comes_back_with_names_types_and_index(tmp_path, index):
    table = pd.DataFrame({"file": [1.5, np.nan, -0.0], "names": ["a", "", "c"], "r_V1_mV": np.float32([1, 2, 3])}, index=index)
    cache.save_table(table, tmp_path / "table")
    pd.testing.assert_frame_equal(cache.load_table(tmp_path / "table"), table)


def test_a_table_that_would_need_a_pickle_is_refused_and_no_pickle_is_read(tmp_path):
    with pytest.raises(ValueError, match="column 0 .'list'. of a table holds neither numbers nor text alone"):
        cache.save_table(pd.DataFrame({"list": [[1], "two"]}), tmp_path / "table")
    with open(tmp_path / "planted", "wb") as file:
        np.savez(file, names=np.array(["a", ""]), index=np.arange(1), **{"column 0": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle"):
        cache.load_table(tmp_path / "planted")


def test_a_damaged_folder_of_the_cache_is_made_again(tmp_path):
    beats = beats_with_all_kinds_of_columns()
    kept = tmp_path / "kept" / "beats"
    for _ in range(2):
        cache.load_or_make(kept, lambda: beats, cache.save_beats, cache.load_beats)
    (kept / "signals.npy").write_bytes(flip((kept / "signals.npy").read_bytes()))
    with pytest.warns(UserWarning, match="beats: this entry of the cache is damaged"):
        cache.load_or_make(kept, lambda: beats, cache.save_beats, cache.load_beats)
    np.testing.assert_array_equal(cache.load_beats(kept).signals, beats.signals)


def test_an_array_is_written_block_by_block_then_mapped_and_where_nothing_can_be_kept_it_is_in_memory(tmp_path):
    blocks = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    given = []

    def yielded():
        for rows in (slice(0, 2), slice(2, 5)):
            given.append(rows)
            yield blocks[rows]

    for _ in range(2):
        mapped = cache.memory_mapped(tmp_path / "mine" / "array.npy", 5, yielded)
        assert isinstance(mapped, np.memmap) and len(given) == 2
        np.testing.assert_array_equal(mapped, blocks)
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="cannot be written"):
        held = cache.memory_mapped(tmp_path / "file" / "array.npy", 5, yielded)
    np.testing.assert_array_equal(held, blocks)
    some = cache.SomeRows(blocks, np.array([4, 0, 2]))
    np.testing.assert_array_equal(np.concatenate(list(cache.in_blocks(some, 2))), blocks[[4, 0, 2]])
    assert (len(some), some.shape, some.ndim) == (3, (3, 3, 4), 3)


# jobs

done = []


def square(number):
    if number == 99:
        raise KeyboardInterrupt
    done.append(number)
    return number**2


def jobs_of(numbers):
    return [((np.arange(number), number), square, (number,)) for number in numbers]


@pytest.fixture(autouse=True)
def nothing_done():
    done.clear()


def test_results_come_in_the_order_of_the_jobs_in_any_number_of_processes():
    assert run_jobs(jobs_of([3, 1, 2]), n_jobs=2, progress=False) == [9, 1, 4] == run_jobs(jobs_of([3, 1, 2]), progress=False)


def test_after_an_interruption_only_what_is_missing_is_done(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs_of([1, 2, 99, 4]), keep=tmp_path / "kept", progress=False)
    assert done == [1, 2] and len(list((tmp_path / "kept").glob("*.joblib"))) == 2
    assert run_jobs(jobs_of([1, 2, 3, 4]), keep=tmp_path / "kept", progress=False) == [1, 4, 9, 16]
    assert done == [1, 2, 3, 4]


def test_another_key_is_another_job(tmp_path):
    run_jobs([("a", square, (2,))], keep=tmp_path, progress=False)
    assert run_jobs([("b", square, (3,))], keep=tmp_path, progress=False) == [9]
    assert run_jobs([("a", square, (4,))], keep=tmp_path, progress=False) == [4]  # the key says that it is the same


def test_without_a_folder_nothing_is_kept():
    run_jobs(jobs_of([5]), progress=False)
    run_jobs(jobs_of([5]), progress=False)
    assert done == [5, 5]


def test_what_several_processes_did_is_not_done_again(tmp_path):
    assert run_jobs(jobs_of([1, 2, 3, 4]), keep=tmp_path, n_jobs=2, progress=False) == [1, 4, 9, 16]
    assert run_jobs(jobs_of([1, 2, 3, 4]), keep=tmp_path, progress=False) == [1, 4, 9, 16]
    assert done == []


def test_an_entry_that_several_want_at_once_is_made_once(tmp_path):
    made = []
    make = lambda: time.sleep(0.3) or made.append(1) or len(made)  # noqa: E731
    with ThreadPoolExecutor() as pool:
        entries = [pool.submit(cache.load_or_make, tmp_path / "entry", make) for _ in range(4)]
    assert [entry.result() for entry in entries] == [1, 1, 1, 1] and made == [1]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    code = (
        "import os, time\nfrom pathlib import Path\nfrom vaescan_lite.cache import run_jobs\n"
        "def work(i):\n    Path(f'pid{i}').write_text(str(os.getpid()))\n    time.sleep(900)\n"
        "run_jobs([(None, work, (i,)) for i in range(2)], n_jobs=2, progress=False)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.DEVNULL)
    for _ in range(1200):
        if len(pids := [path.read_text() for path in tmp_path.glob("pid*")]) == 2 and all(pids):
            break
        time.sleep(0.1)
    workers = [psutil.Process(int(pid)) for pid in pids]
    parent.kill()
    parent.wait()
    assert not psutil.wait_procs(workers, timeout=60)[1]


# entries that are damaged, and places that are not one's own


def flip(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


DAMAGE = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "written over": lambda content: b"garbage" * 20,
    "one bit": flip,
    "longer": lambda content: content + b"more",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("what", ["table", ".table.sha256", "*"])
def test_a_damaged_entry_is_made_again_and_said_so(tmp_path, damage, what):
    made = []
    folder = tmp_path / "mine"

    def numbers():
        return cache.load_or_make(folder / "table", lambda: made.append(1) or np.arange(50.0))

    np.testing.assert_array_equal(numbers(), numbers())
    assert len(made) == 1
    for path in set(folder.glob(what)) - set(folder.glob("*.lock")):
        path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match="table: this entry of the cache is damaged.*made again"):
        np.testing.assert_array_equal(numbers(), np.arange(50.0))
    np.testing.assert_array_equal(numbers(), np.arange(50.0))
    assert len(made) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of POSIX")
@pytest.mark.parametrize("rights", [0o777, 0o775, 0o722, 0o1777])
def test_nothing_is_read_from_where_others_can_write(tmp_path, rights):
    folder = tmp_path / "shared"
    cache.load_or_make(folder / "entry", lambda: 1)
    run_jobs(jobs_of([1]), keep=folder, progress=False)
    folder.chmod(rights)
    loaded = []
    with pytest.raises(ValueError, match="shared: others can write here.*VAESCAN_CACHE"):
        cache.load_or_make(folder / "entry", lambda: 1, load=loaded.append)
    with pytest.raises(ValueError, match="shared: others can write here"):
        run_jobs(jobs_of([1]), keep=folder, progress=False)
    assert not loaded and len(done) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of POSIX")
def test_a_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    cache.load_or_make(tmp_path / "entry", lambda: 1)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(ValueError, match="others can write here"):
        cache.load_or_make(tmp_path / "entry", lambda: 1)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights of POSIX")
def test_folders_of_the_cache_are_made_for_the_user_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        cache.load_or_make(tmp_path / "new" / "entry", lambda: 1)
        run_jobs(jobs_of([1]), keep=tmp_path / "kept", progress=False)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("new", "kept")] == [0o700, 0o700]


def test_where_nothing_can_be_kept_results_come_and_the_variable_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="cannot be written.*VAESCAN_CACHE"):
        assert cache.load_or_make(tmp_path / "file" / "below" / "entry", lambda: 5) == 5


def test_without_a_home_the_variable_is_named(monkeypatch):
    for name in ("VAESCAN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user that the machine does not know
    with pytest.raises(ValueError, match="no home folder.*VAESCAN_CACHE"):
        cache.cache_folder()


def test_where_nothing_can_be_kept_everything_is_made(tmp_path):
    (tmp_path / "file").write_text("no folder")
    assert cache.kept(tmp_path / "file" / "cells", "key", square, 3) == 9
    assert cache.kept(tmp_path / "file" / "cells", "key", square, 3) == 9 and done == [3, 3]
