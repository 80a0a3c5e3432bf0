import pytest

from dlrun.errors import RunError
from dlrun.training.stop import Stop


def test_an_error_that_a_signal_has_led_to_is_an_interruption() -> None:
    stop = Stop()
    with pytest.raises(SystemError), stop.recognised():
        raise SystemError("bad argument to internal function")
    stop.signal = 2
    with pytest.raises(KeyboardInterrupt) as raised, stop.recognised():
        raise SystemError("bad argument to internal function")
    assert raised.value.args == (2,)


def test_a_failure_that_was_understood_stays_one() -> None:
    stop = Stop()
    stop.signal = 2
    with pytest.raises(RunError, match="the disk is full"), stop.recognised():
        raise RunError("cannot write: the disk is full")
