"""Results are kept, written whole, not made again, and out of date when the source has changed."""

import os
from pathlib import Path

import numpy as np
import pytest

from vaescan_lite import cache
from vaescan_lite.cache import run_jobs


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


def test_the_source_hash_is_of_this_package():
    assert (Path(cache.PACKAGE) / "cache.py").samefile(cache.__file__)
    assert len(cache.source_hash("cache")) == 12


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
    assert done == [1, 2] and len(list((tmp_path / "kept").rglob("output.pkl"))) == 2
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
