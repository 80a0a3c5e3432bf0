"""Lines that only some runs show, and how they look on a terminal."""

import io
import re

import pytest

from dlrun.cli.display.console import Console
from dlrun.cli.display.display import Display
from dlrun.training.progress.events import (
    EpochDone,
    Event,
    Note,
    StepsDone,
    TimeSpent,
    TrainingDone,
    TrainingStarted,
    only_warnings,
)

ROW = {"epoch": 1, "step": 8, "seconds": 2.0, "examples_per_second": 100.0, "data_wait": 0.0, "learning_rate": 0.1}


@pytest.fixture
def display() -> Display:
    made = Display(Console(quiet=False))
    made.console.terminal = io.StringIO()
    return made


def said_by(display: Display) -> str:
    assert isinstance(display.console.terminal, io.StringIO)
    return display.console.terminal.getvalue()


@pytest.mark.parametrize(
    ("seconds", "data_wait", "told"), [(12.0, 0.35, True), (12.0, 0.02, False), (0.4, 0.35, False)]
)
def test_much_waiting_for_data_is_reported_with_advice(
    seconds: float, data_wait: float, display: Display, *, told: bool
) -> None:
    display(TrainingDone("", seconds, data_wait))
    said = said_by(display)
    assert ("data wait  35% of the training time" in said) == told
    assert ("training.feed=device" in said) == told


@pytest.mark.parametrize(("data_wait", "told"), [(0.03, True), (0.001, False)])
def test_an_epoch_shows_its_data_wait_if_there_is_any(data_wait: float, display: Display, *, told: bool) -> None:
    display(EpochDone(1, 3, {**ROW, "loss": 0.5, "data_wait": data_wait}, is_best=True))
    said = said_by(display)
    assert said.startswith("epoch 1/3  loss 0.5000  2.0 s  100/s")
    assert ("data wait 3%" in said) == told


def test_the_phases_add_up_to_the_total_time(display: Display) -> None:
    display(TimeSpent({"start": 2.0, "train": 70.25}))
    assert "time       1:12 min: start 2.0, train 70.2" in said_by(display)


def test_warnings_reach_a_quiet_terminal_and_nothing_else_does(display: Display) -> None:
    display.console.quiet = True
    display(Note("device", "cpu: TensorFlow sees no GPU"))
    display(Note("warning", "every value is missing in 3 of 9 examples"))
    display(TimeSpent({"train": 1.0}))
    assert said_by(display) == "warning    every value is missing in 3 of 9 examples\n"


def test_a_listener_for_warnings_passes_warnings_on() -> None:
    heard: list[Event] = []
    listen = only_warnings(heard.append)
    for event in (Note("data", "a"), Note("warning", "b"), TimeSpent({})):
        listen(event)
    assert heard == [Note("warning", "b")]


@pytest.mark.parametrize("ended", [True, False])
def test_the_last_epoch_of_a_training_that_ends_early_is_printed(display: Display, *, ended: bool) -> None:
    for epoch in range(1, 38):
        display(EpochDone(epoch, 100, {**ROW, "epoch": epoch, "loss": 0.5}, is_best=False))
    display(TrainingDone("early", 12.0, 0.0)) if ended else display.close()
    epochs = [line.split()[1] for line in said_by(display).splitlines() if line.startswith("epoch")]
    assert epochs == ["1/100", "5/100", *(f"{epoch}/100" for epoch in range(10, 36, 5)), "37/100"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_terminal_no_line_is_split_inside_a_word(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    display = Display(Console())
    display.console.terminal = Terminal()
    said = "standardize: mean 0 and variance 1 as measured on the training split, as the columns of a table differ"
    display(TrainingStarted(1234, {"train": 10}, 1000, 5000, "val_loss"))
    display(Note("data", said))
    display(Note("warning", said))
    for epoch in (1, 2):
        scores = {f"a_score_with_a_long_name_{number}": 0.5 for number in range(9)}
        display(StepsDone(epoch, 1, 2, {"loss": 0.5, **scores}, 1e4, 600.0))
        display(EpochDone(epoch, 1000, {**ROW, "loss": 0.5, **scores, "val_loss": 0.25}, is_best=True))
    display(TrainingDone("", 12.0, 0.9))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said_by(display)).replace("\r", "\n")
    assert max(map(len, text.splitlines())) <= width
    assert " ".join(text.split()).count(said) == 2
    assert re.search(r"epoch    1/1000  loss 0.5000 .* val_loss 0.2500", text)
