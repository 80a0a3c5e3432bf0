"""One call of the graph takes about half a second."""

import pytest

from dlrun.training.progress.pace import SECONDS_PER_CALL, Pace


def test_the_first_call_is_one_step_and_its_time_is_ignored() -> None:
    pace = Pace()
    assert pace.steps == 1
    pace.record_call(1, 60.0)  # it traces the graph
    assert pace.steps == 8


@pytest.mark.parametrize("seconds_per_step", [1e-5, 0.01, 0.3, 4.0])
def test_calls_come_to_take_half_a_second_or_one_step(seconds_per_step: float) -> None:
    pace = Pace()
    for _ in range(12):
        pace.record_call(pace.steps, pace.steps * seconds_per_step)
    assert pace.steps == pytest.approx(max(1, SECONDS_PER_CALL / seconds_per_step), rel=0.01, abs=1)


def test_a_short_call_may_raise_the_number_and_never_lower_it() -> None:
    pace = Pace()
    pace.record_call(1, 1.0)
    pace.record_call(8, 0.1)
    assert pace.steps == 32
    pace.record_call(2, 1.0)  # the end of an epoch
    assert pace.steps == 32
    pace.record_call(32, 1.0)
    assert pace.steps == 16


def test_the_wait_for_data_is_a_fraction_of_the_training() -> None:
    pace = Pace()
    assert pace.data_wait == 0
    pace.train_seconds, pace.wait_seconds = 8.0, 2.0
    assert pace.data_wait == 0.25
