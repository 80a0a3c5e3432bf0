import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlrun.errors import RunError
from dlrun.experiment.record import recording
from dlrun.runs.folder import RunFolder
from dlrun.training import stop as module
from dlrun.training.stop import Stop, handled_signals, stop_with


class Left(BaseException):
    """Raised where the process would have ended."""


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stop]:
    """Return a Stop that handles signals, in a process that survives them."""

    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr("dlrun.training.stop.os._exit", leave)
    made = Stop()
    with made.listening():
        yield made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_simultaneous_signals_count_as_one_and_a_later_one_ends_the_process_with_the_run_recorded(
    stop: Stop, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.create(tmp_path, name="x")

    def go_on() -> None:
        for _ in range(3):
            signal.raise_signal(number)
        assert (stop.signal, folder.read_record().status) == (number, "running")
        monkeypatch.setattr(module, "_ONE_PRESS_SECONDS", 0.0)
        try:
            signal.raise_signal(number)
        finally:
            assert folder.read_record().status == "interrupted"

    with stop.deferred(max_seconds=None), pytest.raises(Left) as raised, recording(folder, stop):
        go_on()
    assert raised.value.args == (128 + number,)


def test_a_run_that_has_ended_is_not_recorded_as_interrupted(stop: Stop, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, name="x")
    with recording(folder, stop):
        pass
    stop.leave()
    assert folder.read_record().status == "completed"


def test_sighup_stops_the_run_unless_it_was_ignored_before() -> None:
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert set(handled_signals()) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
        with Stop().listening():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_stops_when_the_other_end_of_its_pipe_closes(stop: Stop) -> None:
    reader, writer = os.pipe()
    with stop.deferred(max_seconds=None):
        stop_with(reader)
        os.close(writer)
        deadline = time.monotonic() + 10
        while stop.signal is None and time.monotonic() < deadline:
            time.sleep(0.005)
    assert stop.signal == signal.SIGTERM
    os.close(reader)


def test_an_error_caused_by_a_signal_is_an_interruption() -> None:
    stop = Stop()
    with pytest.raises(SystemError), stop.recognised():
        raise SystemError("bad argument to internal function")
    stop.signal = 2
    with pytest.raises(KeyboardInterrupt) as raised, stop.recognised():
        raise SystemError("bad argument to internal function")
    assert raised.value.args == (2,)


def test_an_error_of_dlrun_is_not_taken_for_an_interruption() -> None:
    stop = Stop()
    stop.signal = 2
    with pytest.raises(RunError, match="the disk is full"), stop.recognised():
        raise RunError("cannot write: the disk is full")
