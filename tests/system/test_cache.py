"""The cache: entries are complete or absent, made once, limited in size, and never required for a run."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlrun.errors import DataError
from dlrun.system import cache_entries
from dlrun.system.cache import Cache, Cached
from dlrun.system.cache_entries import list_entries, locked, make_room, remove_entry
from dlrun.system.disk import Disk
from dlrun.system.user_folders import cache_folder

FORK = multiprocessing.get_context("fork")


CACHE = Cache("tables")


ROWS = np.arange(2000, dtype=np.int32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLRUN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DLRUN_CACHE_SIZE", raising=False)
    return tmp_path / "cache"


def write(folder: Path) -> None:
    np.save(folder / "rows.npy", ROWS)
    (folder / "words.json").write_text("{}")


def read(folder: Path) -> Any:
    return np.load(folder / "rows.npy", mmap_mode="r")


def never(_: Path) -> None:
    pytest.fail("it was made again")


def get(key: str = "key", make: Callable[[Path], None] = write, **keys: Any) -> Cached[Any]:
    return CACHE.get_or_make(key, make, read, what=f"rows of {key}", **keys)


def keys() -> set[str]:
    return {entry.path.name for entry in list_entries()}


def test_an_entry_is_made_once_and_mapped_after_that(folder: Path) -> None:
    assert CACHE.get("key", read) is None
    assert not folder.exists()
    made, again = get(), get(make=never)
    assert (made.is_reused, again.is_reused) == (False, True)
    assert (made.folder, made.notes, again.notes) == (folder / "tables" / "key", (), ())
    for found in (made, again):
        assert isinstance(found.value, np.memmap)
        assert (found.value == ROWS).all()
    assert sorted(path.name for path in (folder / "tables" / "key").iterdir()) == ["content", "lock"]


def test_any_damage_is_noticed_and_the_entry_is_made_again() -> None:
    entry = get().folder
    assert entry is not None
    for file in sorted((entry / "content").iterdir()):
        whole = file.read_bytes()
        for damaged in (b"", whole[:-1], bytes([*whole[:-1], whole[-1] ^ 1]), None):
            file.write_bytes(damaged) if damaged is not None else file.unlink()
            assert CACHE.get("key", read) is None, (file, damaged)
            made = get()
            assert (made.value == ROWS).all()
            assert "was damaged" in made.notes[0]
            assert "has been made again" in made.notes[0]
            assert get(make=never).notes == ()


def test_a_replaced_or_removed_entry_stays_valid_for_processes_that_have_mapped_it() -> None:
    first = get()
    assert first.folder is not None
    (first.folder / "content" / "words.json").write_text("damaged")
    get()
    assert remove_entry(first.folder)
    assert not first.folder.exists()
    assert (first.value == ROWS).all()


def test_only_one_of_two_processes_makes_an_entry(tmp_path: Path) -> None:
    begin = FORK.Barrier(4)

    def make(folder: Path) -> None:
        (tmp_path / f"made-{os.getpid()}").touch()
        write(folder)

    def run() -> None:
        begin.wait(60)
        os._exit(0 if (get(make=make).value == ROWS).all() else 1)

    assert ends([FORK.Process(target=run) for _ in range(4)]) == [0] * 4
    assert len(list(tmp_path.glob("made-*"))) == 1


def test_simultaneous_processes_never_see_an_incomplete_entry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_CACHE_SIZE", "10000")  # one entry has 8 kB: each new one removes the others
    begin = FORK.Barrier(3)

    def run() -> None:
        begin.wait(60)
        fine = all((found.value == ROWS).all() and not found.notes for found in map(get, "abcabcabc" * 3))
        os._exit(0 if fine else 1)

    assert ends([FORK.Process(target=run) for _ in range(3)]) == [0] * 3
    make_room(0)
    assert all(entry.what.startswith("rows of ") for entry in list_entries())
    assert not list(folder.rglob(".*"))


def ends(processes: list[Any]) -> list[int]:
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def test_leftovers_of_a_killed_writer_are_neither_read_nor_kept(folder: Path) -> None:
    def make(folder: Path) -> None:
        write(folder)
        os.kill(os.getpid(), signal.SIGKILL)

    (code,) = ends([FORK.Process(target=lambda: get(make=make))])
    assert code == -signal.SIGKILL
    (left,) = list_entries()
    assert (left.what, left.bytes > ROWS.nbytes) == ("unfinished", True)
    assert CACHE.get("key", read) is None
    made = get()
    assert (made.is_reused, made.notes) == (False, ())
    assert [path.name for path in (folder / "tables" / "key").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("error", [DataError("the rows are wrong"), KeyboardInterrupt()])
def test_an_error_or_an_interruption_while_making_an_entry_leaves_nothing(error: BaseException, folder: Path) -> None:
    def make(folder: Path) -> None:
        write(folder)
        raise error

    with pytest.raises(type(error)):
        get(make=make)
    assert not list_entries()
    assert list((folder / "tables").iterdir()) == []
    get()


def test_the_least_recently_used_entries_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    get("first")
    (entry,) = list_entries()
    monkeypatch.setenv("DLRUN_CACHE_SIZE", str(3 * entry.bytes + 100))
    for number, key in enumerate(("second", "third")):
        get(key)
        os.utime(CACHE.folder / key, (number, number))
    os.utime(CACHE.folder / "first", (9, 9))
    get("fourth")
    assert keys() == {"first", "third", "fourth"}
    os.utime(CACHE.folder / "fourth", (8, 8))
    get("third", make=never)  # it was the oldest, and is the newest now
    get("fifth", size=entry.bytes)
    assert keys() == {"first", "third", "fifth"}


def test_entries_of_one_dataset_are_not_removed_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLRUN_CACHE_SIZE", "1")
    first = get("first").folder
    assert first is not None
    get("second", beside=(first,))
    assert keys() == {"first", "second"}
    get("third")
    assert keys() == {"third"}


def test_an_entry_in_use_is_not_removed() -> None:
    entry = get().folder
    assert entry is not None
    for exclusive in (False, True):
        with locked(entry, exclusive=exclusive):
            assert not remove_entry(entry)
        assert entry.exists()
    assert remove_entry(entry)
    assert remove_entry(entry)  # another process was faster


def test_a_small_value_that_was_changed_is_not_used(folder: Path) -> None:
    cache = Cache("jit")
    assert cache.get_value("key") is None
    assert not cache.has_value("key")
    assert not folder.exists()
    cache.put_value("key", {"seconds": 1.5}, what="steps of a model")
    assert cache.get_value("key") == {"seconds": 1.5}
    (entry,) = list_entries()
    assert (entry.kind, entry.what) == ("jit", "steps of a model")
    file = folder / "jit" / "key.json"
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(bytes([*whole[:place], whole[place] ^ 1, *whole[place + 1 :]]))
        assert cache.get_value("key") is None, place
    assert cache.has_value("key")


def test_entries_of_earlier_versions_can_be_listed_and_removed(folder: Path) -> None:
    for name in ("tfds/mnist-3.0.1-0a/train.label.npy", "tables/key/rows/train.npy", "images/0b/kept/images.npy"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(bytes(100))
    (folder / "jit").mkdir()
    (folder / "jit" / "0c.json").write_text('{"value": {"plain_seconds": 1.0}, "sha256": ""}')
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").touch()
    assert {entry.what for entry in list_entries()} == {"made by an earlier version"}
    assert Cache("jit").get_value("0c") is None
    assert get("key").notes == ()
    for entry in list_entries():
        assert remove_entry(entry.path)
    assert not list_entries()
    assert (folder / "notes" / "mine.txt").exists()  # what is not ours is not touched


def is_made_aside(found: Cached[Any], why: str) -> None:
    assert (found.value == ROWS).all()
    assert found.folder is None
    (note,) = found.notes
    assert note.startswith(f"cache: nothing can be stored in {cache_folder()}: ")
    assert why in note
    assert not Path(found.value.filename).exists()  # nothing is left, even if the process is killed now


def test_a_file_instead_of_the_cache_folder_costs_only_time(folder: Path) -> None:
    folder.write_text("in the way")
    is_made_aside(get(), "not a directory")
    Cache("jit").put_value("key", 1, what="")
    assert Cache("jit").get_value("key") is None


@pytest.mark.parametrize("operation", ["open", "write", "fsync", "mkdir", "rename"])
def test_a_disk_that_is_full_at_any_operation_costs_only_time(
    operation: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every disk operation fails once."""
    real = getattr(Disk, operation)
    for failing in range(1, 100):
        shutil.rmtree(folder, ignore_errors=True)
        count = 0

        def fail(self: Disk, *given: Any, failing: int = failing) -> Any:
            nonlocal count
            count += 1
            if count == failing:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(self, *given)

        monkeypatch.setattr(Disk, operation, fail)
        found = get()
        monkeypatch.setattr(Disk, operation, real)
        assert (found.value == ROWS).all()
        if found.folder is None:
            is_made_aside(found, "the disk is full")
        assert (get().value == ROWS).all()
        if count < failing:
            return
    pytest.fail("it never ended")


