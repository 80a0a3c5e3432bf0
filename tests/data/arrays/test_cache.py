from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.data.arrays import cache as array_cache
from dlrun.data.arrays.cache import read_cached, write_cached
from dlrun.system.user_folders import cache_folder

ARRAYS: dict[str, Any] = {"a": np.arange(12, dtype=np.uint8).reshape(3, 4), "b": np.arange(3, dtype=np.int32)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _is_whole() -> bool:
    read = read_cached("set/entry")
    return read is not None and all((read[key] == ARRAYS[key]).all() for key in ARRAYS)


def test_what_is_written_is_read_back_exactly() -> None:
    assert read_cached("set/entry") is None
    assert write_cached("set/entry", ARRAYS) is None
    read = read_cached("set/entry")
    assert read is not None
    for key, array in ARRAYS.items():
        assert (read[key] == array).all()
        assert read[key].dtype == array.dtype


def test_any_damage_makes_an_entry_absent_and_it_can_be_written_again(cache: Path) -> None:
    write_cached("set/entry", ARRAYS)
    for file in sorted((cache / "set" / "entry").iterdir()):
        whole = file.read_bytes()
        for damaged in (b"", whole[:-1], whole[:10], bytes([*whole[:-1], whole[-1] ^ 1])):
            file.write_bytes(damaged)
            assert read_cached("set/entry") is None, (file, damaged)
        file.unlink()
        assert read_cached("set/entry") is None
        assert write_cached("set/entry", ARRAYS) is None
        assert _is_whole()


def test_nothing_is_left_beside_the_entries(cache: Path) -> None:
    for _ in range(3):
        write_cached("set/entry", ARRAYS)
    assert [path.name for path in (cache / "set").iterdir()] == ["entry"]


def test_a_folder_that_cannot_be_written_is_told_and_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "file"))
    note = write_cached("set/entry", ARRAYS)
    assert note is not None
    assert "not kept" in note
    assert read_cached("set/entry") is None


def test_a_disk_that_fills_up_leaves_the_old_entry(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    write_cached("set/entry", ARRAYS)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    note = write_cached("set/entry", {"a": np.zeros(3)})
    assert note is not None
    assert "No space left" in note
    assert _is_whole()
    assert [path.name for path in (cache / "set").iterdir()] == ["entry"]


def test_what_is_too_large_is_told_and_not_kept(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(array_cache, "LARGEST_BYTES", 10)
    note = write_cached("set/entry", ARRAYS)
    assert note is not None
    assert "at most" in note
    assert not cache.exists()


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DLRUN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "dlrun"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "dlrun"
