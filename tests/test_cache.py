"""Results are kept, written whole, and out of date when the source has changed."""

import os
from pathlib import Path

import pytest

from vaescan_lite import cache


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
