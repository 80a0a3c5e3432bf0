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


def identity_of(number: int) -> ProcessIdentity:
    return replace(this_process(), number=number, started=int(Path(f"/proc/{number}/stat").read_text().split()[21]))


def test_a_process_lives_until_it_ends_even_if_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        identity = identity_of(child.pid)
        assert not this_process().has_ended(identity)
        child.send_signal(signal.SIGSTOP)
        assert not this_process().has_ended(identity)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now: nobody has waited for it
        assert this_process().has_ended(identity)
    assert this_process().has_ended(identity)
    monkeypatch.setattr(process, "_PROC", Path("/nothing"))  # as where /proc hides the processes of other users
    assert not this_process().has_ended(identity_of(os.getpid()))
    assert this_process().has_ended(identity)


def test_a_later_process_with_the_same_id_is_another_one() -> None:
    assert not this_process().has_ended(this_process())
    assert this_process().has_ended(replace(this_process(), started=this_process().started + 1))


def test_of_a_process_elsewhere_nothing_is_known(other: ProcessIdentity) -> None:
    assert not this_process().has_ended(replace(other, number=2**31 - 7))
    container = replace(this_process(), namespace="1")
    assert not this_process().sees(container)
    assert not this_process().has_ended(replace(container, started=1))


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
