"""A process is told apart from all others on all machines, and is never thought to have ended while it lives."""

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dlrun.system.lease import process
from dlrun.system.lease.process import ProcessIdentity, paused_clock, this_process


@pytest.fixture
def other() -> ProcessIdentity:
    return replace(this_process(), host="node7", boot="f" * 16)


def has_ended(other: ProcessIdentity) -> bool:
    return this_process().has_ended(other, place=Path())


def identity_of(number: int) -> ProcessIdentity:
    return replace(this_process(), number=number, started=int(Path(f"/proc/{number}/stat").read_text().split()[21]))


def test_a_process_lives_until_it_ends_even_if_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        identity = identity_of(child.pid)
        assert not has_ended(identity)
        child.send_signal(signal.SIGSTOP)
        assert not has_ended(identity)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now: nobody has waited for it
        assert has_ended(identity)
    assert has_ended(identity)
    monkeypatch.setattr(process, "_PROC", Path("/nothing"))  # as where /proc hides the processes of other users
    assert not has_ended(identity_of(os.getpid()))
    assert has_ended(identity)


def test_a_later_process_with_the_same_id_is_another_one() -> None:
    assert not has_ended(this_process())
    assert has_ended(replace(this_process(), started=this_process().started + 1))


def test_of_a_process_elsewhere_nothing_is_known(other: ProcessIdentity) -> None:
    assert not has_ended(replace(other, number=2**31 - 7))
    container = replace(this_process(), namespace="1")
    assert not this_process().sees(container)
    assert not has_ended(replace(container, started=1))


@pytest.mark.parametrize(
    ("mounts", "is_over"),
    [
        ("/ - ext4 x", True),
        ("/ - ext4 x\n/data\\040disk - nfs4 x", False),
        ("/data\\040disk - nfs4 x\n/data\\040disk - xfs x", True),
        ("/ - ext4 x\n/data\\040disk/other - nfs x\n/dat - nfs x", True),
        ("/ - fuse.sshfs x", False),
        ("", False),
        ("odd", False),
    ],
)
def test_what_ran_before_a_restart_is_over_where_only_this_machine_sees_the_files(
    mounts: str, is_over: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = this_process()
    before = replace(here, boot="f" * 16)
    (tmp_path / "self").mkdir()
    text = "".join(f"22 27 0:21 / {line}\n" for line in mounts.splitlines())
    (tmp_path / "self" / "mountinfo").write_text(text.replace(" - ", " rw - "))
    monkeypatch.setattr(process, "_PROC", tmp_path)
    assert here.has_ended(before, place=Path("/data disk/runs/x/.lock")) == is_over
    assert not here.has_ended(replace(before, host="node7"), place=Path("/data disk/runs/x/.lock"))


def test_an_environment_variable_sets_machines_apart_and_never_together(monkeypatch: pytest.MonkeyPatch) -> None:
    here = this_process()
    monkeypatch.setenv("DLRUN_HOST", "node 7/a")
    apart = this_process()
    assert apart.host == "node-7-a"
    assert not here.sees(apart)
    monkeypatch.setattr(process, "_PROC", Path("/nothing"))  # another machine with the same variable
    process._identity.cache_clear()
    assert not apart.sees(this_process())
    process._identity.cache_clear()


def test_the_clock_of_pauses_is_not_the_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    before = paused_clock()
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert 0 <= paused_clock() - before < 60
