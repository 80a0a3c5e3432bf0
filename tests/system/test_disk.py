import errno
import os
from pathlib import Path

import pytest

import dlrun
from dlrun.errors import CheckpointError, RunError
from dlrun.system.disk import Disk, disk, explained, staged_name


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "cannot write x: the disk is full"),
        (errno.EDQUOT, "cannot write x: the disk quota is used up"),
        (errno.EACCES, "cannot write x: permission denied"),
        (errno.EROFS, "cannot write x: the file system is read-only"),
        (errno.EIO, "cannot write x: the disk reports an input/output error"),
        (errno.ENAMETOOLONG, "cannot write x: the name is too long"),
    ],
)
def test_a_system_error_becomes_one_clear_line(code: int, said: str) -> None:
    with pytest.raises(RunError) as raised, explained("write x"):
        raise OSError(code, os.strerror(code))
    assert raised.value.what == said
    assert "run" not in raised.value.hint  # predictions, exports and pictures are written too
    with pytest.raises(CheckpointError), explained("write x", error=CheckpointError):
        raise OSError(code, os.strerror(code))


def test_a_write_that_takes_many_calls_writes_every_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Disk.write
    monkeypatch.setattr(Disk, "write", lambda self, handle, data: real(self, handle, data[:7]))
    disk.write_file(tmp_path / "x", bytes(range(100)))
    assert (tmp_path / "x").read_bytes() == bytes(range(100))


def test_a_failed_atomic_write_leaves_only_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.write_atomically(tmp_path / "x", b"old")

    def full(_self: Disk, _handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Disk, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        disk.write_atomically(tmp_path / "x", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


def test_a_network_file_system_without_fsync_of_folders_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_self: Disk, _handle: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(Disk, "fsync", refused)
    disk.sync_folder(tmp_path)


def test_every_fsync_may_be_refused_by_a_network_file_system() -> None:
    source = Path(dlrun.__file__).parent
    waiting = [path.relative_to(source) for path in source.rglob("*.py") if "fsync(" in path.read_text()]
    assert waiting == [Path("system/disk.py")]


def test_removing_a_tree_removes_links_but_not_their_targets(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "link").symlink_to(tmp_path / "kept")
    disk.remove_tree(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
    assert (tmp_path / "kept" / "file").exists()


def test_nothing_is_written_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        disk.write_file(tmp_path / "link", b"x")
    with pytest.raises(OSError, match="symbolic"):
        disk.append(tmp_path / "link", b"x", at=0)
    assert not (tmp_path / "target").exists()


def test_a_file_system_without_fsync_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_disk: Disk, _handle: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(Disk, "fsync", refused)
    disk.write_atomically(tmp_path / "x", b"1")
    disk.append(tmp_path / "x", b"2", at=1)
    assert (tmp_path / "x").read_bytes() == b"12"


def test_a_link_with_the_temporary_name_is_never_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {staged_name(tmp_path / "x") for _ in range(3)}
    assert len(names) == 3
    (tmp_path / "mine").write_text("precious")
    guessed = tmp_path / ".guessed.new"
    guessed.symlink_to(tmp_path / "mine")
    monkeypatch.setattr("dlrun.system.disk.staged_name", lambda _path: guessed)
    with pytest.raises(OSError, match="exists"):
        disk.write_atomically(tmp_path / "x", b"1")
    assert (tmp_path / "mine").read_text() == "precious"
