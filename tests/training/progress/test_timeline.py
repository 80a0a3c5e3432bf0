import contextlib
import time

import pytest

from dlrun.training.progress.timeline import PHASES, Timeline, added


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_every_second_counts_once_even_in_a_nested_phase(clock: list[float]) -> None:
    timeline = Timeline(began=98.0)
    with timeline.spent("train"):
        clock[0] += 5
        with timeline.spent("save"):
            clock[0] += 2
        clock[0] += 1
    clock[0] += 4
    seconds = timeline.seconds()
    assert seconds == {**dict.fromkeys(PHASES, 0.0), "start": 6.0, "train": 6.0, "save": 2.0}


def test_a_phase_ends_with_the_error_that_ends_it(clock: list[float]) -> None:
    timeline = Timeline()
    with contextlib.suppress(KeyError), timeline.spent("data"):
        clock[0] += 1
        raise KeyError
    clock[0] += 1
    assert timeline.seconds()["data"] == 1
    assert timeline.seconds()["start"] == 1


def test_a_resumed_run_adds_up_its_times() -> None:
    total = added({"train": 2.0, "start": 1.0}, {"train": 3.5})
    assert total == {**dict.fromkeys(PHASES, 0.0), "start": 1.0, "train": 5.5}
