"""A lease has one holder, among all processes on all machines."""

import contextlib
import errno
import functools
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dlrun.errors import TakenOverError
from dlrun.system.lease.lease import Lease, read_lease, take_lease
from dlrun.system.lease.process import ProcessIdentity, this_process
from dlrun.system.lease.renewal import renewal
from dlrun.system.lease.state import LeaseState, newest_state
from dlrun.system.lease.watch import Watch

HERE, NODE7, NODE8 = (replace(this_process(), host=name, boot=boot * 16) for name, boot in ("ha", "7b", "8c"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def hour() -> Watch:
    """What somebody has seen who finds an hour gone by whenever looking again."""
    return Watch(iter(range(0, 10**9, 3600)).__next__)


def taken(place: Path, *, by: ProcessIdentity = HERE, seen: Watch | None = None) -> Lease:
    found = take_lease(place, what="it", owner=by, seen=seen or Watch())
    assert isinstance(found, Lease)
    return found


def refused(place: Path, *, by: ProcessIdentity = HERE, seen: Watch | None = None) -> LeaseState:
    found = take_lease(place, what="it", owner=by, seen=seen or Watch())
    assert isinstance(found, LeaseState)
    return found


def state_in(place: Path) -> LeaseState:
    (name,) = (path.name for path in place.iterdir())
    state = newest_state([name])
    assert state is not None
    return state


def test_a_lease_has_one_holder_and_a_larger_token_each_time(place: Path) -> None:
    for token in (1, 2, 3):
        lease = taken(place)
        assert (lease.token, refused(place).token, refused(place, by=NODE7).token) == (token, token, token)
        assert read_lease(place, owner=HERE) == state_in(place)
        lease.release()
        assert read_lease(place) is None
    lease = taken(place)
    lease.release(removes=True)
    lease.release()
    assert not place.exists()
    assert taken(place).token == 1


def test_the_lease_of_a_process_that_ended_here_is_free_at_once_and_one_elsewhere_after_its_time(
    place: Path, hour: Watch
) -> None:
    gone = replace(HERE, number=2**22 + 1)
    taken(place, by=gone)
    assert refused(place, by=NODE7).owner == gone
    assert read_lease(place, owner=HERE) is None
    assert taken(place).token == 2
    refused(place, by=NODE7, seen=hour)
    assert read_lease(place, owner=NODE7, seen=hour) is None
    refused(place, by=replace(HERE, namespace="1"))  # a container on this machine sees no more than another machine
    assert taken(place, by=NODE7, seen=hour).token == 3


def test_a_holder_that_was_taken_over_notices_and_does_not_disturb_the_next_one(place: Path, hour: Watch) -> None:
    first = taken(place, by=NODE7)
    refused(place, seen=hour)
    second = taken(place, seen=hour)
    with pytest.raises(TakenOverError, match=f"it was taken over by process {os.getpid()} on h, because") as raised:
        first.confirm()
    assert "120" in raised.value.expected
    first.release(removes=True)
    with pytest.raises(TakenOverError):
        first.confirm(within=1000.0)
    second.confirm()
    assert state_in(place).token == second.token == 2
    # And the next one after that.
    refused(place, by=NODE8, seen=hour)
    third = taken(place, by=NODE8, seen=hour)
    for lost in (first, second):
        with pytest.raises(TakenOverError):
            lost.confirm()
    third.confirm()


def test_a_lease_inside_another_one_is_lost_with_it(tmp_path: Path, hour: Watch) -> None:
    claim = taken(tmp_path / "claim", by=NODE7)
    with claim.around():
        run = taken(tmp_path / "run", by=NODE7)
    run.confirm()
    refused(tmp_path / "claim", seen=hour)
    taken(tmp_path / "claim", seen=hour).release(removes=True)
    time.sleep(0.11)
    before = state_in(tmp_path / "run")
    with pytest.raises(TakenOverError):
        run.confirm()
    assert state_in(tmp_path / "run") == before  # the next holder of the claim sees no sign of life


def test_a_renewal_in_the_last_moment_defeats_the_takeover(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder, rename = taken(place, by=NODE7), os.rename
    clock = iter((0.0, 121.0, 121.0, 121.0))
    seen = Watch(clock.__next__)
    refused(place, seen=seen)

    def late(before: str, after: str, **folders: int) -> None:
        monkeypatch.setattr(os, "rename", rename)
        holder.confirm()
        rename(before, after, **folders)

    monkeypatch.setattr(os, "rename", late)
    assert refused(place, seen=seen).beat == 1
    holder.confirm()


def test_clocks_and_times_of_files_change_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Watch()
    holder = taken(place, by=NODE7)
    for jump in (-3600, 3600, 10**8):
        monkeypatch.setattr("time.time", lambda jump=jump: jump)
        for path in (place, *place.iterdir()):
            os.utime(path, (10**9 + jump, 10**9 + jump))
        refused(place, seen=seen)
        holder.confirm(within=1.0)
        holder.confirm()


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ESTALE, errno.EACCES])
def test_a_renewal_whose_answer_was_lost_is_found_again(
    number: int, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, rename = taken(place), os.rename

    def answer_lost(before: str, after: str, **folders: int) -> None:
        if state_in(place).beat == 0:
            rename(before, after, **folders)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "rename", answer_lost)
    lease.confirm()
    monkeypatch.undo()
    lease.confirm()
    assert state_in(place).beat == 2


def test_a_signal_handler_may_write_while_a_renewal_is_under_way(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease, rename = taken(place), os.rename
    for is_before in (True, False):

        def interrupted(before: str, after: str, *, is_before: bool = is_before, **folders: int) -> None:
            monkeypatch.setattr(os, "rename", rename)
            if is_before:
                lease.confirm()
            rename(before, after, **folders)
            if not is_before:
                lease.confirm()

        monkeypatch.setattr(os, "rename", interrupted)
        lease.confirm()
        lease.confirm()
    lease.release()
    assert state_in(place).owner is None


def test_a_holder_whose_folder_moves_keeps_it_and_one_whose_folder_is_gone_notices(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    lease = taken(run / "lock")
    run.rename(tmp_path / ".drop-run")
    lease.confirm()
    assert state_in(tmp_path / ".drop-run" / "lock").beat == 1
    shutil.rmtree(tmp_path / ".drop-run")
    with pytest.raises(TakenOverError, match="removed by another program"):
        lease.confirm()
    with pytest.raises(FileNotFoundError):
        take_lease(run / "lock", what="it")


def test_an_empty_folder_is_free_and_one_of_other_files_is_an_error(tmp_path: Path, place: Path) -> None:
    place.mkdir()  # as left by a process that was killed while it removed its lease
    taken(place).release()
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "notes.txt").touch()
    with pytest.raises(OSError, match="other files than those of a lock"):
        take_lease(strange, what="it")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "strange"]
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(place)
    for name in ("file", "link"):
        assert read_lease(tmp_path / name) is None
        with pytest.raises(NotADirectoryError):
            take_lease(tmp_path / name, what="it")


def forked(count: int, work: Callable[[int], int]) -> list[int]:
    """Return the exit codes of processes that begin their work together."""
    reader, writer = os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if not child:
            code = 99
            with contextlib.suppress(BaseException):
                os.close(writer)
                os.read(reader, 1)  # ends when the parent closes the pipe
                code = work(number)
            os._exit(code)
        children.append(child)
    os.close(reader)
    os.close(writer)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def hosts(number: int) -> ProcessIdentity:
    return replace(this_process(), host=f"node{number}", boot=f"{number:016x}")


@pytest.mark.parametrize("before", ["never held", "given back", "removed", "ended elsewhere"])
def test_of_many_processes_on_many_machines_that_take_one_lease_exactly_one_gets_it(
    before: str, tmp_path: Path
) -> None:
    for turn in range(5):
        place, now = tmp_path / str(turn), [0.0]
        seen = Watch(functools.partial(now.__getitem__, 0))
        if before != "never held":
            lease = taken(place, by=NODE7)
            renewal.remove(lease)
            if before == "ended elsewhere":
                refused(place, seen=seen)
                now[0] = 121.0
            else:
                lease.release(removes=before == "removed")

        def take(number: int, place: Path = place, seen: Watch = seen) -> int:
            found = take_lease(place, what="it", owner=hosts(number), seen=seen)
            return 0 if isinstance(found, Lease) else 1

        assert sorted(forked(6, take)) == [0, 1, 1, 1, 1, 1]
        assert state_in(place).token == (2 if before in ("given back", "ended elsewhere") else 1)
    assert not [path for path in tmp_path.iterdir() if "-" in path.name]


def exclusively(place: Path, *, turns: int, number: int, removes: bool) -> int:
    """Take a lease many times; return 0 if nobody else was inside meanwhile."""
    inside, done = place.with_name("inside"), 0
    deadline = time.monotonic() + 60
    while done < turns and time.monotonic() < deadline:
        found = take_lease(place, what="it", seen=Watch())
        if isinstance(found, Lease):
            try:
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                return 2
            time.sleep(0.0001 * number)
            inside.unlink()
            found.release(removes=removes)
            done += 1
    return 0 if done == turns else 3


@pytest.mark.parametrize("removes", [False, True])
def test_no_two_processes_are_inside_at_once(removes: bool, place: Path) -> None:
    def work(number: int) -> int:
        return exclusively(place, turns=15, number=number, removes=removes)

    assert forked(4, work) == [0, 0, 0, 0]


@pytest.mark.soak
@pytest.mark.parametrize("removes", [False, True])
def test_no_two_processes_are_inside_at_once_while_holders_are_killed(removes: bool, place: Path) -> None:
    """Each child takes, is inside, and is killed at a random moment; its number stays in the file `inside`."""
    import random

    moments, inside = random.Random(0), place.with_name("inside")
    children: list[int] = []

    def take_and_stay() -> int:
        while True:
            found = take_lease(place, what="it", seen=Watch())
            if isinstance(found, Lease):
                before = inside.read_text() if inside.exists() else ""
                if before and os.path.exists(f"/proc/{before}/status"):  # noqa: PTH110
                    status = Path(f"/proc/{before}/status").read_text()
                    if "State:\tZ" not in status:
                        return 2
                inside.write_text(str(os.getpid()))
                time.sleep(moments.uniform(0, 0.004))
                inside.write_text("")
                found.release(removes=removes)

    deadline = time.monotonic() + 30
    codes = []
    while time.monotonic() < deadline:
        while len(children) < 6:
            child = os.fork()
            if not child:
                code = 99
                with contextlib.suppress(BaseException):
                    moments.seed(os.getpid())
                    code = take_and_stay()
                os._exit(code)
            children.append(child)
        time.sleep(moments.uniform(0, 0.02))
        victim = children.pop(moments.randrange(len(children)))
        os.kill(victim, signal.SIGKILL)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(victim, 0)[1]))
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert set(codes) == {-signal.SIGKILL}
    assert len(codes) > 200
