"""A lock file of dlrun 0.1 excludes a writer only while a process of that version holds it."""

import fcntl
import os
from pathlib import Path

import pytest

from dlrun.system.lease.earlier import earlier_holder, remove_earlier_lock


def test_a_leftover_is_removed_and_a_held_one_stays(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text("4711\n")
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert (earlier_holder(path), remove_earlier_lock(path)) == (4711, 4711)
        path.write_text("")
        assert earlier_holder(path) == 0
    assert earlier_holder(path) is None
    assert remove_earlier_lock(path) is None
    assert not path.exists()
    assert (earlier_holder(path), remove_earlier_lock(path)) == (None, None)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/etc/passwd")
    for path in (pipe, link):
        assert earlier_holder(path) is None
        with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
            remove_earlier_lock(path)
