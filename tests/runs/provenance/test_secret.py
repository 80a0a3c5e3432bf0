"""The secret that signs runs is created once, by one process, for one user."""

import errno
import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from dlrun.experiment.record import create_folder
from dlrun.runs.provenance.secret import find_secret, make_secret
from dlrun.runs.provenance.trust import is_own
from dlrun.spec.parse import read_spec
from dlrun.system.disk import Disk

CONFIG = """\
dataset: {type: builtin, name: wine}
model: linear
loss: sparse_categorical_crossentropy
"""


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DLRUN_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "dlrun" / "secret"


def in_processes(count: int) -> set[bytes]:
    """Return the sha256 of the secret that each of several simultaneous processes creates."""
    answers, writer = os.pipe()
    gate, opener = os.pipe()
    children = []
    for _ in range(count):
        children.append(os.fork())
        if not children[-1]:
            os.read(gate, 1)
            os.write(writer, sha256(make_secret().value or b"").digest())
            os._exit(0)
    os.write(opener, b"x" * count)
    for child in children:
        os.waitpid(child, 0)
    found = os.read(answers, 32 * count)
    for each in (answers, writer, gate, opener):
        os.close(each)
    assert len(found) == 32 * count
    return {found[place : place + 32] for place in range(0, len(found), 32)}


@pytest.mark.parametrize("before", [None, b"", b"short", b"x" * 33])
def test_simultaneous_processes_share_one_secret(before: bytes | None, secret: Path) -> None:
    for _ in range(5):
        if secret.exists():
            secret.unlink()
        if before is not None:
            secret.parent.mkdir(parents=True, exist_ok=True)
            secret.write_bytes(before)
            secret.chmod(0o600)
        assert in_processes(8) == {sha256(secret.read_bytes()).digest()}
    assert len(secret.read_bytes()) == 32
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert not list(secret.parent.glob(".secret.????*[0-9a-f]"))


def test_a_secret_is_never_replaced_unless_damaged_and_then_with_a_note(secret: Path) -> None:
    first = make_secret()
    assert (first.value, first.note) == (secret.read_bytes(), "")
    assert make_secret() == first
    secret.write_bytes(b"")
    assert find_secret() is None
    anew = make_secret()
    assert anew.value == secret.read_bytes() == find_secret()
    assert "had 0 bytes instead of 32, and was created again" in anew.note
    assert make_secret().note == ""


def test_a_file_system_without_hard_links_has_one_secret_too(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert in_processes(8) == {sha256(secret.read_bytes()).digest()}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.chmod(0o640), "other users may read or write"),
        (lambda path: path.chmod(0o602), "other users may read or write"),
        (lambda path: os.chown(path, 12345, -1), "belongs to another user"),
        (lambda path: (path.unlink(), path.mkdir()), "not a regular file"),
        (lambda path: (path.unlink(), path.symlink_to("/dev/null")), "not a regular file"),
        (lambda path: (path.unlink(), path.parent.rmdir(), path.parent.write_text("")), "cannot be read or created"),
    ],
)
def test_an_unsafe_or_unusable_secret_signs_nothing_and_the_run_records_why(
    make: Any, said: str, secret: Path, tmp_path: Path
) -> None:
    if os.geteuid() != 0 and said == "belongs to another user":
        pytest.skip("only root can give a file away")
    make_secret()
    make(secret)
    assert find_secret() is None
    (tmp_path / "x.yaml").write_text(CONFIG)
    folder = create_folder(read_spec(tmp_path / "x.yaml"), tmp_path / "runs")
    assert not is_own(folder)
    note = folder.read_record().signature_note
    assert note is not None
    assert note.startswith("the run is not signed, so it counts as made elsewhere: ")
    assert said in note


def test_a_signed_run_has_no_signature_note(secret: Path, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG)
    folder = create_folder(read_spec(tmp_path / "x.yaml"), tmp_path / "runs")
    assert is_own(folder)
    assert folder.read_record().signature_note is None
    assert secret.exists()


def test_a_file_system_without_fsync_still_keeps_the_secret(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Disk, __: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(Disk, "fsync", refused)
    made = make_secret()
    assert (made.note, made.value) == ("", secret.read_bytes())