def test_a_lack_of_room_is_noticed_before_anything_is_written_or_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    get("other")
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        write(folder)

    real = shutil.disk_usage
    usage = type(real("/"))
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: usage(9**9, 0, 100) if Path(path) == cache_folder() else real(path)
    )
    is_made_aside(get(make=make, size=10**6), "the disk is full")
    assert len(made) == 1
    assert "other" in keys()
    get("small", size=2000)  # removing the other makes room
    assert "other" not in keys()


def test_an_entry_that_fits_nowhere_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9**9, 0, 100))
    with pytest.raises(OSError, match="No space left"):
        get(make=never, size=10**6)


def test_if_nothing_is_writable_the_error_is_that_of_the_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("in the way")
    monkeypatch.setattr("dlrun.system.cache._SHARED_MEMORY", folder)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(NotADirectoryError):
        get()


@pytest.fixture
def mounted() -> Iterator[Callable[..., Path]]:
    places = []

    def mount(place: Path, *options: str) -> Path:
        if shutil.which("mount") is None:
            pytest.skip("there is no mount here")
        place.mkdir(exist_ok=True)
        done = subprocess.run(["mount", *options, place], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this machine mounts nothing: {done.stderr.strip()}")
        places.append(place)
        return place

    yield mount
    for place in reversed(places):
        subprocess.run(["umount", place], check=True)


def test_a_read_only_cache_is_used_and_missing_entries_are_made_elsewhere(
    folder: Path, mounted: Callable[..., Path]
) -> None:
    get()
    mounted(folder, "-o", "bind,ro", str(folder))
    assert get(make=never).is_reused
    is_made_aside(get("other"), "the file system is read-only")


def test_a_full_disk_first_loses_cache_entries(folder: Path, mounted: Callable[..., Path]) -> None:
    mounted(folder, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
    for number in range(12):
        found = get(str(number), size=9000)
        assert found.notes == ()
        assert (found.value == ROWS).all()
    assert "11" in keys()
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    for entry in list_entries():
        remove_entry(entry.path)
    (folder / "ballast").write_bytes(bytes(os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize))
    assert free < 64 << 10
    is_made_aside(get(), "the disk is full")


def test_an_unknown_kind_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="not one of images, audio, tables"):
        Cache("other")
    assert set(cache_entries.KINDS) >= {"images", "tables", "tfds", "tfds-tables", "jit"}


def test_the_description_of_an_entry_is_part_of_it() -> None:
    get()
    (entry,) = list_entries()
    about = json.loads((entry.path / "content" / "about.json").read_text())
    assert about["value"] == {"what": entry.what} == {"what": "rows of key"}
    assert entry.bytes > ROWS.nbytes
