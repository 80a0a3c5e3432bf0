"""A folder exists completely or not at all, wherever its writer stops."""

import os
import signal
import time
from pathlib import Path

import pytest

from dlrun.system.disk import disk
from dlrun.system.staging import drop_folder, identity, put_in_place, recover, settled, settled_names, staged_folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_appears_with_its_content_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with staged_folder(target) as staged:
        (staged / "file").write_text("1")
        assert not target.exists()
    assert (target / "file").read_text() == "1"
    assert names(tmp_path) == {"a"}


def test_an_error_in_the_block_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.mkdir()
    (target / "file").write_text("old")
    with pytest.raises(RuntimeError), staged_folder(target) as staged:  # noqa: PT012  what is left in the middle
        (staged / "file").write_text("new")
        raise RuntimeError
    assert (target / "file").read_text() == "old"
    assert names(tmp_path) == {"a"}


def test_between_the_two_renames_readers_take_the_old_folder_and_the_next_writer_puts_it_back(tmp_path: Path) -> None:
    target, old = tmp_path / "a", tmp_path / ".old-a"
    old.mkdir()
    assert settled(target) == old
    assert settled_names(tmp_path) == {"a"}
    recover(tmp_path)
    assert settled(target) == target
    assert names(tmp_path) == {"a"}


def test_once_the_new_folder_is_there_readers_take_it_though_the_old_one_is_not_removed_yet(tmp_path: Path) -> None:
    for name in ("a", ".old-a"):
        (tmp_path / name).mkdir()
    assert settled(tmp_path / "a") == tmp_path / "a"


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    for name in ("a", ".old-a", ".new-a", ".drop-b"):
        (tmp_path / name).mkdir()
    recover(tmp_path)
    assert names(tmp_path) == {"a"}


def test_a_replaced_folder_has_another_identity_and_a_dropped_one_none(tmp_path: Path) -> None:
    target = tmp_path / "a"
    for folder in (target, tmp_path / ".new-a"):
        folder.mkdir()
    before = identity(target)
    assert put_in_place(tmp_path / ".new-a", target) == tmp_path / ".old-a"
    assert identity(target) not in (before, None)
    drop_folder(target)
    drop_folder(tmp_path / ".old-a")
    assert identity(target) is None
    assert not names(tmp_path)


def test_a_writer_that_was_paused_does_not_commit_what_the_next_one_has_half_written(tmp_path: Path) -> None:
    target = tmp_path / "a"
    reader, writer = os.pipe()
    with pytest.raises(OSError, match="No such file"), staged_folder(target):  # noqa: PT012  it fails at the commit
        child = os.fork()
        if not child:  # the next writer: it clears what it finds, and has begun to fill its own folder
            with staged_folder(target) as its:
                disk.write_file(its / "half", b"")
                os.write(writer, b"1")
                time.sleep(60)
        os.read(reader, 1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert not target.exists()
